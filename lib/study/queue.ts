import { exists } from "../files.ts";
import { holderOf } from "../claim.ts";
import { costOf, dependenciesOf, isPretraining, modelOf, type Plan } from "./plan.ts";
import { stored } from "../train/mod.ts";
import { claimOf, type RunOutcome } from "./run.ts";

/** Milliseconds between checks of other processes' results. */
const POLL_INTERVAL = 1000;

/** The queue of a study's runs. */
export interface Queue {
  /** The finished runs, as indices into the plan's. */
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
 * @param failed Keys of runs that failed before and are not retried.
 * @throws {InputError} If an existing result cannot be used.
 */
export async function queueOf(
  { runs }: Pick<Plan, "runs">,
  signal: AbortSignal,
  failed: ReadonlySet<string> = new Set(),
): Promise<Queue> {
  const states: State[] = [];
  for (const { result, key } of runs) {
    states.push(failed.has(key) ? "failed" : await stored(result, key) ? "done" : "pending");
  }
  const dependencies = dependenciesOf(runs);
  for (const [i, { start }] of dependencies.entries()) { // A missing initial model is trained again.
    if (start < 0 || states[i] !== "pending" || states[start] !== "done") continue;
    if (!await exists(modelOf(runs[start]!))) states[start] = "pending";
  }
  // Seed by seed, so that an interrupted study has complete seeds; within a seed pre-training first, which others depend
  // on, then the most expensive runs, so that the last ones end at about the same time.
  const order = [...runs.entries()]
    .sort(([, a], [, b]) =>
      a.seed - b.seed || Number(isPretraining(b)) - Number(isPretraining(a)) || costOf(b) - costOf(a)
    )
    .map(([i]) => i);
  const isOver = (i: number) => i < 0 || states[i] === "done" || states[i] === "failed";
  const isReady = (i: number) => {
    const { start, previous } = dependencies[i]!;
    return states[i] === "pending" && (start < 0 || states[start] === "done") && isOver(previous);
  };
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
      const run = runs[i]!, isDone = await stored(run.result, run.key) !== undefined;
      if (!isDone && await holderOf(claimOf(run))) continue;
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
