import * as tf from "@tensorflow/tfjs";
import { started } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { allFinite } from "../foreign.ts";
import { displayAs } from "../kernel.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { type AdamOptions, type AdamState, adamUpdate, globalNorm, rateAt } from "./adam.ts";
import type { Losses } from "./objectives.ts";

/** What one update was like. */
export interface TrainingRecord {
  /** Updates made, this one included. */
  readonly update: number;
  /** Updates that there will be. */
  readonly updates: number;
  /** What was minimised, in nats, on this update's batch before the update. */
  readonly loss: number;
  /** Its language-modelling part, where there is one. */
  readonly L1?: number;
  /** Its task's part, where there is one. */
  readonly L2?: number;
  /** Learning rate, bias correction left out. */
  readonly rate: number;
  /** Norm of all gradients together, before clipping. */
  readonly norm: number;
  /** Seconds of its updates so far, those before an interruption included. */
  readonly seconds: number;
}

/** What the loop needs; it knows nothing of models. */
export interface Job {
  /** What is trained. */
  readonly variables: readonly tf.Variable[];
  /** The losses of the update that follows `update` completed ones. */
  losses(update: number): Losses;
  /** The optimiser's settings. */
  readonly adam: AdamOptions;
  /** Where to begin, and what the loop changes. */
  readonly state: AdamState;
  /** Awaited before each update. */
  ready?(): Promise<void>;
  /** Called every `saveEvery` updates, at the end and when stopped; not after a failure. */
  save?(): Promise<void>;
  /** Updates from one save to the next; only the end is saved unless given. */
  readonly saveEvery?: number;
  /** Ends the run after the update under way. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The one loop. It trains until the schedule ends, the signal aborts or the reader leaves; in each case what
 * was reached is saved.
 *
 * @throws {InputError} If loss or gradient is not finite; the parameters are then those of the last good update. If
 * parameters or moments are not finite after the last update, or before a save: what was saved before then stays.
 * @throws What {@linkcode stopSignal} says, if it ends a run that has no signal of its own: nobody takes half a run for
 * a whole one.
 */
export async function* train(job: Job): AsyncGenerator<TrainingRecord, void> {
  const { variables, adam, state, saveEvery = Infinity } = job;
  const general = job.signal ? undefined : stopSignal();
  const signal = job.signal ?? general!;
  const begun = state.update;
  let [saved, failed] = [begun, false];
  try {
    while (state.update < adam.updates && !signal.aborted) {
      await job.ready?.();
      const begin = performance.now();
      const rate = rateAt(state.update, adam);
      const measured = await update(job).catch((error) => {
        failed = true;
        throw error;
      });
      state.seconds += (performance.now() - begin) / 1e3;
      yield {
        update: state.update,
        updates: adam.updates,
        rate,
        ...measured,
        seconds: state.seconds,
      };
      if (state.update % saveEvery === 0 && job.save) { // After its record: what a reader does at it is done by then.
        await checkFinite();
        await job.save();
        saved = state.update;
      }
      await yieldToEventLoop();
    }
    if (state.update > begun) await checkFinite();
  } finally {
    if (!failed && saved !== state.update && job.save) {
      await checkFinite();
      await job.save();
    }
  }
  if (state.update < adam.updates && general?.aborted) {
    const goesOn = job.save ? ": called again, it goes on from there" : "";
    throw new DOMException(`Stopped after update ${state.update} of ${adam.updates}${goesOn}`, "AbortError");
  }

  /** An update's own numbers are seen by the next one's loss, which is not always made. */
  async function checkFinite(): Promise<void> {
    const all = [...variables, ...state.m, ...state.v];
    const norm = globalNorm(all);
    const [size] = await norm.data();
    norm.dispose();
    if (Number.isFinite(size)) return;
    for (const each of all) { // Numbers that are finite may have squares that are not.
      if (allFinite(await each.data<"float32">())) continue;
      failed = true;
      throw new InputError(
        `Cannot make update ${state.update} as the model's numbers are then not finite: a smaller rate may help`,
      );
    }
  }

  async function update({ losses }: Job) {
    const kept: Partial<Record<"L1" | "L2", tf.Scalar>> = {};
    const { value, grads } = tf.variableGrads(() => {
      const { loss, L1, L2 } = losses(state.update);
      if (L1) kept.L1 = tf.keep(L1);
      if (L2) kept.L2 = tf.keep(L2);
      return loss;
    }, [...variables]);
    const gradients = variables.map(({ name, shape }) => grads[name] ?? tf.zeros(shape));
    const normTensor = globalNorm(gradients);
    const read = async (scalar: tf.Tensor) => (await scalar.data())[0]!;
    try {
      const [loss, norm, L1, L2] = await Promise.all([ // Together: on a GPU each takes its time.
        read(value),
        read(normTensor),
        kept.L1 && read(kept.L1),
        kept.L2 && read(kept.L2),
      ]);
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
        throw new InputError(
          `Cannot make update ${state.update + 1} as its loss is ${loss} and its gradient's norm ${norm}: ` +
            "a smaller rate may help",
        );
      }
      adamUpdate(variables, gradients, norm, state, adam);
      return { loss, ...(L1 !== undefined && { L1 }), ...(L2 !== undefined && { L2 }), norm };
    } finally {
      tf.dispose([value, normTensor, gradients, Object.values(kept)]);
    }
  }
}

/** A run under way: iterate it for its records, or await it for its result; both may be done. */
export interface Training<Result, Step = TrainingRecord> extends AsyncIterable<Step>, PromiseLike<Result> {}

/**
 * Makes a generator of records into a {@linkcode Training}. Nothing happens before it is iterated or awaited; then the
 * backend starts, where none was chosen. Iterated a second time it throws an {@linkcode InputError}, as a run is
 * carried out once.
 */
export function training<Result, Step = TrainingRecord>(
  records: AsyncGenerator<Step, Result>,
): Training<Result, Step> {
  let result: Promise<Result> | undefined;
  let finish!: { resolve: (result: Result) => void; reject: (error: unknown) => void };
  const finished = new Promise<Result>((resolve, reject) => finish = { resolve, reject });
  finished.catch(() => {}); // A reader of records gets the error from the iteration.
  async function* iterate(): AsyncGenerator<Step, void> {
    try {
      await started();
      finish.resolve(yield* records);
    } catch (error) {
      finish.reject(error);
      throw error;
    } finally {
      finish.reject(new InputError("Cannot give the result of a run that was left before its end"));
    }
  }
  let iterator: AsyncGenerator<Step, void> | undefined;
  const drain = async (): Promise<Result> => {
    for await (const _ of iterator ??= iterate());
    return finished;
  };
  const run: Training<Result, Step> = {
    [Symbol.asyncIterator]: () => {
      if (!iterator) return iterator = iterate();
      throw new InputError(
        "Cannot iterate a run again as it is carried out once: await it for its result, or make another",
      );
    },
    then: (fulfilled, rejected) => (result ??= drain()).then(fulfilled, rejected),
  };
  return displayAs(
    run,
    () =>
      iterator
        ? "a run that has begun: await it for its result"
        : "a run that has not begun: write await before it, or watch it, as in await watch(run), or iterate it, as in " +
          "for await (const record of run)",
  );
}
