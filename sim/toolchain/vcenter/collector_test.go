package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmware/govmomi"
	"github.com/vmware/govmomi/fault"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/property"
	"github.com/vmware/govmomi/view"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/types"
)

// What the vSphere provider does when Pulumi creates and deletes machines in parallel: all wait with the session's collector.
func TestParallelClonesAndDestroysOverOneSession(t *testing.T) {
	ctx, client := testVCenter(t)
	finder, site := findSite(t, ctx, client)
	template, err := finder.VirtualMachine(ctx, "ubuntu-24.04")
	if err != nil {
		t.Fatal(err)
	}
	cloneAndDestroy := func(name string) error {
		task, err := template.Clone(ctx, site.folder, name, types.VirtualMachineCloneSpec{Location: site.spec})
		if err != nil {
			return err
		}
		info, err := task.WaitForResultEx(ctx)
		if err != nil {
			return fmt.Errorf("wait for the clone: %w", err)
		}
		vm := object.NewVirtualMachine(client.Client, info.Result.(types.ManagedObjectReference))
		if task, err = vm.Destroy(ctx); err != nil {
			return err
		}
		if err := task.WaitEx(ctx); err != nil {
			return fmt.Errorf("wait for its destruction: %w", err)
		}
		return nil
	}

	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			if err := cloneAndDestroy(fmt.Sprintf("node-%d", i)); err != nil {
				t.Errorf("node-%d: %v", i, err)
			}
		})
	}
	all.Wait()
	left, err := finder.VirtualMachineList(ctx, "node-*")
	if len(left) > 0 {
		t.Errorf("%v are left, expected none", left)
	} else if err == nil {
		t.Error("looking for machines that are gone succeeded")
	}
}

// updatesTest has a collector of its own, and a folder whose name is all that its filters ask for.
type updatesTest struct {
	*testing.T
	ctx       context.Context
	client    *govmomi.Client
	collector types.ManagedObjectReference
}

