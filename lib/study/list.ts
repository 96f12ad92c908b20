import { type Holder, holderOf } from "../claim.ts";
import { progressOf, stored } from "../train/mod.ts";
import { planOf, runsOf } from "./plan.ts";
import { claimOf } from "./run.ts";
import type { StudySettings } from "./settings.ts";

/** State of a run of a study. */
export interface RunState {
  /** Its name. */
  readonly run: string;
  /** Whether it is done, running in some process, or neither. */
  readonly state: "done" | "running" | "pending";
  /** Completed share of its updates, from 0 to 1, according to its checkpoint. */
  readonly share: number;
  /** Its duration in seconds; estimated from the finished runs if it is not done. */
  readonly seconds: number | undefined;
  /** The process that runs it. */
  readonly holder?: Holder;
}

/** The states of a study's runs. Starts none of them. */
export async function listRuns(study: StudySettings): Promise<RunState[]> {
  const runs = runsOf(await planOf(study));
  const found = await Promise.all(runs.map(async ({ planned }): Promise<RunState & { cost: number }> => {
    const { name: run, cost, result, key, path } = planned;
    const made = await stored(result, key);
    if (made) return { run, cost, state: "done", share: 1, seconds: made.provenance.seconds };
    const holder = await holderOf(claimOf(planned));
    const progress = await progressOf(`${path}.part`).catch(() => undefined); // It may be removed meanwhile.
    const share = progress ? progress.update / progress.updates : 0;
    return {
      ...{ run, cost, share, seconds: undefined },
      ...holder ? { state: "running", holder } : { state: "pending" },
    };
  }));
  const made = found.filter(({ seconds }) => seconds !== undefined);
  const all = (of: (run: typeof found[number]) => number) => made.reduce((sum, run) => sum + of(run), 0);
  const pace = all(({ seconds }) => seconds!) / all(({ cost }) => cost);
  return found.map(({ cost, seconds = made.length > 0 ? pace * cost : undefined, ...run }) => ({
    ...run,
    seconds,
  }));
}
