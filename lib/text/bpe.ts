/**
 * Byte-pair encoding (BPE) as in GPT-1 (Radford et al. 2018, section 4.1): over characters, with `</w>` at the end of
 * each word. Training, encoding and decoding; reading and writing vocabulary files is in `files.ts`.
 */
import { InputError, quoted } from "../errors.ts";
import { priorityQueue } from "./priority-queue.ts";
import { type SchemaOf, settle, value, whole } from "../settings.ts";
import { fixText, standardize } from "./normalise.ts";
import { forEachChunk, splitChunk } from "./pretokenize.ts";

/** The state of a tokenizer as plain JSON, as stored in checkpoints. */
export interface TokenizerState {
  /** The vocabulary: the piece of each id. A piece at the end of a word ends in `</w>`. */
  readonly pieces: readonly string[];
  /** The pairs of pieces to merge, in the order in which they were learned. */
  readonly merges: readonly (readonly [string, string])[];
}

/**
 * Encodes text to ids and decodes ids to text. A model's file holds it, too.
 */
export interface Tokenizer extends TokenizerState {
  /** Vocabulary size, without the three special tokens, whose ids follow: start, delimiter, extract. */
  readonly size: number;
  /** The id of each piece. */
  readonly encoder: ReadonlyMap<string, number>;
  /**
   * Encodes a text: `fixText`, `standardize`, `pretokenize`, lower case, BPE. Unknown characters get id 0.
   *
   * @throws {InputError} If the text is not a string.
   */
  encode(text: string): Int32Array;
  /**
   * Decodes ids: joins the pieces, replaces each `</w>` by a space and trims one space at the end. The special tokens
   * become `<start>`, `<delim>` and `<extract>`.
   *
   * @throws {InputError} If an id is not in the vocabulary.
   */
  decode(ids: Iterable<number>): string;
  /** The state, for `JSON.stringify`. */
  toJSON(): TokenizerState;
}

/** The piece of unknown characters, with id 0. */
export const UNKNOWN = "<unk>";
const END = "</w>";
const NEWLINE = "\n" + END;
/** Number of characters in the vocabulary, as in OpenAI's. */
const ALPHABET = 238;
/** Maximum length of a word in training: a longer one is data, such as an image in base64. */
const LONGEST_WORD = 256;
/** Maximum length of a piece, in UTF-16 units: longer than a word of 256 characters and its end. */
const LONGEST_PIECE = 1024;
/** A pair of ids as one number: `left * PAIR + right`; ids are smaller than this. */
const PAIR = 2 ** 26;
/** Maximum number of chunks whose ids are cached. */
const CACHE_SIZE = 1 << 18;

/** Names of the parts of the state in messages. */
export interface StateNames {
  /** The vocabulary. */
  readonly pieces: string;
  /** The merge at `index`. */
  merge(index: number): string;
}

/**
 * Creates a tokenizer from its state, such as that of a checkpoint.
 *
 * @param state Pieces in the order of their ids, and merges.
 * @param names Names of the parts in messages, such as file and line.
 * @throws {InputError} If pieces are not distinct, well-formed strings, or a merge is not two pieces whose concatenation
 * is a piece.
 *
 * @example
 * ```ts
 * import { tokenizerFrom } from "./bpe.ts";
 *
 * const pieces = ["<unk>", "l", "o", "w", "e", "r</w>", "lo", "low", "er</w>"];
 * const toy = tokenizerFrom({ pieces, merges: [["l", "o"], ["lo", "w"], ["e", "r</w>"]] });
 * console.log([...toy.encode("Lower")], toy.decode([7, 8])); // [ 7, 8 ] "lower"
 * ```
 */
