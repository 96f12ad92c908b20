import { checked } from "../settings.ts";
import { order as orders } from "./options.ts";

/** The default order; a sixth token improves the included corpora's loss very little. */
export const DEFAULT_ORDER = 5;

/** All n-grams of one order in a text, sorted: those with the same history are adjacent. */
interface Ngrams {
  /** The last token of each n-gram. */
  readonly token: Int32Array;
  /** Index of each n-gram without its first token, among those of the next lower order. */
  readonly suffix: Int32Array;
  /** Index of the first n-gram of the next higher order with each as its history; one more entry for the end. */
  readonly first: Int32Array;
  /** Counts: occurrences for the highest order, otherwise the number of different preceding tokens. */
  readonly count: Int32Array;
}

/** Discounts of n-grams with counts 0, 1, 2, and 3 or more. */
type Discounts = readonly [0, number, number, number];

/**
 * The positions of a text, sorted by the `order` tokens that start there; a sequence that ends earlier comes first. A
 * radix sort from the last token to the first.
 */
function sortedPositions(ids: Int32Array, vocabulary: number, order: number): Int32Array {
  const N = ids.length;
  let [positions, next] = [Int32Array.from({ length: N }, (_, i) => i), new Int32Array(N)];
  const starts = new Int32Array(vocabulary + 2);
  for (let k = Math.min(order, N) - 1; k >= 0; k--) {
    starts.fill(0);
    starts[1] = k; // Number of positions without a k-th token.
    for (let i = k; i < N; i++) starts[ids[i]! + 2]!++;
    for (let id = 1; id < starts.length; id++) starts[id]! += starts[id - 1]!;
    for (let i = 0; i < N; i++) {
      const position = positions[i]!;
      next[starts[position + k < N ? ids[position + k]! + 1 : 0]!++] = position;
    }
    [positions, next] = [next, positions];
  }
  return positions;
}

/** A text's n-grams of each order from 0 (the empty n-gram) to `order`. */
function ngramsOf(ids: Int32Array, vocabulary: number, order: number): Ngrams[] {
  const N = ids.length;
  const positions = sortedPositions(ids, vocabulary, order);
  const empty = { token: new Int32Array(1), suffix: new Int32Array(1), count: new Int32Array(1) };
  const levels: Ngrams[] = [{ ...empty, first: new Int32Array(2) }];
  let [lower, current] = [new Int32Array(N + 1), new Int32Array(N + 1)]; // Index of the n-gram at each position.
  const [tokens, suffixes] = [new Int32Array(N), new Int32Array(N)];
  for (let n = 1; n <= order; n++, [lower, current] = [current, lower]) {
    const { first, count: before } = levels[n - 1]!;
    let [size, history] = [0, -1];
    for (let i = 0; i < N; i++) {
      const position = positions[i]!;
      if (position + n > N) continue;
      const id = ids[position + n - 1]!;
      if (lower[position] !== history || tokens[size - 1] !== id) {
        history = lower[position]!;
        first[history + 1]!++;
        tokens[size] = id;
        suffixes[size] = lower[position + 1]!;
        before[suffixes[size]!]!++; // One more token precedes its suffix.
        size++;
      }
      current[position] = size - 1;
    }
    for (let i = 1; i < first.length; i++) first[i]! += first[i - 1]!;
    const count = new Int32Array(size);
    if (n === order) { for (let position = 0; position + n <= N; position++) count[current[position]!]!++; }
    else if (n <= N) count[current[0]!] = 1; // The beginning of the text counts as a preceding token.
    levels.push({
      token: tokens.slice(0, size),
      suffix: suffixes.slice(0, size),
      first: new Int32Array(n < order ? size + 1 : 0),
      count,
    });
  }
  return levels;
}

/**
 * An n-gram model with interpolated discounting: each order is interpolated with the next lower one, down to `base`. It
 * returns the probability of each token of a sequence, given those before it.
 *
 * @param discounts Discounts by order, from 1.
 * @param base Probability of each token.
 */
