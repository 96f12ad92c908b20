import { checked } from "../settings.ts";
import { order as orders } from "./options.ts";

/** The order unless another is given: on the kit's corpora a sixth token adds next to nothing. */
export const ORDER = 5;

/** The n-grams of one length that a text has, in alphabetical order: those of one history are side by side. */
interface Grams {
  /** The last token of each. */
  readonly token: Int32Array;
  /** Where, among the n-grams one shorter, each stands without its first token. */
  readonly suffix: Int32Array;
  /** Where, among the n-grams one longer, those begin that each is the history of; one entry more, the end. */
  readonly first: Int32Array;
  /** How often the longest stand in the text; how many different tokens stand before each shorter one. */
  readonly count: Int32Array;
}

/** What is taken from an n-gram that was counted 0, 1, 2, and 3 or more times. */
type Discounts = readonly [0, number, number, number];

/**
 * Positions of a text in the alphabetical order of the `order` tokens that begin there; a text that ends earlier comes
 * first. A counting sort by each token, the last one first.
 */
function sorted(ids: Int32Array, vocabulary: number, order: number): Int32Array {
  const N = ids.length;
  let [places, next] = [Int32Array.from({ length: N }, (_, i) => i), new Int32Array(N)];
  const starts = new Int32Array(vocabulary + 2);
  for (let k = Math.min(order, N) - 1; k >= 0; k--) {
    starts.fill(0);
    starts[1] = k; // So many have no token there.
    for (let i = k; i < N; i++) starts[ids[i]! + 2]!++;
    for (let id = 1; id < starts.length; id++) starts[id]! += starts[id - 1]!;
    for (let i = 0; i < N; i++) {
      const place = places[i]!;
      next[starts[place + k < N ? ids[place + k]! + 1 : 0]!++] = place;
    }
    [places, next] = [next, places];
  }
  return places;
}

