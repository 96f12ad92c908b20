import type * as tf from "../../tfjs.ts";
import { type Case, casesOf } from "../cases.ts";
import {
  BLOCK,
  blocksOf,
  compute,
  differentiable,
  eachBlock,
  ELEMENT,
  type WasmContext,
} from "../operation.ts";
import { dropoutArguments, type DropoutMask, dropoutReference, maskBytes, sampleMask } from "./dropout.ts";
import type { Variable1D } from "../tensors.ts";

/** A layer norm's parameters: gain (d) and bias (d). */
export interface Norm {
  /** Gain (d). */
  weight: Variable1D;
  /** (d) */
  bias: Variable1D;
}

/**
 * Layer norm (Ba et al. 2016): mean and population variance over the last axis, ε = 1e-5.
 *
 * @param x (…, d)
 * @returns (…, d)
 */
export function layerNorm(x: tf.Tensor, p: Norm): tf.Tensor {
  return compute({ reference: layerNormReference, fused: layerNormFused }, x, p);
}

/** The reference of {@linkcode layerNorm}. */
export function layerNormReference(x: tf.Tensor, { weight, bias }: Norm): tf.Tensor {
  const centred = x.sub(x.mean(-1, true));
  const variance = centred.square().mean(-1, true);
  return centred.mul(variance.add(1e-5).rsqrt()).mul(weight).add(bias);
}

/** {@linkcode layerNorm}, fused. */
export function layerNormFused(wasm: WasmContext, x: tf.Tensor, p: Norm): tf.Tensor {
  return normFused(wasm, x, p);
}

/**
 * Layer norm of a residual, `LN(x + dropout(y))`, which each sublayer of GPT-1 ends in (§3.1, eq. 2).
 *
 * @param x (…, d)
 * @param y (…, d)
 * @param mask Of y. Default: nothing is dropped.
 * @returns (…, d)
 */
export function residualNorm(x: tf.Tensor, y: tf.Tensor, p: Norm, mask?: DropoutMask): tf.Tensor {
  return compute({ reference: residualNormReference, fused: residualNormFused }, x, y, p, mask);
}

/** The reference of {@linkcode residualNorm}. */
export function residualNormReference(x: tf.Tensor, y: tf.Tensor, p: Norm, mask?: DropoutMask): tf.Tensor {
  return layerNormReference(x.add(dropoutReference(y, mask)), p);
}

/** {@linkcode residualNorm}, fused: the sum is never written. */
export function residualNormFused(
  wasm: WasmContext,
  x: tf.Tensor,
  y: tf.Tensor,
  p: Norm,
  mask?: DropoutMask,
): tf.Tensor {
  return normFused(wasm, x, p, { y, mask });
}

/** Layer norm of x, or of x and what is kept of y. */
function normFused(
  { threads, own, addressOf, make, scratch, divide }: WasmContext,
  x: tf.Tensor,
  { weight, bias }: Norm,
  residual?: { y: tf.Tensor; mask?: DropoutMask | undefined },
): tf.Tensor {
  const d = x.shape.at(-1)!;
  const rows = x.size / d;
  const args = dropoutArguments(residual?.mask);
  return differentiable([x, ...(residual ? [residual.y] : []), weight, bias], (taped) => {
    const value = make(x.shape);
    const [normed, inverse] = [taped ? make(x.shape) : value, make([rows])];
    const [px, py, gain, shift] = [
      addressOf(x),
      residual ? addressOf(residual.y) : 0,
      addressOf(weight),
      addressOf(bias),
    ];
    const [out, centred, scales] = [addressOf(value), addressOf(normed), addressOf(inverse)];
    const [masks] = scratch(threads * maskBytes(d));
    divide(rows, BLOCK, ELEMENT * d, (kernels, first, count, part) => {
      const row = 4 * d * first;
      // deno-fmt-ignore
      kernels.norm(
        first, count, d, px + row, py && py + row, gain, shift, out + row, centred + row, scales + 4 * first,
        ...args, masks + part * maskBytes(d),
      );
    });
    return {
      value,
      saved: [normed, inverse, weight],
      backward(dy, [normed, inverse, weight]) {
        const [dx, dWeight, dBias] = [make(x.shape), make([d]), make([d])];
        const dropped = args[2] > 0 ? make(x.shape) : residual ? dx.clone() : dx;
        const blocks = blocksOf(rows);
        const [masks, gains, shifts] = scratch(threads * maskBytes(d), 4 * d * blocks, 4 * d * blocks);
        const [from, n, scales, gain] = [
          addressOf(dy),
          addressOf(normed!),
          addressOf(inverse!),
          addressOf(weight!),
        ];
        const [toX, toY] = [addressOf(dx), addressOf(dropped)];
        divide(rows, BLOCK, ELEMENT * d, (kernels, first, count, part) => {
          eachBlock(first, count, (first, count, block) => {
            const row = 4 * d * first, sum = 4 * d * block;
            // deno-fmt-ignore
            kernels.normBack(
              first, count, d, from + row, n + row, scales + 4 * first, gain, toX + row, toY + row,
              gains + sum, shifts + sum, ...args, masks + part * maskBytes(d),
            );
          });
        });
        own.sumRows(blocks, d, gains, addressOf(dWeight));
        own.sumRows(blocks, d, shifts, addressOf(dBias));
        return residual ? [dx, dropped, dWeight, dBias] : [dx, dWeight, dBias];
      },
    };
  });
}

/** What is compared. */
export const cases: Case[] = [
  ...casesOf(
    residualNorm,
    residualNormReference,
    [[3, 5], [2, 7, 24], [5, 130]].map((shape) => ({
      shapes: [shape, shape, shape.slice(-1), shape.slice(-1)],
      call: (residualNorm, x, y, weight, bias) => residualNorm(x!, y!, { weight, bias } as Norm, sampleMask),
    })),
  ),
  ...casesOf(layerNorm, layerNormReference, [{
    shapes: [[3, 43], [43], [43]],
    call: (layerNorm, x, weight, bias) => layerNorm(x!, { weight, bias } as Norm),
  }]),
];
