import { keyOf, permutation, uniforms } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import type { LanguageModel } from "../model/mod.ts";
import type { EncodedExample, EncodedTask } from "./encode.ts";
import type { Batch } from "./objectives.ts";

/**
 * The items of an update's batch: shuffled in each epoch, dropping the last incomplete batch, as OpenAI's code does. A
 * pure function of seed and update.
 *
 * @param seed Runs with the same seed have the same data order.
 * @param count Number of items.
 * @param size Batch size, at most `count`.
 */
export function shuffled(seed: number, count: number, size: number): (update: number) => Uint32Array {
  const batchSize = Math.min(size, count);
  const perEpoch = Math.floor(count / batchSize);
  let [epoch, order] = [-1, new Uint32Array()];
  return (update) => {
    const currentEpoch = Math.floor(update / perEpoch);
    if (currentEpoch !== epoch) {
      [epoch, order] = [currentEpoch, permutation(keyOf(seed, "order", currentEpoch), count)];
    }
    const at = (update % perEpoch) * batchSize;
    return order.subarray(at, at + batchSize);
  };
}

/** Number of batches per length-sorted pool: large enough for little padding, small enough for random batches. */
const POOL = 64;

/**
 * As {@linkcode shuffled}, with length bucketing: in an epoch's random order each pool of 64 batches is sorted by length
 * before it is split into batches, and the batches are shuffled.
 *
 * @param seed Runs with the same seed have the same data order.
 * @param lengths Number of tokens of each item.
 * @param size Batch size, at most the number of items.
 */
export function shuffledByLength(
  seed: number,
  lengths: readonly number[],
  size: number,
): (update: number) => Uint32Array {
  const count = lengths.length, batchSize = Math.min(size, count);
  const perEpoch = Math.floor(count / batchSize);
  let [epoch, order, batchOrder] = [-1, new Uint32Array(), new Uint32Array()];
  return (update) => {
    const currentEpoch = Math.floor(update / perEpoch);
    if (currentEpoch !== epoch) {
      [epoch, order] = [
        currentEpoch,
        permutation(keyOf(seed, "order", currentEpoch), count).subarray(0, perEpoch * batchSize),
      ];
      for (let at = 0; at < order.length; at += POOL * batchSize) {
        order.subarray(at, at + POOL * batchSize).sort((a, b) => lengths[a]! - lengths[b]!); // Stable: items of one length stay shuffled.
      }
      batchOrder = permutation(keyOf(seed, "turns", currentEpoch), perEpoch);
    }
    const at = batchOrder[update % perEpoch]! * batchSize;
    return order.subarray(at, at + batchSize);
  };
}

/** Number of windows per epoch: one less than would fit, for the random offset. */
export function windowsOf(ids: Int32Array, context: number): number {
  return Math.floor(ids.length / context) - 1 || 1;
}

/**
 * Batches of contiguous windows of a text (§4.1). Each epoch begins at a random offset below `context`, so that a token
 * is not always at the same position.
 *
 * @param ids The text's token ids.
 * @throws {InputError} If the text is shorter than a window.
 */
export function windowBatches(
  ids: Int32Array,
  context: number,
  size: number,
  seed: number,
): (update: number) => Batch {
  const count = windowsOf(ids, context);
  if (ids.length < context) {
    throw new InputError(
      `Cannot cut windows of ${context} tokens from a text of ${ids.length}: a longer text or a smaller context works`,
    );
  }
  const pick = shuffled(seed, count, size);
  const perEpoch = Math.floor(count / Math.min(size, count));
  return (update) => {
    const [draw] = uniforms(keyOf(seed, "offset", Math.floor(update / perEpoch)), 1);
    const offset = Math.floor(draw! * Math.min(context, ids.length - count * context + 1));
    return batchOf(
      Array.from(pick(update), (i) => ids.subarray(offset + i * context, offset + (i + 1) * context)),
    );
  };
}

/**
 * A batch of sequences, right-padded with 0 to a common length.
 *
 * @param width The common length. Default: the longest sequence's.
 */
export function batchOf(sequences: readonly Int32Array[], labels?: Float32Array, width?: number): Batch {
  const lengths = Int32Array.from(sequences, (sequence) => sequence.length);
  const T = width ?? lengths.reduce((a, b) => Math.max(a, b), 0);
  const ids = new Int32Array(sequences.length * T);
  sequences.forEach((sequence, n) => ids.set(sequence, n * T));
  return { ids, lengths, ...(labels && { labels }) };
}

/** Examples as a batch. `paper` pads to the longest sequence of the task, as its softmax includes the positions. */
export function exampleBatch(
  rows: readonly EncodedExample[],
  { longest }: EncodedTask,
  { config }: LanguageModel,
): Batch {
  const labels = Float32Array.from(rows, ({ label }) => label);
  const choices = rows.map(({ sequences }) => sequences.length);
  const batch = batchOf(
    rows.flatMap(({ sequences }) => sequences),
    labels,
    config.variant === "paper" ? longest : undefined,
  );
  return choices.some((count) => count !== choices[0]) ? { ...batch, choices } : batch;
}
