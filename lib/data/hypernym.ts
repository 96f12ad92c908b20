import { type Example, wordsOf } from "../text/mod.ts";
import { byHash, splitByHash } from "./hash.ts";
import { npmText } from "./npm.ts";
import type { TaskOf } from "./task.ts";
import { type Definition, definitions, KINDS, NOUNS, synsets, WORDNET, WORDNET_LICENCE } from "./wordnet.ts";

/** Few, so that a small model meets each often enough: one that relates two texts starts to learn late. */
const ASKED = [
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
const LONGEST = 14;
const PER_GROUP = 10;
const PER_KIND = { train: 700, validation: 90, test: 180 };

/**
 * Builds task `hypernym`: entailment (section 3.3 of the paper) from WordNet. The premise defines a noun that
 * is not named; does it follow that the noun is a kind of animal, of tool, …?
 *
 * Definitions come in pairs of two kinds, drawn out of ten, and each is asked with both: a premise alone says
 * nothing, and each hypothesis is right as often as it is wrong.
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
  const items = definitions(synsets(await npmText(NOUNS))).filter(({ kind, gloss }) =>
    ASKED.includes(KINDS[kind]!.name) && wordsOf(gloss).length <= LONGEST
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
      "Does it follow from a definition that something is of a kind? Each premise and each hypothesis is right " +
      "as often as wrong, and no direct hypernym is in two splits",
  };
}

/** Each definition is paired with one that waits and is of another kind. */
function questions(items: readonly Definition[], perKind: number): Example<"entailment">[] {
  const seen = new Map<string | number, number>();
  const waiting = new Map<number, Definition[]>();
  const examples: Example<"entailment">[] = [];
  for (const item of byHash(items, ({ gloss }) => gloss)) {
    const [inGroup, inKind] = [seen.get(item.group) ?? 0, seen.get(item.kind) ?? 0];
    if (inGroup >= PER_GROUP || inKind >= perKind) continue;
    seen.set(item.group, inGroup + 1).set(item.kind, inKind + 1);
    const others = [...waiting.keys()].filter((kind) => kind !== item.kind && waiting.get(kind)!.length > 0);
    const [drawn] = byHash(others, (kind) => `${item.gloss} ${kind}`);
    const partner = drawn === undefined ? undefined : waiting.get(drawn)!.pop();
    if (partner === undefined) {
      waiting.set(item.kind, [...waiting.get(item.kind) ?? [], item]);
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
