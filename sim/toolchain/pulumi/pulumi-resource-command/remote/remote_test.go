package remote

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"esxi-k8s/sim/toolchain/pulumi/pulumi-resource-command/shell"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi-go-provider/infer/types"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/archive"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/asset"
)

func ptr[T any](value T) *T { return &value }

func create(t *testing.T, args CommandArgs) (CommandState, error) {
	t.Helper()
	response, err := Command{}.Create(t.Context(), infer.CreateRequest[CommandArgs]{Name: "test", Inputs: args})
	return response.Output, err
}

func TestCreateKeepsTheOutput(t *testing.T) {
	state, err := create(t, CommandArgs{Connection: startServer(t), Args: shell.Args{
		Create: ptr("cat; echo two; echo oops >&2"), Stdin: ptr("one\n"),
	}})
	if err != nil || state.Stdout != "one\ntwo" || state.Stderr != "oops" {
		t.Errorf("got %q and %q, %v", state.Stdout, state.Stderr, err)
	}
}

func TestFailureTellsStatusAndOutput(t *testing.T) {
	_, err := create(t, CommandArgs{Connection: startServer(t), Args: shell.Args{
		Create: ptr("echo out; echo err >&2; exit 3"), Logging: ptr(shell.LogNone),
	}})
	if err == nil || !strings.Contains(err.Error(), "status 3") || !strings.Contains(err.Error(), "out\n") ||
		!strings.Contains(err.Error(), "err\n") {
		t.Errorf("got %v", err)
	}
}

func TestUpdateRunsUpdateOrElseCreate(t *testing.T) {
	args := CommandArgs{Connection: startServer(t), Args: shell.Args{Create: ptr("echo new $PULUMI_COMMAND_STDOUT")}}
	run := func() string {
		t.Helper()
		response, err := Command{}.Update(t.Context(), infer.UpdateRequest[CommandArgs, CommandState]{
			Inputs: args, State: CommandState{Output: shell.Output{Stdout: "old"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return response.Output.Stdout
	}
	if got := run(); got != "new old" {
		t.Errorf("without update: got %q", got)
	}
	args.AddPreviousOutputInEnv = ptr(false)
	if got := run(); got != "new" {
		t.Errorf("without previous output: got %q", got)
	}
	args.Update = ptr("echo update")
	if got := run(); got != "update" {
		t.Errorf("with update: got %q", got)
	}
}

func TestPreviewRunsNothing(t *testing.T) {
	_, err := Command{}.Create(t.Context(), infer.CreateRequest[CommandArgs]{DryRun: true, Inputs: CommandArgs{
		Args: shell.Args{Create: ptr("true")},
	}})
	if err != nil {
		t.Error(err)
	}
}

func TestRefusedEnvironmentIsAnError(t *testing.T) {
	_, err := create(t, CommandArgs{Connection: startServer(t), Args: shell.Args{
		Create: ptr("true"), Environment: map[string]string{"COLOUR": "blue"},
	}})
	if err == nil || !strings.Contains(err.Error(), "COLOUR") {
		t.Errorf("got %v", err)
	}
}

func TestWrongHostKeyIsRefused(t *testing.T) {
	connection := startServer(t)
	connection.HostKey = startServer(t).HostKey
	_, err := create(t, CommandArgs{Connection: connection, Args: shell.Args{Create: ptr("true")}})
	if err == nil || !strings.Contains(err.Error(), "host key mismatch") {
		t.Errorf("got %v", err)
	}
}

func TestDialErrorLimit(t *testing.T) {
	connection := startServer(t)
	connection.Port, connection.DialErrorLimit = ptr(1.0), ptr(2)
	_, err := create(t, CommandArgs{Connection: connection, Args: shell.Args{Create: ptr("true")}})
	if err == nil || !strings.Contains(err.Error(), "after 3 attempts") {
		t.Errorf("got %v", err)
	}
}

func TestProxy(t *testing.T) {
	connection := startServer(t)
	connection.Proxy = &ProxyConnection{startServer(t).Endpoint}
	state, err := create(t, CommandArgs{Connection: connection, Args: shell.Args{Create: ptr("echo there")}})
	if err != nil || state.Stdout != "there" {
		t.Errorf("got %q, %v", state.Stdout, err)
	}
}

func TestCancelEndsTheCommand(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	_, err := Command{}.Create(ctx, infer.CreateRequest[CommandArgs]{Inputs: CommandArgs{
		Connection: startServer(t), Args: shell.Args{Create: ptr("sleep 5")},
	}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestCopyToRemote(t *testing.T) {
	connection := startServer(t)
	source, target := t.TempDir(), t.TempDir()
	file := filepath.Join(source, "sub", "file")
	if err := errors.Join(os.Mkdir(filepath.Dir(file), 0o755), os.WriteFile(file, []byte("text"), 0o644)); err != nil {
		t.Fatal(err)
	}
	fileAsset := types.AssetOrArchive{Asset: &asset.Asset{Path: file}}
	for _, c := range []struct {
		source types.AssetOrArchive
		to     string
		want   string
	}{
		{fileAsset, "new/name", "new/name"},
		{fileAsset, "", "file"},
		{types.AssetOrArchive{Asset: &asset.Asset{Text: "text"}}, "text", "text"},
		{types.AssetOrArchive{Archive: &archive.Archive{Path: filepath.Dir(file)}}, "tree", "tree/sub/file"},
		{types.AssetOrArchive{Archive: &archive.Archive{Path: filepath.Dir(file) + "/"}}, "flat", "flat/file"},
	} {
		_, err := CopyToRemote{}.Create(t.Context(), infer.CreateRequest[CopyToRemoteArgs]{Inputs: CopyToRemoteArgs{
			Connection: connection, Source: c.source, RemotePath: filepath.Join(target, c.to),
		}})
		if err != nil {
			t.Errorf("%s: %v", c.to, err)
		}
		if got, err := os.ReadFile(filepath.Join(target, c.want)); string(got) != "text" {
			t.Errorf("%s: got %q, %v", c.want, got, err)
		}
	}
}
