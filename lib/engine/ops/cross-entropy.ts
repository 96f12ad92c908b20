import * as tf from "../../tfjs.ts";
import { type Case, casesOf, draw, drawIds } from "../cases.ts";
import {
  AB,
  ABt,
  AtB,
  compute,
  differentiable,
  ELEMENT,
  gemm,
  STRETCH,
  type WasmContext,
} from "../operation.ts";
import { checkIds, scatter } from "./embedding.ts";

/**
 * Weighted cross-entropy of a softmax tied to a table (§3.1, eq. 1 and 2): `Σ w·(log Σ exp(h·tableᵀ) − h·table[target])`.
 *
 * @param h States (rows, d).
 * @param table Output rows (V, d).
 * @param targets Ids (rows), int32.
 * @param weights What each row counts (rows); 0 leaves it out.
 * @returns A scalar, in nats.
 * @throws {InputError} If the fused implementation finds a target that the table does not have.
 */
export function tiedCrossEntropy(
  h: tf.Tensor2D,
  table: tf.Tensor2D,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
): tf.Scalar {
  const implementations = { reference: tiedCrossEntropyReference, fused: tiedCrossEntropyFused };
  return compute(implementations, h, table, targets, weights);
}

/** The reference of {@linkcode tiedCrossEntropy}. */
export function tiedCrossEntropyReference(
  h: tf.Tensor2D,
  table: tf.Tensor2D,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
): tf.Scalar {
  return differentiable([h, table], () => {
    const logProbabilities = tf.matMul(h, table, false, true).logSoftmax(); // (rows, V)
    const hit = tf.oneHot(targets, table.shape[0]).cast("float32"); // (rows, V)
    return {
      value: logProbabilities.mul(hit).sum(1).mul(weights).sum().neg(),
      saved: [h, table, logProbabilities, hit, weights],
      backward(dy, saved) {
        const [h, table, logProbabilities, hit, weights] = saved as tf.Tensor2D[];
        const dLogits = logProbabilities!.exp().sub(hit!).mul(weights!.mul(dy).expandDims(1)) as tf.Tensor2D;
        return [tf.matMul(dLogits, table!), tf.matMul(dLogits, h!, true, false)];
      },
    };
  });
}

/** Bytes of logits that are made at a time: they should stay in the second cache or near it. */
const LOGITS = 2 ** 23;
/** Rows of logits that are made at a time, at least. */
const MIN_ROWS = 256;

/** {@linkcode tiedCrossEntropy}, fused: logits are made by chunks of rows, and their gradient takes their place. */
export function tiedCrossEntropyFused(
  wasm: WasmContext,
  h: tf.Tensor2D,
  table: tf.Tensor2D,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
): tf.Scalar {
  const { own, memory, addressOf, make, scratch, divide, floats } = wasm;
  const [d, V] = [h.shape[1], table.shape[0]];
  const all = weights.dataSync<"float32">();
  const rows = Int32Array.from(all.keys()).filter((row) => all[row] !== 0);
  const ids = targets.dataSync<"int32">();
  const expected = rows.map((row) => ids[row]!);
  checkIds(expected, V);
  const count = rows.length;
  const chunk = Math.max(MIN_ROWS, Math.floor(LOGITS / (4 * V)));
  return differentiable([h, table], (taped) => {
    const [dh, dTable] = taped ? [make(h.shape), make(table.shape)] : [];
    const few = Math.min(chunk, count);
    const [size, each] = [4 * count * d, 4 * count];
    const addresses = scratch(each, each, each, 2 * each, size, size, 4 * few * V);
    const [counted, ends, factors, found, states, dStates, logits] = addresses;
    new Int32Array(memory.buffer, counted, count).set(rows);
    new Int32Array(memory.buffer, ends, count).set(expected);
    floats(factors, count).set(Float32Array.from(rows, (row) => all[row]!));
    own.gather(count, d, addressOf(h), counted, states);
    const [w, dW] = [addressOf(table), dTable ? addressOf(dTable) : 0];
    if (dTable && count === 0) floats(dW, dTable.size).fill(0);
    for (let start = 0; start < count; start += chunk) {
      const n = Math.min(chunk, count - start), from = states + 4 * d * start;
      divide(n, 1, 2 * V * d, (kernels, first, some) => {
        const row = start + first, tile = logits + 4 * V * first;
        gemm(kernels, ABt, [some, V, d], states + 4 * d * row, d, w, d, tile, V);
        kernels.crossEntropy(some, V, tile, ends + 4 * row, taped ? factors + 4 * row : 0, found + 8 * row);
        if (taped) gemm(kernels, AB, [some, d, V], tile, V, w, d, dStates + 4 * d * row, d);
      });
      if (!taped) continue;
      divide(V, 1, 2 * n * d, (kernels, first, count) => {
        const column = logits + 4 * first, to = dW + 4 * d * first;
        gemm(kernels, AtB, [count, d, n], column, V, from, d, to, d, start > 0);
      });
    }
    if (dh) scatter(wasm, count, d, dStates, counted, addressOf(dh), h.shape[0]);
    const results = floats(found, 2 * count);
    const loss = rows.reduce(
      (sum, row, i) => sum + all[row]! * (Math.log(results[2 * i + 1]!) - results[2 * i]!),
      0,
    );
    return {
      value: tf.scalar(loss, "float32"),
      saved: dh && dTable ? [dh, dTable] : [],
      // The loss is linear in dy, so what was found on the way needs only its factor.
      backward(dy, gradients) {
        const factor = dy.dataSync()[0]!;
        return gradients.map((gradient) => {
          if (factor === 1) return gradient.clone();
          const result = make(gradient.shape);
          const [from, to] = [addressOf(gradient), addressOf(result)];
          divide(gradient.size, STRETCH, ELEMENT, (kernels, first, count) => {
            kernels.scaled(count, from + 4 * first, factor, to + 4 * first);
          });
          return result;
        });
      },
    };
  });
}

/** What is compared; about half of the weights are 0. */
export const cases: Case[] = casesOf(
  tiedCrossEntropy,
  tiedCrossEntropyReference,
  ([[6, 5, 11], [36, 8, 100]] as const).map(([rows, d, V]) => ({
    shapes: [[rows, d], [V, d]],
    call(tiedCrossEntropy, h, table) {
      const weights = draw("weights", [rows]).relu() as tf.Tensor1D;
      return tiedCrossEntropy(h as tf.Tensor2D, table as tf.Tensor2D, drawIds([rows], V), weights);
    },
  })),
);
