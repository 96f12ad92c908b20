import { type Holder, holderOf } from "../claim.ts";
import { matmulRate } from "../engine/mod.ts";
import { progressOf, stored } from "../train/mod.ts";
import { costOf, isPretraining, type Plan } from "./plan.ts";
import { planOf } from "./tuning.ts";
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
  /** Its duration in seconds; estimated if it is not done. */
  readonly seconds: number;
  /** The process that runs it. */
  readonly holder?: Holder;
}

/** A study's runs, and what the rest of it takes. */
export interface StudyOutlook {
  /** The state of each run. */
  readonly runs: readonly RunState[];
  /** Estimated seconds of training that are left, on one core. */
  readonly seconds: number;
  /** Bytes of the models, and of the trunks that they leave, that are still to be written. */
  readonly bytes: number;
}

/** Floating-point operations of an update by token and parameter: forward pass 2, backward pass 4. */
const OPERATIONS = 6;

/** Numbers of a trunk's file by parameter: itself and two moments. */
const TRUNK_COPIES = 3;

/** The share of the rate of a large matrix multiplication that an update reaches, of a small model (data/bench: 0.5). */
const UTILISATION = 0.4;

/**
 * The states of a study's runs, and what the rest will take: as the finished runs did, or else by the rate at which this
 * machine multiplies matrices. Starts none of them.
 */
export async function outlookOf(study: StudySettings): Promise<StudyOutlook> {
  return await outlookOfPlan(await planOf(study));
}

/** {@linkcode outlookOf} a study that is planned. */
export async function outlookOfPlan(plan: Plan): Promise<StudyOutlook> {
  const planned = await Promise.all(plan.runs.map(async (planned): Promise<Found> => {
    const { name: run, parameters, result, key, path } = planned;
    const made = await stored(result, key);
    const copies = isPretraining(planned) && planned.trunk !== undefined ? 1 + TRUNK_COPIES : 1;
    const work = { cost: costOf(planned), bytes: 4 * parameters * copies };
    if (made) return { run, ...work, state: "done", share: 1, seconds: made.provenance.seconds };
    const holder = await holderOf(claimOf(planned));
    const progress = await progressOf(`${path}.part`).catch(() => undefined); // It may be removed meanwhile.
    const share = progress ? progress.update / progress.updates : 0;
    return {
      ...{ run, ...work, share, seconds: undefined },
      ...holder ? { state: "running", holder } : { state: "pending" },
    };
  }));
  const later = plan.open.map((run): Found => ({
    ...{ run: run.name, state: "pending", share: 0, seconds: undefined },
    ...{ cost: costOf(run), bytes: 4 * run.parameters },
  }));
  const found = [...planned, ...later];
  const made = found.filter(({ seconds }) => seconds !== undefined);
  const all = (of: (run: typeof found[number]) => number) => made.reduce((sum, run) => sum + of(run), 0);
  const pace = made.length > 0
    ? all(({ seconds }) => seconds!) / all(({ cost }) => cost)
    : OPERATIONS / (UTILISATION * await matmulRate());
  const open = found.filter(({ state }) => state !== "done");
  return {
    runs: found.map(({ cost, bytes: _, seconds = pace * cost, ...run }) => ({ ...run, seconds })),
    seconds: open.reduce((sum, { cost, share }) => sum + (1 - share) * pace * cost, 0),
    bytes: open.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

/** A run as it was found: its duration if it is done, and what it takes. */
interface Found extends Omit<RunState, "seconds"> {
  readonly seconds: number | undefined;
  readonly cost: number;
  readonly bytes: number;
}
