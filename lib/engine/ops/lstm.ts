import * as tf from "../../tfjs.ts";
import { type Case, casesOf } from "../cases.ts";
import {
  AB,
  ABt,
  AtB,
  BLOCK,
  blocksOf,
  compute,
  differentiable,
  eachBlock,
  ELEMENT,
  gemm,
  type WasmContext,
} from "../operation.ts";
import { share } from "../thread-pool.ts";
import type { Linear } from "./linear.ts";
import type { Tensor2D } from "../tensors.ts";

/** The state of an LSTM after the tokens read so far, each (N, u). */
export interface LstmState {
  /** Its output. */
  readonly h: Tensor2D;
  /** Its cells. */
  readonly c: Tensor2D;
}

/**
 * One layer of an LSTM (Hochreiter and Schmidhuber 1997; with Gers et al.'s forget gate) from a state of zeros:
 * `c = σ(f)·c + σ(i)·tanh(g)`, `h = σ(o)·tanh(c)`, where i, f, g and o are the four parts of `[x, h]·W + b`. The model
 * of the paper's Table 5.
 *
 * @param x Its input (N, T, d).
 * @param p The gates' map, (d + u, 4u).
 * @returns h at each step (N, T, u).
 */
export function lstm(x: tf.Tensor3D, p: Linear): tf.Tensor3D {
  return compute({ reference: lstmReference, fused: lstmFused }, x, p);
}

/** The reference of {@linkcode lstm}. */
export function lstmReference(x: tf.Tensor3D, p: Linear): tf.Tensor3D {
  return lstmWithState(x, p).a;
}

/**
 * {@linkcode lstm} for a text that is read piece by piece: it continues from the `past` state. It has no fused
 * implementation: generation calls it for a token at a time.
 *
 * @param past Default: zeros.
 * @returns h at each step (N, T, u), and the state after the last.
 */
