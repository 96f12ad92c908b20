import * as tf from "@tensorflow/tfjs";
import { type Case, casesOf, draw } from "../cases.ts";

/**
 * Rotary positions (Su et al. 2021, §3.2): each pair of neighbouring features of a query and of a key, taken as a
 * complex number, is multiplied by its token's factor. Values stay.
 *
 * @param qkv Queries, keys and values side by side (N, T, 3d).
 * @param heads H, which share d evenly; d/H must be even.
 * @param rotations The factors (T, d/H): real and imaginary part in turns.
 * @returns (N, T, 3d)
 */
export function rotary(qkv: tf.Tensor3D, heads: number, rotations: tf.Tensor2D): tf.Tensor3D {
  return rotaryReference(qkv, heads, rotations);
}

/** The reference of {@linkcode rotary}. */
export function rotaryReference(qkv: tf.Tensor3D, heads: number, rotations: tf.Tensor2D): tf.Tensor3D {
  const [N, T, width] = qkv.shape;
  const d = width / 3, size = d / heads;
  const [cosine, sine] = tf.split(rotations.reshape([T, 1, size / 2, 2]), 2, -1) as [tf.Tensor, tf.Tensor];
  const pairs = qkv.slice([0, 0, 0], [N, T, 2 * d]).reshape([N, T, 2 * heads, size / 2, 2]);
  const [x, y] = tf.split(pairs, 2, -1) as [tf.Tensor, tf.Tensor]; // (N, T, 2H, s/2, 1) each
  const rotated = tf.concat([x.mul(cosine).sub(y.mul(sine)), x.mul(sine).add(y.mul(cosine))], -1);
  return tf.concat([rotated.reshape([N, T, 2 * d]), qkv.slice([0, 0, 2 * d], [N, T, d])], -1) as tf.Tensor3D;
}

/** What is compared. */
export const cases: Case[] = casesOf(rotary, rotaryReference, [{
  shapes: [[2, 7, 36]],
  call: (rotary, qkv) => rotary(qkv as tf.Tensor3D, 2, draw("rotations", [7, 6])),
}]);
