import type { Example } from "../text/mod.ts";
import { byHash, hash, splitByHash } from "./hash.ts";
import type { TaskOf } from "./task.ts";
import {
  type Definition,
  definitions,
  KINDS,
  nouns,
  withoutTelltales,
  WORDNET,
  WORDNET_LICENCE,
} from "./wordnet.ts";

const PER_GROUP = 6;
const PER_KIND = 400;
const CHOICES = 4;

/**
 * Builds task `kind` from WordNet: multiple choice (section 3.3 of the paper). The context is the definition of a noun
 * that is not named; which of four kinds of thing is it?
 *
 * Sets of four kinds are drawn, and each set occurs four times in the same order, each time with another correct choice:
 * a classifier that sees the choices alone has an accuracy of exactly 25 % on each split.
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
  const items = balanced(withoutTelltales(definitions(await nouns())));
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
      "Which of four kinds of thing does a definition describe? The choices alone do not predict the label, no " +
      "definition has a word of any choice, and no direct hypernym is in two splits",
  };
}

/** Limits the number of definitions per hypernym, many of which are near-identical, and per kind. */
function balanced(items: readonly Definition[]): Definition[] {
  const counts = new Map<string | number, number>();
  const isBelow = (key: string | number, most: number) => (counts.get(key) ?? 0) < most;
  const count = (key: string | number) => counts.set(key, (counts.get(key) ?? 0) + 1);
  return byHash(items, ({ gloss }) => gloss).filter(({ kind, group }) => {
    if (!isBelow(kind, PER_KIND) || !isBelow(group, PER_GROUP)) return false;
    count(kind);
    count(group);
    return true;
  });
}

/**
 * Samples sets of four kinds, with probabilities proportional to the number of definitions left, until fewer than four
 * kinds have any.
 */
function questions(items: readonly Definition[]): Example<"choice">[] {
  const left = KINDS.map((_, kind) => items.filter((item) => item.kind === kind));
  const examples: Example<"choice">[] = [];
  for (let round = 0;; round++) {
    const priority = (kind: number) =>
      -Math.log((hash(`${round} ${kind}`) + 1) / 2 ** 32) / (left[kind]?.length ?? 0);
    const drawn = left.keys().filter((kind) => left[kind]?.length).toArray()
      .map((kind) => ({ kind, at: priority(kind) })).sort((a, b) => a.at - b.at).slice(0, CHOICES);
    if (drawn.length < CHOICES) break;
    const choices = drawn.map(({ kind }) => KINDS[kind]?.name ?? "");
    for (const [label, { kind }] of drawn.entries()) {
      const item = left[kind]?.pop();
      if (item !== undefined) examples.push({ context: item.gloss, choices, label });
    }
  }
  return byHash(examples, ({ context }) => context);
}
