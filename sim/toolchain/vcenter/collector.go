package main

import (
	"cmp"
	"maps"
	"math"
	"reflect"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// Changes come in bursts: one answer tells of those that follow each other more closely than this.
	burst = 20 * time.Millisecond
	// An answer without an update after this, where the client sets no limit, ends the waits of clients that are gone.
	longestWait = 10 * time.Minute
	// vCenter's own limit of updates in an answer.
	mostUpdates = 100
)

// collector is a property collector that keeps by version what has changed, as vCenter's does: any number of clients may wait
// for it, each with the version that it knows. The simulator's own hands an update to one of them and forgets it.
//
// Its zero value is ready for use, because the simulator makes the default collector of a session by reflection.
type collector struct {
	simulator.PropertyCollector // for reading properties, which is all of it that is in use

	changed, canceled broadcast
	stale             atomic.Bool // something has changed since the last calculation

	mu        sync.Mutex // one calculation at a time
	filters   []*propertyFilter
	version   int64
	waits     int
	destroyed bool
}

// keepUpdates puts collectors of this kind in the place of the simulator's.
func keepUpdates(model *simulator.Model) {
	c := &collector{}
	c.Self = model.ServiceContent.PropertyCollector
	model.Map().Put(c)
}

func (c *collector) CreatePropertyCollector(ctx *simulator.Context, _ *types.CreatePropertyCollector) soap.HasFault {
	another := &collector{}
	another.Self.Type = c.Self.Type
	return &methods.CreatePropertyCollectorBody{
		Res: &types.CreatePropertyCollectorResponse{Returnval: ctx.Session.Put(another).Reference()},
	}
}

func (c *collector) DestroyPropertyCollector(ctx *simulator.Context, _ *types.DestroyPropertyCollector) soap.HasFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.destroyed = true
	c.canceled.send()
	for _, f := range c.filters {
		ctx.Session.Remove(ctx, f.Self)
	}
	c.filters, c.Filter = nil, nil
	ctx.Session.Remove(ctx, c.Self)
	return &methods.DestroyPropertyCollectorBody{Res: &types.DestroyPropertyCollectorResponse{}}
}

func (c *collector) CreateFilter(ctx *simulator.Context, req *types.CreateFilter) soap.HasFault {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := &propertyFilter{collector: c, objects: make(map[types.ManagedObjectReference]*history)}
	f.Self.Type = "PropertyFilter"
	f.Spec, f.PartialUpdates = req.Spec, req.PartialUpdates
	// At once, so that what is wrong with a filter is the problem of who creates it, and not of all who wait.
	if fault := f.calculate(ctx, f.Spec); fault != nil {
		return &methods.CreateFilterBody{Fault_: fault}
	}
	ref := ctx.Session.Put(f).Reference()
	c.filters, c.Filter = append(c.filters, f), append(c.Filter, ref)
	c.changed.send()
	return &methods.CreateFilterBody{Res: &types.CreateFilterResponse{Returnval: ref}}
}

func (c *collector) CancelWaitForUpdates(*types.CancelWaitForUpdates) soap.HasFault {
	c.canceled.send()
	return &methods.CancelWaitForUpdatesBody{Res: &types.CancelWaitForUpdatesResponse{}}
}

func (c *collector) WaitForUpdatesEx(ctx *simulator.Context, req *types.WaitForUpdatesEx) soap.HasFault {
	timeout, most := longestWait, mostUpdates
	if o := req.Options; o != nil {
		if o.MaxWaitSeconds != nil {
			timeout = time.Duration(*o.MaxWaitSeconds) * time.Second
		}
		if o.MaxObjectUpdates != 0 {
			most = min(most, int(o.MaxObjectUpdates))
		}
	}
	if timeout < 0 || most < 0 {
		return &methods.WaitForUpdatesExBody{Fault_: simulator.Fault("", &types.InvalidArgument{InvalidProperty: "options"})}
	}
	set, fault := c.wait(ctx, req.Version, timeout, most)
	if fault != nil {
		return &methods.WaitForUpdatesExBody{Fault_: fault}
	}
	return &methods.WaitForUpdatesExBody{Res: &types.WaitForUpdatesExResponse{Returnval: set}}
}

// WaitForUpdates is what older clients call: without limits.
func (c *collector) WaitForUpdates(ctx *simulator.Context, req *types.WaitForUpdates) soap.HasFault {
	set, fault := c.wait(ctx, req.Version, math.MaxInt64, math.MaxInt)
	if fault != nil {
		return &methods.WaitForUpdatesBody{Fault_: fault}
	}
	return &methods.WaitForUpdatesBody{Res: &types.WaitForUpdatesResponse{Returnval: *set}}
}

