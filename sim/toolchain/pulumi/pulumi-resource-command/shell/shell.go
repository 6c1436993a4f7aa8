// Package shell is what local and remote commands have in common: which command runs when, what it is given, and what
// becomes of its output.
package shell

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"
)

// Args are the inputs of every command.
type Args struct {
	Create                 *string           `pulumi:"create,optional"`
	Update                 *string           `pulumi:"update,optional"`
	Delete                 *string           `pulumi:"delete,optional"`
	Stdin                  *string           `pulumi:"stdin,optional"`
	Environment            map[string]string `pulumi:"environment,optional"`
	Triggers               []any             `pulumi:"triggers,optional" provider:"replaceOnChanges"`
	Logging                *Logging          `pulumi:"logging,optional"`
	AddPreviousOutputInEnv *bool             `pulumi:"addPreviousOutputInEnv,optional"`
}

// Annotate describes the inputs in the schema.
func (a *Args) Annotate(n infer.Annotator) {
	n.Describe(&a.Create, "The command to run once on creation.")
	n.Describe(&a.Update, "The command to run when an input has changed; without it, `create` runs again.")
	n.Describe(&a.Delete, "The command to run on deletion.")
	n.Describe(&a.Stdin, "The command's standard input.")
	n.Describe(&a.Environment, "Additional environment variables; an SSH server must allow them with AcceptEnv.")
	n.Describe(&a.Triggers, "The resource is replaced when any of these values changes.")
	n.Describe(&a.Logging, "Which output is shown while the command runs; both by default.")
	n.Describe(&a.AddPreviousOutputInEnv, "Whether the output of the last run is in the environment, "+
		"as PULUMI_COMMAND_STDOUT and PULUMI_COMMAND_STDERR; true by default.")
}

// Output is the outcome of the last run.
type Output struct {
	Stdout string `pulumi:"stdout"`
	Stderr string `pulumi:"stderr"`
}

// Annotate describes the outputs in the schema.
func (o *Output) Annotate(n infer.Annotator) {
	n.Describe(&o.Stdout, "The standard output of the last run, without the newline at its end.")
	n.Describe(&o.Stderr, "The standard error of the last run, without the newline at its end.")
}

// Process is one run of a command.
type Process struct {
	Command        string
	Env            map[string]string
	Stdin          io.Reader // nil for none
	Stdout, Stderr io.Writer
}

// A Runner runs a process to its end, or until the context's.
type Runner func(context.Context, Process) error

// OnCreate runs the command that is due when the resource is created.
func (a Args) OnCreate(ctx context.Context, run Runner, out *Output) error {
	return a.run(ctx, run, a.Create, out)
}

// OnUpdate runs the command that is due when an input has changed.
func (a Args) OnUpdate(ctx context.Context, run Runner, out *Output) error {
	if a.Update != nil {
		return a.run(ctx, run, a.Update, out)
	}
	return a.run(ctx, run, a.Create, out)
}

// OnDelete runs the command that is due when the resource is deleted.
func (a Args) OnDelete(ctx context.Context, run Runner, out Output) error {
	return a.run(ctx, run, a.Delete, &out)
}

func (a Args) run(ctx context.Context, run Runner, command *string, out *Output) error {
	if command == nil {
		return nil
	}
	env := maps.Clone(a.Environment)
	if a.AddPreviousOutputInEnv == nil || *a.AddPreviousOutputInEnv {
		env = withPrevious(env, *out)
	}
	output := newRecorder(ctx, a.Logging)
	process := Process{Command: *command, Env: env, Stdout: &output.stdout, Stderr: &output.stderr}
	if a.Stdin != nil && *a.Stdin != "" {
		process.Stdin = strings.NewReader(*a.Stdin)
	}
	err := run(ctx, process)
	output.close()
	if err != nil {
		return fmt.Errorf("%w: running %q:\n%s", err, *command, output.all.String())
	}
	out.Stdout = strings.TrimSuffix(output.stdout.text.String(), "\n")
	out.Stderr = strings.TrimSuffix(output.stderr.text.String(), "\n")
	return nil
}

func withPrevious(env map[string]string, out Output) map[string]string {
	if env == nil {
		env = map[string]string{}
	}
	if out.Stdout != "" {
		env["PULUMI_COMMAND_STDOUT"] = out.Stdout
	}
	if out.Stderr != "" {
		env["PULUMI_COMMAND_STDERR"] = out.Stderr
	}
	return env
}