export function tokenizerFrom(
  state: TokenizerState,
  names: StateNames = { pieces: "its pieces", merge: (index) => `merge ${index}` },
): Tokenizer {
  const { pieces, merges, encoder, ranks, products } = check(state, names);
  const size = pieces.length;
  const special = ["<start>", "<delim>", "<extract>"].map((name) => name + END);
  const newline = encoder.get(NEWLINE) ?? 0;
  const cache = new Map<string, readonly number[]>();

  /** Encodes a lower-case word. */
  function encodeWord(word: string): readonly number[] {
    // OpenAI's special case: a newline and the space after it are one piece.
    if (word === "\n ") return [newline];
    const chars = Array.from(word);
    const ids = Int32Array.from(
      chars,
      (char, i) => encoder.get(i === chars.length - 1 ? char + END : char) ?? -1,
    );
    return Array.from(join(ids, ranks, products), (id) => Math.max(id, 0));
  }

  return {
    pieces,
    merges,
    encoder,
    size,
    encode(text) {
      if (typeof text !== "string") {
        throw new InputError(`Cannot encode a text as it must be a string: current type is ${typeof text}`);
      }
      const ids: number[] = [];
      forEachChunk(standardize(fixText(text)), (chunk) => {
        let encoded = cache.get(chunk);
        if (!encoded) {
          encoded = splitChunk(chunk).flatMap((token) => encodeWord(token.toLowerCase()));
          if (cache.size >= CACHE_SIZE) cache.clear();
          if (chunk.length <= LONGEST_WORD) cache.set(chunk, encoded);
        }
        for (const id of encoded) ids.push(id);
      });
      return Int32Array.from(ids);
    },
    decode(ids) {
      let text = "";
      for (const id of ids) {
        const piece = pieces[id] ?? special[id - size];
        if (piece === undefined) {
          throw new InputError(
            `Cannot decode id ${id} as ids must be integers from 0 to ${size + 2}: current id is ${id}`,
          );
        }
        text += piece;
      }
      return text.replaceAll(END, " ").replace(/ $/, "");
    },
    toJSON: () => ({ pieces, merges }),
  };
}

/**
 * Merges the symbols of a word: all occurrences of the adjacent pair with the lowest rank, from left to right, until no
 * pair has a rank. The rank of each pair is cached, so that a pass only compares numbers.
 */
function join(ids: Int32Array, ranks: ReadonlyMap<number, number>, products: Int32Array): Int32Array {
  const NONE = products.length;
  const rankOf = (i: number): number => {
    const left = ids[i] ?? -1, right = ids[i + 1] ?? -1;
    return left < 0 || right < 0 ? NONE : ranks.get(left * PAIR + right) ?? NONE;
  };
  let length = ids.length;
  const rank = Int32Array.from(ids, (_, i) => i + 1 < length ? rankOf(i) : NONE);
  for (;;) {
    let best = NONE;
    for (let i = 0; i < length - 1; i++) best = Math.min(best, rank[i] ?? NONE);
    if (best === NONE) return ids.subarray(0, length);
    let to = 0;
    for (let from = 0; from < length; from++, to++) {
      const merged = rank[from] === best;
      ids[to] = (merged ? products[best] : ids[from]) ?? -1;
      // NONE + 1 marks pairs with a new neighbour, whose rank must be updated.
      rank[to] = merged ? NONE + 1 : rank[from] ?? NONE;
      if (!merged) continue;
      if (to > 0) rank[to - 1] = NONE + 1;
      from++;
    }
    length = to;
    for (let i = 0; i < length; i++) if (rank[i] === NONE + 1) rank[i] = i + 1 < length ? rankOf(i) : NONE;
  }
}

/** Validates a state, which may be untrusted, and builds the tables that encoding needs. */
function check(state: TokenizerState, names: StateNames): {
  pieces: readonly string[];
  merges: readonly (readonly [string, string])[];
  encoder: ReadonlyMap<string, number>;
  ranks: ReadonlyMap<number, number>;
  products: Int32Array;
} {
  const fail = (why: string): never => {
    throw new InputError(`Cannot build a tokenizer as ${why}`);
  };
  const { pieces, merges } = state ?? {};
  if (!Array.isArray(pieces) || pieces.length === 0) {
    fail(`${names.pieces} must be a list of at least one piece`);
  }
  if (!Array.isArray(merges)) fail("its merges must be a list of pairs");
  const encoder = new Map<string, number>();
  for (const piece of pieces) {
    const id = encoder.size;
    if (typeof piece !== "string" || piece === "") {
      fail(`piece ${id} of ${names.pieces} must be a string that is not empty`);
    }
    if (!piece.isWellFormed()) {
      fail(`piece ${id} of ${names.pieces} must be well-formed Unicode: current piece is ${quoted(piece)}`);
    }
    if (piece.length > LONGEST_PIECE) {
      fail(
        `piece ${id} of ${names.pieces} must have at most ${LONGEST_PIECE} characters: ` +
          `current number is ${piece.length}`,
      );
    }
    if (encoder.has(piece)) {
      fail(`${names.pieces} must be distinct: current piece ${id} is ${quoted(piece)} again`);
    }
    encoder.set(piece, id);
  }
  const ranks = new Map<number, number>(), products = new Int32Array(merges.length);
  const idOf = (piece: string, rank: number): number =>
    encoder.get(piece) ??
      fail(
        `${names.merge(rank)} must join two pieces to a third: the piece without an id is ${quoted(piece)}`,
      );
  merges.forEach((merge, rank) => {
    if (!Array.isArray(merge) || merge.length !== 2) fail(`${names.merge(rank)} must hold two pieces`);
    const [left, right] = merge as unknown[];
    if (typeof left !== "string" || typeof right !== "string") {
      return fail(`${names.merge(rank)} must hold two pieces`);
    }
    const a = idOf(left, rank), b = idOf(right, rank), product = idOf(left + right, rank);
    if (ranks.has(a * PAIR + b)) {
      fail(`${names.merge(rank)} must differ from those before it: the same pair occurs earlier`);
    }
    ranks.set(a * PAIR + b, rank);
    products[rank] = product;
  });
  if (pieces[0] !== UNKNOWN) { // Else unknown characters would be read as another piece, and counted nowhere.
    fail(
      `${names.pieces} must begin with ${UNKNOWN}, for unknown characters: the first is ${quoted(pieces[0])}`,
    );
  }
  return {
    pieces: [...pieces],
    merges: merges.map((merge) => [merge[0], merge[1]]), // Destructuring would take 20 ms more at the start.
    encoder,
    ranks,
    products,
  };
}

