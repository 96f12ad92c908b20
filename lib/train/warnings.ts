import { isGraded, type Split, type Task } from "../data/mod.ts";
import { quoted } from "../errors.ts";
import { percent } from "../numbers.ts";
import { countUnknown, inputs, type Tokenizer } from "../text/mod.ts";

/**
 * Warns on standard error of what a user can go on with but should know: once for each object and sentence.
 *
 * @param about What the sentences are about, such as a task.
 * @param sentences Each without a full stop.
 */
export function warnOnce(about: object, sentences: readonly string[]): void {
  const before = shown.get(about) ?? new Set();
  shown.set(about, before);
  for (const sentence of sentences) {
    if (before.has(sentence)) continue;
    before.add(sentence);
    console.warn(`Warning: ${sentence}`);
  }
}
const shown = new WeakMap<object, Set<string>>();

/** From which share of `<unk>` on it is worth a warning. */
const UNKNOWN = 0.01;
/** Above which share of texts that are cut. */
const CUT = 0.1;

const splits = ["train", "validation", "test"] as const;

/** How much of the texts of a split the model reads as it is. */
export interface TextCounts {
  /** How many texts there are. */
  readonly texts: number;
  /** How many of them were cut to fit the context, as the paper cuts them (§3.3). */
  readonly cut: number;
  /** How many tokens are read, special ones not counted. */
  readonly tokens: number;
  /** How many of them are `<unk>`, which stands for all characters that the tokenizer does not know. */
  readonly unknown: number;
}

const UNKNOWN_TOKENS = "are <unk>, which stands for all characters that the tokenizer does not know";

/** Warns where a text has many unknown tokens. */
export function warnOfUnknown(text: string, ids: Int32Array, tokenizer: Tokenizer): void {
  const share = countUnknown(ids, tokenizer) / Math.max(1, ids.length);
  if (share < UNKNOWN) return;
  warnOnce(tokenizer, [
    `${percent(share)} of the tokens of ${text} ${UNKNOWN_TOKENS}: loss and bits per character are too low`,
  ]);
}

/** Warns where a text had fewer pairs to merge than were asked for. */
export function warnOfMerges(tokenizer: Tokenizer, asked: number): void {
  const { length } = tokenizer.merges;
  if (length < asked) {
    warnOnce(tokenizer, [`the corpus has only ${length} pairs to merge of the ${asked} asked for`]);
  }
}

/**
 * Warnings about a task that can be used but whose scores would mislead: test examples that are in another split, too;
 * labels that are not in train; many cut texts or unknown tokens.
 */
export function taskWarnings(task: Task, counts: Readonly<Record<Split, TextCounts>>): string[] {
  const name = `task "${task.name}"`;
  const warnings: string[] = [];
  const [train, validation] = [task.train, task.validation].map((examples) =>
    new Set(keysOf(task, examples))
  );
  const pairs = [["test", "train", train!], ["test", "validation", validation!], [
    "validation",
    "train",
    train!,
  ]] as const;
  for (const [split, other, seen] of pairs) {
    const keys = keysOf(task, task[split]);
    const shared = keys.filter((key) => seen.has(key)).length;
    if (shared === 0) continue;
    warnings.push(
      `${shared} of ${keys.length} ${split} examples of ${name} are in ${other}, too: its ${split} score is too good`,
    );
  }
  // A grade may stand between labels, and a choice is scored by its text, wherever it stands.
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
  const shares = (what: "cut" | "unknown", of: "texts" | "tokens", isWorth: (share: number) => boolean) =>
    splits.map((split) => [split, counts[split][what] / Math.max(1, counts[split][of])] as const)
      .filter(([, share]) => isWorth(share))
      .map(([split, share]) => `${percent(share)} of the ${of} in ${split}`).join(", ");
  const cut = shares("cut", "texts", (share) => share > CUT);
  const unknown = shares("unknown", "tokens", (share) => share >= UNKNOWN);
  if (cut) warnings.push(`${cut} of ${name} are cut to fit the context`);
  if (unknown) warnings.push(`${unknown} of ${name} ${UNKNOWN_TOKENS}`);
  return warnings;
}

function labelsOf(examples: Task["train"]): number[] {
  return examples.map(({ label }) => label);
}

/** The texts of each example as a key; those of a similarity in a fixed order, as they have none. */
function keysOf({ kind }: Task, examples: Task["train"]): string[] {
  const fields = Object.keys(inputs[kind].fields);
  return examples.map((example) => {
    const texts = fields.map((field) => (example as unknown as Record<string, unknown>)[field]);
    return JSON.stringify(kind === "similarity" ? texts.sort() : texts);
  });
}