// wait returns what has changed since a version as soon as there is something, and nil when there was nothing in time.
func (c *collector) wait(
	ctx *simulator.Context, version string, timeout time.Duration, most int,
) (*types.UpdateSet, *soap.Fault) {
	c.watch(ctx)
	defer c.unwatch(ctx)
	timer, canceled := time.After(timeout), c.canceled.next()
	for {
		changed := c.changed.next() // asked for before looking: what changes from here on is not missed
		set, fault := c.updates(ctx, version, most)
		if fault != nil || version == "" || len(set.FilterSet) > 0 {
			return set, fault
		}
		select {
		case <-changed:
			time.Sleep(burst)
		case <-canceled:
			return nil, simulator.Fault("", &types.RequestCanceled{})
		case <-timer:
			return nil, nil
		}
	}
}

// watch has the inventory tell of its changes for as long as somebody waits; nobody keeps a list of them otherwise.
func (c *collector) watch(ctx *simulator.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits++; c.waits == 1 {
		ctx.Map.AddHandler(watcher{c})
		c.stale.Store(true)
	}
}

func (c *collector) unwatch(ctx *simulator.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.waits--; c.waits == 0 {
		ctx.Map.RemoveHandler(watcher{c})
	}
}

// updates returns what has changed since a version, and the version to ask with next.
func (c *collector) updates(ctx *simulator.Context, version string, most int) (*types.UpdateSet, *soap.Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.destroyed { // since the call came in
		return nil, simulator.Fault("", &types.ManagedObjectNotFound{Obj: c.Self})
	}
	if c.stale.Swap(false) {
		for _, f := range c.filters {
			spec := f.Spec
			spec.ReportMissingObjectsInResults = types.NewBool(true) // it was there: that it is gone is an update
			if fault := f.calculate(ctx, spec); fault != nil {
				c.stale.Store(true)
				return nil, fault
			}
		}
	}
	var since int64
	if version != "" {
		var err error
		if since, err = strconv.ParseInt(version, 10, 64); err != nil || since < 0 || since > c.version {
			return nil, simulator.Fault("", &types.InvalidCollectorVersion{})
		}
	}

	var all []update
	for _, f := range c.filters {
		all = append(all, f.since(since)...)
	}
	slices.SortFunc(all, func(a, b update) int { return cmp.Compare(a.version, b.version) })
	set := &types.UpdateSet{Version: strconv.FormatInt(c.version, 10)}
	if len(all) > most {
		all = all[:most]
		set.Version = strconv.FormatInt(all[most-1].version, 10)
		set.Truncated = types.NewBool(true)
	}
	for _, u := range all {
		i := slices.IndexFunc(set.FilterSet, func(s types.PropertyFilterUpdate) bool { return s.Filter == u.filter })
		if i < 0 {
			i = len(set.FilterSet)
			set.FilterSet = append(set.FilterSet, types.PropertyFilterUpdate{Filter: u.filter})
		}
		set.FilterSet[i].ObjectSet = append(set.FilterSet[i].ObjectSet, u.ObjectUpdate)
	}
	return set, nil
}

// propertyFilter is what a client wants to know of the inventory, and all that its collector has found of it.
type propertyFilter struct {
	mo.PropertyFilter
	collector *collector
	objects   map[types.ManagedObjectReference]*history
}

// Lock and Unlock keep the simulator from holding a lock of its own for a filter, which its calls would take in another order.
func (*propertyFilter) Lock()   {}
func (*propertyFilter) Unlock() {}

func (f *propertyFilter) DestroyPropertyFilter(ctx *simulator.Context, _ *types.DestroyPropertyFilter) soap.HasFault {
	c := f.collector
	c.mu.Lock()
	defer c.mu.Unlock()
	c.filters = slices.DeleteFunc(c.filters, func(other *propertyFilter) bool { return other == f })
	simulator.RemoveReference(&c.Filter, f.Self)
	ctx.Session.Remove(ctx, f.Self)
	return &methods.DestroyPropertyFilterBody{Res: &types.DestroyPropertyFilterResponse{}}
}

