import * as tf from "../../tfjs.ts";
import { InputError } from "../../errors.ts";
import { type Case, casesOf, draw } from "../cases.ts";
import { compute, differentiable, ELEMENT, type WasmContext } from "../operation.ts";

/**
 * Rotary positions (Su et al. 2021, §3.2): each pair of neighbouring features of a query and of a key, taken as a
 * complex number, is multiplied by its token's factor. Values stay.
 *
 * @param qkv Queries, keys and values side by side (N, T, 3d).
 * @param heads H, which share d evenly; d/H must be even.
 * @param rotations The factors (T, d/H): real and imaginary part in turns. Constants: they have no gradient.
 * @returns (N, T, 3d)
 * @throws {InputError} If d/H is odd, or the factors have another shape.
 */
export function rotary(qkv: tf.Tensor3D, heads: number, rotations: tf.Tensor2D): tf.Tensor3D {
  const [, T, width] = qkv.shape, size = width / 3 / heads;
  if (size % 2 !== 0) {
    throw new InputError(
      `Cannot rotate heads of width ${size} as their features must be pairs: expected an even width`,
    );
  }
  if (rotations.shape[0] !== T || rotations.shape[1] !== size) {
    throw new InputError(
      `Cannot rotate ${T} tokens with factors of shape [${rotations.shape}]: expected [${T},${size}]`,
    );
  }
  return compute({ reference: rotaryReference, fused: rotaryFused }, qkv, heads, rotations);
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

/** {@linkcode rotary}, fused: one pass, and back by the conjugate factors. */
export function rotaryFused(
  { addressOf, make, divide }: WasmContext,
  qkv: tf.Tensor3D,
  heads: number,
  rotations: tf.Tensor2D,
): tf.Tensor3D {
  const [N, T, width] = qkv.shape, size = width / 3 / heads;
  const rotated = (x: tf.Tensor, rotations: tf.Tensor, sign: 1 | -1) => {
    const y = make(x.shape);
    const [from, by, to] = [addressOf(x), addressOf(rotations), addressOf(y)];
    divide(N * T, 1, ELEMENT * width, (kernels, first, count) => {
      const row = 4 * width * first;
      kernels.rotary(first, count, T, heads, size, from + row, by, to + row, sign);
    });
    return y;
  };
  return differentiable([qkv], () => ({
    value: rotated(qkv, rotations, 1),
    saved: [rotations],
    backward: (dy, [rotations]) => [rotated(dy, rotations!, -1)],
  }));
}

/** What is compared: heads of whole vectors of four, and not. */
export const cases: Case[] = casesOf(
  rotary,
  rotaryReference,
  [6, 8].map((size) => ({
    shapes: [[2, 7, 3 * 2 * size]],
    call: (rotary, qkv) => rotary(qkv as tf.Tensor3D, 2, draw("rotations", [7, size])),
  })),
);
