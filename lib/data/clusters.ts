import type { Example } from "../text/mod.ts";
import { wordsOf } from "../text/mod.ts";

/** Largest share of the examples that a text may join: what more have is a question that the task asks of each. */
const MAX_SHARE = 0.5;

/**
 * The cluster of each example: those that share what they are about, a premise, a context, a text or one of two texts,
 * are scored alike, and count as one where a score's uncertainty is estimated. Texts of the same words in another order
 * are the same.
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
  const members = new Map<string, number[]>();
  examples.forEach((example, i) => {
    for (const text of subjectsOf(example)) {
      const key = wordsOf(text).sort().join(" ") || text;
      const found = members.get(key);
      if (found) found.push(i);
      else members.set(key, [i]);
    }
  });
  const parent = Uint32Array.from(examples, (_, i) => i);
  const root = (i: number): number => {
    while (parent[i] !== i) i = parent[i] = parent[parent[i]!]!;
    return i;
  };
  for (const found of members.values()) {
    if (found.length > MAX_SHARE * examples.length) continue;
    for (const i of found) parent[root(i)] = root(found[0]!);
  }
  const numbers = new Map<number, number>();
  return parent.map((_, i) => {
    const at = root(i);
    if (!numbers.has(at)) numbers.set(at, numbers.size);
    return numbers.get(at)!;
  });
}

/** The texts that an example is about. */
function subjectsOf(example: Example): string[] {
  if ("premise" in example) return [example.premise];
  if ("first" in example) return [example.first, example.second];
  return ["context" in example ? example.context : example.text];
}
