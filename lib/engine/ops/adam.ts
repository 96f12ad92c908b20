import * as tf from "../../tfjs.ts";
import { type Case, casesOf } from "../cases.ts";
import { compute, ELEMENT, STRETCH, type WasmContext } from "../operation.ts";

/** One update's settings of OpenAI's Adam on one tensor. */
export interface AdamStep {
  /** What the gradient is multiplied by: less than 1 where it is clipped. */
  readonly factor: number;
  /** Learning rate, corrected for the moments' bias. */
  readonly rate: number;
  /** Weight decay. */
  readonly decay: number;
  /** Of the gradients' running mean. */
  readonly b1: number;
  /** Of their squares' running mean. */
  readonly b2: number;
  /** Joins √v before the bias is corrected. */
  readonly epsilon: number;
}

/**
 * One update of OpenAI's Adam (§4.1): changes a variable and its two moments.
 *
 * @param p What is trained, any shape.
 * @param gradient Its gradient, of p's shape as all that follow.
 * @param m Running mean of the gradients.
 * @param v Running mean of their squares.
 * @param step The settings of this update.
 */
export function adam(
  p: tf.Variable,
  gradient: tf.Tensor,
  m: tf.Variable,
  v: tf.Variable,
  step: AdamStep,
): void {
  compute({ reference: adamReference, fused: adamFused }, p, gradient, m, v, step);
}

/** The reference of {@linkcode adam}. */
export function adamReference(
  p: tf.Variable,
  gradient: tf.Tensor,
  m: tf.Variable,
  v: tf.Variable,
  { factor, rate, decay, b1, b2, epsilon }: AdamStep,
): void {
  tf.tidy(() => {
    const g = gradient.mul(factor);
    m.assign(m.mul(b1).add(g.mul(1 - b1)));
    v.assign(v.mul(b2).add(g.square().mul(1 - b2)));
    const step = m.div(v.sqrt().add(epsilon));
    p.assign(p.sub(step.add(p.mul(decay)).mul(rate)));
  });
}

/** {@linkcode adam}, fused: in place, in one pass over the four. */
export function adamFused(
  { memory, addressOf, make, isShared, divide }: WasmContext,
  p: tf.Variable,
  gradient: tf.Tensor,
  m: tf.Variable,
  v: tf.Variable,
  { factor, rate, decay, b1, b2, epsilon }: AdamStep,
): void {
  for (const x of [p, m, v]) {
    const from = addressOf(x);
    if (!isShared(x)) continue;
    tf.tidy(() => { // A clone shares the buffer, and must not change with it.
      const copy = make(x.shape);
      new Uint8Array(memory.buffer).copyWithin(addressOf(copy), from, from + 4 * x.size);
      x.assign(copy);
    });
  }
  const addresses = [p, gradient, m, v].map((x) => addressOf(x)) as [number, number, number, number];
  const settings = [factor, rate, decay, b1, 1 - b1, b2, 1 - b2, epsilon] as const;
  divide(p.size, STRETCH, 2 * ELEMENT, (kernels, first, count) => {
    const [x, g, m, v] = addresses.map((address) => address + 4 * first) as typeof addresses;
    kernels.adam(count, x, g, m, v, ...settings);
  });
}

/** What is compared. */
export const cases: Case[] = casesOf(adam, adamReference, [{
  shapes: [[4, 33], [4, 33], [4, 33], [4, 33]],
  call(adam, p, gradient, m, v) {
    const variables = [p!, m!, v!.square()].map((x) => tf.variable(x)) as [
      tf.Variable,
      tf.Variable,
      tf.Variable,
    ];
    const step = { factor: 0.7, rate: 1e-2, decay: 0.01, b1: 0.9, b2: 0.999, epsilon: 1e-8 };
    adam(variables[0], gradient!, variables[1], variables[2], step);
    const results = variables.map((x) => x.clone());
    tf.dispose(variables);
    return results;
  },
}]);
