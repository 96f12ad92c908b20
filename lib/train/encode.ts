import { checkTask, plainTask, type Split, type Task } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { InputError } from "../errors.ts";
import { countUnknown, inputs, type Tokenizer, transform } from "../text/mod.ts";
import { taskWarnings, type TextCounts, warnOnce } from "./warnings.ts";

/** A tokenised example. */
export interface EncodedExample {
  /** Token ids of its sequences (§3.3). */
  readonly sequences: readonly Int32Array[];
  /** Length of the longest sequence. */
  readonly length: number;
  /** Index of its label, or of the correct choice; or its grade. */
  readonly label: number;
}

/** A tokenised task. */
export interface EncodedTask {
  /** Training examples. */
  readonly train: readonly EncodedExample[];
  /** Validation examples. */
  readonly validation: readonly EncodedExample[];
  /** Test examples. */
  readonly test: readonly EncodedExample[];
  /** Length of the longest sequence. */
  readonly longest: number;
  /** Total number of tokens of the training examples. */
  readonly tokens: number;
  /** Number of texts truncated to the context (§3.3). */
  readonly cut: number;
  /** Number of texts, tokens, truncated texts and unknown tokens of each split. */
  readonly counts: Readonly<Record<Split, TextCounts>>;
  /** Warnings: why its scores may mislead. */
  readonly warnings: readonly string[];
}

/**
 * Tokenises a task's examples with the paper's input transformations (§3.3). The result is cached until the task
 * changes. Prints warnings to standard error, once for each task.
 *
 * @param quiet Whether warnings are not printed, as in an evaluation.
 * @throws {InputError} If the task is invalid or the context is too short.
 */
export function encodeTask(task: Task, tokenizer: Tokenizer, context: number, quiet = false): EncodedTask {
  checkTask(task);
  const key = digest({ context, ...plainTask(task) });
  let tasks = encodings.get(tokenizer);
  if (!tasks) encodings.set(tokenizer, tasks = new WeakMap());
  let cached = tasks.get(task);
  if (cached?.key !== key) tasks.set(task, cached = { key, encoded: encode(task, tokenizer, context) });
  if (!quiet) warnOnce(task, cached.encoded.warnings);
  return cached.encoded;
}
const encodings = new WeakMap<Tokenizer, WeakMap<Task, { key: string; encoded: EncodedTask }>>();

function encode(task: Task, tokenizer: Tokenizer, context: number): EncodedTask {
  let longest = 0;
  const counts = { train: emptyCounts(), validation: emptyCounts(), test: emptyCounts() };
  const encodeSplit = (split: Split) =>
    task[split].map((example, i): EncodedExample => {
      const { sequences, cut } = transform({ tokenizer, config: { context } }, example, task.kind);
      const count = counts[split];
      count.texts += Object.keys(inputs[task.kind].fields).length;
      if ("choices" in example) count.texts += example.choices.length - 1;
      count.examples++;
      count.cut += cut;
      if (cut > 0) count.shortened++;
      for (const ids of sequences) {
        count.tokens += ids.reduce((sum, id) => id < tokenizer.size ? sum + 1 : sum, 0);
        count.unknown += countUnknown(ids);
      }
      if (sequences.some((ids) => ids.every((id) => id >= tokenizer.size))) {
        throw new InputError(
          `Cannot use ${split} example ${i} in task "${task.name}" as its text has no tokens: it is white space`,
        );
      }
      const length = Math.max(...sequences.map(({ length }) => length));
      longest = Math.max(longest, length);
      return { sequences, length, label: example.label };
    });
  const [train, validation, test] = [encodeSplit("train"), encodeSplit("validation"), encodeSplit("test")];
  const tokens = train.flatMap(({ sequences }) => sequences).reduce((sum, { length }) => sum + length, 0);
  const warnings = taskWarnings(task, counts);
  const cut = counts.train.cut + counts.validation.cut + counts.test.cut;
  return { train, validation, test, longest, tokens, cut, counts, warnings };
}

function emptyCounts(): { -readonly [Count in keyof TextCounts]: number } {
  return { examples: 0, texts: 0, cut: 0, shortened: 0, tokens: 0, unknown: 0 };
}
