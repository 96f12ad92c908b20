import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import { architectureOf, type Config, leaves, type Model, positionRule } from "../model/mod.ts";

/** Where WebAssembly's heap ends, less what tfjs itself has there. */
const END = 2 ** 32 - 2 ** 24;
/** What lies between tensors, as a share of them: what `tests/train/memory_test.ts` measures stays below. */
const GAPS = 1.08;

/**
 * Bytes of the wasm heap that an update of N sequences of T tokens takes beside parameters and moments.
 *
 * @param trained Number of parameters that get a gradient.
 */
export function updateBytes(config: Config, trained: number, N: number, T: number): number {
  const { layers, width: d, vocabulary: V, variant } = config;
  const { kept, ends, hand } = architectureOf(config).memory(config, N, T);
  const turned = positionRule(config).turns ? 3 * N * T * d : 0; // Queries, keys and values a second time, in each block.
  // A chunk of the output's logits is in hand as well as what the backward pass of the body is.
  const numbers = trained + kept + layers * turned + ends + Math.max(hand + turned, 256 * V, 2 ** 21);
  // The gradients of the output's and the input's table before they are added; `paper` copies the table to apply dropout
  // to it. The half is what the heap's gaps are larger for tensors as large as these.
  const tables = (variant === "paper" ? 4 : 2.5) * V * d;
  return 4 * (numbers + tables) * GAPS;
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
  { config, parameters }: Model,
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
