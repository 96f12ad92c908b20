import { type Holder, holderOf } from "../claim.ts";
import { progressOf, stored } from "../train/mod.ts";
import { planOf, runsOf } from "./plan.ts";
import { claimOf } from "./run.ts";
import type { StudySettings } from "./settings.ts";

/** How far a run of a study is. */
export interface RunState {
  /** Its name. */
  readonly run: string;
  /** Whether its result is there, a process carries it out now, or neither. */
  readonly state: "made" | "under way" | "left";
  /** Share of its updates that are made, from 0 to 1, as far as its checkpoint tells. */
  readonly share: number;
  /** Seconds that it took; of a run that is not made what it will take, as those that are made tell. */
  readonly seconds: number | undefined;
  /** Which process carries it out. */
  readonly holder?: Holder;
}

/** How far a study's runs are; none of them is begun. */
export async function listRuns(study: StudySettings): Promise<RunState[]> {
  const runs = runsOf(await planOf(study));
  const found = await Promise.all(runs.map(async ({ planned }): Promise<RunState & { cost: number }> => {
    const { name: run, cost, result, key, path } = planned;
    const made = await stored(result, key);
    if (made) return { run, cost, state: "made", share: 1, seconds: made.provenance.seconds };
    const holder = await holderOf(claimOf(planned));
    const progress = await progressOf(`${path}.part`).catch(() => undefined); // It may be removed just now.
    const share = progress ? progress.update / progress.updates : 0;
    return {
      ...{ run, cost, share, seconds: undefined },
      ...holder ? { state: "under way", holder } : { state: "left" },
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
