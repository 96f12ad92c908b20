import { exists } from "../files.ts";
import { holderOf } from "../claim.ts";
import { isPretraining, type Plan, runsOf } from "./plan.ts";
import { stored } from "../train/mod.ts";
import { claimOf, type RunOutcome } from "./run.ts";

/** Milliseconds between checks of other processes' results. */
const POLL_INTERVAL = 1000;

/** The queue of a study's runs. */
export interface Queue {
  /** The finished runs, as indices into {@linkcode runsOf}. */
  done(): readonly number[];
  /** The runs that are running in other processes, as far as known. */
  elsewhere(): readonly number[];
  /**
   * Waits for the next run to execute here; undefined if none is left. Returns `wait` regularly while all remaining runs
   * are running in other processes.
   */
  take(): Promise<number | "wait" | undefined>;
  /** Reports the outcome of a run that was taken. */
  finish(number: number, end: RunOutcome | "failed"): void;
}

/** The state of a run: `pending`, `running` here, running `elsewhere`, `done`, or `failed`, which is not retried. */
type State = "pending" | "running" | "elsewhere" | "done" | "failed";

/**
 * Creates the queue of a study's runs.
 *
 * @param signal No further runs are returned once it aborts.
 * @throws {InputError} If an existing result cannot be used.
 */
export async function queueOf(plan: Plan, signal: AbortSignal): Promise<Queue> {
  const runs = runsOf(plan);
  const states: State[] = [];
  for (const { planned } of runs) {
    states.push(await stored(planned.result, planned.key) ? "done" : "pending");
  }
  const startOf = runs.map(({ arm, planned }) =>
    isPretraining(planned) ? -1 : runs.findIndex((run) => run.arm === arm && isPretraining(run.planned))
  );
  for (const [i, start] of startOf.entries()) { // A missing initial model is trained again.
    if (start < 0 || states[i] !== "pending" || await exists(runs[start]!.arm.start.file)) continue;
    states[start] = "pending";
  }
  // Seed by seed, so that an interrupted study has complete seeds; within a seed pre-training first, which others depend
  // on, then the most expensive runs, so that the last ones end at about the same time.
  const order = [...runs.entries()]
    .sort(([, a], [, b]) =>
      a.arm.seed - b.arm.seed || Number(isPretraining(b.planned)) - Number(isPretraining(a.planned)) ||
      b.planned.cost - a.planned.cost
    )
    .map(([i]) => i);
  const isReady = (i: number) =>
    states[i] === "pending" && (startOf[i]! < 0 || states[startOf[i]!] === "done");
  const all = (state: State) => [...states.keys()].filter((i) => states[i] === state);

  let changed = Promise.withResolvers<void>();
  const change = () => {
    changed.resolve();
    changed = Promise.withResolvers();
  };
  signal.addEventListener("abort", change);

  /** Updates the states of runs in other processes. */
  async function poll(): Promise<void> {
    for (const i of all("elsewhere")) {
      const { planned } = runs[i]!;
      const isDone = await stored(planned.result, planned.key) !== undefined;
      if (!isDone && await holderOf(claimOf(planned))) continue;
      if (states[i] === "elsewhere") states[i] = isDone ? "done" : "pending";
    }
  }

  return {
    done: () => all("done"),
    elsewhere: () => all("elsewhere"),
    async take() {
      while (!signal.aborted) {
        const next = order.find(isReady);
        if (next !== undefined) {
          states[next] = "running";
          return next;
        }
        if (all("running").length + all("elsewhere").length === 0) return undefined;
        const timer = Promise.withResolvers<void>();
        const timeout = setTimeout(timer.resolve, POLL_INTERVAL);
        await Promise.race([changed.promise, timer.promise]);
        clearTimeout(timeout);
        await poll();
        if (all("running").length === 0 && all("elsewhere").length > 0) return "wait";
      }
      return undefined;
    },
    finish(number, end) {
      states[number] = end === "stopped" ? "pending" : end;
      change();
    },
  };
}