func newUpdatesTest(t *testing.T) updatesTest {
	ctx, client := testVCenter(t)
	collector, err := property.DefaultCollector(client.Client).Create(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return updatesTest{t, ctx, client, collector.Reference()}
}

func (t updatesTest) folder(name string) *object.Folder {
	t.Helper()
	folder, err := object.NewRootFolder(t.client.Client).CreateFolder(t.ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	return folder
}

func (t updatesTest) rename(folder *object.Folder, name string) {
	t.Helper()
	task, err := folder.Rename(t.ctx, name)
	if err == nil {
		err = task.Wait(t.ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (t updatesTest) destroy(folder *object.Folder) {
	t.Helper()
	task, err := folder.Destroy(t.ctx)
	if err == nil {
		err = task.Wait(t.ctx)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (t updatesTest) filter(root object.Reference, selection ...types.BaseSelectionSpec) types.ManagedObjectReference {
	t.Helper()
	res, err := methods.CreateFilter(t.ctx, t.client, &types.CreateFilter{
		This: t.collector,
		Spec: types.PropertyFilterSpec{
			PropSet:   []types.PropertySpec{{Type: "Folder", PathSet: []string{"name"}}},
			ObjectSet: []types.ObjectSpec{{Obj: root.Reference(), SelectSet: selection}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return res.Returnval
}

func (t updatesTest) ask(version string, options types.WaitOptions) (*types.UpdateSet, error) {
	res, err := methods.WaitForUpdatesEx(t.ctx, t.client, &types.WaitForUpdatesEx{
		This: t.collector, Version: version, Options: &options,
	})
	if err != nil {
		return nil, err
	}
	return res.Returnval, nil
}

// now asks without waiting.
func (t updatesTest) now(version string) *types.UpdateSet {
	t.Helper()
	set, err := t.ask(version, types.WaitOptions{MaxWaitSeconds: types.NewInt32(0)})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// wait asks in the background, and returns when the vCenter waits, unless the machine is busy.
func (t updatesTest) wait(version string) <-chan answer {
	answers := make(chan answer, 1)
	go func() {
		set, err := t.ask(version, types.WaitOptions{})
		answers <- answer{set, err}
	}()
	time.Sleep(50 * time.Millisecond)
	return answers
}

type answer struct {
	set *types.UpdateSet
	err error
}

// told is what an update set says, one word for each object: `enter:name`, `modify:name`, `leave`.
func told(set *types.UpdateSet) string {
	if set == nil {
		return "nothing"
	}
	var words []string
	for _, filter := range set.FilterSet {
		for _, o := range filter.ObjectSet {
			word := string(o.Kind)
			for _, change := range o.ChangeSet {
				word += fmt.Sprintf(":%v", change.Val)
			}
			words = append(words, word)
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func (t updatesTest) expect(set *types.UpdateSet, words string) {
	t.Helper()
	if got := told(set); got != words {
		t.Errorf("told %q, expected %q", got, words)
	}
}

func (t updatesTest) expectAnswer(answers <-chan answer, words string) {
	t.Helper()
	select {
	case a := <-answers:
		if a.err != nil {
			t.Fatal(a.err)
		}
		t.expect(a.set, words)
	case <-t.ctx.Done():
		t.Fatalf("no answer, expected %q", words)
	}
}

func TestEveryWaiterIsTold(test *testing.T) {
	t := newUpdatesTest(test)
	folder := t.folder("a")
	t.filter(folder)
	first := t.now("")
	t.expect(first, "enter:a")

	waiters := []<-chan answer{t.wait(first.Version), t.wait(first.Version), t.wait(first.Version)}
	t.rename(folder, "b")
	for _, w := range waiters {
		t.expectAnswer(w, "modify:b")
	}
}

func TestAVersionMayBeAskedForAgain(test *testing.T) {
	t := newUpdatesTest(test)
	folder := t.folder("a")
	t.filter(folder)
	first := t.now("")
	t.rename(folder, "b")
	second := t.now(first.Version)
	t.expect(second, "modify:b")
	t.rename(folder, "c")
	t.expect(t.now(second.Version), "modify:c")
	t.expect(t.now(first.Version), "modify:c")
	t.expect(t.now(""), "enter:c")
}

func TestFiltersComeAndGoWhileClientsWait(test *testing.T) {
	t := newUpdatesTest(test)
	a, b := t.folder("a"), t.folder("b")
	filter := t.filter(a)
	first := t.now("")

	waiter := t.wait(first.Version)
	t.filter(b)
	t.expectAnswer(waiter, "enter:b")

	waiter = t.wait(t.now("").Version)
	if _, err := methods.DestroyPropertyFilter(t.ctx, t.client, &types.DestroyPropertyFilter{This: filter}); err != nil {
		t.Fatal(err)
	}
	t.rename(a, "a2")
	t.rename(b, "b2")
	t.expectAnswer(waiter, "modify:b2")
	t.expect(t.now(""), "enter:b2")
}

func TestObjectsComeAndGo(test *testing.T) {
	t := newUpdatesTest(test)
	a, b := t.folder("a"), t.folder("b")
	list, err := view.NewManager(t.client.Client).CreateListView(t.ctx, []types.ManagedObjectReference{a.Reference()})
	if err != nil {
		t.Fatal(err)
	}
	t.filter(list, &types.TraversalSpec{Type: "ListView", Path: "view"})
	both := []types.ManagedObjectReference{a.Reference(), b.Reference()}

	alone := t.now("")
	t.expect(alone, "enter:a")
	if _, err := list.Reset(t.ctx, both[1:]); err != nil {
		t.Fatal(err)
	}
	exchanged := t.now(alone.Version)
	t.expect(exchanged, "enter:b leave")
	if _, err := list.Reset(t.ctx, both); err != nil {
		t.Fatal(err)
	}
	t.expect(t.now(exchanged.Version), "enter:a")
	t.expect(t.now(alone.Version), "enter:b modify:a") // who has not heard that it went knows it still

	waiter := t.wait(t.now("").Version)
	t.destroy(b)
	t.expectAnswer(waiter, "leave")
	t.expect(t.now(""), "enter:a")
}

func TestManyUpdatesComeInPages(test *testing.T) {
	t := newUpdatesTest(test)
	const folders = 2*mostUpdates + 5
	for i := range folders {
		t.filter(t.folder(fmt.Sprintf("f%d", i)))
	}
	pages := func(page int32) (counts []int, names map[string]bool) {
		t.Helper()
		names = make(map[string]bool)
		for version := ""; ; {
			set, err := t.ask(version, types.WaitOptions{MaxObjectUpdates: page, MaxWaitSeconds: types.NewInt32(0)})
			if err != nil {
				t.Fatal(err)
			}
			words := strings.Fields(told(set))
			for _, word := range words {
				names[word] = true
			}
			counts = append(counts, len(words))
			if set.Truncated == nil || !*set.Truncated {
				t.expect(t.now(set.Version), "nothing")
				return counts, names
			}
			version = set.Version
		}
	}
	for _, c := range []struct {
		page   int32
		counts []int
	}{
		{0, []int{100, 100, 5}},
		{1000, []int{100, 100, 5}},
		{50, []int{50, 50, 50, 50, 5}},
	} {
		counts, names := pages(c.page)
		if !slices.Equal(counts, c.counts) || len(names) != folders {
			t.Errorf("pages of %d: %v with %d folders, expected %v with %d", c.page, counts, len(names), c.counts, folders)
		}
	}
}

// A folder that is new to a client stays so until it is on a page, even if it changes in between.
func TestPagesLoseNothingOfWhatChangesMeanwhile(test *testing.T) {
	t := newUpdatesTest(test)
	a, b := t.folder("a"), t.folder("b")
	t.filter(a)
	t.filter(b)
	one := types.WaitOptions{MaxObjectUpdates: 1, MaxWaitSeconds: types.NewInt32(0)}
	first, err := t.ask("", one)
	if err != nil {
		t.Fatal(err)
	}
	t.expect(first, "enter:a")
	t.rename(b, "b2")
	t.rename(a, "a2")
	second, err := t.ask(first.Version, one)
	if err != nil {
		t.Fatal(err)
	}
	t.expect(second, "enter:b2")
	rest := t.now(second.Version)
	if got := told(rest); !strings.Contains(got, "modify:a2") {
		t.Errorf("told %q, expected modify:a2 in it", got)
	}
}

func TestWaitsEnd(test *testing.T) {
	t := newUpdatesTest(test)
	t.filter(t.folder("a"))
	first := t.now("")

	t.expect(t.now(first.Version), "nothing")
	start := time.Now()
	set, err := t.ask(first.Version, types.WaitOptions{MaxWaitSeconds: types.NewInt32(1)})
	if took := time.Since(start); err != nil || set != nil || took < time.Second {
		t.Errorf("MaxWaitSeconds 1: %v, %v after %v, expected nothing after a second", set, err, took)
	}

	waiters := []<-chan answer{t.wait(first.Version), t.wait(first.Version)}
	for _, w := range waiters {
		var a answer
		for waiting := true; waiting; { // on a busy machine a wait may begin after the first of these
			cancel := &types.CancelWaitForUpdates{This: t.collector}
			if _, err := methods.CancelWaitForUpdates(t.ctx, t.client, cancel); err != nil {
				t.Fatal(err)
			}
			select {
			case a = <-w:
				waiting = false
			case <-time.After(100 * time.Millisecond):
			}
		}
		if !fault.Is(a.err, &types.RequestCanceled{}) {
			t.Errorf("canceled wait: %v, %v, expected RequestCanceled", a.set, a.err)
		}
	}
	t.expect(t.now(first.Version), "nothing")

	waiter := t.wait(first.Version)
	destroy := &types.DestroyPropertyCollector{This: t.collector}
	if _, err := methods.DestroyPropertyCollector(t.ctx, t.client, destroy); err != nil {
		t.Fatal(err)
	}
	if a := <-waiter; !fault.Is(a.err, &types.RequestCanceled{}) && !fault.Is(a.err, &types.ManagedObjectNotFound{}) {
		t.Errorf("wait of a destroyed collector: %v, %v, expected RequestCanceled or ManagedObjectNotFound", a.set, a.err)
	}
	if _, err := t.ask("", types.WaitOptions{}); !fault.Is(err, &types.ManagedObjectNotFound{}) {
		t.Errorf("ask a destroyed collector: %v, expected ManagedObjectNotFound", err)
	}
}

func TestMistakesAreRefused(test *testing.T) {
	t := newUpdatesTest(test)
	t.filter(t.folder("a"))
	for _, version := range []string{"nonsense", "-1", "1000"} {
		if _, err := t.ask(version, types.WaitOptions{}); !fault.Is(err, &types.InvalidCollectorVersion{}) {
			t.Errorf("version %s: %v, expected InvalidCollectorVersion", version, err)
		}
	}
	for _, options := range []types.WaitOptions{{MaxObjectUpdates: -1}, {MaxWaitSeconds: types.NewInt32(-1)}} {
		if _, err := t.ask("", options); !fault.Is(err, &types.InvalidArgument{}) {
			t.Errorf("options %+v: %v, expected InvalidArgument", options, err)
		}
	}
	gone := t.folder("b")
	t.destroy(gone)
	_, err := methods.CreateFilter(t.ctx, t.client, &types.CreateFilter{
		This: t.collector,
		Spec: types.PropertyFilterSpec{
			PropSet:   []types.PropertySpec{{Type: "Folder", PathSet: []string{"name"}}},
			ObjectSet: []types.ObjectSpec{{Obj: gone.Reference()}},
		},
	})
	if !fault.Is(err, &types.ManagedObjectNotFound{}) {
		t.Errorf("filter on what is gone: %v, expected ManagedObjectNotFound", err)
	}
	t.expect(t.now(""), "enter:a")
}

// Older clients have no limits, and sessions do not hear of each other.
func TestSessionsApart(test *testing.T) {
	t := newUpdatesTest(test)
	t.collector = t.client.ServiceContent.PropertyCollector
	other := t
	address := *t.client.URL()
	address.User = url.UserPassword("administrator", "secret")
	var err error
	if other.client, err = govmomi.NewClient(t.ctx, &address, true); err != nil {
		t.Fatal(err)
	}
	folder := t.folder("a")
	t.filter(folder)
	other.expect(other.now(""), "")
	other.filter(folder)
	mine, theirs := t.wait(t.now("").Version), other.wait(other.now("").Version)
	t.rename(folder, "b")
	t.expectAnswer(mine, "modify:b")
	other.expectAnswer(theirs, "modify:b")

	res, err := methods.WaitForUpdates(t.ctx, t.client, &types.WaitForUpdates{This: t.collector})
	if err != nil {
		t.Fatal(err)
	}
	t.expect(&res.Returnval, "enter:b")
}