/** A pair of adjacent symbols in training. */
interface Pair {
  readonly left: number;
  readonly right: number;
  /** Current number of occurrences in the text. */
  count: number;
  /** Words that contain the pair, or did before a merge. */
  readonly words: number[];
}

/** A setting for the tokenizer. */
export const tokenizerSetting = {
  ...value("a tokenizer, as trainBpe and loadBpe return it", isTokenizer),
  about: "tokenizer of the text",
};

function isTokenizer(value: unknown): value is Tokenizer {
  const { encode, size } = (value ?? {}) as Partial<Tokenizer>;
  return typeof encode === "function" && typeof size === "number";
}

/** The options of {@linkcode trainBpe}. */
export interface BpeOptions {
  /** Number of merges to learn; fewer are learned if the text has no more pairs. */
  readonly merges: number;
}

/** The settings of {@linkcode BpeOptions}. */
export const bpeSettings = {
  merges: { ...whole({ from: 0, to: 1e6 }), about: "BPE merges to learn from the corpus", unit: "merges" },
} satisfies SchemaOf<BpeOptions>;

/**
 * Trains a BPE tokenizer on a text (Sennrich et al. 2016; GPT-1 has 40,000 merges).
 *
 * Ids have OpenAI's order: 0 is `<unk>`; then the characters; the same characters with `</w>`; the result of each merge
 * (once, if two merges have the same result); and `\n</w>`. The characters are the 238 most frequent ones, as many as in
 * OpenAI's vocabulary, sorted by code point (ties go to the lower code point). Other characters are ignored in training; words of more than 256 characters give characters, but no merges.
 *
 * A lone surrogate counts as U+FFFD, so that every vocabulary can be written to a file and read back.
 *
 * Each merge joins the most frequent pair (ties go to the lower id of the left piece, then of the right one), so that
 * the same text always gives the same vocabulary.
 *
 * @param text At least one word; join several texts with newlines.
 * @throws {InputError} If the text has no word, or `merges` is not a non-negative integer.
 *
 * @example
 * ```ts
 * import { trainBpe } from "./bpe.ts";
 *
 * const bpe = trainBpe("low low low lower lower newest widest", { merges: 3 });
 * console.log(bpe.merges); // [ [ "l", "o" ], [ "w", "e" ], [ "lo", "w</w>" ] ]
 * ```
 */
