import type { Example } from "../text/mod.ts";
import { byHash } from "./hash.ts";
import { ALIKE, alikeSets, type Scored, scored, splitByHypernym, type Tolerance } from "./looks.ts";
import type { TaskOf } from "./task.ts";
import { definitions, nouns, WORDNET, WORDNET_LICENCE } from "./wordnet.ts";

/** Few and large kinds: a small model learns to relate two texts slowly. */
const SELECTED = [
  "a person",
  "an animal",
  "a plant",
  "an artifact",
  "a food",
  "a body part",
  "a disease",
  "an organization",
  "a chemical",
];

/**
 * Builds task `hypernym` from WordNet: entailment (section 3.3 of the paper). The premise is the definition of a noun
 * that is not named; does it entail that the noun is a kind of animal, of plant, …?
 *
 * Definitions are paired with one of another kind that looks alike, and each is combined with both kinds: neither the
 * premise nor the hypothesis alone predicts the label, and surface cues of the premise hardly predict its kind.
 *
 * @returns The task
 * @throws {InputError} If WordNet cannot be downloaded
 *
 * @example
 * ```ts
 * import { hypernym } from "./hypernym.ts";
 *
 * const { premise, hypothesis, label } = (await hypernym()).test[0]!;
 * console.log(premise, hypothesis, label);
 * ```
 */
export async function hypernym(): Promise<TaskOf<"entailment">> {
  const { train, validation, test } = splitByHypernym(scored(definitions(await nouns(), SELECTED)));
  return {
    name: "hypernym",
    kind: "entailment",
    labels: ["not entailment", "entailment"],
    train: questions(train, ALIKE.train),
    validation: questions(validation, ALIKE.scored),
    test: questions(test, ALIKE.scored),
    measures: ["accuracy"],
    source: WORDNET,
    licence: WORDNET_LICENCE,
    about:
      "Does a definition entail that something is of a kind? Each premise and each hypothesis has both labels " +
      "equally often, the definitions of the two kinds look alike, and no direct hypernym is in two splits",
  };
}

/** Asks each definition with its own kind, and with that of one that looks alike. */
function questions(items: readonly Scored[], most: Tolerance): Example<"entailment">[] {
  const examples = alikeSets(items, 2, most).flatMap((pair) =>
    pair.flatMap(({ gloss, kind: own }) =>
      pair.map(({ kind }) => ({ premise: gloss, hypothesis: hypothesis(kind), label: kind === own ? 1 : 0 }))
    )
  );
  return byHash(examples, ({ premise, hypothesis }) => `${premise} ${hypothesis}`);
}

function hypothesis(kind: string): string {
  return `a kind of ${kind.replace(/^an? /, "")}`;
}
