import { type Example, wordsOf } from "../text/mod.ts";
import { byHash } from "./hash.ts";
import { ALIKE, alikeSets, type Scored, scored, splitByHypernym, type Tolerance } from "./looks.ts";
import type { TaskOf } from "./task.ts";
import { definitions, nouns, WORDNET, WORDNET_LICENCE } from "./wordnet.ts";

/** Well-known things of each kind: few, as a small model learns to relate two texts slowly. */
const EXAMPLES: Readonly<Record<string, string>> = {
  "a person": "king teacher soldier nurse farmer sister thief actor doctor priest sailor lawyer poet judge",
  "an animal": "horse dog sparrow lion cow frog spider trout wolf monkey eagle sheep rabbit goat",
  "a plant": "rose oak fern tulip pine clover daisy willow ivy lily cactus elm moss birch",
  "an artifact": "hammer wagon chair bottle coat gun bridge clock knife boat lamp shoe piano ladder",
  "a body part": "knee lung elbow liver ankle stomach shoulder throat finger tongue spine kidney nose wrist",
  "a disease":
    "fever cancer measles pneumonia cholera leprosy influenza diabetes malaria smallpox plague asthma tuberculosis typhoid",
};
/** Examples in a list: no list is drawn twice, whatever its order. */
const LISTED = 6;

/**
 * Builds task `same-kind` from WordNet: similarity (section 3.3 of the paper). Is what a definition describes of the
 * same kind as six things that are named?
 *
 * Definitions are paired with one of another kind that looks alike, and six examples of either kind are drawn; each
 * definition is combined with both: neither text alone predicts the label, and the two have no word in common.
 *
 * @returns The task
 * @throws {InputError} If WordNet cannot be downloaded
 *
 * @example
 * ```ts
 * import { sameKind } from "./same-kind.ts";
 *
 * const { first, second, label } = (await sameKind()).test[0]!;
 * console.log(first, second, label);
 * ```
 */
export async function sameKind(): Promise<TaskOf<"similarity">> {
  const named = new Set(
    Object.values(EXAMPLES).flatMap((words) => words.split(" ")).flatMap((word) => [word, `${word}s`]),
  );
  const all = definitions(await nouns(), Object.keys(EXAMPLES))
    .filter(({ gloss }) => !wordsOf(gloss).some((word) => named.has(word)));
  const { train, validation, test } = splitByHypernym(scored(all));
  const lists = new Map(Object.entries(EXAMPLES).map(([kind, words]) => [kind, listsOf(words.split(" "))]));
  return {
    name: "same-kind",
    kind: "similarity",
    labels: ["another", "the same"],
    train: pairs(train, lists, ALIKE.train),
    validation: pairs(validation, lists, ALIKE.scored),
    test: pairs(test, lists, ALIKE.scored),
    measures: ["accuracy"],
    source: WORDNET,
    licence: WORDNET_LICENCE,
    about:
      "Is what a definition describes of the same kind as six examples? Each text has both labels equally often, the " +
      "definitions of the two kinds look alike, and no direct hypernym is in two splits",
  };
}

/** Asks each definition with examples of its own kind, and with those of one that looks alike. */
function pairs(
  items: readonly Scored[],
  lists: ReadonlyMap<string, string[]>,
  most: Tolerance,
): Example<"similarity">[] {
  const examples = alikeSets(items, 2, most).flatMap((pair) => {
    const seconds = pair.map(({ kind }) => lists.get(kind)!.pop()!);
    return pair.flatMap(({ gloss }, i) =>
      seconds.map((second, j) => ({ first: gloss, second, label: i === j ? 1 : 0 }))
    );
  });
  return byHash(examples, ({ first, second }) => `${first} ${second}`);
}

/** All lists of six of the words, in an order of hashes; so are the words of each. */
function listsOf(words: readonly string[]): string[] {
  const chosen = (from: number, count: number): string[][] =>
    count === 0
      ? [[]]
      : words.slice(from).flatMap((word, i) =>
        chosen(from + i + 1, count - 1).map((rest) => [word, ...rest])
      );
  const lists = chosen(0, LISTED).map((list) => byHash(list, (word) => `${word} ${list}`).join(", "));
  return byHash(lists, (list) => list);
}
