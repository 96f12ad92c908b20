import { exists } from "../files.ts";
import { holderOf } from "../claim.ts";
import { isPretraining, type Plan, runsOf } from "./plan.ts";
import { stored } from "../train/mod.ts";
import { claimOf, type End } from "./run.ts";

/** Milliseconds from one look at what other processes do to the next. */
const LOOK = 1000;

/** The runs of a study that are left, for those who carry them out. */
export interface Queue {
  /** The runs whose results are there: their numbers in the order of {@linkcode runsOf}. */
  made(): readonly number[];
  /** The runs that other processes have, as far as is known. */
  elsewhere(): readonly number[];
  /**
   * The next run that may be carried out here, when there is one; nothing if nothing is left. `wait` is returned every
   * now and then while all that is left is under way in other processes.
   */
  take(): Promise<number | "wait" | undefined>;
  /** Says how a run ended that was taken. */
  put(number: number, end: End | "failed"): void;
}

/** Of a run: `left` to be carried out, under way `here` or `elsewhere`, `made`, or `failed`, which is not tried again. */
type State = "left" | "here" | "elsewhere" | "made" | "failed";

/**
 * @param signal Nothing more is given out when it aborts.
 * @throws {InputError} If a result that is there cannot be used.
 */
export async function queueOf(plan: Plan, signal: AbortSignal): Promise<Queue> {
  const runs = runsOf(plan);
  const states: State[] = [];
  for (const { planned } of runs) {
    states.push(await stored(planned.result, planned.key) ? "made" : "left");
  }
  const startOf = runs.map(({ arm, planned }) =>
    isPretraining(planned) ? -1 : runs.findIndex((run) => run.arm === arm && isPretraining(run.planned))
  );
  for (const [i, start] of startOf.entries()) { // A model that is needed and is not there is made again.
    if (start < 0 || states[i] !== "left" || await exists(runs[start]!.arm.start.file)) continue;
    states[start] = "left";
  }
  // Seed by seed, so that a study cut short has whole seeds; of a seed first what the others wait for, then what takes
  // longest, so that the last runs end together.
  const order = [...runs.entries()]
    .sort(([, a], [, b]) =>
      a.arm.seed - b.arm.seed || Number(isPretraining(b.planned)) - Number(isPretraining(a.planned)) ||
      b.planned.cost - a.planned.cost
    )
    .map(([i]) => i);
  const isReady = (i: number) => states[i] === "left" && (startOf[i]! < 0 || states[startOf[i]!] === "made");
  const all = (state: State) => [...states.keys()].filter((i) => states[i] === state);

  let changed = Promise.withResolvers<void>();
  const change = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  signal.addEventListener("abort", change);

  /** Finds what others have made, or left unmade. */
  async function look(): Promise<void> {
    for (const i of all("elsewhere")) {
      const { planned } = runs[i]!;
      const isMade = await stored(planned.result, planned.key) !== undefined;
      if (!isMade && await holderOf(claimOf(planned))) continue;
      if (states[i] === "elsewhere") states[i] = isMade ? "made" : "left";
    }
  }

  return {
    made: () => all("made"),
    elsewhere: () => all("elsewhere"),
    async take() {
      while (!signal.aborted) {
        const next = order.find(isReady);
        if (next !== undefined) {
          states[next] = "here";
          return next;
        }
        if (all("here").length + all("elsewhere").length === 0) return undefined;
        const timer = Promise.withResolvers<void>();
        const ends = setTimeout(timer.resolve, LOOK);
        await Promise.race([changed.promise, timer.promise]);
        clearTimeout(ends);
        await look();
        if (all("here").length === 0 && all("elsewhere").length > 0) return "wait";
      }
      return undefined;
    },
    put(number, end) {
      states[number] = end === "stopped" ? "left" : end;
      change();
    },
  };
}
