import { fnv1a } from "../fnv1a.ts";

/**
 * A deterministic hash of a text, from 0 to 2³² − 1: FNV-1a over the UTF-16 units, then MurmurHash3's finaliser, which
 * mixes all bits. Splits and samples are drawn with it, so that adding or removing examples does not move others.
 *
 * @param text The text
 * @param seed Seed of the hash. Default: 0.
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
 * Shuffles deterministically: sorts by hash, in the same order on every machine.
 *
 * @param items The items; not modified
 * @param key A text that identifies an item
 * @param seed Seed of the hash. Default: 0.
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

/**
 * The items that make up about a goal: each, in the items' order, that brings their sum nearer to it; the smallest if
 * none does.
 *
 * @param items The items, usually {@linkcode byHash}; not modified
 * @param sizeOf Size of an item
 * @param goal The sum of the sizes that is wanted
 * @returns At least one item, in the items' order
 *
 * @example
 * ```ts
 * import { amountingTo } from "./hash.ts";
 *
 * console.log(amountingTo([90, 4, 3, 5], (size) => size, 10)); // [4, 3]
 * ```
 */
export function amountingTo<T>(items: readonly T[], sizeOf: (item: T) => number, goal: number): T[] {
  let sum = 0;
  const taken = items.filter((item) => {
    const next = sum + sizeOf(item), isNearer = Math.abs(next - goal) < Math.abs(sum - goal);
    if (isNearer) sum = next;
    return isNearer;
  });
  return taken.length > 0 ? taken : items.toSorted((a, b) => sizeOf(a) - sizeOf(b)).slice(0, 1);
}

/** Fractions of the test and validation splits; the rest is for training. */
const SHARE = { test: 0.2, validation: 0.1 };

/**
 * Splits items into training, validation and test by hash: items with the same key are in the same split.
 *
 * @param items The items; not modified
 * @param key The group of an item
 * @param share Fractions of the test and validation splits. Default: 20 % and 10 %.
 * @returns The splits, each in the items' order
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
  share = SHARE,
): { readonly train: T[]; readonly validation: T[]; readonly test: T[] } {
  const part = (from: number, to: number) =>
    items.filter((item) => {
      const x = hash(key(item)) / 2 ** 32;
      return x >= from && x < to;
    });
  return {
    test: part(0, share.test),
    validation: part(share.test, share.test + share.validation),
    train: part(share.test + share.validation, 1),
  };
}
