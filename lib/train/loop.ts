import * as tf from "../tfjs.ts";
import type { Run } from "../engine/mod.ts";
import { DivergedError } from "../errors.ts";
import { allFinite } from "../foreign.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { type AdamOptions, type AdamState, adamUpdate, globalNorm, rateAt } from "./adam.ts";
import { withLoss } from "./losses.ts";
import type { Losses } from "./objectives.ts";

/** Metrics of one update. */
export interface TrainingRecord {
  /** Number of this update, from 1. */
  readonly update: number;
  /** Total number of updates, of all stages. */
  readonly updates: number;
  /** Training loss of this update's batch, in nats. */
  readonly loss: number;
  /** Language-modelling loss, if computed. */
  readonly L1?: number;
  /** Task loss, if there is a task; absent while fine-tuning adapts the model to the task's texts. */
  readonly L2?: number;
  /** Learning rate, without bias correction. */
  readonly rate: number;
  /** Global gradient norm, before clipping. */
  readonly norm: number;
  /** Seconds of all updates so far, including those before an interruption. */
  readonly seconds: number;
  /** At an epoch's last update, if the best epoch is kept: its score on the validation split, at most 1. */
  readonly validation?: number;
}

/** The input of the training loop, which is independent of models. */
export interface Job {
  /** The variables to train. */
  readonly variables: readonly tf.Variable[];
  /** The losses of the next update, after `update` completed ones. */
  losses(update: number): Losses;
  /** The optimiser's settings. */
  readonly adam: AdamOptions;
  /** The optimiser's state, updated in place. */
  readonly state: AdamState;
  /** Number of updates of the run. Default: those until the end of the schedule, as no stage follows. */
  readonly updates?: number;
  /** Awaited before each update. */
  ready?(): Promise<void>;
  /** What reads the variables just now, if anything: they change after it. */
  reading?(): Promise<unknown> | undefined;
  /** Awaited after each update, as a part of it: what it returns is in the update's record. */
  measure?(): Promise<Pick<TrainingRecord, "validation">>;
  /** Called every `saveEvery` updates, at the end and when stopped; not after an error. */
  save?(): Promise<void>;
  /** Number of updates between saves. Default: saved at the end only. */
  readonly saveEvery?: number;
  /** Stops the run after the current update. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * The training loop. It trains until the schedule ends, the signal aborts or the iteration is left, and saves the
 * state in each case.
 *
 * @throws {InputError} If loss or gradient is not finite; the parameters are then those of the previous update. If
 * parameters or moments are not finite after the last update or before a save; the previous save is then kept.
 * @throws {DOMException} `AbortError`, if {@linkcode stopSignal} stops a run without its own signal, so that an
 * incomplete run is not mistaken for a complete one.
 */
export async function* train(job: Job): AsyncGenerator<TrainingRecord, void> {
  const { variables, adam, state, saveEvery = Infinity } = job;
  const end = state.before + adam.updates, { updates = end } = job;
  const globalSignal = job.signal ? undefined : stopSignal();
  const signal = job.signal ?? globalSignal!;
  const startUpdate = state.update;
  let [savedUpdate, failed] = [startUpdate, false];
  try {
    while (state.update < end && !signal.aborted) {
      await job.ready?.();
      const begin = performance.now();
      const rate = rateAt(state.update - state.before, adam);
      failed = true; // Until the update is complete.
      const measurements = { ...await update(job), ...await job.measure?.() };
      state.losses &&= withLoss(state.losses, measurements.L2 ?? measurements.loss);
      failed = false;
      state.seconds += (performance.now() - begin) / 1e3;
      yield {
        update: state.update,
        updates,
        rate,
        ...measurements,
        seconds: state.seconds,
      };
      if (state.update % saveEvery === 0 && job.save) { // After the consumer has handled the record.
        await checkFinite();
        await job.save();
        savedUpdate = state.update;
      }
      await yieldToEventLoop();
    }
    if (state.update > startUpdate) await checkFinite();
  } finally {
    if (!failed && savedUpdate !== state.update && job.save) {
      await checkFinite();
      await job.save();
    }
  }
  if (state.update < updates && globalSignal?.aborted) {
    const resumeHint = job.save ? ": call it again to resume from there" : "";
    throw new DOMException(
      `Stopped after update ${state.update} of ${updates}${resumeHint}`,
      "AbortError",
    );
  }

  /** The next update's loss would reveal numbers that are not finite, but the last update has no next. */
  async function checkFinite(): Promise<void> {
    const all = [...variables, ...state.m, ...state.v];
    const norm = globalNorm(all);
    const [size] = await norm.data();
    norm.dispose();
    if (Number.isFinite(size)) return;
    for (const each of all) { // Squares of finite numbers may overflow.
      if (allFinite(await each.data<"float32">())) continue;
      failed = true;
      throw new DivergedError(
        `Cannot make update ${state.update} as parameters or moments are then not finite: a smaller rate may help`,
      );
    }
  }

  async function update({ losses, reading }: Job) {
    const parts: Partial<Record<"L1" | "L2", tf.Scalar>> = {};
    const { value, grads } = tf.variableGrads(() => {
      const { loss, L1, L2 } = losses(state.update);
      if (L1) parts.L1 = tf.keep(L1);
      if (L2) parts.L2 = tf.keep(L2);
      return loss;
    }, [...variables]);
    const gradients = variables.map(({ name, shape }) => grads[name] ?? tf.zeros(shape));
    const normTensor = globalNorm(gradients);
    const read = async (scalar: tf.Tensor) => (await scalar.data())[0]!;
    try {
      const [loss, norm, L1, L2] = await Promise.all([ // Concurrently: each read waits for the GPU.
        read(value),
        read(normTensor),
        parts.L1 && read(parts.L1),
        parts.L2 && read(parts.L2),
      ]);
      if (!Number.isFinite(loss) || !Number.isFinite(norm)) {
        throw new DivergedError(
          `Cannot make update ${state.update + 1} as its loss is ${loss} and its gradient norm ${norm}: ` +
            "a smaller rate may help",
        );
      }
      for (let wait = reading?.(); wait; wait = reading?.()) await wait; // A score is of one state of the model.
      adamUpdate(variables, gradients, norm, state, adam);
      return { loss, ...(L1 !== undefined && { L1 }), ...(L2 !== undefined && { L2 }), norm };
    } finally {
      tf.dispose([value, normTensor, gradients, Object.values(parts)]);
    }
  }
}

/** A training run: iterate it for its records, or await it for its result, or both. */
export interface Training<Result, Step = TrainingRecord> extends Run<Result, Step> {}
