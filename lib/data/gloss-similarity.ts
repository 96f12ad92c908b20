import { type Example, wordsOf } from "../text/mod.ts";
import { byHash, hash, splitByHash } from "./hash.ts";
import type { TaskOf } from "./task.ts";
import { nouns, type Synset, WORDNET, WORDNET_LICENCE } from "./wordnet.ts";

/** A definition and its position in WordNet. */
interface Item {
  readonly gloss: string;
  /** The synsets from the root down to its own. */
  readonly path: readonly string[];
  /** The direct hypernym: each group is in one split only. */
  readonly group: string;
  readonly words: ReadonlySet<string>;
}

const LENGTH = { least: 5, most: 20 };
/** Minimum depth, at which all grades are possible. */
const MIN_DEPTH = 6;
const GRADES = 5;
const PER_GROUP = 8;
const PER_SYNSET = 40;
const OVERLAP = 0.03;
const ANCHORS = { train: 2000, validation: 200, test: 300 };

/**
 * Builds task `gloss-similarity` from WordNet: graded similarity, as in STS-B (section 3.3 of the paper). How similar are
 * the things that two definitions describe, from 0 to 5?
 *
 * The grade is five times the Wu–Palmer similarity, 2·d/(a + b), where a and b are the depths of the two synsets and d is
 * that of their deepest common hypernym (the root has depth 1). Each anchor definition is paired with five others, one in
 * each fifth of the scale, of about the same depth and with about the same word overlap: neither a single text nor the
 * overlap predicts the grade.
 *
 * @returns The task
 * @throws {InputError} If WordNet cannot be downloaded
 *
 * @example
 * ```ts
 * import { glossSimilarity } from "./gloss-similarity.ts";
 *
 * const { first, second, label } = (await glossSimilarity()).test[0]!;
 * console.log(first, second, label);
 * ```
 */
export async function glossSimilarity(): Promise<TaskOf<"similarity">> {
  const items = itemsOf(await nouns());
  const { train, validation, test } = splitByHash(items, ({ group }) => group);
  return {
    name: "gloss-similarity",
    kind: "similarity",
    labels: ["0", "1", "2", "3", "4", "5"],
    train: pairs(train, ANCHORS.train),
    validation: pairs(validation, ANCHORS.validation),
    test: pairs(test, ANCHORS.test),
    measures: ["pearson", "spearman"],
    source: WORDNET,
    licence: WORDNET_LICENCE,
    about:
      "How similar are the things that two definitions describe (Wu and Palmer 1994), from 0 to 5? Each fifth of the " +
      "scale is equally frequent, with equal word overlap, and no direct hypernym is in two splits",
  };
}

/**
 * The Wu–Palmer similarity of two synsets.
 *
 * @param a Path of the first synset, from the root
 * @param b Path of the second synset, from the root
 * @returns From 0, nothing in common, to 1, the same synset
 *
 * @example
 * ```ts
 * import { wuPalmer } from "./gloss-similarity.ts";
 *
 * console.log(wuPalmer(["entity", "animal", "dog"], ["entity", "animal", "cat"])); // 0.6666666666666666
 * ```
 */
export function wuPalmer(a: readonly string[], b: readonly string[]): number {
  let common = 0;
  while (common < Math.min(a.length, b.length) && a[common] === b[common]) common++;
  return 2 * common / (a.length + b.length);
}

/** Unique definitions whose synset has a single path from the root, ordered by hash. */
function itemsOf(nouns: ReadonlyMap<string, Synset>): Item[] {
  const items = new Map<string, Item>();
  const groupSizes = new Map<string, number>();
  for (const [id, { gloss }] of byHash([...nouns], ([, { gloss }]) => gloss)) {
    const path = pathTo(id, nouns);
    const group = path?.at(-2);
    const length = gloss.split(" ").length;
    if (path === undefined || group === undefined || path.length < MIN_DEPTH) continue;
    if (length < LENGTH.least || length > LENGTH.most || items.has(gloss)) continue;
    const count = groupSizes.get(group) ?? 0;
    groupSizes.set(group, count + 1);
    if (count < PER_GROUP) items.set(gloss, { gloss, path, group, words: new Set(wordsOf(gloss)) });
  }
  return [...items.values()];
}

/** The path of a synset from the root; undefined if a synset on it has several hypernyms. */
function pathTo(id: string, nouns: ReadonlyMap<string, Synset>): string[] | undefined {
  const synset = nouns.get(id);
  if (synset === undefined || synset.instance || synset.hypernyms.length > 1) return undefined;
  const [hypernym] = synset.hypernyms;
  if (hypernym === undefined) return [id];
  const path = pathTo(hypernym, nouns);
  path?.push(id);
  return path;
}

/** Five pairs for each anchor definition. */
function pairs(items: readonly Item[], anchors: number): Example<"similarity">[] {
  const below = new Map<string, Item[]>();
  for (const item of items) {
    for (const id of item.path) {
      const list = below.get(id);
      if (list === undefined) below.set(id, [item]);
      else list.push(item);
    }
  }
  const used = new Set<Item>();
  const examples: Example<"similarity">[] = [];
  for (const item of items) {
    if (examples.length === anchors * GRADES) break;
    const partners = partnersOf(item, below);
    if (partners.some(({ other }) => used.has(other))) continue; // Otherwise a pair could occur twice.
    used.add(item);
    for (const { other, label } of partners) {
      const swapped = hash(`${item.gloss} ${other.gloss}`) % 2 === 1;
      const [first, second] = swapped ? [other.gloss, item.gloss] : [item.gloss, other.gloss];
      examples.push({ first, second, label });
    }
  }
  return byHash(examples, ({ first, second }) => `${first} ${second}`);
}

/** One partner per grade, all with about the same overlap, whose target is random; empty if there are none. */
function partnersOf(item: Item, below: ReadonlyMap<string, readonly Item[]>) {
  const bins: { other: Item; label: number; overlap: number }[][] = Array.from({ length: GRADES }, () => []);
  for (const id of item.path.slice(0, -1)) {
    const list = below.get(id) ?? [];
    const start = hash(`${item.gloss} ${id}`) % list.length;
    for (let i = 0; i < Math.min(PER_SYNSET, list.length); i++) {
      const other = list[(start + i) % list.length]!;
      if (other === item || Math.abs(other.path.length - item.path.length) > 1) continue;
      const label = GRADES * wuPalmer(item.path, other.path);
      bins[Math.min(GRADES - 1, Math.floor(label))]?.push({ other, label, overlap: overlap(item, other) });
    }
  }
  const most = Math.min(...bins.map((bin) => Math.max(0, ...bin.map(({ overlap }) => overlap))));
  const target = most * hash(item.gloss, 1) / 2 ** 32;
  const partners = bins.flatMap((bin) =>
    bin.toSorted((a, b) => Math.abs(a.overlap - target) - Math.abs(b.overlap - target)).slice(0, 1)
  );
  const overlaps = partners.map(({ overlap }) => overlap);
  const isBalanced = Math.max(...overlaps) - Math.min(...overlaps) <= OVERLAP;
  return partners.length === GRADES && isBalanced ? partners : [];
}

/** Word overlap (Jaccard index) of two definitions. */
function overlap(a: Item, b: Item): number {
  const both = a.words.intersection(b.words).size;
  return both / (a.words.size + b.words.size - both);
}
