import { type Example, inputs, type Kind } from "../text/mod.ts";

/** Largest share of the examples that a text may join: what nearly all have is a question that the task asks of each. */
const MAX_SHARE = 0.9;
/** Texts that begin with as many equal words are about the same, as a passage with one of several questions is. */
const BEGINNING = 30;

/**
 * The cluster of each example: those that share what they are about, a premise, a context, a text or one of two texts,
 * are scored alike, and count as one where a score's uncertainty is estimated. Texts are the same if their first thirty
 * words are, in any order.
 *
 * @param examples Examples of a task.
 * @returns A number for each example, from 0.
 *
 * @example
 * ```ts
 * import { clustersOf } from "./clusters.ts";
 *
 * const texts = ["a dog sleeps", "a cat sits", "sleeps a dog", "a day"];
 * console.log(Array.from(clustersOf(texts.map((text) => ({ text, label: 0 }))))); // [0, 1, 0, 2]
 * ```
 */
export function clustersOf(examples: readonly Example[]): Uint32Array {
  return connected(examples, rareSubjects(examples));
}

/**
 * Groups that must not be divided between training and test examples: clusters, and equal inputs.
 *
 * @param examples Examples of one kind.
 * @returns A number for each example, from 0.
 *
 * @example
 * ```ts
 * import { groupsOf } from "./clusters.ts";
 *
 * const row = (...choices: string[]) => ({ context: "which?", choices, label: 0 });
 * console.log(Array.from(groupsOf([row("a", "b"), row("c", "d"), row("B", "A")], "choice"))); // [0, 1, 0]
 * ```
 */
export function groupsOf(examples: readonly Example[], kind: Kind): Uint32Array {
  const subjects = rareSubjects(examples);
  return connected(examples, (example) => [...subjects(example), `= ${inputKey(example, kind)}`]);
}

/** A key of an input's texts: equal whatever their case and white space, or the order of choices or of similar texts. */
export function inputKey(example: Example, kind: Kind): string {
  const texts = Object.keys(inputs[kind].fields).map((field) => {
    const value = (example as unknown as Readonly<Record<string, string | readonly string[]>>)[field]!;
    return typeof value === "string" ? folded(value) : value.map(folded).sort();
  });
  return JSON.stringify(kind === "similarity" ? texts.sort() : texts);
}

/** The keys of the texts that an example is about, but not those of texts that nearly all examples share. */
export function rareSubjects(examples: readonly Example[]): (example: Example) => string[] {
  const known = new Map(examples.map((example) => [example, subjectsOf(example)]));
  const counts = new Map<string, number>();
  for (const key of examples.flatMap((example) => known.get(example)!)) {
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return (example) =>
    (known.get(example) ?? subjectsOf(example))
      .filter((key) => (counts.get(key) ?? 0) <= MAX_SHARE * examples.length);
}

/** Numbers of the connected components: examples with a key in common are in the same one. */
function connected(examples: readonly Example[], keysOf: (example: Example) => string[]): Uint32Array {
  const first = new Map<string, number>(), parent = Uint32Array.from(examples, (_, i) => i);
  const root = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!;
    return i;
  };
  examples.forEach((example, i) => {
    for (const key of keysOf(example)) {
      const other = first.get(key);
      if (other === undefined) first.set(key, i);
      else parent[root(i)] = root(other);
    }
  });
  const numbers = new Map<number, number>();
  return parent.map((_, i) => {
    const at = root(i);
    if (!numbers.has(at)) numbers.set(at, numbers.size);
    return numbers.get(at)!;
  });
}

/** The keys of the texts that an example is about. */
function subjectsOf(example: Example): string[] {
  const texts = "premise" in example
    ? [example.premise]
    : "first" in example
    ? [example.first, example.second]
    : ["context" in example ? example.context : example.text];
  return [...new Set(texts.map((text) => beginningOf(text).sort().join(" ") || text))];
}

/** The first words, numbers and symbols of a text, in lower case; no more of it is read. */
function beginningOf(text: string): string[] {
  return Array.from(
    text.matchAll(/[\p{L}\p{M}\p{N}]+|\p{S}/gu).take(BEGINNING),
    ([part]) => part.toLowerCase(),
  );
}

const folded = (text: string): string => text.toLowerCase().replace(/\s+/g, " ").trim();
