import type { Example } from "../text/mod.ts";
import { byHash } from "./hash.ts";
import { alikeSets, type Scored, scored, splitByHypernym } from "./looks.ts";
import type { TaskOf } from "./task.ts";
import { definitions, nouns, WORDNET, WORDNET_LICENCE } from "./wordnet.ts";

const SELECTED = [
  "a person",
  "an animal",
  "a plant",
  "a food",
  "a body part",
  "a disease",
  "an organization",
  "a chemical",
  "a garment",
  "a vehicle",
  "a building or room",
  "a tool",
  "a container",
  "a fabric",
  "a musical instrument",
  "a weapon",
  "a mineral",
  "a feeling",
  "a game or sport",
  "a piece of writing",
  "a science",
  "a payment",
  "a time",
];
/** More than for pairs: of four definitions that look alike there are fewer. */
const ALIKE = { tilt: 4, characters: 20 };
const SHARE = { test: 0.25, validation: 0.14 };
const CHOICES = 4;

/**
 * Builds task `kind` from WordNet: multiple choice (section 3.3 of the paper). The context is the definition of a noun
 * that is not named; which of four kinds of thing is it?
 *
 * Four definitions of different kinds that look alike are each asked with the four kinds in the same order: a classifier
 * that sees the choices alone has an accuracy of exactly 25 % on each split, and surface cues add little.
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
  const { train, validation, test } = splitByHypernym(scored(definitions(await nouns(), SELECTED)), SHARE);
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
      "Which of four kinds of thing does a definition describe? The choices alone do not predict the label, the " +
      "definitions of the four kinds look alike, none has a word of any choice, and no direct hypernym is in two splits",
  };
}

/** Asks four definitions that look alike with the same choices. */
function questions(items: readonly Scored[]): Example<"choice">[] {
  const examples = alikeSets(items, CHOICES, ALIKE).flatMap((set) => {
    const shuffled = byHash(set, ({ gloss }) => gloss);
    const choices = shuffled.map(({ kind }) => kind);
    return shuffled.map(({ gloss }, label) => ({ context: gloss, choices, label }));
  });
  return byHash(examples, ({ context }) => context);
}
