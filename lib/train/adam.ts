import * as tf from "../tfjs.ts";
import { adam, norm as normOf } from "../engine/mod.ts";
import { variable } from "../model/mod.ts";
import { type LossCurve, noLosses } from "./losses.ts";
import { type Schedule, schedules } from "./schedules.ts";

/** Settings of OpenAI's Adam. */
export interface AdamOptions {
  /** Maximum learning rate. */
  readonly rate: number;
  /** Learning-rate schedule. */
  readonly schedule: Schedule;
  /** Linear warm-up of the learning rate, as a fraction of the updates; of 2,000 with `warmup_stable_decay`. */
  readonly warmup: number;
  /** Total number of updates of the schedule. */
  readonly updates: number;
  /** Weight decay ("modified L2", §4.1: 0.01), on matrices including embeddings, not on biases and gains. */
  readonly decay: number;
  /** Gradient clipping: maximum global norm (OpenAI: 1); 0 for none. */
  readonly clip: number;
}

/** The optimiser's state. */
export interface AdamState {
  /** Number of updates completed. */
  update: number;
  /** How many of them were made before its moments and its schedule began, in an earlier stage of the run. */
  before: number;
  /** Seconds of all updates, including those before an interruption. */
  seconds: number;
  /** The losses of its updates; undefined after a checkpoint that does not have them. */
  losses: LossCurve | undefined;
  /** First moments: running means of the gradients. */
  readonly m: readonly tf.Variable[];
  /** Second moments: running means of the squared gradients. */
  readonly v: readonly tf.Variable[];
}

const [B1, B2, EPSILON] = [0.9, 0.999, 1e-8];

/** The initial state: no updates, and all moments zero. */
export function adamState(variables: readonly tf.Variable[]): AdamState {
  const zeros = () => variables.map(({ size, shape }) => variable(new Float32Array(size), shape as [number]));
  return { update: 0, before: 0, seconds: 0, losses: noLosses, m: zeros(), v: zeros() };
}

/** Sets the moments to zero and forgets the losses, for the next stage of a run. */
export function resetAdam(state: AdamState): void {
  state.losses = noLosses;
  for (const leaf of [...state.m, ...state.v]) tf.tidy(() => leaf.assign(tf.zerosLike(leaf)));
}

/** Frees the moments. */
export function disposeAdam({ m, v }: AdamState): void {
  tf.dispose([...m, ...v]);
}

/** The learning rate of the next update, after `update` completed ones, without bias correction. */
export function rateAt(update: number, { rate, schedule, warmup, updates }: AdamOptions): number {
  return rate * schedules[schedule](update / updates, warmup, updates);
}

/** Global gradient norm, √Σg² over all tensors. */
export function globalNorm(gradients: readonly tf.Tensor[]): tf.Scalar {
  return normOf(gradients);
}

/**
 * One update of OpenAI's Adam, in place. It reproduces four differences from textbook Adam: ε is added to √v before the
 * bias correction; weight decay is multiplied by the bias-corrected rate; only matrices decay; the schedule is evaluated
 * before the update count is incremented.
 *
 * @param variables The variables to update; `gradients` in the same order.
 * @param norm The gradients' {@linkcode globalNorm}.
 */
export function adamUpdate(
  variables: readonly tf.Variable[],
  gradients: readonly tf.Tensor[],
  norm: number,
  state: AdamState,
  options: AdamOptions,
): void {
  const update = state.update - state.before, t = update + 1;
  const rate = rateAt(update, options) * Math.sqrt(1 - B2 ** t) / (1 - B1 ** t);
  const factor = options.clip > 0 ? options.clip / Math.max(norm, options.clip) : 1;
  variables.forEach((p, i) => {
    const decay = p.rank > 1 ? options.decay : 0;
    adam(p, gradients[i]!, state.m[i]!, state.v[i]!, {
      factor,
      rate,
      decay,
      b1: B1,
      b2: B2,
      epsilon: EPSILON,
    });
  });
  state.update++;
}
