import type * as tf from "../../tfjs.ts";
import { type Case, casesOf } from "../cases.ts";
import { blocksOf, compute, differentiable, type WasmContext } from "../operation.ts";
import { type Linear, linearReference, linearShapes, multiply, multiplyBackward, sizesOf } from "./linear.ts";

/**
 * `GELU(x·W + b)` over the last axis, by the tanh formula that OpenAI used (§4.1; Hendrycks and Gimpel 2016); the exact
 * one drifts from the released weights by 1e-2.
 *
 * @param x (…, in)
 * @returns (…, out)
 */
export function linearGelu(x: tf.Tensor, p: Linear): tf.Tensor {
  return compute({ reference: linearGeluReference, fused: linearGeluFused }, x, p);
}

/** The reference of {@linkcode linearGelu}. */
export function linearGeluReference(x: tf.Tensor, p: Linear): tf.Tensor {
  const y = linearReference(x, p);
  const inner = y.mul(y).mul(0.044715).add(1).mul(y).mul(Math.sqrt(2 / Math.PI));
  return inner.tanh().add(1).mul(y).mul(0.5);
}

/** {@linkcode linearGelu}, fused: the forward pass keeps GELU's slopes, so that the backward pass has no exponential. */
export function linearGeluFused(wasm: WasmContext, x: tf.Tensor, { weight, bias }: Linear): tf.Tensor {
  const { addressOf, make, scratch } = wasm;
  return differentiable([x, weight, bias], (taped) => {
    const { out, rows } = sizesOf(x, weight);
    const y = make([...x.shape.slice(0, -1), out]);
    const value = taped ? make(y.shape) : y;
    const [b, inner, outer] = [addressOf(bias), addressOf(y), addressOf(value)];
    multiply(wasm, x, weight, y, (kernels, first, count) => {
      const row = 4 * out * first;
      kernels.gelu(count, out, inner + row, b, outer + row);
    });
    return {
      value,
      saved: [x, weight, y], // Which holds the slopes now.
      backward(dy, [x, weight, slopes]) {
        const [inner, sums] = scratch(4 * rows * out, 4 * out * blocksOf(rows));
        const [s, d] = [addressOf(slopes!), addressOf(dy)];
        return multiplyBackward(wasm, x!, weight!, inner, sums, (kernels, first, count, sums) => {
          const row = 4 * out * first;
          kernels.geluBack(count, out, s + row, d + row, inner + row, sums);
        });
      },
    };
  });
}

/** What is compared; with large inputs, too, where tanh may overflow. */
export const cases: Case[] = casesOf(
  linearGelu,
  linearGeluReference,
  linearShapes.flatMap((shapes) =>
    [1, 4].map((deviation) => ({
      shapes,
      deviation,
      call: (linearGelu, x, weight, bias) => linearGelu(x!, { weight, bias } as Linear),
    }))
  ),
);
