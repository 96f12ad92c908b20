import { checkTask, plainTask, type Split, type Task } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { InputError } from "../errors.ts";
import { countUnknown, inputs, type Tokenizer, transform } from "../text/mod.ts";
import { taskWarnings, type TextCounts, warnOnce } from "./warnings.ts";

/** An example as the model reads it. */
export interface EncodedExample {
  /** Tokens of its sequences (§3.3). */
  readonly sequences: readonly Int32Array[];
  /** Tokens of the longest of them. */
  readonly length: number;
  /** Index of its label, or of the right choice; or its grade. */
  readonly label: number;
}

/** A task as the model reads it. */
export interface EncodedTask {
  /** Examples to learn from. */
  readonly train: readonly EncodedExample[];
  /** Examples to choose settings by. */
  readonly validation: readonly EncodedExample[];
  /** Examples to report. */
  readonly test: readonly EncodedExample[];
  /** Tokens of the longest sequence of all. */
  readonly longest: number;
  /** Tokens of the training examples' sequences, all together. */
  readonly tokens: number;
  /** How many texts were cut to fit the context, as the paper cuts them (§3.3). */
  readonly cut: number;
  /** Of each split: its texts and tokens, those that were cut, and those that are unknown. */
  readonly counts: Readonly<Record<Split, TextCounts>>;
  /** What would make its scores mislead, in sentences. */
  readonly warnings: readonly string[];
}

/**
 * A task's examples under the paper's input transformations (§3.3). What a task was encoded to is kept, and made again
 * when anything in the task has changed. What would make its scores mislead is warned of on standard error, once for
 * each task.
 *
 * @param quiet Whether it is not, as in an evaluation.
 * @throws {InputError} If the task is not well-formed or the context holds nothing.
 */
export function encodeTask(task: Task, tokenizer: Tokenizer, context: number, quiet = false): EncodedTask {
  checkTask(task);
  const of = digest({ context, ...plainTask(task) });
  let tasks = known.get(tokenizer);
  if (!tasks) known.set(tokenizer, tasks = new WeakMap());
  let kept = tasks.get(task);
  if (kept?.of !== of) tasks.set(task, kept = { of, encoded: encode(task, tokenizer, context) });
  if (!quiet) warnOnce(task, kept.encoded.warnings);
  return kept.encoded;
}
const known = new WeakMap<Tokenizer, WeakMap<Task, { of: string; encoded: EncodedTask }>>();

function encode(task: Task, tokenizer: Tokenizer, context: number): EncodedTask {
  let longest = 0;
  const counts = { train: noTexts(), validation: noTexts(), test: noTexts() };
  const read = (split: Split) =>
    task[split].map((example, i): EncodedExample => {
      const { sequences, cut } = transform({ tokenizer, config: { context } }, example, task.kind);
      const count = counts[split];
      count.texts += Object.keys(inputs[task.kind].fields).length;
      if ("choices" in example) count.texts += example.choices.length - 1;
      count.cut += cut;
      for (const ids of sequences) {
        count.tokens += ids.reduce((sum, id) => id < tokenizer.size ? sum + 1 : sum, 0);
        count.unknown += countUnknown(ids, tokenizer);
      }
      if (sequences.some((ids) => ids.every((id) => id >= tokenizer.size))) {
        throw new InputError(
          `Cannot use ${split} example ${i} in task "${task.name}" as its text has no tokens: it is white space to the ` +
            "tokenizer",
        );
      }
      const length = Math.max(...sequences.map(({ length }) => length));
      longest = Math.max(longest, length);
      return { sequences, length, label: example.label };
    });
  const [train, validation, test] = [read("train"), read("validation"), read("test")];
  const tokens = train.flatMap(({ sequences }) => sequences).reduce((sum, { length }) => sum + length, 0);
  const warnings = taskWarnings(task, counts);
  const cut = counts.train.cut + counts.validation.cut + counts.test.cut;
  return { train, validation, test, longest, tokens, cut, counts, warnings };
}

function noTexts(): { -readonly [Count in keyof TextCounts]: number } {
  return { texts: 0, cut: 0, tokens: 0, unknown: 0 };
}
