import { fnv1a } from "../fnv1a.ts";

/**
 * Gives a text a number from 0 to 2³² − 1 that depends on nothing else: FNV-1a over the UTF-16 units, then
 * murmur3's last step, which spreads the difference of the last unit over all bits. Splits and samples are
 * drawn with it, so that an example stays where it is when others come or go.
 *
 * @param text What to hash
 * @param seed Another seed gives another, unrelated number
 *
 * @example
 * ```ts
 * import { hash } from "./hash.ts";
 *
 * console.log(hash("whale") === hash("whale"), hash("whale") === hash("whale", 1)); // true false
 * ```
 */
export function hash(text: string, seed = 0): number {
  let h = fnv1a(text, Math.imul(seed, 0x9e3779b1));
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Sorts by hash: an order that looks random, and that two machines agree on.
 *
 * @param items What to sort; it stays as it is
 * @param key The text that tells items apart
 * @param seed As in {@linkcode hash}
 * @returns A new array
 *
 * @example
 * ```ts
 * import { byHash } from "./hash.ts";
 *
 * console.log(byHash(["a", "b", "c"], (x) => x).toSorted()); // ["a", "b", "c"]
 * ```
 */
export function byHash<T>(items: readonly T[], key: (item: T) => string, seed = 0): T[] {
  const keyed = items.map((item, i) => ({ item, i, h: hash(key(item), seed) }));
  keyed.sort((a, b) => a.h - b.h || a.i - b.i);
  return keyed.map(({ item }) => item);
}

/** Shares of the examples that are put aside; the rest is to learn from. */
const SHARE = { test: 0.2, validation: 0.1 };

/**
 * Divides items into the parts of a task by hash: those of one key stay together.
 *
 * @param items What to divide; it stays as it is
 * @param key The text that tells which belong together
 * @returns Some seven tenths to learn from, a tenth to choose settings by, a fifth to report, each in the items' order
 *
 * @example
 * ```ts
 * import { splitByHash } from "./hash.ts";
 *
 * const { train, validation, test } = splitByHash(["whale", "whale", "ship"], (word) => word);
 * console.log(train.length + validation.length + test.length); // 3
 * ```
 */
export function splitByHash<T>(
  items: readonly T[],
  key: (item: T) => string,
): { readonly train: T[]; readonly validation: T[]; readonly test: T[] } {
  const part = (from: number, to: number) =>
    items.filter((item) => {
      const x = hash(key(item)) / 2 ** 32;
      return x >= from && x < to;
    });
  return {
    test: part(0, SHARE.test),
    validation: part(SHARE.test, SHARE.test + SHARE.validation),
    train: part(SHARE.test + SHARE.validation, 1),
  };
}
