import * as tf from "@tensorflow/tfjs";
import { adam, norm as normOf } from "../engine/mod.ts";
import { variable } from "../model/mod.ts";
import { type Schedule, schedules } from "./schedules.ts";

/** Settings of OpenAI's Adam. */
export interface AdamOptions {
  /** Largest learning rate. */
  readonly rate: number;
  /** Course of the rate over the updates. */
  readonly schedule: Schedule;
  /** Share of the updates in which the rate rises from zero. */
  readonly warmup: number;
  /** Number of updates that the schedule spans. */
  readonly updates: number;
  /** Weight decay ("modified L2", §4.1: 0.01), on matrices only: embeddings yes, biases and gains no. */
  readonly decay: number;
  /** Largest norm of all gradients together (OpenAI: 1); 0 does not clip. */
  readonly clip: number;
}

/** First and second moments of each variable's gradient, and the number of updates made. */
export interface AdamState {
  /** Updates made. */
  update: number;
  /** Seconds that they took, those before an interruption included. */
  seconds: number;
  /** Running means of the gradients. */
  readonly m: readonly tf.Variable[];
  /** Running means of their squares. */
  readonly v: readonly tf.Variable[];
}

const [B1, B2, EPSILON] = [0.9, 0.999, 1e-8];

/** Moments at zero for each variable. */
export function adamState(variables: readonly tf.Variable[]): AdamState {
  const zeros = () => variables.map(({ size, shape }) => variable(new Float32Array(size), shape as [number]));
  return { update: 0, seconds: 0, m: zeros(), v: zeros() };
}

/** Frees the moments. */
export function disposeAdam({ m, v }: AdamState): void {
  tf.dispose([...m, ...v]);
}

/** The learning rate of the update after `update` completed ones, bias correction left out. */
export function rateAt(update: number, { rate, schedule, warmup, updates }: AdamOptions): number {
  return rate * schedules[schedule](update / updates, warmup);
}

/** √Σg² over all gradients: one number, as OpenAI clips, not one a tensor. */
export function globalNorm(gradients: readonly tf.Tensor[]): tf.Scalar {
  return normOf(gradients);
}

/**
 * One update of OpenAI's Adam, in place. Four things differ from the textbook, and all are kept: ε joins √v
 * before the bias correction; decay is multiplied by the corrected rate; only matrices decay; the schedule is
 * read before the count goes up.
 *
 * @param variables What to change; `gradients` in the same order.
 * @param norm The gradients' {@linkcode globalNorm}.
 */
export function adamUpdate(
  variables: readonly tf.Variable[],
  gradients: readonly tf.Tensor[],
  norm: number,
  state: AdamState,
  options: AdamOptions,
): void {
  const t = state.update + 1;
  const rate = rateAt(state.update, options) * Math.sqrt(1 - B2 ** t) / (1 - B1 ** t);
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
  state.update = t;
}
