import * as tf from "../../tfjs.ts";
import { type Case, casesOf } from "../cases.ts";
import type { KernelCalls } from "../kernel-calls.ts";
import {
  AB,
  ABt,
  AtB,
  BLOCK,
  blocksOf,
  compute,
  differentiable,
  eachBlock,
  gemm,
  type WasmContext,
} from "../operation.ts";
import { share } from "../thread-pool.ts";
import type { Variable1D, Variable2D } from "../tensors.ts";

/** An affine map's parameters: weight (in, out), as OpenAI and Hugging Face store it, and bias (out). */
export interface Linear {
  /** (in, out) */
  weight: Variable2D;
  /** (out) */
  bias: Variable1D;
}

/**
 * `x·W + b` over the last axis.
 *
 * @param x (…, in)
 * @returns (…, out)
 */
export function linear(x: tf.Tensor, p: Linear): tf.Tensor {
  return compute({ reference: linearReference, fused: linearFused }, x, p);
}

/** The reference of {@linkcode linear}. */
export function linearReference(x: tf.Tensor, { weight, bias }: Linear): tf.Tensor {
  const [width, out] = weight.shape;
  const rows = tf.matMul(x.reshape([-1, width]) as tf.Tensor2D, weight).add(bias); // (rows, out)
  return rows.reshape([...x.shape.slice(0, -1), out]);
}

/** {@linkcode linear}, fused: the bias is added to rows that are still in the cache. */
export function linearFused(wasm: WasmContext, x: tf.Tensor, { weight, bias }: Linear): tf.Tensor {
  const { addressOf, make, scratch } = wasm;
  return differentiable([x, weight, bias], () => {
    const { out, rows } = sizesOf(x, weight);
    const value = make([...x.shape.slice(0, -1), out]);
    const [b, to] = [addressOf(bias), addressOf(value)];
    multiply(wasm, x, weight, value, (kernels, first, count) => {
      kernels.addBias(count, out, to + 4 * out * first, b);
    });
    return {
      value,
      saved: [x, weight],
      backward(dy, [x, weight]) {
        const [sums] = scratch(4 * out * blocksOf(rows));
        const from = addressOf(dy);
        return multiplyBackward(wasm, x!, weight!, from, sums, (kernels, first, count, sums) => {
          kernels.sumRows(count, out, from + 4 * out * first, sums);
        });
      },
    };
  });
}

/** Sizes of a linear map. */
export function sizesOf(x: tf.Tensor, weight: tf.Tensor): { width: number; out: number; rows: number } {
  const [width, out] = weight.shape as [number, number];
  return { width, out, rows: x.size / width };
}

/** `y = x·W`, and `then` on each thread's rows of it. */
export function multiply(
  { addressOf, divide }: WasmContext,
  x: tf.Tensor,
  weight: tf.Tensor,
  y: tf.Tensor,
  then: (kernels: KernelCalls, first: number, rows: number) => void,
): void {
  const { width, out, rows } = sizesOf(x, weight);
  const [px, w, py] = [addressOf(x), addressOf(weight), addressOf(y)];
  divide(rows, 1, 2 * width * out, (kernels, first, count) => {
    const from = px + 4 * width * first, to = py + 4 * out * first;
    gemm(kernels, AB, [count, out, width], from, width, w, out, to, out);
    then(kernels, first, count);
  });
}

/**
 * The gradients of x, W and b, where `dy` is the address of that of `x·W`.
 *
 * @param sums Scratch, `out` floats for each block.
 * @param before Writes the sum of a block's rows of dy, and before that the rows unless they are there.
 */
export function multiplyBackward(
  { addressOf, make, divide, run }: WasmContext,
  x: tf.Tensor,
  weight: tf.Tensor,
  dy: number,
  sums: number,
  before: (kernels: KernelCalls, first: number, rows: number, sums: number) => void,
): tf.Tensor[] {
  const { width, out, rows } = sizesOf(x, weight);
  const [dx, dWeight, dBias] = [make(x.shape), make(weight.shape), make([out])];
  const [px, w, toX, toW, toB] = [x, weight, dx, dWeight, dBias].map((each) => addressOf(each)) as Addresses;
  divide(rows, BLOCK, 2 * width * out, (kernels, first, count) => {
    eachBlock(first, count, (first, count, block) => before(kernels, first, count, sums + 4 * out * block));
    const from = dy + 4 * out * first, to = toX + 4 * width * first;
    gemm(kernels, ABt, [count, width, out], from, out, w, out, to, width);
  });
  run(2 * rows * width * out, (kernels, part, parts) => {
    if (part === 0) kernels.sumRows(blocksOf(rows), out, sums, toB);
    const [first, end] = share(width, part, parts);
    const to = toW + 4 * out * first;
    if (first < end) gemm(kernels, AtB, [end - first, out, rows], px + 4 * first, width, dy, out, to, out);
  });
  return [dx, dWeight, dBias];
}

type Addresses = [number, number, number, number, number];

/** Odd sizes, and more than a workgroup of a GPU in multiples of four, which its kernels treat apart. */
export const linearShapes = [[[3, 5], [5, 7], [7]], [[36, 100], [100, 12], [12]]] as const;

/** What is compared. */
export const cases: Case[] = casesOf(
  linear,
  linearReference,
  linearShapes.map((shapes) => ({
    shapes,
    call: (linear, x, weight, bias) => linear(x!, { weight, bias } as Linear),
  })),
);
