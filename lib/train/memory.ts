import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import { type Config, leaves, type Parameters } from "../model/mod.ts";

/** Where WebAssembly's heap ends, less what tfjs itself has there. */
const END = 2 ** 32 - 2 ** 24;
/** What lies between tensors, as a share of them: what `tests/train/memory_test.ts` measures stays below. */
const GAPS = 1.08;

/**
 * Bytes of the wasm heap that an update of N sequences of T tokens takes beside parameters and moments.
 *
 * @param trained Number of parameters that get a gradient.
 */
export function updateBytes(
  { architecture, layers, heads, width: d, units = 0, vocabulary: V, variant }: Config,
  trained: number,
  N: number,
  T: number,
): number {
  const rows = N * T;
  // Of each block: queries, keys and values, 3; attention's result, and the map after it; the residual's norm, with
  // and without gain; GELU's input and result, 4 each; the map after it; its norm. And the probabilities.
  // Where the norms stand before: both of their results, sums, and what is dropped from, 4 more. Of an LSTM: gates,
  // cells and states, 6 units in all; embeddings and the map to the width, each as it is and dropped from.
  const states = architecture === "lstm"
    ? rows * (6 * units + 5 * d)
    : layers * ((architecture === "gpt2" ? 22 : 18) * rows * d + heads * N * T * T);
  // Ends of the network, and what the backward pass has in hand: of an LSTM, above all the gates' gradients.
  const hand = architecture === "lstm"
    ? 4 * rows * d + rows * units + Math.max(4 * rows * units + 2 * rows * d, 256 * V, 2 ** 21)
    : 8 * rows * d + Math.max(16 * rows * d, 256 * V, 2 ** 21);
  // The gradients of the output's and the input's table before they are added; `paper` copies the table to drop from
  // it. The half is what the heap's gaps are larger for tensors as large as these.
  const tables = (variant === "paper" ? 4 : 2.5) * V * d;
  return 4 * (trained + states + hand + tables) * GAPS;
}

/**
 * Refuses an update that the wasm heap cannot hold, before its moments are made. Other backends have no such end.
 *
 * @param batch Examples of an update.
 * @param sequences Sequences of an example.
 * @param T Tokens of the longest one.
 * @throws {InputError} With an estimate, and the largest batch that fits.
 */
export function checkMemory(
  { config, parameters }: { readonly config: Config; readonly parameters: Parameters },
  batch: number,
  sequences: number,
  T: number,
): void {
  if (tf.getBackend() !== "wasm") return;
  const trained = leaves(parameters).reduce(
    (sum, [, { trainable, size }]) => sum + (trainable ? size : 0),
    0,
  );
  const there = tf.memory().numBytes + 2 * 4 * trained;
  const estimate = (batch: number) => there + updateBytes(config, trained, batch * sequences, T);
  if (estimate(batch) <= END) return;
  let [fits, above] = [0, batch]; // The largest batch that fits is from the one to below the other.
  while (above - fits > 1) {
    const middle = Math.floor((fits + above) / 2);
    if (estimate(middle) <= END) fits = middle;
    else above = middle;
  }
  throw new InputError(
    `Cannot train on batches of ${batch} with ${
      sequences * batch
    } sequences of ${T} tokens as an update takes some ` +
      `${(estimate(batch) / 2 ** 30).toFixed(1)} GiB and backend "wasm" ends at 4 GiB: ${
        fits > 0 ? `a batch of ${fits} fits` : "a smaller model or context may fit"
      }`,
  );
}