export function trainBpe(text: string, options: BpeOptions): Tokenizer {
  const { merges: mergeCount } = settle("train BPE", bpeSettings, options);
  if (typeof text !== "string") {
    throw new InputError(`Cannot train BPE as the text must be a string: current type is ${typeof text}`);
  }
  const counts = countWords(text);
  if (counts.size === 0) {
    throw new InputError("Cannot train BPE as the text must have at least one word: current text has none");
  }

  const alphabet = alphabetOf(counts);
  const pieces = [UNKNOWN, ...alphabet, ...alphabet.map((char) => char + END)];
  const idOf = new Map(pieces.map((piece, id) => [piece, id]));
  const words: Uint32Array[] = [], frequencies: number[] = [];
  for (const [word, frequency] of counts) {
    const chars = Array.from(word);
    if (chars.length > LONGEST_WORD) continue;
    words.push(
      Uint32Array.from(chars, (char, i) => idOf.get(i === chars.length - 1 ? char + END : char) ?? 0),
    );
    frequencies.push(frequency);
  }

  const pairs = new Map<number, Pair>();
  /** Adds `sign` times a word's frequency to each of its pairs. Id 0, an unknown character, is never merged. */
  const count = (word: number, symbols: Uint32Array, sign: 1 | -1, touched?: Set<Pair>) => {
    for (let i = 0; i + 1 < symbols.length; i++) {
      const left = symbols[i] ?? 0, right = symbols[i + 1] ?? 0;
      if (left === 0 || right === 0) continue;
      const key = left * PAIR + right;
      let pair = pairs.get(key);
      if (!pair) pairs.set(key, pair = { left, right, count: 0, words: [] });
      pair.count += sign * (frequencies[word] ?? 0);
      if (sign > 0 && pair.words.at(-1) !== word) pair.words.push(word);
      touched?.add(pair);
    }
  };
  words.forEach((symbols, word) => count(word, symbols, 1));

  // Lazy updates: an entry with an outdated count is pushed again with the new one.
  const queue = priorityQueue<{ pair: Pair; count: number }>((a, b) =>
    a.count !== b.count
      ? a.count > b.count
      : a.pair.left !== b.pair.left
      ? a.pair.left < b.pair.left
      : a.pair.right < b.pair.right
  );
  for (const pair of pairs.values()) queue.push({ pair, count: pair.count });

  const merges: [string, string][] = [];
  for (let top = queue.pop(); top && merges.length < mergeCount; top = queue.pop()) {
    const { pair } = top;
    if (pair.count !== top.count) {
      if (pair.count > 0 && pair.count < top.count) queue.push({ pair, count: pair.count });
      continue;
    }
    const left = pieces[pair.left] ?? "", right = pieces[pair.right] ?? "";
    merges.push([left, right]);
    let product = idOf.get(left + right);
    if (product === undefined) idOf.set(left + right, product = pieces.push(left + right) - 1);
    const touched = new Set<Pair>();
    for (const word of new Set(pair.words)) {
      const before = words[word] ?? new Uint32Array();
      const after = replace(before, pair, product);
      if (after.length === before.length) continue;
      words[word] = after;
      count(word, before, -1);
      count(word, after, 1, touched);
    }
    for (const changed of touched) if (changed.count > 0) queue.push({ pair: changed, count: changed.count });
  }
  return tokenizerFrom({ pieces: [...pieces, NEWLINE], merges });
}

/** Counts the lower-case words of a text, without white space. */
function countWords(text: string): Map<string, number> {
  const chunks = new Map<string, number>();
  forEachChunk(standardize(fixText(text)), (chunk) => chunks.set(chunk, (chunks.get(chunk) ?? 0) + 1));
  const words = new Map<string, number>();
  for (const [chunk, count] of chunks) {
    for (const token of splitChunk(chunk)) {
      const word = token.toLowerCase();
      if (word.trim() !== "") words.set(word, (words.get(word) ?? 0) + count);
    }
  }
  return words;
}

/** The most frequent characters, sorted by code point. */
function alphabetOf(words: ReadonlyMap<string, number>): string[] {
  const counts = new Map<string, number>();
  for (const [word, count] of words) {
    for (const char of word) counts.set(char, (counts.get(char) ?? 0) + count);
  }
  const byCodePoint = (a: string, b: string) => (a.codePointAt(0) ?? 0) - (b.codePointAt(0) ?? 0);
  return [...counts]
    .sort(([a, countA], [b, countB]) => countB - countA || byCodePoint(a, b))
    .slice(0, ALPHABET)
    .map(([char]) => char)
    .sort(byCodePoint);
}

/** Replaces each occurrence of a pair, from left to right, by the merged symbol. */
function replace(symbols: Uint32Array, { left, right }: Pair, product: number): Uint32Array {
  const result = new Uint32Array(symbols.length);
  let length = 0;
  for (let i = 0; i < symbols.length; i++) {
    const found = symbols[i] === left && symbols[i + 1] === right;
    result[length++] = found ? product : symbols[i] ?? 0;
    if (found) i++;
  }
  return result.subarray(0, length);
}
