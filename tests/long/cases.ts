import fc from "fast-check";
import { appendFile, mkdir } from "node:fs/promises";
import { afterAll, it } from "vitest";

/** A number that make or the environment gives, or what it is without one. */
function given(name: string, otherwise: number): number {
  const value = Number(process.env[name] ?? otherwise);
  if (!Number.isInteger(value) || value < 1) {
    throw new Error(`${name} is '${String(process.env[name])}', expected a whole number from 1 on`);
  }
  return value;
}

export interface Case {
  /** The case among those of its suite and seed, such as `1-7`. */
  name: string;
  seed: number;
  index: number;
  /** Chooses at random; the same whenever the case runs. */
  choose: <T>(from: fc.Arbitrary<T>) => T;
  /** Puts something into the case's result. */
  tell: (values: Record<string, unknown>) => void;
}

/** What chooses at random in one case of a seed. */
export const chooser =
  (seed: number, index: number): Case["choose"] =>
  (arbitrary) =>
    fc.sample(arbitrary, { seed, numRuns: index })[index - 1] as never;

/**
 * A long suite: RUNS cases, each by itself, from the one numbered FROM on, so that it goes on where it ended. SEED decides what they
 * choose. Every result is appended to artifacts/<suite>.jsonl at once.
 */
export function cases(suite: string, work: (one: Case) => Promise<void>): void {
  const [seed, from, runs] = [given("SEED", 1), given("FROM", 1), given("RUNS", 10)];
  let failed = 0;
  for (let index = from; index < from + runs; index++) {
    it(`${suite}: seed ${String(seed)}, index ${String(index)}`, async () => {
      const started = new Date();
      let told: Record<string, unknown> = {};
      const record = async (outcome: Record<string, unknown>) => {
        const seconds = (Date.now() - started.getTime()) / 1000;
        await mkdir("artifacts", { recursive: true });
        await appendFile(
          `artifacts/${suite}.jsonl`,
          `${JSON.stringify({ seed, index, started, seconds, ...told, ...outcome })}\n`,
        );
      };
      try {
        await work({
          ...{ name: `${String(seed)}-${String(index)}`, seed, index },
          choose: chooser(seed, index),
          tell: (values) => (told = { ...told, ...values }),
        });
      } catch (error) {
        failed++;
        await record({ passed: false, problem: error instanceof Error ? error.message : error });
        throw error;
      }
      await record({ passed: true });
    });
  }
  afterAll(() => {
    console.log(`${suite}: ${String(failed)} of ${String(runs)} failed; every result is in artifacts/${suite}.jsonl`);
  });
}
