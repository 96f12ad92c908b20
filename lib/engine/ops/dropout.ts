import * as tf from "../../tfjs.ts";
import { type Case, casesOf } from "../cases.ts";
import { compute, differentiable, ELEMENT, STRETCH, type WasmContext } from "../operation.ts";
import { dropoutFactors, type Key, keyOf } from "../random.ts";

/** A dropout mask: the same key drops the same elements. */
export interface DropoutMask {
  /** Share of elements that are dropped, in [0, 1). */
  readonly rate: number;
  /** Stream of random numbers that decides which. */
  readonly key: Key;
}

/**
 * `x` with a share of its elements dropped, the rest scaled so that the mean stays (§4.1: residual, embedding and
 * attention dropout).
 *
 * @param x Any shape.
 * @param mask Default: nothing is dropped.
 */
export function dropout<T extends tf.Tensor>(x: T, mask?: DropoutMask): T {
  return compute({ reference: dropoutReference, fused: dropoutFused }, x, mask) as T;
}

/** The reference of {@linkcode dropout}. */
export function dropoutReference(x: tf.Tensor, mask?: DropoutMask): tf.Tensor {
  if (!mask || mask.rate === 0) return x;
  return x.mul(tf.tensor(dropoutFactors(mask.key, x.size, mask.rate), x.shape));
}

/** {@linkcode dropout}, fused: the backward pass draws the mask again instead of keeping it. */
export function dropoutFused(wasm: WasmContext, x: tf.Tensor, mask?: DropoutMask): tf.Tensor {
  const args = dropoutArguments(mask);
  if (args[2] === 0) return x;
  const dropped = (x: tf.Tensor) => {
    const y = wasm.make(x.shape);
    drop(wasm, 0, x.size, wasm.addressOf(x), wasm.addressOf(y), args);
    return y;
  };
  return differentiable([x], () => ({ value: dropped(x), backward: (dy) => [dropped(dy)] }));
}

/**
 * {@linkcode dropout} of tables one below the other: as one matrix, and without a copy of it that has nothing dropped.
 *
 * @param tables Each (rows, d).
 * @param mask Default: nothing is dropped.
 * @returns (all rows, d)
 */
export function stackedDropout(tables: tf.Tensor2D[], mask?: DropoutMask): tf.Tensor2D {
  return compute({ reference: stackedDropoutReference, fused: stackedDropoutFused }, tables, mask);
}

/** The reference of {@linkcode stackedDropout}. */
export function stackedDropoutReference(tables: tf.Tensor2D[], mask?: DropoutMask): tf.Tensor2D {
  return dropoutReference(tf.concat(tables), mask) as tf.Tensor2D;
}

/** {@linkcode stackedDropout}, fused. */
export function stackedDropoutFused(
  wasm: WasmContext,
  tables: tf.Tensor2D[],
  mask?: DropoutMask,
): tf.Tensor2D {
  const { addressOf, make } = wasm;
  const args = dropoutArguments(mask);
  if (args[2] === 0) return tf.concat(tables);
  const firsts = tables.map((_, i) => tables.slice(0, i).reduce((sum, { size }) => sum + size, 0));
  const rows = tables.reduce((sum, { shape }) => sum + shape[0], 0);
  return differentiable(tables, () => {
    const value = make([rows, tables[0]!.shape[1]]);
    const to = addressOf(value);
    tables.forEach((x, i) => drop(wasm, firsts[i]!, x.size, addressOf(x), to + 4 * firsts[i]!, args));
    return {
      value,
      backward(dy) {
        const from = addressOf(dy);
        return tables.map(({ shape, size }, i) => {
          const dx = make(shape);
          drop(wasm, firsts[i]!, size, from + 4 * firsts[i]!, addressOf(dx), args);
          return dx;
        });
      },
    };
  });
}

/** A dropout mask as the kernels take it: the stream's key, the threshold, the factor of what is kept. */
export type DropoutArguments = [k0: number, k1: number, threshold: number, kept: number];

/** A dropout mask as the kernels take it; the threshold is 0 where nothing is dropped. */
export function dropoutArguments(mask?: DropoutMask): DropoutArguments {
  const threshold = mask ? Math.round(mask.rate * 65536) : 0;
  return [mask?.key[0] ?? 0, mask?.key[1] ?? 0, threshold, 65536 / (65536 - threshold)];
}

/** Bytes of scratch for the mask of so many elements, for one thread. */
export function maskBytes(elements: number): number {
  return 64 * Math.ceil((elements + 32) / 32);
}

/** Elements of which the kernel draws the mask at a time. */
const DRAWN = 1024;

/** Drops from elements, of which the first is the one numbered `start` in the mask. */
function drop(
  { threads, scratch, divide }: WasmContext,
  start: number,
  size: number,
  from: number,
  to: number,
  args: DropoutArguments,
): void {
  const [masks] = scratch(threads * maskBytes(DRAWN));
  divide(size, STRETCH, ELEMENT, (kernels, first, count, part) => {
    const [x, y, own] = [from + 4 * first, to + 4 * first, masks + part * maskBytes(DRAWN)];
    kernels.dropped(start + first, count, x, y, ...args, own);
  });
}

/** A mask for cases. */
export const sampleMask: DropoutMask = { rate: 0.3, key: keyOf(2) };

/** What is compared. */
export const cases: Case[] = [
  ...casesOf(dropout as typeof dropoutReference, dropoutReference, [
    { shapes: [[3, 43]], call: (dropout, x) => dropout(x!, sampleMask) },
  ]),
  ...casesOf(stackedDropout, stackedDropoutReference, [{
    shapes: [[5, 7], [3, 7]],
    call: (stackedDropout, ...tables) => stackedDropout(tables as tf.Tensor2D[], sampleMask),
  }]),
];
