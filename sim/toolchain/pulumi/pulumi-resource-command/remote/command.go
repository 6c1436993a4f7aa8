// Package remote has the resources that act on another machine, over SSH.
package remote

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"esxi-k8s/sim/toolchain/pulumi/pulumi-resource-command/shell"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Command runs commands on another machine.
type Command struct{}

// CommandArgs are its inputs.
type CommandArgs struct {
	shell.Args
	Connection Connection `pulumi:"connection" provider:"secret"`
}

// Annotate describes the inputs in the schema.
func (a *CommandArgs) Annotate(n infer.Annotator) {
	n.Describe(&a.Connection, "How to reach the machine.")
}

// CommandState is kept in the stack.
type CommandState struct {
	CommandArgs
	shell.Output
}

// Create runs the create command.
func (Command) Create(
	ctx context.Context, req infer.CreateRequest[CommandArgs],
) (infer.CreateResponse[CommandState], error) {
	state := CommandState{CommandArgs: req.Inputs}
	id, err := resource.NewUniqueHex(req.Name, 8, 0)
	if err == nil && !req.DryRun {
		err = state.OnCreate(ctx, state.run, &state.Output)
	}
	return infer.CreateResponse[CommandState]{ID: id, Output: state}, err
}

// Update runs the update command.
func (Command) Update(
	ctx context.Context, req infer.UpdateRequest[CommandArgs, CommandState],
) (infer.UpdateResponse[CommandState], error) {
	state := CommandState{CommandArgs: req.Inputs, Output: req.State.Output}
	var err error
	if !req.DryRun {
		err = state.OnUpdate(ctx, state.run, &state.Output)
	}
	return infer.UpdateResponse[CommandState]{Output: state}, err
}

// Delete runs the delete command.
func (Command) Delete(ctx context.Context, req infer.DeleteRequest[CommandState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, req.State.OnDelete(ctx, req.State.run, req.State.Output)
}

func (a CommandArgs) run(ctx context.Context, process shell.Process) error {
	client, err := a.Connection.dial(ctx)
	if err != nil {
		return err
	}
	defer client.Close()
	// Running a command knows no context; closing the connection under it is what ends it, here and on the server.
	defer context.AfterFunc(ctx, func() { client.Close() })()
	session, err := client.NewSession()
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(process.Env)) {
		if err := session.Setenv(name, process.Env[name]); err != nil {
			return fmt.Errorf("%w: the SSH server refused the environment variable %s: allow it with AcceptEnv there, "+
				"export it in the command instead, or set addPreviousOutputInEnv to false if it is from there", err, name)
		}
	}
	session.Stdin, session.Stdout, session.Stderr = process.Stdin, process.Stdout, process.Stderr
	if err := session.Run(process.Command); ctx.Err() == nil {
		return err
	}
	return context.Cause(ctx)
}