export function lstmWithState(
  x: tf.Tensor3D,
  { weight, bias }: Linear,
  past?: LstmState,
): LstmState & { readonly a: tf.Tensor3D } {
  const start = tf.zeros([x.shape[0], bias.size / 4]) as tf.Tensor2D;
  let { h, c }: LstmState = past ?? { h: start, c: start };
  // tfjs' gradient of `unstack` fails on a single one.
  const steps = (x.shape[1] === 1 ? [x.squeeze([1])] : tf.unstack(x, 1)) as tf.Tensor2D[]; // T × (N, d)
  const states = steps.map((x) => {
    const sums = tf.matMul(tf.concat([x, h], 1), weight).add(bias); // (N, 4u)
    const [i, f, g, o] = tf.split(sums, 4, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    c = f.sigmoid().mul(c).add(i.sigmoid().mul(g.tanh()));
    return h = o.sigmoid().mul(c.tanh());
  });
  return { a: tf.stack(states, 1) as tf.Tensor3D, h, c };
}

/** {@linkcode lstm}, fused. */
export function lstmFused(wasm: WasmContext, x: tf.Tensor3D, { weight, bias }: Linear): tf.Tensor3D {
  const { addressOf, make, scratch, divide, run, floats } = wasm;
  const [N, T, d] = x.shape, out = bias.size, u = out / 4, rows = N * T;
  return differentiable([x, weight, bias], () => {
    const [value, gates, cells] = [make([N, T, u]), make([N, T, out]), make([N, T, u])];
    const [px, w, b] = [addressOf(x), addressOf(weight), addressOf(bias)];
    const [h, g, c] = [addressOf(value), addressOf(gates), addressOf(cells)];
    const recurrent = w + 4 * d * out;
    // By sequences, as these do not wait for each other: a thread makes all steps of its own.
    divide(N, 1, 2 * T * (d + u) * out, (kernels, first, count) => {
      const from = first * T;
      gemm(kernels, AB, [count * T, out, d], px + 4 * d * from, d, w, out, g + 4 * out * from, out);
      for (let t = 0; t < T; t++) {
        const row = from + t, sums = g + 4 * out * row, to = 4 * u * row, before = to - 4 * u;
        if (t > 0) {
          gemm(kernels, AB, [count, out, u], h + before, T * u, recurrent, out, sums, T * out, true);
        }
        kernels.cell(count, u, T, b, sums, t && c + before, c + to, h + to);
      }
    });
    return {
      value,
      saved: [x, weight, gates, cells, value],
      backward(dy, [x, weight, gates, cells, value]) {
        const [dx, dWeight, dBias] = [make(x!.shape), make(weight!.shape), make([out])];
        const sizes = [4 * rows * out, 4 * N * u, 4 * N * u, 4 * out * blocksOf(rows)] as const;
        const [dGates, carried, dCells, sums] = scratch(...sizes);
        const [px, w, h] = [addressOf(x!), addressOf(weight!), addressOf(value!)];
        const [g, c, d0] = [addressOf(gates!), addressOf(cells!), addressOf(dy)];
        const [toX, toW, toB] = [addressOf(dx), addressOf(dWeight), addressOf(dBias)];
        const recurrent = w + 4 * d * out;
        divide(N, 1, 2 * T * (d + u) * out, (kernels, first, count) => {
          const from = first * T, own = 4 * u * first;
          for (let t = T - 1; t >= 0; t--) {
            const row = from + t, at = 4 * out * row, cell = 4 * u * row, before = t && c + cell - 4 * u;
            const carry = t < T - 1 ? carried + own : 0;
            const next = dGates + at + 4 * out;
            if (carry) gemm(kernels, ABt, [count, u, out], next, T * out, recurrent, out, carry, u);
            // deno-fmt-ignore
            kernels.cellBack(
              count, u, T, d0 + cell, carry, dCells + own, g + at, before, c + cell, dGates + at,
            );
          }
          const mine = dGates + 4 * out * from;
          gemm(kernels, ABt, [count * T, d, out], mine, out, w, out, toX + 4 * d * from, d);
        });
        divide(rows, BLOCK, ELEMENT * out, (kernels, first, count) => {
          eachBlock(first, count, (first, count, block) => {
            kernels.sumRows(count, out, dGates + 4 * out * first, sums + 4 * out * block);
          });
        });
        run(2 * rows * d * out, (kernels, part, parts) => {
          if (part === 0) kernels.sumRows(blocksOf(rows), out, sums, toB);
          const [first, end] = share(d, part, parts), to = toW + 4 * out * first;
          const shape = [end - first, out, rows] as const;
          if (first < end) gemm(kernels, AtB, shape, px + 4 * first, d, dGates, out, to, out);
        });
        // What a state is multiplied by comes a step after it: a sequence's first step has no state before it.
        for (let n = 1; n < N; n++) floats(dGates + 4 * out * T * n, out).fill(0);
        const toRecurrent = toW + 4 * d * out;
        if (rows === 1) floats(toRecurrent, u * out).fill(0);
        else {
          run(2 * rows * u * out, (kernels, part, parts) => {
            const [first, end] = share(u, part, parts), to = toRecurrent + 4 * out * first;
            const shape = [end - first, out, rows - 1] as const;
            if (first < end) gemm(kernels, AtB, shape, h + 4 * first, u, dGates + 4 * out, out, to, out);
          });
        }
        return [dx, dWeight, dBias];
      },
    };
  });
}

/** What is compared. */
export const cases: Case[] = [
  ...casesOf(lstm, lstmReference, [{
    shapes: [[3, 5, 7], [17, 40], [40]],
    call: (lstm, x, weight, bias) => lstm(x as tf.Tensor3D, { weight, bias } as Linear),
  }]),
  ...casesOf(lstmWithState, lstmWithState, [{
    shapes: [[2, 3, 5], [11, 24], [24], [2, 6], [2, 6]],
    call(lstmWithState, x, weight, bias, h, c) {
      const read = lstmWithState(x as tf.Tensor3D, { weight, bias } as Linear, { h, c } as LstmState);
      return [read.a, read.h, read.c];
    },
  }]),
];
