import type { Example } from "../text/inputs.ts";
import { byHash, hash } from "./hash.ts";
import { npmText } from "./npm.ts";
import type { TaskOf } from "./task.ts";
import {
  type Definition,
  definitions,
  firstSenses,
  kindFinder,
  KINDS,
  NOUN_INDEX,
  NOUNS,
  synsets,
  WORDNET,
  WORDNET_LICENCE,
  wordsOf,
} from "./wordnet.ts";

/** A definition, and the kinds that its words make one think of and that are wrong. */
interface Item extends Definition {
  readonly wrong: readonly number[];
}

const PER_GROUP = 10;
const SHARE = { validation: 0.1, test: 0.2 };

/**
 * Builds task `hypernym`: entailment (section 3.3 of the paper) from WordNet. The premise defines a noun that
 * is not named; does it follow that the noun is a kind of animal, of tool, …?
 *
 * The wrong kind is one that another word of the same definition belongs to: of "a bug that lives on plants",
 * a plant. So it takes the word that the definition is built on, and counting words does not tell.
 *
 * Definitions come in pairs, of kinds X and Y, each with a word of the other's kind, and each is asked with
 * both kinds: a premise alone says nothing, and each hypothesis is right as often as it is wrong.
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
  const [data, index] = await Promise.all([npmText(NOUNS), npmText(NOUN_INDEX)]);
  const items = itemsOf(data, index);
  const part = (from: number, to: number) =>
    questions(items.filter(({ group }) => {
      const x = hash(group) / 2 ** 32;
      return x >= from && x < to;
    }));
  return {
    name: "hypernym",
    kind: "entailment",
    labels: ["not entailment", "entailment"],
    train: part(SHARE.test + SHARE.validation, 1),
    validation: part(SHARE.test, SHARE.test + SHARE.validation),
    test: part(0, SHARE.test),
    measures: ["accuracy"],
    source: WORDNET,
    licence: WORDNET_LICENCE,
    about:
      "Does it follow from a definition that something is of a kind? The wrong kind is that of another word of " +
      "the definition; each premise and each hypothesis is right as often as wrong, and no direct hypernym is in " +
      "two splits",
  };
}

function itemsOf(data: string, index: string): Item[] {
  const nouns = synsets(data);
  const [senses, kindsOf] = [firstSenses(index), kindFinder(nouns)];
  const sense = (word: string) =>
    [word, word.replace(/s$/, ""), word.replace(/es$/, ""), word.replace(/ies$/, "y")]
      .map((form) => senses.get(form)).find((id) => id !== undefined);
  return definitions(nouns).map((item) => {
    const kinds = wordsOf(item.gloss).flatMap((word) => [...kindsOf(sense(word) ?? "")]);
    return { ...item, wrong: [...new Set(kinds)].filter((kind) => kind !== item.kind) };
  });
}

/** Each definition is paired with the first that waits for its kind and is of a kind that it has a word of. */
function questions(items: readonly Item[]): Example<"entailment">[] {
  const seen = new Map<string, number>();
  const waiting = new Map<string, Item[]>();
  const paired = new Set<Item>();
  const examples: Example<"entailment">[] = [];
  const ask = ({ gloss, kind }: Item, wrong: number) => {
    for (const [asked, label] of [[kind, 1], [wrong, 0]] as const) {
      examples.push({ premise: gloss, hypothesis: hypothesis(asked), label });
    }
  };
  for (const item of byHash(items, ({ gloss }) => gloss)) {
    const count = seen.get(item.group) ?? 0;
    seen.set(item.group, count + 1);
    if (count >= PER_GROUP) continue;
    const partner = byHash(item.wrong, (kind) => `${item.gloss} ${kind}`)
      .map((kind) => waiting.get(`${kind} ${item.kind}`)?.find((other) => !paired.has(other)))
      .find((other) => other !== undefined);
    if (partner === undefined) {
      for (const kind of item.wrong) {
        const key = `${item.kind} ${kind}`;
        waiting.set(key, [...waiting.get(key) ?? [], item]);
      }
      continue;
    }
    paired.add(item).add(partner);
    ask(item, partner.kind);
    ask(partner, item.kind);
  }
  return byHash(examples, ({ premise, hypothesis }) => `${premise} ${hypothesis}`);
}

function hypothesis(kind: number): string {
  return `a kind of ${KINDS[kind]?.name.replace(/^an? /, "")}`;
}
