import { type Holder, holderOf } from "../claim.ts";
import { matmulRate } from "../engine/mod.ts";
import { exists } from "../files.ts";
import { progressOf, stored } from "../train/mod.ts";
import { costOf, dependenciesOf, isPretraining, modelOf, type OpenRun, type Plan } from "./plan.ts";
import { planOf } from "./tuning.ts";
import { claimOf } from "./run.ts";
import type { StudySettings } from "./settings.ts";

/** State of a run of a study. */
export interface RunState {
  /** Its name. */
  readonly run: string;
  /** Whether it is done, running in some process, or neither. */
  readonly state: "done" | "running" | "pending";
  /** Completed share of the updates that it makes itself, from 0 to 1, according to its checkpoint. */
  readonly share: number;
  /** Its duration in seconds; estimated if it is not done, without what it shares with a shorter run. */
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
  /** Estimated seconds of the longest chain of runs that wait for each other: with many processes it takes as long. */
  readonly longest: number;
  /** Bytes of the models, and of the trunks that they leave, that are still to be written. */
  readonly bytes: number;
  /** Digests of its texts, tasks and included models, by name. */
  readonly digests: Readonly<Record<string, string>>;
}

/** Floating-point operations of an update by multiplication in its forward pass: 2 there, 4 in the backward pass. */
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
    const { name: run, result, key, path } = planned;
    const made = await stored(result, key);
    const copies = isPretraining(planned) && planned.trunk !== undefined ? 1 + TRUNK_COPIES : 1;
    const work = workOf(planned, copies);
    if (made) return { run, ...work, state: "done", share: 1, seconds: made.provenance.seconds };
    const holder = await holderOf(claimOf(planned));
    const progress = await progressOf(`${path}.part`).catch(() => undefined); // It may be removed meanwhile.
    const isTrained = await exists(modelOf(planned)); // Then it is only to be scored.
    const trained = isTrained ? 1 : progress ? progress.update / progress.updates : 0;
    const share = trained > 0 ? costOf(planned, trained) / work.cost : 0;
    return {
      ...{ run, ...work, share, seconds: undefined },
      ...isTrained && { bytes: 0 },
      ...holder ? { state: "running", holder } : { state: "pending" },
    };
  }));
  const later = plan.open.map((run): Found => ({
    ...{ run: run.name, state: "pending", share: 0, seconds: undefined },
    ...workOf(run, 1),
  }));
  const found = [...planned, ...later];
  const made = found.filter(({ state }) => state === "done");
  const took = sum(made.map(({ seconds }) => seconds!)); // Of a branch with those of its trunk.
  const pace = took > 0
    ? took / sum(made.map(({ whole }) => whole))
    : OPERATIONS / (UTILISATION * await matmulRate());
  const left = found.map(({ state, cost, share }) => state === "done" ? 0 : (1 - share) * pace * cost);
  const open = found.filter(({ state }) => state !== "done");
  return {
    runs: found.map(({ cost, whole: _, bytes: __, seconds = pace * cost, ...run }) => ({ ...run, seconds })),
    seconds: sum(left),
    longest: longestOf(plan, left),
    bytes: sum(open.map(({ bytes }) => bytes)),
    digests: plan.digests,
  };
}

/** The sum of costs, seconds or bytes. */
export const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** What a run takes. */
interface Work {
  /** Of the updates that it makes itself. */
  readonly cost: number;
  /** Of all its updates. */
  readonly whole: number;
  readonly bytes: number;
}

/** @param copies Number of copies of the parameters that it writes. */
function workOf(run: OpenRun, copies: number): Work {
  return { cost: costOf(run), whole: costOf({ ...run, shared: 0 }), bytes: 4 * run.parameters * copies };
}

/** Seconds of the longest chain of runs that wait for each other, of the seconds that are left of each. */
function longestOf({ runs }: Plan, left: readonly number[]): number {
  const dependencies = dependenciesOf(runs), ends = new Map<number, number>([[-1, 0]]);
  const endOf = (i: number): number => {
    const known = ends.get(i);
    if (known !== undefined) return known;
    const { start, previous } = dependencies[i]!;
    const end = left[i]! + Math.max(endOf(start), endOf(previous));
    ends.set(i, end);
    return end;
  };
  return left.reduce((longest, seconds, i) => Math.max(longest, i < runs.length ? endOf(i) : seconds), 0);
}

/** A run as it was found: its duration if it is done, and what it takes. */
interface Found extends Omit<RunState, "seconds">, Work {
  readonly seconds: number | undefined;
}