/** A text's n-grams of each length from 0, which is the empty one, to `order`. */
function gramsOf(ids: Int32Array, vocabulary: number, order: number): Grams[] {
  const N = ids.length;
  const places = sorted(ids, vocabulary, order);
  const empty = { token: new Int32Array(1), suffix: new Int32Array(1), count: new Int32Array(1) };
  const levels: Grams[] = [{ ...empty, first: new Int32Array(2) }];
  let [shorter, here] = [new Int32Array(N + 1), new Int32Array(N + 1)]; // Which n-gram begins at each place.
  const [tokens, suffixes] = [new Int32Array(N), new Int32Array(N)];
  for (let n = 1; n <= order; n++, [shorter, here] = [here, shorter]) {
    const { first, count: before } = levels[n - 1]!;
    let [size, history] = [0, -1];
    for (let i = 0; i < N; i++) {
      const place = places[i]!;
      if (place + n > N) continue;
      const id = ids[place + n - 1]!;
      if (shorter[place] !== history || tokens[size - 1] !== id) {
        history = shorter[place]!;
        first[history + 1]!++;
        tokens[size] = id;
        suffixes[size] = shorter[place + 1]!;
        before[suffixes[size]!]!++; // One more token stands before its suffix.
        size++;
      }
      here[place] = size - 1;
    }
    for (let i = 1; i < first.length; i++) first[i]! += first[i - 1]!;
    const count = new Int32Array(size);
    if (n === order) { for (let place = 0; place + n <= N; place++) count[here[place]!]!++; }
    else if (n <= N) count[here[0]!] = 1; // The text's beginning stands before its first tokens.
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
 * A model that takes something from each n-gram's count and shares it out by the model one shorter, down to `base`:
 * interpolated discounting. It gives the probability of each token of a sequence after those before it.
 *
 * @param discounts By length, from 1.
 * @param base A probability for each token.
 */
function interpolated(
  grams: readonly Grams[],
  discounts: readonly Discounts[],
  base: Float64Array,
): (sequence: Int32Array) => Float64Array {
  const probability = [new Float64Array(1)]; // Of an n-gram's last token after the others.
  const rest: Float64Array[] = []; // What an n-gram leaves to its suffix, when it is the history.
  for (const [n, discount] of discounts.entries()) {
    const { first } = grams[n]!, { token, suffix, count } = grams[n + 1]!;
    const [shorter, left] = [probability[n]!, new Float64Array(first.length - 1).fill(1)];
    const own = new Float64Array(count.length);
    for (let history = 0; history < left.length; history++) {
      const [from, to] = [first[history]!, first[history + 1]!];
      let [total, kept] = [0, 0];
      for (let i = from; i < to; i++) {
        total += count[i]!;
        kept += own[i] = Math.max(0, count[i]! - discount[Math.min(count[i]!, 3)]!);
      }
      if (total > 0) left[history] = (total - kept) / total; // Else it is the text's end, which nothing follows.
      for (let i = from; i < to; i++) {
        own[i] = own[i]! / total + left[history]! * (n === 0 ? base[token[i]!]! : shorter[suffix[i]!]!);
      }
    }
    probability.push(own);
    rest.push(left);
  }

  /** The n-gram that a token makes of a history of `n` tokens, or −1. */
  const find = (n: number, history: number, id: number): number => {
    const { token } = grams[n + 1]!;
    let [low, high] = [grams[n]!.first[history]!, grams[n]!.first[history + 1]!];
    const end = high;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (token[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return low < end && token[low] === id ? low : -1;
  };

  return (sequence) => {
    let [n, history] = [0, 0]; // The longest end of what was read that the text has.
    return Float64Array.from(sequence, (id) => {
      let [weight, found] = [1, find(n, history, id)];
      for (; found < 0 && n > 0; found = find(n, history, id)) {
        weight *= rest[n]![history]!;
        history = grams[n--]!.suffix[history]!;
      }
      if (found < 0) return weight * rest[0]![0]! * base[id]!;
      const p = weight * probability[n + 1]![found]!;
      if (n + 1 < discounts.length) [n, history] = [n + 1, found];
      else history = grams[n + 1]!.suffix[found]!;
      return p;
    });
  };
}

/**
 * Discounts by how many n-grams were counted once, twice, three and four times: three of them (Chen & Goodman 1998,
 * (26)); one alone, n₁ / (n₁ + 2 n₂), where those numbers do not make three above 0.
 */
function discountsOf({ count }: Grams): Discounts {
  const times = [0, 0, 0, 0, 0];
  for (const c of count) if (c < times.length) times[c]!++;
  const [, n1, n2, n3, n4] = times as [number, number, number, number, number];
  if (n1 === 0) return [0, 0.5, 0.5, 0.5]; // Some probability must be left for what was never seen.
  const Y = n1 / (n1 + 2 * n2);
  const three = [2 - 3 * Y * n3 / n2, 3 - 4 * Y * n4 / n3] as const;
  return n4 > 0 && three.every((discount) => discount > 0) ? [0, Y, ...three] : [0, Y, Y, Y];
}

/**
 * An n-gram model of a text with interpolated modified Kneser–Ney smoothing (Chen & Goodman 1998): the strongest of
 * the models that count. Shorter n-grams count by how many different tokens, or the text's beginning, stand before
 * them; the shortest are interpolated with the uniform distribution.
 *
 * @param ids A text's tokens.
 * @param vocabulary How many tokens there are: each is a number below it.
 * @param order Tokens of the longest n-grams; 5 unless given.
 * @returns A function that gives the probability of each token of a sequence after those before it in the sequence.
 * @throws {InputError} If the order is not a whole number from 1.
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
  order: number = ORDER,
): (sequence: Int32Array) => Float64Array {
  checked("count n-grams", "order", orders, order);
  const grams = gramsOf(ids, vocabulary, order);
  return interpolated(
    grams,
    grams.slice(1).map(discountsOf),
    new Float64Array(vocabulary).fill(1 / vocabulary),
  );
}

/**
 * A bigram model with absolute discounting, the rest shared out by `unigram`.
 *
 * @param unigram A probability for each token.
 */
export function absoluteDiscounting(
  ids: Int32Array,
  unigram: Float64Array,
): (sequence: Int32Array) => Float64Array {
  const all = [0, Infinity, Infinity, Infinity] as const; // Nothing is left of the text's own tokens: `unigram` has them.
  return interpolated(gramsOf(ids, unigram.length, 2), [all, [0, 0.75, 0.75, 0.75]], unigram);
}
