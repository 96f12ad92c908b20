import * as tf from "../../tfjs.ts";
import { type Case, casesOf } from "../cases.ts";
import { compute, ELEMENT, STRETCH, type WasmContext } from "../operation.ts";

/**
 * √Σx² over all tensors together: the norm that gradients are clipped by.
 *
 * @param tensors Any shapes.
 * @returns A scalar.
 */
export function norm(tensors: readonly tf.Tensor[]): tf.Scalar {
  return compute({ reference: normReference, fused: normFused }, tensors);
}

/** The reference of {@linkcode norm}; `addN` would hand a GPU more buffers than one of its programs may take. */
export function normReference(tensors: readonly tf.Tensor[]): tf.Scalar {
  return tf.tidy(() => tf.stack(tensors.map((x) => x.square().sum())).sum().sqrt() as tf.Scalar);
}

/** {@linkcode norm}, fused: in float64 from stretch to stretch. */
export function normFused(
  { memory, addressOf, scratch, divide }: WasmContext,
  tensors: readonly tf.Tensor[],
): tf.Scalar {
  const all = tensors.reduce((sum, { size }) => sum + Math.ceil(size / STRETCH), 0);
  const [sums] = scratch(8 * all);
  let done = 0;
  for (const x of tensors) {
    const [from, to] = [addressOf(x), sums + 8 * done];
    divide(x.size, STRETCH, ELEMENT, (kernels, first, count) => {
      for (let i = first; i < first + count; i += STRETCH) {
        kernels.squares(Math.min(STRETCH, first + count - i), from + 4 * i, to + 8 * i / STRETCH);
      }
    });
    done += Math.ceil(x.size / STRETCH);
  }
  const total = new Float64Array(memory.buffer, sums, all).reduce((a, b) => a + b, 0);
  return tf.scalar(Math.sqrt(total), "float32");
}

/** What is compared: more tensors than a program of a GPU may take. */
export const cases: Case[] = casesOf(norm, normReference, [{
  shapes: [[200, 200], ...Array.from({ length: 20 }, (_, i) => [i + 1])],
  call: (norm, ...tensors) => [norm(tensors)],
}]);
