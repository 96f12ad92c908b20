/**
 * The operations that GPT-1 is made of, in stock tfjs operations: the plain face, which runs on every backend
 * and is the definition. N is the number of sequences, T their length, d the width, H the heads, V the rows
 * of the table.
 */
import * as tf from "@tensorflow/tfjs";
import { dropoutFactors, type Key } from "./random.ts";

/** An affine map's parameters: weight (in, out), as OpenAI and Hugging Face store it, and bias (out). */
export interface Linear {
  /** (in, out) */
  weight: tf.Variable<tf.Rank.R2>;
  /** (out) */
  bias: tf.Variable<tf.Rank.R1>;
}

/** A layer norm's parameters: gain (d) and bias (d). */
export interface Norm {
  /** Gain (d). */
  weight: tf.Variable<tf.Rank.R1>;
  /** (d) */
  bias: tf.Variable<tf.Rank.R1>;
}

/** `x·W + b` over the last axis. */
export function linear(x: tf.Tensor, { weight, bias }: Linear): tf.Tensor {
  const [width, out] = weight.shape;
  const rows = tf.matMul(x.reshape([-1, width]) as tf.Tensor2D, weight).add(bias); // (rows, out)
  return rows.reshape([...x.shape.slice(0, -1), out]);
}

/** GELU by the tanh formula that OpenAI used; the exact one drifts from the released weights by 1e-2. */
export function gelu(x: tf.Tensor): tf.Tensor {
  const inner = x.mul(x).mul(0.044715).add(1).mul(x).mul(Math.sqrt(2 / Math.PI));
  return inner.tanh().add(1).mul(x).mul(0.5);
}

/** `(x − mean) / √(variance + ε) · gain + bias` over the last axis, population variance. */
export function layerNorm(x: tf.Tensor, { weight, bias }: Norm, epsilon = 1e-5): tf.Tensor {
  const centred = x.sub(x.mean(-1, true));
  const variance = centred.square().mean(-1, true);
  return centred.mul(variance.add(epsilon).rsqrt()).mul(weight).add(bias);
}

/** `x` with a share `rate` of its elements dropped; the same key drops the same elements. */
export function dropout<T extends tf.Tensor>(x: T, rate: number, key: Key): T {
  if (rate === 0) return x;
  return x.mul(tf.tensor(dropoutFactors(key, x.size, rate), x.shape)) as T;
}

/**
 * Causal attention: `softmax(q·kᵀ/√(d/H) masked)·v`, a query seeing the keys up to its own place.
 *
 * @param q Queries (N, H, T, d/H).
 * @param k Keys (N, H, S, d/H), S ≥ T; the queries are the last T of the S places.
 * @param v Values, shaped as the keys.
 * @param drop What happens to the probabilities (N, H, T, S) before they weigh the values.
 * @returns (N, H, T, d/H)
 */
export function attention(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  v: tf.Tensor4D,
  drop: (probabilities: tf.Tensor) => tf.Tensor = (probabilities) => probabilities,
): tf.Tensor4D {
  const [, , T, size] = q.shape;
  const S = k.shape[2];
  const scores = tf.matMul(q, k, false, true).div(Math.sqrt(size)); // (N, H, T, S)
  // Multiply, then add −1e9, as OpenAI does: −1e4 leaks the future once scores fall below it.
  const seen = tf.range(0, S).lessEqual(tf.range(S - T, S).expandDims(1)).cast("float32"); // (T, S)
  const masked = scores.mul(seen).add(seen.sub(1).mul(1e9));
  return tf.matMul(drop(masked.softmax()), v);
}

/**
 * The rows of a table that ids name. wasm has no gradient of `gather`, so it is a scatter here.
 *
 * @param table (V, d)
 * @param ids Integers, any shape.
 * @returns The ids' shape, then d.
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor {
  const flat = ids.flatten() as tf.Tensor1D;
  const lookup = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [rows, save] = inputs as [tf.Tensor2D, tf.GradSaveFunc];
    save([flat]); // A closure's tensors are gone by the time of the gradient.
    return {
      value: rows.gather(flat),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) =>
        tf.scatterND(saved[0]!.expandDims(1), dy, table.shape) as tf.Tensor,
    };
  });
  return lookup(table).reshape([...ids.shape, table.shape[1]]);
}

/**
 * Weighted cross-entropy of a softmax tied to a table: `Σ w·(log Σ exp(h·tableᵀ) − h·table[target])`.
 *
 * @param h States (rows, d).
 * @param table Output rows (V, d).
 * @param targets Ids (rows), int32.
 * @param weights What each row counts (rows); 0 leaves it out.
 * @returns A scalar, in nats.
 */
export function tiedCrossEntropy(
  h: tf.Tensor2D,
  table: tf.Tensor2D,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
): tf.Scalar {
  const loss = tf.customGrad((...inputs: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const [states, rows, save] = inputs as [tf.Tensor2D, tf.Tensor2D, tf.GradSaveFunc];
    const logProbabilities = tf.matMul(states, rows, false, true).logSoftmax(); // (rows, V)
    const hit = tf.oneHot(targets, rows.shape[0]).cast("float32"); // (rows, V)
    save([states, rows, logProbabilities, hit, weights]);
    return {
      value: logProbabilities.mul(hit).sum(1).mul(weights).sum().neg(),
      gradFunc: (dy: tf.Tensor, saved: tf.Tensor[]) => {
        const [states, rows, logProbabilities, hit, weights] = saved as tf.Tensor2D[];
        const dLogits = logProbabilities!.exp().sub(hit!).mul(weights!.mul(dy).expandDims(1)) as tf.Tensor2D;
        return [tf.matMul(dLogits, rows!), tf.matMul(dLogits, states!, true, false)];
      },
    };
  });
  return loss(h, table) as tf.Scalar;
}
