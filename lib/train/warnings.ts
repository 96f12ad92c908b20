import { inputKey, isGraded, rareSubjects, type Split, type Task } from "../data/mod.ts";
import { quoted } from "../errors.ts";
import { percent } from "../numbers.ts";
import { countUnknown, type Tokenizer } from "../text/mod.ts";

/**
 * Prints warnings to standard error, once for each object and sentence.
 *
 * @param about The object of the warnings, such as a task.
 * @param sentences The warnings, without full stops.
 */
export function warnOnce(about: object, sentences: readonly string[]): void {
  const previous = warned.get(about) ?? new Set();
  warned.set(about, previous);
  for (const sentence of sentences) {
    if (previous.has(sentence) || silenced.has(about)) continue;
    previous.add(sentence);
    console.warn(`Warning: ${sentence}`);
  }
}
const warned = new WeakMap<object, Set<string>>();
const silenced = new WeakSet<object>();

/** Prints no more warnings about an object: there were those of one that is like it, as a task of another seed is. */
export function silence(about: object): void {
  silenced.add(about);
}

/** Share of `<unk>` from which on there is a warning. */
const UNKNOWN = 0.01;
/** Share of examples about a text of the training split above which there is a warning. */
const RELATED = 0.01;
/** Share of examples with a truncated text above which there is a warning. */
const TRUNCATED = 0.1;

const splits = ["train", "validation", "test"] as const;

/** Counts of a split's texts and tokens. */
export interface TextCounts {
  /** Number of examples. */
  readonly examples: number;
  /** Number of texts. */
  readonly texts: number;
  /** Number of texts truncated to the context (§3.3). */
  readonly cut: number;
  /** Number of examples with a truncated text. */
  readonly shortened: number;
  /** Number of tokens, without special tokens. */
  readonly tokens: number;
  /** Number of `<unk>` tokens, which represent characters that are not in the vocabulary. */
  readonly unknown: number;
}

const UNKNOWN_TOKENS = "are <unk> (characters that are not in the vocabulary)";

/** Warns if a text has many unknown tokens. */
export function warnOfUnknown(text: string, ids: Int32Array, tokenizer: Tokenizer): void {
  const share = countUnknown(ids) / Math.max(1, ids.length);
  if (share < UNKNOWN) return;
  warnOnce(tokenizer, [
    `${percent(share)} of the tokens of ${text} ${UNKNOWN_TOKENS}: loss and bits per character are too low`,
  ]);
}

/** Warns if a text to score has one window only, or a tail that is in none. */
export function warnOfWindows(tokenizer: Tokenizer, tokens: number, context: number, windows: number): void {
  const left = tokens - windows * context;
  warnOnce(tokenizer, [
    ...windows === 1
      ? [`the text to score has one window of ${context} tokens: its score has no interval`]
      : [],
    ...left < context && left > 0.1 * tokens
      ? [
        `${left} of the ${tokens} tokens of the text to score are after its last whole window, and are not scored`,
      ]
      : [],
  ]);
}

/** Warns of examples that have more than one most likely answer. */
export function warnOfTies(task: Task, split: Split, likeliest: readonly (readonly number[])[]): void {
  const ties = likeliest.filter(({ length }) => length > 1).length;
  if (ties === 0) return;
  warnOnce(task, [
    `${ties} of ${likeliest.length} ${split} examples of task "${task.name}" have answers of equal probability: the first ` +
    "of them is used",
  ]);
}

/** Warns if a text had fewer pairs to merge than requested. */
export function warnOfMerges(tokenizer: Tokenizer, asked: number): void {
  const { length } = tokenizer.merges;
  if (length < asked) {
    warnOnce(tokenizer, [`the corpus has only ${length} pairs to merge of the ${asked} requested`]);
  }
}

/**
 * Warnings about a task whose scores may mislead: test examples that are also in another split, or about a text that
 * is; labels that are not in the training split; many truncated texts or unknown tokens.
 */
export function taskWarnings(task: Task, counts: Readonly<Record<Split, TextCounts>>): string[] {
  const name = `task "${task.name}"`;
  const warnings: string[] = [];
  const keys = Object.fromEntries(
    splits.map((split) => [split, task[split].map((example) => inputKey(example, task.kind))]),
  ) as Record<Split, string[]>;
  const subjectsOf = rareSubjects(task.train), subjects = new Set(task.train.flatMap(subjectsOf));
  for (
    const [split, other] of [["test", "train"], ["test", "validation"], ["validation", "train"]] as const
  ) {
    const examples: readonly Task["train"][number][] = task[split], others = new Set(keys[other]);
    const different = examples.filter((_, i) => !others.has(keys[split][i]!));
    const equal = examples.length - different.length;
    const related = other === "train"
      ? different.filter((example) => subjectsOf(example).some((key) => subjects.has(key))).length
      : 0;
    const of = (count: number) => `${count} of ${examples.length} ${split} examples of ${name}`;
    if (equal > 0) warnings.push(`${of(equal)} are also in ${other}: its ${split} score is too high`);
    if (related > RELATED * examples.length) {
      warnings.push(
        `${of(related)} are about a text that is in ${other}, too: its ${split} score may be too high`,
      );
    }
  }
  // A grade may be fractional, and a choice is scored by its text, not by its index.
  if (!isGraded(task) && task.kind !== "choice") {
    const learned = new Set(labelsOf(task.train));
    for (const split of ["validation", "test"] as const) {
      const labels = [...new Set(labelsOf(task[split]))].filter((label) => !learned.has(label)).sort((a, b) =>
        a - b
      );
      if (labels.length === 0) continue;
      const names = labels.slice(0, 5).map((label) => `${label} (${quoted(task.labels[label])})`).join(", ");
      const more = labels.length > 5 ? ` and ${labels.length - 5} more` : "";
      warnings.push(`no training example of ${name} has label ${names}${more}, which occurs in ${split}`);
    }
  }
  return [...warnings, ...textWarnings(task, counts)];
}

/** Warnings about many truncated texts and unknown tokens in a task's splits, those that are given. */
export function textWarnings(
  { name }: Pick<Task, "name">,
  counts: Readonly<Partial<Record<Split, TextCounts>>>,
): string[] {
  const shares = (of: string, shareOf: (counts: TextCounts) => number, isWorth: (share: number) => boolean) =>
    splits.flatMap((split) => {
      const share = counts[split] ? shareOf(counts[split]) : 0;
      return isWorth(share) ? [`${percent(share)} of the ${of} in ${split}`] : [];
    }).join(", ");
  const cut = shares(
    "examples",
    ({ shortened, examples }) => shortened / Math.max(1, examples),
    (share) => share > TRUNCATED,
  );
  const unknown = shares(
    "tokens",
    ({ unknown, tokens }) => unknown / Math.max(1, tokens),
    (share) => share >= UNKNOWN,
  );
  return [
    ...cut ? [`${cut} of task "${name}" have a text that is truncated to the context`] : [],
    ...unknown ? [`${unknown} of task "${name}" ${UNKNOWN_TOKENS}`] : [],
  ];
}

function labelsOf(examples: Task["train"]): number[] {
  return examples.map(({ label }) => label);
}
