import type * as tf from "@tensorflow/tfjs";
import { linear, lstm, type LstmState, lstmWithState } from "../engine/mod.ts";
import type { Lstm } from "./parameters.ts";

/**
 * The LSTM between embeddings and output, which the paper tells no more of than that it has one layer of 2048 units
 * (§5). Here it reads embeddings times √d, as Vaswani et al. (2017, §3.4) have it where they are tied to the output, and
 * its states are mapped to the width to be so. N sequences of T tokens, d = width, u = units.
 *
 * @param x Embeddings times √d (N, T, d).
 * @param memory What is remembered of what was read before; `"begin"` for nothing, and without it none is given back.
 */
export function readLstm(
  x: tf.Tensor3D,
  { gates, proj }: Lstm,
  memory?: LstmState | "begin",
): { readonly x: tf.Tensor3D; readonly memory?: LstmState } {
  const read = memory && lstmWithState(x, gates, memory === "begin" ? undefined : memory);
  const states = read?.a ?? lstm(x, gates); // (N, T, u)
  return {
    x: proj ? linear(states, proj) as tf.Tensor3D : states, // (N, T, d)
    ...(read && { memory: { h: read.h, c: read.c } }), // Without `a`, which nobody would free.
  };
}
