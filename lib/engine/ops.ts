/**
 * The operations that the models are made of. Each has two faces: the plain one in stock tfjs operations, which is
 * the definition and runs on every backend, and one on the wasm backend's heap, which is tested against it.
 * N is the number of sequences, T their length, d the width, H the heads, V the rows of the table.
 */
import type * as tf from "@tensorflow/tfjs";
import { type Faces, fused } from "./fused.ts";
import * as plain from "./plain.ts";
import type { AdamStep, AttentionOptions, DropoutMask, Linear, Norm } from "./plain.ts";

export { attentionWeights, attentionWithCache, lstmWithState } from "./plain.ts";
export type {
  AdamStep,
  AttentionOptions,
  CachedAttentionOptions,
  DropoutMask,
  KeyValues,
  Linear,
  LstmState,
  Norm,
} from "./plain.ts";

/** The fastest faces that run on the current backend. */
function faces(): Faces {
  return fused() ?? plain;
}

/** `x·W + b` over the last axis. */
export function linear(x: tf.Tensor, p: Linear): tf.Tensor {
  return faces().linear(x, p);
}

/** `GELU(x·W + b)`, by the tanh formula that OpenAI used; the exact one drifts from the released weights by 1e-2. */
export function linearGelu(x: tf.Tensor, p: Linear): tf.Tensor {
  return faces().linearGelu(x, p);
}

/** Layer norm of a residual, `LN(x + drop(y))`: mean and population variance over the last axis, ε = 1e-5. */
export function residualNorm(x: tf.Tensor, y: tf.Tensor, p: Norm, drop?: DropoutMask): tf.Tensor {
  return faces().residualNorm(x, y, p, drop);
}

/** Layer norm alone: as {@linkcode residualNorm} without a residual. */
export function layerNorm(x: tf.Tensor, p: Norm): tf.Tensor {
  return faces().layerNorm(x, p);
}

/** `x` with a share of its elements dropped, the rest scaled so that the mean stays. */
export function dropout<T extends tf.Tensor>(x: T, drop?: DropoutMask): T {
  return faces().dropout(x, drop);
}

/**
 * `dropout` of tables one below the other: as one matrix, and without a copy of it that has nothing dropped.
 *
 * @param tables Each (rows, d).
 * @returns (all rows, d)
 */
export function stackedDropout(tables: tf.Tensor2D[], drop?: DropoutMask): tf.Tensor2D {
  return faces().stackedDropout(tables, drop);
}

/**
 * Attention of all heads, `softmax(q·kᵀ/√(d/H) + bias, masked)·v`, a query seeing the keys up to its own position; or,
 * where lengths are given, all keys but padding.
 *
 * @param qkv Queries, keys and values side by side (N, T, 3d).
 * @param heads H, which share d evenly.
 * @returns The heads' values merged (N, T, d).
 */
export function attention(qkv: tf.Tensor3D, heads: number, options: AttentionOptions = {}): tf.Tensor3D {
  return faces().attention(qkv, heads, options);
}

/**
 * Rotary positions (Su et al. 2021, §3.2): each pair of neighbouring features of a query and of a key, taken as a
 * complex number, is multiplied by its token's factor. Values stay.
 *
 * @param qkv Queries, keys and values side by side (N, T, 3d).
 * @param heads H, which share d evenly; d/H must be even.
 * @param turns The factors (T, d/H): real and imaginary part in turns.
 * @returns (N, T, 3d)
 */
export function rotary(qkv: tf.Tensor3D, heads: number, turns: tf.Tensor2D): tf.Tensor3D {
  return faces().rotary(qkv, heads, turns);
}

/**
 * One layer of an LSTM (Hochreiter and Schmidhuber 1997; with Gers et al.'s forget gate) from a state of zeros:
 * `c = σ(f)·c + σ(i)·tanh(g)`, `h = σ(o)·tanh(c)`, where i, f, g and o are the four parts of `[x, h]·W + b`.
 *
 * @param x What it reads (N, T, d).
 * @param p The gates' map, (d + u, 4u).
 * @returns h at each step (N, T, u).
 */
export function lstm(x: tf.Tensor3D, p: Linear): tf.Tensor3D {
  return faces().lstm(x, p);
}

/**
 * The rows of a table that ids name.
 *
 * @param table (V, d)
 * @param ids Integers, any shape.
 * @returns The ids' shape, then d.
 */
export function embedding(table: tf.Tensor2D, ids: tf.Tensor): tf.Tensor {
  return faces().embedding(table, ids);
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
  return faces().tiedCrossEntropy(h, table, targets, weights);
}

/** √Σx² over all tensors together. */
export function norm(tensors: readonly tf.Tensor[]): tf.Scalar {
  return faces().norm(tensors);
}

/**
 * One update of OpenAI's Adam: changes a variable and its two moments.
 *
 * @param p What is trained.
 * @param gradient Its gradient.
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
  faces().adam(p, gradient, m, v, step);
}
