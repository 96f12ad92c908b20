import * as tf from "../tfjs.ts";
import type { BackendName } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import type { Plan } from "./plan.ts";
import type { Queue } from "./queue.ts";
import type { StudySettings } from "./settings.ts";
import { executeRun, type RunOutcome, type RunStep } from "./run.ts";
import { frame, startWorker, type Worker, WorkerEnded, type WorkerPlan } from "./workers.ts";

/** An event during a study: an update, a wait for other processes, or a run that failed. */
export type StudyEvent =
  | { readonly step: RunStep }
  | { readonly wait: true }
  | { readonly failure: string; readonly key: string };

/** The context in which a study is executed. */
interface Execution {
  readonly plan: Plan;
  readonly queue: Queue;
  readonly study: Pick<StudySettings, "folder" | "saveEvery">;
  /** Stops the study with checkpoints of its current runs. */
  readonly signal: AbortSignal;
}

/** Number of processes that may die during one run before it counts as failed. */
const TRIES = 3;

/** Executes the remaining runs of a study one after the other, in this process. */
export function runSequentially(execution: Execution): AsyncGenerator<StudyEvent, void> {
  const { plan: { runs, tokenizers }, study, signal } = execution;
  return processQueue(
    execution,
    (number) => executeRun(runs[number]!, tokenizers[runs[number]!.tokenizer]!, study.saveEvery, signal),
  );
}

/**
 * Executes the remaining runs of a study in parallel, in worker processes. Each receives the plan once, then one run
 * after the other. A worker that dies is replaced.
 *
 * @param program The program that starts workers, from {@linkcode workerProgram}.
 * @param processes Number of workers.
 */
export async function* runInParallel(
  execution: Execution,
  program: string,
  processes: number,
): AsyncGenerator<StudyEvent, void> {
  const { plan: { runs, ...plan }, study: { folder, saveEvery }, signal } = execution;
  const backend = tf.getBackend() as BackendName;
  const tokenizers = plan.tokenizers.map((tokenizer) => tokenizer.toJSON());
  const order = frame({ runs, tokenizers, saveEvery, backend } satisfies WorkerPlan);
  const workers = new Set<Worker>();
  let isClosed = false;
  const close = async () => {
    isClosed = true;
    await Promise.all([...workers].map((worker) => worker.close()));
  };
  signal.addEventListener("abort", close);

  async function* oneWorker(): AsyncGenerator<StudyEvent, void> {
    let worker: Worker | undefined;
    yield* processQueue(execution, async function* (number): AsyncGenerator<RunStep, RunOutcome> {
      for (let tries = 1;; tries++) {
        workers.add(worker ??= startWorker(program, folder, order));
        try {
          const end = yield* worker.executeRun(number);
          if (end !== "stopped" || isClosed) return end;
          throw new WorkerEnded(`process ${worker.id} was asked to stop`);
        } catch (error) {
          if (!(error instanceof WorkerEnded)) throw error;
          workers.delete(worker);
          await worker.close();
          worker = undefined;
          if (isClosed) return "stopped";
          if (tries === TRIES) throw new InputError(`its ${error.message}, as did ${TRIES - 1} before`);
          const { name } = runs[number]!;
          console.warn(`Warning: ${error.message} during ${name}: another process resumes it`);
        }
      }
    });
  }

  try {
    yield* merge(Array.from({ length: processes }, oneWorker), close);
  } finally {
    signal.removeEventListener("abort", close);
    await close();
  }
}

/** Executes runs from the queue until it is empty. */
async function* processQueue(
  { plan: { runs }, queue }: Execution,
  executeRun: (number: number) => AsyncGenerator<RunStep, RunOutcome>,
): AsyncGenerator<StudyEvent, void> {
  for (let next = await queue.take(); next !== undefined; next = await queue.take()) {
    if (next === "wait") {
      yield { wait: true };
      continue;
    }
    try {
      const steps = executeRun(next);
      let step = await steps.next();
      try {
        for (; !step.done; step = await steps.next()) yield { step: step.value };
      } finally {
        if (!step.done) await steps.return("stopped"); // The iteration was left.
      }
      queue.finish(next, step.value);
    } catch (error) {
      queue.finish(next, "failed");
      if (!(error instanceof InputError)) throw error;
      const { name, key } = runs[next]!;
      yield { failure: `Cannot finish ${name}: ${error.message}`, key }; // Other runs continue.
    }
  }
}

/**
 * Merges several generators; items are yielded as they come.
 *
 * @param end Stops the generators; called if the iteration is left early.
 */
async function* merge<Item>(
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
