/** Definitions that look alike, so that surface cues hardly predict a kind: they are matched on them. */
import { splitByHash } from "./hash.ts";
import { type Definition, distinct } from "./wordnet.ts";

/** Added to the count of each cue, of a kind of average size. */
const SMOOTHING = 1;
/** Fractions of the test and validation splits. */
const SHARE = { test: 0.42, validation: 0.11 };

/** How far definitions that look alike may differ. */
export interface Tolerance {
  /** In the logarithm of the ratio of likelihoods of their two kinds. */
  readonly tilt: number;
  /** In length. */
  readonly characters: number;
}

/**
 * Of pairs in training and in the other splits. Training has more and clearer definitions, from which a small model
 * learns; that surface cues hardly predict the answer matters where it is scored.
 */
export const ALIKE: Readonly<Record<"train" | "scored", Tolerance>> = {
  train: { tilt: 4, characters: 20 },
  scored: { tilt: 0.6, characters: 12 },
};

/** A definition, and what its surface says of its kind. */
export interface Scored extends Definition {
  readonly words: readonly string[];
  /** Its punctuation marks, each once. */
  readonly marks: string;
  /** Logarithm of the likelihood of its surface for each kind, in the order in which kinds occur. */
  readonly scores: readonly number[];
  /** Index of its kind. */
  readonly own: number;
}

/** What shows without reading: words at the edges, punctuation, capitals, digits, lengths. */
function cuesOf(gloss: string, words: readonly string[], marks: string): string[] {
  return [
    `first ${words[0]}`,
    `second ${words[1]}`,
    `last ${words.at(-1)}`,
    `first two ${words[0]} ${words[1]}`,
    `marks ${marks}`,
    `capitals ${/\p{Lu}/u.test(gloss)}`,
    `digits ${/\d/.test(gloss)}`,
    `words ${words.length}`,
    `letters ${Math.floor(gloss.length / words.length)}`,
  ];
}

/**
 * Scores the surface of each definition for each kind: naive Bayes on its first two words, last word, punctuation, capitals,
 * digits and lengths, estimated from the other definitions.
 *
 * @param items The result of `definitions`
 * @returns The definitions with their scores, in the same order
 *
 * @example
 * ```ts
 * import { scored } from "./looks.ts";
 *
 * const [one] = scored([{ kind: "a plant", gloss: "a large cactus; of Mexico", groups: ["1"] }]);
 * console.log(one!.marks, one!.words.length); // ; 5
 * ```
 */
export function scored(items: readonly Definition[]): Scored[] {
  const kinds = [...new Set(items.map(({ kind }) => kind))];
  const sizes = kinds.map(() => 0), counts = new Map<string, number[]>();
  const all = items.map((item) => {
    const words = item.gloss.toLowerCase().match(/[\p{L}\p{N}'-]+/gu) ?? [];
    const marks = [...new Set(item.gloss.match(/[^\p{L}\p{N}\s-]/gu))].sort().join("");
    const own = kinds.indexOf(item.kind);
    sizes[own]!++;
    const rows = cuesOf(item.gloss, words, marks).map((cue) => {
      const row = counts.get(cue) ?? kinds.map(() => 0);
      counts.set(cue, row);
      row[own]!++;
      return row;
    });
    return { ...item, words, marks, own, rows };
  });
  const smoothing = SMOOTHING * kinds.length / items.length;
  return all.map(({ rows, ...item }) => ({
    ...item,
    scores: sizes.map((size, k) => {
      const self = k === item.own ? 1 : 0;
      return rows.reduce((sum, row) => sum + Math.log((row[k]! - self) / size + smoothing), 0);
    }),
  }));
}

/** Whether two definitions have about as many words, and cues that point as much to the kind of one as to the other's. */
function alike(a: Scored, b: Scored, most: Tolerance): boolean {
  if (Math.abs(a.words.length - b.words.length) > 1) return false;
  const [of, other] = [a.own, b.own];
  const gap = a.scores[of]! - a.scores[other]!, gapOfOther = b.scores[of]! - b.scores[other]!;
  return Math.abs(gap - gapOfOther) <= most.tilt;
}

/**
 * Splits definitions by hash of their direct hypernyms. A definition whose hypernyms are in different splits is left out.
 *
 * @param items The definitions
 * @param share Fractions of the test and validation splits. Default: 42 % and 11 %.
 * @returns The splits: no direct hypernym is in two
 *
 * @example
 * ```ts
 * import { splitByHypernym } from "./looks.ts";
 *
 * const item = { kind: "a plant", gloss: "a large cactus", groups: ["1"] };
 * const { train, validation, test } = splitByHypernym([item]);
 * console.log(train.length + validation.length + test.length); // 1
 * ```
 */
export function splitByHypernym<T extends Definition>(items: readonly T[], share = SHARE) {
  const pairs = items.flatMap((item) => item.groups.map((group) => ({ item, group })));
  const parts = splitByHash(pairs, ({ group }) => group, share);
  const whole = (part: readonly { readonly item: T }[]) =>
    [...Map.groupBy(part, ({ item }) => item)].filter(([item, all]) => all.length === item.groups.length)
      .map(([item]) => item);
  return { train: whole(parts.train), validation: whole(parts.validation), test: whole(parts.test) };
}

/**
 * Sets of definitions that look alike but are of different kinds, none of which a reader may confuse.
 *
 * @param items The result of {@linkcode scored}, or a part of it
 * @param size Definitions in a set
 * @param most How far they may differ
 * @returns The sets; each definition is in one at most
 *
 * @example
 * ```ts
 * import { alikeSets, scored } from "./looks.ts";
 *
 * const items = [
 *   { kind: "an animal", gloss: "a large snake of the tropics", groups: ["1"] },
 *   { kind: "a plant", gloss: "a large cactus of the deserts", groups: ["2"] },
 * ];
 * console.log(alikeSets(scored(items), 2, { tilt: 9, characters: 5 }).length); // 1
 * ```
 */
export function alikeSets(items: readonly Scored[], size: number, most: Tolerance): Scored[][] {
  return Map.groupBy(items, ({ marks }) => marks).values().toArray().flatMap((same) => {
    const sorted = same.toSorted((a, b) => a.gloss.length - b.gloss.length || (a.gloss < b.gloss ? -1 : 1));
    const used = new Uint8Array(sorted.length);
    const lengths = Int32Array.from(sorted, ({ gloss }) => gloss.length);
    const owns = Int32Array.from(sorted, ({ own }) => own);
    return sorted.flatMap((first, i) => {
      if (used[i]) return [];
      const set = [first], places = [i];
      for (let j = i + 1; j < sorted.length && set.length < size; j++) {
        if (lengths[j]! - lengths[i]! > most.characters) break;
        if (used[j] || owns[j] === owns[i]) continue; // Millions of pairs are compared: what is cheap comes first.
        const item = sorted[j]!;
        if (!set.every((other) => alike(other, item, most) && distinct(other.kind, item.kind))) continue;
        set.push(item);
        places.push(j);
      }
      if (set.length < size) return [];
      for (const place of places) used[place] = 1;
      return [set];
    });
  });
}
