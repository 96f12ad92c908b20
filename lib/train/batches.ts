import { keyOf, permutation, uniforms } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import type { Batch } from "./objectives.ts";

/**
 * Which of `count` items make the batch of an update: every epoch in a new random order, without the last
 * items where they do not fill a batch, as OpenAI's code does. A function of seed and update alone.
 *
 * @param seed Arms that share it see the same items in the same order.
 * @param count Number of items.
 * @param size Items of a batch; no more than there are items are taken.
 */
export function shuffled(seed: number, count: number, size: number): (update: number) => Uint32Array {
  const each = Math.min(size, count);
  const perEpoch = Math.floor(count / each);
  let [epoch, order] = [-1, new Uint32Array()];
  return (update) => {
    const now = Math.floor(update / perEpoch);
    if (now !== epoch) [epoch, order] = [now, permutation(keyOf(seed, "order", now), count)];
    const at = (update % perEpoch) * each;
    return order.subarray(at, at + each);
  };
}

/** Batches within whose examples those of a length are put together: enough to pad little, few enough to stay mixed. */
const POOL = 64;

/**
 * As {@linkcode shuffled}, for items of different lengths: of an epoch's random order each stretch of 64 batches is
 * sorted by length before it is cut, and the batches come in a random order.
 *
 * @param seed Arms that share it see the same items in the same order.
 * @param lengths Tokens of each item.
 * @param size Items of a batch; no more than there are items are taken.
 */
export function shuffledByLength(
  seed: number,
  lengths: readonly number[],
  size: number,
): (update: number) => Uint32Array {
  const count = lengths.length, each = Math.min(size, count);
  const perEpoch = Math.floor(count / each);
  let [epoch, order, turns] = [-1, new Uint32Array(), new Uint32Array()];
  return (update) => {
    const now = Math.floor(update / perEpoch);
    if (now !== epoch) {
      [epoch, order] = [now, permutation(keyOf(seed, "order", now), count).subarray(0, perEpoch * each)];
      for (let at = 0; at < order.length; at += POOL * each) {
        order.subarray(at, at + POOL * each).sort((a, b) => lengths[a]! - lengths[b]!); // Stable: of one length, at random.
      }
      turns = permutation(keyOf(seed, "turns", now), perEpoch);
    }
    const at = turns[update % perEpoch]! * each;
    return order.subarray(at, at + each);
  };
}

/** How many windows an epoch has: one less than fit leaves room for the random beginning. */
export function windowsOf(ids: Int32Array, context: number): number {
  return Math.floor(ids.length / context) - 1 || 1;
}

/**
 * Batches of contiguous windows of a text (§4.1), cut anew in each epoch: the first window begins at a random
 * token of the first `context`, so that no token always stands at the same place.
 *
 * @param ids A text's tokens.
 * @throws {InputError} If the text does not fill a window.
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
 * Sequences side by side, padded on the right with 0 to a common width.
 *
 * @param width The longest sequence's length unless given.
 */
export function batchOf(sequences: readonly Int32Array[], labels?: Float32Array, width?: number): Batch {
  const lengths = Int32Array.from(sequences, (sequence) => sequence.length);
  const T = width ?? lengths.reduce((a, b) => Math.max(a, b), 0);
  const ids = new Int32Array(sequences.length * T);
  sequences.forEach((sequence, n) => ids.set(sequence, n * T));
  return { ids, lengths, ...(labels && { labels }) };
}
