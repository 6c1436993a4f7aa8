import { remote } from "@pulumi/command";
import * as pulumi from "@pulumi/pulumi";
import { deliveryPath, firstBoot, latestStepPath, stepCommand, stepInput, stepPath, takeIn } from "../../render/step";
import { stepsFile } from "./steps-file";
import type { SshIdentity } from "./ssh-identity";
import { steps, type Role, type StepName } from "./steps";

/** A step as a component gives it. */
export interface Step {
  /** File in scripts/ without `.sh`, one of the steps of the machine's role; also names the step in logs. */
  script: StepName;
  /** What its command line shows: values of one line each, no secrets. */
  parameters?: pulumi.Input<Record<string, pulumi.Input<string | number>>>;
  /** Variables of several lines, no secrets: a preview shows them, a command line does not. */
  texts?: Record<string, pulumi.Input<string>>;
  /** What the script reads from standard input; the only way for secrets. */
  stdin?: pulumi.Input<string>;
  /** The step runs again when this changes, too. */
  again?: pulumi.Input<unknown>;
  /** Seconds after which the step has failed. Default 300. */
  timeoutSeconds?: number;
  /** What the step prints is a secret. Default false. */
  secretOutput?: boolean;
}

/** Where commands run, and how that is known to be the right machine. */
export interface Reach {
  host: string;
  /** Default 22. */
  port?: number;
  user: string;
  key: SshIdentity;
  /** Public host key that has to answer. */
  hostKey: pulumi.Output<string>;
}

/** Runs commands as the administrator of a machine, over SSH. */
export class Shell {
  private readonly patient: remote.CommandArgs["connection"];
  private readonly prompt: remote.CommandArgs["connection"];

  /** @param role what the machine may be asked to do */
  constructor(
    { host, port, user, key, hostKey }: Reach,
    private readonly role: Role,
  ) {
    // One value for all steps, not one a step with everything that Pulumi keeps of it.
    const connection = (attempts: { dialErrorLimit: number; perDialTimeout: number }) =>
      pulumi.all([key.privateKey, hostKey]).apply(([privateKey, verified]) => ({
        host,
        ...(port !== undefined && { port }),
        user,
        privateKey,
        hostKey: verified,
        ...attempts,
      }));
    // A machine on a busy host boots for minutes: about ten minutes of attempts.
    this.patient = connection({ dialErrorLimit: 100, perDialTimeout: 10 });
    this.prompt = connection(
      port === undefined
        ? // One that has been there and is not is down, and everything else goes on without it: five attempts, sixteen seconds.
          { dialErrorLimit: 4, perDialTimeout: 3 }
        : // Behind a port of the frontend are several, of which one serves again in a moment when none does.
          { dialErrorLimit: 5, perDialTimeout: 8 },
    );
  }

  /** The first command on a machine, which waits for it to boot. It is one of its own, so that nothing later is as patient. */
  awaitBoot(name: string, ...rest: CommandRest): remote.Command {
    const { command, stdin } = firstBoot(900);
    return this.command(name, this.patient, { create: command, stdin: pulumi.secret(stdin) }, ...rest);
  }

  /** Brings a machine its steps, as a file: of a file, the state keeps a hash. */
  deliver(name: string, ...[triggers, opts]: CommandRest): remote.CopyToRemote {
    const source = new pulumi.asset.FileAsset(stepsFile(this.role));
    return new remote.CopyToRemote(name, { connection: this.prompt, source, remotePath: deliveryPath, triggers }, opts);
  }

  /** The command by which a machine takes in the steps that it got. */
  takeIn(name: string, ...rest: CommandRest): remote.Command {
    return this.command(name, this.prompt, { create: takeIn(steps[this.role], 120) }, ...rest);
  }

  /**
   * Runs a step, and again when what is shown of it changes, or a text. Any other change runs it again in place: scripts guard themselves.
   * @param triggers what the step is run again for, before its own
   * @throws Error when the machine's role does not have the step
   */
  step(name: string, step: Step, triggers: pulumi.Input<unknown>[], opts: StepOptions): remote.Command {
    const { stdin, again, secretOutput = false } = step;
    const texts = step.texts && pulumi.output(step.texts);
    return this.command(
      name,
      this.prompt,
      {
        create: this.line(step),
        // A secret as a whole, so that what it holds in base64 is not shown beside the texts themselves.
        ...((texts ?? stdin) !== undefined && {
          stdin: pulumi.secret(pulumi.all([texts ?? {}, stdin ?? ""]).apply(([all, rest]) => stepInput(all, rest))),
        }),
      },
      // Nothing else of a command shows a text in a preview, and lets it change the command.
      [...triggers, ...[texts, again].filter((shown) => shown !== undefined)],
      { ...opts, additionalSecretOutputs: secretOutput ? ["stdout", "stderr"] : [] },
    );
  }

  /**
   * Runs nothing when it is made: one step when what it shows has changed, another when it goes. These are called by names without a hash,
   * so that they are whatever the machine has by then; of what they show, nothing is ever renamed.
   * @param patient the machine may be booting then
   */
  later(
    name: string,
    { update, delete: remove, triggers = [] }: Later,
    opts: StepOptions,
    patient = false,
  ): remote.Command {
    const commands = {
      ...(update && { update: this.line(update, latestStepPath) }),
      ...(remove && { delete: this.line(remove, latestStepPath) }),
    };
    return this.command(name, patient ? this.patient : this.prompt, commands, triggers, opts);
  }

  private line(step: Step, path = stepPath): pulumi.Output<string> {
    const { script, parameters = {}, timeoutSeconds = 300 } = step;
    if (!steps[this.role].some((known) => known === script)) {
      throw new Error(`a ${this.role} has no step ${script}`);
    }
    return pulumi.output(parameters).apply((resolved) => stepCommand(path(script), resolved, timeoutSeconds));
  }

  private command(
    name: string,
    connection: remote.CommandArgs["connection"],
    what: Pick<remote.CommandArgs, "create" | "update" | "delete" | "stdin">,
    ...[triggers, opts]: CommandRest
  ): remote.Command {
    return new remote.Command(
      name,
      {
        connection,
        ...what,
        triggers,
        // A script sees its node's state, never what an earlier run printed.
        addPreviousOutputInEnv: false,
        // An error quotes what a step printed; said a second time beside it, it would only be longer.
        logging: remote.Logging.None,
      },
      opts,
    );
  }
}

/** Steps for later, without texts and standard input. */
interface Later {
  update?: Step;
  delete?: Step;
  triggers?: pulumi.Input<unknown>[];
}

export interface StepOptions extends pulumi.CustomResourceOptions {
  parent: pulumi.Resource;
  dependsOn?: pulumi.Resource[];
}

type CommandRest = [triggers: pulumi.Input<unknown>[], opts: pulumi.CustomResourceOptions];
