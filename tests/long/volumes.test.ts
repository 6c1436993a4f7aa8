import { afterAll, beforeAll, describe } from "vitest";
import { make, run } from "../e2e/support/lab";
import { describeVolumes } from "../e2e/volumes";

/** A cluster, with pods whose node is drained, and lost. */
beforeAll(async () => {
  await run("sim/down", []);
  await make("up");
});

afterAll(async () => {
  await run("sim/down", []);
});

describe("a volume that is a folder on a node", describeVolumes);
