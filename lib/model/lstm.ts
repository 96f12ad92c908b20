import type * as tf from "../tfjs.ts";
import { dropout, linear, lstm, type LstmState, lstmWithState } from "../engine/mod.ts";
import type { Pass } from "./forward.ts";

/**
 * The LSTM of the paper's comparison, described there only as one layer of 2048 units (§5). Its states are projected to
 * the width, so that the output layer can be tied to the embeddings. N sequences of T tokens, d = width, u = units.
 *
 * @param x Embeddings times √d (N, T, d).
 * @returns (N, T, d)
 */
export function lstmBody(x: tf.Tensor3D, { parameters, cache, layers, maskAt }: Pass): tf.Tensor3D {
  const { gates, proj } = parameters.lstm!;
  const read = cache && lstmWithState(x, gates, cache.layers[0] as LstmState | undefined);
  if (read) layers.push({ h: read.h, c: read.c }); // Without `a`, which would never be freed.
  const states = read?.a ?? lstm(x, gates); // (N, T, u)
  return dropout(proj ? linear(states, proj) as tf.Tensor3D : states, maskAt(2)); // (N, T, d)
}
