// Package local has the resources that act on the machine where Pulumi runs.
package local

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"time"

	"esxi-k8s/sim/toolchain/pulumi/pulumi-resource-command/shell"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

// Command runs commands on this machine.
type Command struct{}

// CommandArgs are its inputs.
type CommandArgs struct {
	shell.Args
	Interpreter []string `pulumi:"interpreter,optional"`
	Dir         *string  `pulumi:"dir,optional"`
}

// Annotate describes the inputs in the schema.
func (a *CommandArgs) Annotate(n infer.Annotator) {
	n.Describe(&a.Interpreter, "The program and arguments that a command is added to; [\"/bin/sh\", \"-c\"] by default.")
	n.Describe(&a.Dir, "Where commands run; the working directory by default.")
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
	command := []string{"/bin/sh", "-c", process.Command}
	if len(a.Interpreter) > 0 {
		command = slices.Concat(a.Interpreter, []string{process.Command})
	}
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	// Children of an interpreter that was killed may hold its output open for as long as they live.
	cmd.WaitDelay = time.Second
	cmd.Stdin, cmd.Stdout, cmd.Stderr = process.Stdin, process.Stdout, process.Stderr
	if a.Dir != nil {
		cmd.Dir = *a.Dir
	}
	cmd.Env = os.Environ()
	for name, value := range process.Env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	return cmd.Run()
}
