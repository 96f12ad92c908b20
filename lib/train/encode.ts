import { createHash } from "node:crypto";
import { checkTask, type Task } from "../data/mod.ts";
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
  /** Hash of the training examples, which tells whether a run is about the same data. */
  readonly digest: string;
}

/**
 * A task's examples under the paper's input transformations (§3.3), once for each tokenizer and context.
 *
 * @throws {InputError} If the task is not well-formed or the context holds nothing.
 */
export function encodeTask(task: Task, tokenizer: Tokenizer, context: number): EncodedTask {
  let tasks = known.get(tokenizer);
  if (!tasks) known.set(tokenizer, tasks = new WeakMap());
  let contexts = tasks.get(task);
  if (!contexts) tasks.set(task, contexts = new Map());
  let encoded = contexts.get(context);
  if (!encoded) contexts.set(context, encoded = encode(task, tokenizer, context));
  return encoded;
}
const known = new WeakMap<Tokenizer, WeakMap<Task, Map<number, EncodedTask>>>();

function encode(task: Task, tokenizer: Tokenizer, context: number): EncodedTask {
  checkTask(task);
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
  const sum = createHash("sha256");
  let tokens = 0;
  for (const { sequences, label } of train) {
    for (const ids of sequences) {
      sum.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
      tokens += ids.length;
    }
    sum.update(String(label));
  }
  return { train, validation, test, longest, tokens, cut, digest: sum.digest("hex").slice(0, 16) };
}