// calculate looks at the inventory. Each object in which it finds a change takes the collector to another version.
func (f *propertyFilter) calculate(ctx *simulator.Context, spec types.PropertyFilterSpec) *soap.Fault {
	c := f.collector
	result := c.RetrievePropertiesEx(ctx, &types.RetrievePropertiesEx{
		This:    c.Self,
		SpecSet: []types.PropertyFilterSpec{spec},
	})
	if fault := result.Fault(); fault != nil {
		return fault
	}
	gone := maps.Clone(f.objects)
	for _, content := range result.(*methods.RetrievePropertiesExBody).Res.Returnval.Objects {
		delete(gone, content.Obj)
		h, ok := f.objects[content.Obj]
		if !ok {
			h = &history{properties: make(map[string]value)}
			f.objects[content.Obj] = h
		}
		if h.record(content, c.version+1) {
			c.version++
		}
	}
	for _, h := range gone {
		if h.present() {
			c.version++
			h.turns = append(h.turns, c.version)
		}
	}
	return nil
}

// update is one for a client, at the version of the first change in it.
type update struct {
	types.ObjectUpdate
	filter  types.ManagedObjectReference
	version int64
}

func (f *propertyFilter) since(version int64) []update {
	var all []update
	for ref, h := range f.objects {
		if u := (update{filter: f.Self}); h.since(version, &u) {
			u.Obj = ref
			all = append(all, u)
		}
	}
	return all
}

// history is what a filter has found of an object, with the versions at which that was new.
type history struct {
	turns      []int64 // at which it came and went, by turns
	properties map[string]value
	missing    []types.MissingProperty
}

type value struct {
	current types.AnyType // nil when the property is not set
	version int64
}

func (h *history) present() bool { return len(h.turns)%2 == 1 }

// turnsUntil counts the turns that a client with that version knows.
func (h *history) turnsUntil(version int64) int {
	n, _ := slices.BinarySearch(h.turns, version+1)
	return n
}

// record notes what is new in an object, and tells whether anything is.
func (h *history) record(content types.ObjectContent, version int64) bool {
	comes := !h.present()
	if comes {
		h.turns = append(h.turns, version)
	}
	h.missing = content.MissingSet
	news := comes
	unset := maps.Clone(h.properties)
	for _, p := range content.PropSet {
		delete(unset, p.Name)
		if old, ok := h.properties[p.Name]; comes || !ok || !reflect.DeepEqual(old.current, p.Val) {
			h.properties[p.Name] = value{p.Val, version}
			news = true
		}
	}
	for name, old := range unset {
		if old.current != nil {
			h.properties[name] = value{nil, version}
			news = true
		}
	}
	return news
}

// since fills in what is new to a client that knows a version, and tells whether anything is. What changes again while a
// client fetches page after page may come twice; nothing is left out.
func (h *history) since(version int64, u *update) bool {
	turns := h.turnsUntil(version)
	known := turns%2 == 1
	switch {
	case known && h.present():
		u.Kind = types.ObjectUpdateKindModify
		u.version = math.MaxInt64
		for _, p := range h.properties {
			if p.version > version {
				u.version = min(u.version, p.version)
			}
		}
	case h.present():
		u.Kind = types.ObjectUpdateKindEnter
		u.version = h.turns[turns]
		u.MissingSet = h.missing
	case known:
		u.Kind = types.ObjectUpdateKindLeave
		u.version = h.turns[turns]
		return true
	default:
		return false
	}
	for _, name := range slices.Sorted(maps.Keys(h.properties)) {
		if p := h.properties[name]; known && p.version > version || !known && p.current != nil {
			u.ChangeSet = append(u.ChangeSet, types.PropertyChange{
				Name: name, Op: types.PropertyChangeOpAssign, Val: p.current,
			})
		}
	}
	return !known || len(u.ChangeSet) > 0
}

// watcher tells a collector that something in the inventory has changed. The inventory calls it with locks held, so it does not
// look at what that was.
type watcher struct{ c *collector }

// Reference is what the inventory knows it by: all default collectors have the same.
func (w watcher) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "Watcher", Value: strconv.FormatUint(uint64(reflect.ValueOf(w.c).Pointer()), 16)}
}

func (w watcher) PutObject(*simulator.Context, mo.Reference)                            { w.tell() }
func (w watcher) UpdateObject(*simulator.Context, mo.Reference, []types.PropertyChange) { w.tell() }
func (w watcher) RemoveObject(*simulator.Context, types.ManagedObjectReference)         { w.tell() }

func (w watcher) tell() {
	w.c.stale.Store(true)
	w.c.changed.send()
}

// broadcast wakes all who wait for it.
type broadcast struct {
	mu sync.Mutex
	ch chan struct{}
}

// next is closed when the next one is sent.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
