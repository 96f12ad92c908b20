import { type Example, wordsOf } from "../text/mod.ts";
import { byHash, splitByHash } from "./hash.ts";
import type { TaskOf } from "./task.ts";
import { type Definition, definitions, KINDS, nouns, WORDNET, WORDNET_LICENCE } from "./wordnet.ts";

/** Few kinds, so that each is frequent enough: a small model learns to relate two texts slowly. */
const SELECTED = [
  "an animal",
  "a plant",
  "a person",
  "a food",
  "a building",
  "a machine",
  "a disease",
  "a body part",
  "a place",
  "an organization",
];
const MAX_WORDS = 14;
const PER_GROUP = 10;
const PER_KIND = { train: 700, validation: 90, test: 180 };

/**
 * Builds task `hypernym` from WordNet: entailment (section 3.3 of the paper). The premise is the definition of a noun
 * that is not named; does it entail that the noun is a kind of animal, of plant, …?
 *
 * Definitions are paired with one of another kind, out of ten, and each is combined with both kinds: neither the premise
 * nor the hypothesis alone predicts the label.
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
  const items = definitions(await nouns()).filter(({ kind, gloss }) =>
    SELECTED.includes(KINDS[kind]!.name) && wordsOf(gloss).length <= MAX_WORDS
  );
  const { train, validation, test } = splitByHash(items, ({ group }) => group);
  return {
    name: "hypernym",
    kind: "entailment",
    labels: ["not entailment", "entailment"],
    train: questions(train, PER_KIND.train),
    validation: questions(validation, PER_KIND.validation),
    test: questions(test, PER_KIND.test),
    measures: ["accuracy"],
    source: WORDNET,
    licence: WORDNET_LICENCE,
    about:
      "Does a definition entail that something is of a kind? Each premise and each hypothesis has both labels " +
      "equally often, and no direct hypernym is in two splits",
  };
}

/** Pairs each definition with an unpaired one of another kind. */
function questions(items: readonly Definition[], perKind: number): Example<"entailment">[] {
  const counts = new Map<string | number, number>();
  const unpaired = new Map<number, Definition[]>();
  const examples: Example<"entailment">[] = [];
  for (const item of byHash(items, ({ gloss }) => gloss)) {
    const [inGroup, inKind] = [counts.get(item.group) ?? 0, counts.get(item.kind) ?? 0];
    if (inGroup >= PER_GROUP || inKind >= perKind) continue;
    counts.set(item.group, inGroup + 1).set(item.kind, inKind + 1);
    const others = [...unpaired.keys()].filter((kind) =>
      kind !== item.kind && unpaired.get(kind)!.length > 0
    );
    const [drawn] = byHash(others, (kind) => `${item.gloss} ${kind}`);
    const partner = drawn === undefined ? undefined : unpaired.get(drawn)!.pop();
    if (partner === undefined) {
      unpaired.set(item.kind, [...unpaired.get(item.kind) ?? [], item]);
      continue;
    }
    for (const [{ gloss, kind }, wrong] of [[item, partner.kind], [partner, item.kind]] as const) {
      examples.push({ premise: gloss, hypothesis: hypothesis(kind), label: 1 });
      examples.push({ premise: gloss, hypothesis: hypothesis(wrong), label: 0 });
    }
  }
  return byHash(examples, ({ premise, hypothesis }) => `${premise} ${hypothesis}`);
}

function hypothesis(kind: number): string {
  return `a kind of ${KINDS[kind]?.name.replace(/^an? /, "")}`;
}
