import * as tf from "@tensorflow/tfjs";
import type { BackendName } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { type Plan, runsOf } from "./plan.ts";
import type { Queue } from "./queue.ts";
import type { StudySettings } from "./settings.ts";
import { carryOut, type End, type RunStep } from "./run.ts";
import { frame, startWorker, type Worker, WorkerEnded } from "./workers.ts";

/** What happens while a study is carried out: an update, a wait for other processes, or a run that cannot be finished. */
export type Event =
  | { readonly step: RunStep }
  | { readonly wait: true }
  | { readonly failure: string };

/** How a study is carried out. */
interface How {
  readonly plan: Plan;
  readonly queue: Queue;
  readonly study: Pick<StudySettings, "folder" | "saveEvery">;
  /** Saves what is under way, and ends. */
  readonly signal: AbortSignal;
}

/** Processes that may end under one run before it is given up. */
const TRIES = 3;

/** Carries out what is left of a study, one run after the other. */
export function oneByOne(how: How): AsyncGenerator<Event, void> {
  const { plan, study, signal } = how;
  const runs = runsOf(plan);
  return lane(how, (number) => carryOut(runs[number]!, plan.tokenizer, study.saveEvery, signal));
}

/**
 * Carries out what is left of a study side by side, in processes of their own: each is told the plan once, and then one
 * run after the other. One that ends is replaced.
 *
 * @param program What starts them, as {@linkcode workerProgram} found it.
 * @param processes How many at a time.
 */
export async function* sideBySide(how: How, program: string, processes: number): AsyncGenerator<Event, void> {
  const { plan: { arms, tokenizer }, study: { folder, saveEvery }, signal } = how;
  const runs = runsOf({ arms });
  const backend = tf.getBackend() as BackendName;
  const order = frame({ arms, tokenizer: tokenizer.toJSON(), saveEvery, backend });
  const workers = new Set<Worker>();
  let isLeft = false;
  const close = async () => {
    isLeft = true;
    await Promise.all([...workers].map((worker) => worker.close()));
  };
  signal.addEventListener("abort", close);

  async function* inTurn(): AsyncGenerator<Event, void> {
    let worker: Worker | undefined;
    yield* lane(how, async function* (number): AsyncGenerator<RunStep, End> {
      for (let tries = 1;; tries++) {
        workers.add(worker ??= startWorker(program, folder, order));
        try {
          const end = yield* worker.carryOut(number);
          if (end !== "stopped" || isLeft) return end;
          throw new WorkerEnded(`process ${worker.id} was asked to end`);
        } catch (error) {
          if (!(error instanceof WorkerEnded)) throw error;
          workers.delete(worker);
          await worker.close();
          worker = undefined;
          if (isLeft) return "stopped";
          if (tries === TRIES) throw new InputError(`its ${error.message}, as did ${TRIES - 1} before`);
          const { name } = runs[number]!.planned;
          console.warn(`Warning: ${error.message} while it made ${name}: another process goes on`);
        }
      }
    });
  }

  try {
    yield* merged(Array.from({ length: processes }, inTurn), close);
  } finally {
    signal.removeEventListener("abort", close);
    await close();
  }
}

/** Takes one run after the other, as long as there are any. */
async function* lane(
  { plan, queue }: How,
  carryOut: (number: number) => AsyncGenerator<RunStep, End>,
): AsyncGenerator<Event, void> {
  const runs = runsOf(plan);
  for (let next = await queue.take(); next !== undefined; next = await queue.take()) {
    if (next === "wait") {
      yield { wait: true };
      continue;
    }
    try {
      const steps = carryOut(next);
      let step = await steps.next();
      try {
        for (; !step.done; step = await steps.next()) yield { step: step.value };
      } finally {
        if (!step.done) await steps.return("stopped"); // Its reader has left.
      }
      queue.put(next, step.value);
    } catch (error) {
      queue.put(next, "failed");
      if (!(error instanceof InputError)) throw error;
      yield { failure: `Cannot finish ${runs[next]!.planned.name}: ${error.message}` }; // The others go on.
    }
  }
}

/**
 * What several generators yield, as it comes.
 *
 * @param end Makes them end; called where the reader leaves before.
 */
async function* merged<Item>(
  sources: readonly AsyncGenerator<Item, void>[],
  end: () => Promise<void>,
): AsyncGenerator<Item, void> {
  const ask = async (source: AsyncGenerator<Item, void>) => ({ source, found: await source.next() });
  const asked = new Map(sources.map((source) => [source, ask(source)]));
  try {
    while (asked.size > 0) {
      const { source, found } = await Promise.race(asked.values());
      if (found.done) {
        asked.delete(source);
        continue;
      }
      yield found.value;
      asked.set(source, ask(source));
    }
  } finally {
    if (asked.size > 0) {
      await end();
      await Promise.allSettled([...asked.values()]);
      await Promise.allSettled([...asked.keys()].map((source) => source.return()));
    }
  }
}
