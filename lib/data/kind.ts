import type { Example } from "../text/mod.ts";
import { byHash, hash, splitByHash } from "./hash.ts";
import { npmText } from "./npm.ts";
import type { TaskOf } from "./task.ts";
import {
  type Definition,
  definitions,
  KINDS,
  NOUNS,
  synsets,
  withoutTelltales,
  WORDNET,
  WORDNET_LICENCE,
} from "./wordnet.ts";

const PER_GROUP = 6;
const PER_KIND = 400;
const CHOICES = 4;

/**
 * Builds task `kind`: multiple choice (section 3.3 of the paper) from WordNet. The context defines a noun
 * that is not named; which of four kinds of thing is it?
 *
 * Sets of four kinds are drawn, and each set is asked four times in the same order, each time with another
 * one right: whatever looks at the choices alone is right in exactly a quarter of each split.
 *
 * @returns The task
 * @throws {InputError} If WordNet cannot be downloaded
 *
 * @example
 * ```ts
 * import { kind } from "./kind.ts";
 *
 * const { context, choices, label } = (await kind()).test[0]!;
 * console.log(context, choices, choices[label]);
 * ```
 */
export async function kind(): Promise<TaskOf<"choice">> {
  const items = thin(withoutTelltales(definitions(synsets(await npmText(NOUNS)))));
  const { train, validation, test } = splitByHash(items, ({ group }) => group);
  return {
    name: "kind",
    kind: "choice",
    labels: ["first", "second", "third", "fourth"],
    train: questions(train),
    validation: questions(validation),
    test: questions(test),
    measures: ["accuracy"],
    source: WORDNET,
    licence: WORDNET_LICENCE,
    about:
      "Which of four kinds of thing does a definition describe? The choices alone say nothing, no definition " +
      "has a word of any choice, and no direct hypernym is in two splits",
  };
}

/** Keeps families of many near-identical definitions small, and the kinds alike in size. */
function thin(items: readonly Definition[]): Definition[] {
  const seen = new Map<string | number, number>();
  const room = (key: string | number, most: number) => (seen.get(key) ?? 0) < most;
  const count = (key: string | number) => seen.set(key, (seen.get(key) ?? 0) + 1);
  return byHash(items, ({ gloss }) => gloss).filter(({ kind, group }) => {
    if (!room(kind, PER_KIND) || !room(group, PER_GROUP)) return false;
    count(kind);
    count(group);
    return true;
  });
}

/**
 * Draws sets of four kinds until fewer than four have definitions left, a kind by the number that it has
 * left.
 */
function questions(items: readonly Definition[]): Example<"choice">[] {
  const left = KINDS.map((_, kind) => items.filter((item) => item.kind === kind));
  const examples: Example<"choice">[] = [];
  for (let round = 0;; round++) {
    const urgency = (kind: number) =>
      -Math.log((hash(`${round} ${kind}`) + 1) / 2 ** 32) / (left[kind]?.length ?? 0);
    const drawn = left.keys().filter((kind) => left[kind]?.length).toArray()
      .map((kind) => ({ kind, at: urgency(kind) })).sort((a, b) => a.at - b.at).slice(0, CHOICES);
    if (drawn.length < CHOICES) break;
    const choices = drawn.map(({ kind }) => KINDS[kind]?.name ?? "");
    for (const [label, { kind }] of drawn.entries()) {
      const item = left[kind]?.pop();
      if (item !== undefined) examples.push({ context: item.gloss, choices, label });
    }
  }
  return byHash(examples, ({ context }) => context);
}