function interpolated(
  ngrams: readonly Ngrams[],
  discounts: readonly Discounts[],
  base: Float64Array,
): (sequence: Int32Array) => Float64Array {
  const probability = [new Float64Array(1)]; // Of an n-gram's last token, given the others.
  const backoffs: Float64Array[] = []; // Backoff weight of each history.
  for (const [n, discount] of discounts.entries()) {
    const { first } = ngrams[n]!, { token, suffix, count } = ngrams[n + 1]!;
    const [lower, backoff] = [probability[n]!, new Float64Array(first.length - 1).fill(1)];
    const own = new Float64Array(count.length);
    for (let history = 0; history < backoff.length; history++) {
      const [from, to] = [first[history]!, first[history + 1]!];
      let [total, discounted] = [0, 0];
      for (let i = from; i < to; i++) {
        total += count[i]!;
        discounted += own[i] = Math.max(0, count[i]! - discount[Math.min(count[i]!, 3)]!);
      }
      if (total > 0) backoff[history] = (total - discounted) / total; // Otherwise it occurs only at the end of the text.
      for (let i = from; i < to; i++) {
        own[i] = own[i]! / total + backoff[history]! * (n === 0 ? base[token[i]!]! : lower[suffix[i]!]!);
      }
    }
    probability.push(own);
    backoffs.push(backoff);
  }

  /** Index of the n-gram of a history of `n` tokens and a token, or −1. */
  const find = (n: number, history: number, id: number): number => {
    const { token } = ngrams[n + 1]!;
    let [low, high] = [ngrams[n]!.first[history]!, ngrams[n]!.first[history + 1]!];
    const end = high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (token[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return low < end && token[low] === id ? low : -1;
  };

  return (sequence) => {
    let [n, history] = [0, 0]; // The longest suffix of the sequence so far that occurs in the text.
    return Float64Array.from(sequence, (id) => {
      let [weight, found] = [1, find(n, history, id)];
      for (; found < 0 && n > 0; found = find(n, history, id)) {
        weight *= backoffs[n]![history]!;
        history = ngrams[n--]!.suffix[history]!;
      }
      if (found < 0) return weight * backoffs[0]![0]! * base[id]!;
      const p = weight * probability[n + 1]![found]!;
      if (n + 1 < discounts.length) [n, history] = [n + 1, found];
      else history = ngrams[n + 1]!.suffix[found]!;
      return p;
    });
  };
}

/**
 * Discounts from the numbers of n-grams with counts 1 to 4: three discounts (Chen & Goodman 1998, eq. 26), or the single
 * discount n₁ / (n₁ + 2 n₂) if these are not all positive.
 */
function discountsOf({ count }: Ngrams): Discounts {
  const times = [0, 0, 0, 0, 0];
  for (const c of count) if (c < times.length) times[c]!++;
  const [, n1, n2, n3, n4] = times as [number, number, number, number, number];
  if (n1 === 0) return [0, 0.5, 0.5, 0.5]; // Unseen tokens need some probability.
  const Y = n1 / (n1 + 2 * n2);
  const three = [2 - 3 * Y * n3 / n2, 3 - 4 * Y * n4 / n3] as const;
  return n4 > 0 && three.every((discount) => discount > 0) ? [0, Y, ...three] : [0, Y, Y, Y];
}

/**
 * An n-gram model with interpolated modified Kneser–Ney smoothing (Chen & Goodman 1998), the best n-gram smoothing.
 * Lower-order counts are the numbers of different preceding tokens, the text's beginning included; unigrams are
 * interpolated with the uniform distribution.
 *
 * @param ids The text's token ids.
 * @param vocabulary Vocabulary size.
 * @param order Tokens of the longest n-grams. Default: 5.
 * @returns A function that returns the probability of each token of a sequence, given those before it.
 * @throws {InputError} If the order is not a positive whole number.
 *
 * @example
 * ```ts
 * import { kneserNey } from "./mod.ts";
 *
 * const probabilities = kneserNey(Int32Array.of(0, 1, 0, 1, 0, 2), 3, 2);
 * console.log(probabilities(Int32Array.of(0, 1))[1]); // p(1 | 0)
 * ```
 */
export function kneserNey(
  ids: Int32Array,
  vocabulary: number,
  order: number = DEFAULT_ORDER,
): (sequence: Int32Array) => Float64Array {
  checked("count n-grams", "order", orders, order);
  const ngrams = ngramsOf(ids, vocabulary, order);
  return interpolated(
    ngrams,
    ngrams.slice(1).map(discountsOf),
    new Float64Array(vocabulary).fill(1 / vocabulary),
  );
}

/**
 * A bigram model with absolute discounting, interpolated with `unigram`.
 *
 * @param unigram Probability of each token.
 */
export function absoluteDiscounting(
  ids: Int32Array,
  unigram: Float64Array,
): (sequence: Int32Array) => Float64Array {
  const all = [0, Infinity, Infinity, Infinity] as const; // Unigram counts are fully discounted in favour of `unigram`.
  return interpolated(ngramsOf(ids, unigram.length, 2), [all, [0, 0.75, 0.75, 0.75]], unigram);
}
