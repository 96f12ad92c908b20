import { checkTask, type Task } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { type Tokenizer, transform } from "../text/mod.ts";

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
}

/**
 * A task's examples under the paper's input transformations (§3.3). What a task was encoded to is kept, and made again
 * when anything in the task has changed.
 *
 * @throws {InputError} If the task is not well-formed or the context holds nothing.
 */
export function encodeTask(task: Task, tokenizer: Tokenizer, context: number): EncodedTask {
  checkTask(task);
  const { kind, train, validation, test } = task;
  const of = digest({ kind, train, validation, test, context });
  let tasks = known.get(tokenizer);
  if (!tasks) known.set(tokenizer, tasks = new WeakMap());
  let kept = tasks.get(task);
  if (kept?.of !== of) tasks.set(task, kept = { of, encoded: encode(task, tokenizer, context) });
  return kept.encoded;
}
const known = new WeakMap<Tokenizer, WeakMap<Task, { of: string; encoded: EncodedTask }>>();

function encode(task: Task, tokenizer: Tokenizer, context: number): EncodedTask {
  let [cut, longest] = [0, 0];
  const read = (examples: Task["train"]) =>
    examples.map((example): EncodedExample => {
      const { sequences, cut: texts } = transform(example, task.kind, tokenizer, context);
      cut += texts;
      const length = Math.max(...sequences.map(({ length }) => length));
      longest = Math.max(longest, length);
      return { sequences, length, label: example.label };
    });
  const [train, validation, test] = [read(task.train), read(task.validation), read(task.test)];
  const tokens = train.flatMap(({ sequences }) => sequences).reduce((sum, { length }) => sum + length, 0);
  return { train, validation, test, longest, tokens, cut };
}
