import { createHash } from "node:crypto";
import { checkTask, type Split, type Task } from "../data/mod.ts";
import { inputs, type Tokenizer, transform } from "../text/mod.ts";
import { countUnknown } from "./batches.ts";
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
  /** Hash of the training examples, which tells whether a run is about the same data. */
  readonly digest: string;
}

/**
 * A task's examples under the paper's input transformations (§3.3), once for each tokenizer and context. What would
 * make its scores mislead is warned of on standard error, once for each task.
 *
 * @param quiet Whether it is not, as in an evaluation.
 * @throws {InputError} If the task is not well-formed or the context holds nothing.
 */
export function encodeTask(task: Task, tokenizer: Tokenizer, context: number, quiet = false): EncodedTask {
  let tasks = known.get(tokenizer);
  if (!tasks) known.set(tokenizer, tasks = new WeakMap());
  let contexts = tasks.get(task);
  if (!contexts) tasks.set(task, contexts = new Map());
  let encoded = contexts.get(context);
  if (!encoded) contexts.set(context, encoded = encode(task, tokenizer, context));
  if (!quiet) warnOnce(task, encoded.warnings);
  return encoded;
}
const known = new WeakMap<Tokenizer, WeakMap<Task, Map<number, EncodedTask>>>();

function encode(task: Task, tokenizer: Tokenizer, context: number): EncodedTask {
  checkTask(task);
  let longest = 0;
  const counts = { train: noTexts(), validation: noTexts(), test: noTexts() };
  const read = (split: Split) =>
    task[split].map((example): EncodedExample => {
      const { sequences, cut } = transform(example, task.kind, tokenizer, context);
      const count = counts[split];
      count.texts += Object.keys(inputs[task.kind].fields).length;
      if ("choices" in example) count.texts += example.choices.length - 1;
      count.cut += cut;
      for (const ids of sequences) {
        count.tokens += ids.reduce((sum, id) => id < tokenizer.size ? sum + 1 : sum, 0);
        count.unknown += countUnknown(ids, tokenizer);
      }
      const length = Math.max(...sequences.map(({ length }) => length));
      longest = Math.max(longest, length);
      return { sequences, length, label: example.label };
    });
  const [train, validation, test] = [read("train"), read("validation"), read("test")];
  const sum = createHash("sha256");
  let tokens = 0;
  for (const { sequences, label } of train) {
    for (const ids of sequences) {
      sum.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
      tokens += ids.length;
    }
    sum.update(String(label));
  }
  const warnings = taskWarnings(task, counts);
  const cut = counts.train.cut + counts.validation.cut + counts.test.cut;
  return {
    train,
    validation,
    test,
    longest,
    tokens,
    cut,
    counts,
    warnings,
    digest: sum.digest("hex").slice(0, 16),
  };
}

function noTexts(): { -readonly [Count in keyof TextCounts]: number } {
  return { texts: 0, cut: 0, tokens: 0, unknown: 0 };
}
