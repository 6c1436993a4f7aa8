import type { Problem } from "./problem";
import type { StackConfig } from "./schema";

type Snapshots = StackConfig["controlPlane"]["snapshots"];

/** Minutes from one snapshot of a master to the next. */
export function snapshotMinutes({ every }: Pick<Snapshots, "every">): number {
  const [, hours = "0", minutes = "0", seconds = "0"] = /^(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/.exec(every) ?? [];
  return Number(hours) * 60 + Number(minutes) + Number(seconds) / 60;
}

/** A timer looks every five minutes. */
const least = 10;
const most = 7 * 24 * 60;

export function snapshotProblems({ controlPlane: { snapshots } }: StackConfig): Problem[] {
  const minutes = snapshotMinutes(snapshots);
  return Number.isInteger(minutes) && minutes >= least && minutes <= most
    ? []
    : [
        {
          path: "controlPlane.snapshots.every",
          got: snapshots.every,
          expected:
            "whole minutes from 10m to 168h, which is a week: what was written since the newest snapshot is what a disaster costs",
        },
      ];
}
