import * as tf from "@tensorflow/tfjs";
import { InputError, quoted } from "../errors.ts";
import { dropout, type DropoutMask, embedding, type Linear, linear } from "../engine/mod.ts";
import { inputs, type Kind } from "../text/inputs.ts";
import { checkSeed } from "./config.ts";
import { dropAt, type Dropout } from "./forward.ts";
import { initLinear, type Parameters } from "./parameters.ts";

/**
 * Gives a model the head of a task (§3.2, `W_y`), or replaces the one that it has: N(0, 0.02), bias 0.
 *
 * @param classes Number of labels; a head that scores choices has one output, whatever their number.
 * @param seed A whole number from 0 to 2³² − 1.
 * @throws {InputError} If the kind is unknown or the number of labels or the seed cannot be; the old head then stays.
 */
export function addHead(parameters: Parameters, kind: Kind, classes: number, seed: number): void {
  if (!Object.hasOwn(inputs, kind)) {
    throw new InputError(
      `Cannot add a head for ${quoted(kind)} as the kinds are ${Object.keys(inputs).join(", ")}`,
    );
  }
  if (!Number.isSafeInteger(classes) || classes < 1) {
    throw new InputError(
      `Cannot add a head for ${classes} labels as their number must be a whole one from 1`,
    );
  }
  checkSeed(seed);
  const { tokens_embed: { weight }, clf: old } = parameters;
  parameters.clf = initLinear(weight.shape[1], outputsOf(kind, classes), seed, "clf");
  if (old) tf.dispose([old.weight, old.bias]);
}

/** Outputs of the head of a kind of task with so many labels. */
export function outputsOf(kind: Kind, classes: number): number {
  return inputs[kind].read === "scores" ? 1 : classes;
}

/**
 * A task's scores, read from the states at [Extract] (§3.3, Figure 1).
 *
 * @param parameters With a head.
 * @param kind How the states of an example's sequences are read.
 * @param h States (N, T, d); the sequences of one example stand together.
 * @param lengths Tokens of each sequence (N), [Extract] being the last.
 * @param examples How many examples the N sequences make, B; or where they have different numbers of choices, how many
 * each has.
 * @param drop What to drop from the head's input: the same elements for all choices of an example.
 * @returns (B, classes), or (B, choices); of an example with fewer choices than others the rest is −1e9, of which no
 * probability is left.
 */
export function classify(
  parameters: Parameters,
  kind: Kind,
  h: tf.Tensor3D,
  lengths: Int32Array,
  examples: number | readonly number[],
  drop?: Dropout,
): tf.Tensor2D {
  const [N, T, d] = h.shape;
  const at = tf.tensor1d(lengths.map((length, n) => n * T + length - 1), "int32"); // (N)
  const states = embedding(h.reshape([N * T, d]) as tf.Tensor2D, at); // (N, d)
  const site = dropAt(drop, 1 + 3 * parameters.h.length);
  if (typeof examples !== "number") return scoresOf(states as tf.Tensor2D, parameters.clf!, examples, site);
  const grouped = states.reshape([examples, N / examples, d]); // (B, sequences, d)
  if (inputs[kind].read === "scores") {
    const mask = dropout(tf.ones([examples, d]), site).expandDims(1); // (B, 1, d)
    return linear(grouped.mul(mask), parameters.clf!).squeeze([2]); // (B, choices)
  }
  return linear(dropout(grouped.sum(1), site), parameters.clf!) as tf.Tensor2D; // (B, classes)
}

/** What a choice scores that an example does not have. */
const ABSENT = -1e9;

/** Scores of examples with different numbers of choices. */
function scoresOf(
  states: tf.Tensor2D,
  head: Linear,
  counts: readonly number[],
  drop: DropoutMask | undefined,
): tf.Tensor2D {
  const [B, C, d] = [counts.length, Math.max(...counts), states.shape[1]];
  const exampleOf = counts.flatMap((count, example) => new Array<number>(count).fill(example)); // (N)
  const mask = embedding(dropout(tf.ones<tf.Rank.R2>([B, d]), drop), tf.tensor1d(exampleOf, "int32")); // (N, d)
  const scores = linear(states.mul(mask), head) as tf.Tensor2D; // (N, 1)
  let next = 0;
  const cells = counts.map((count) => Array.from({ length: C }, (_, c) => c < count ? next++ : -1));
  const here = tf.tensor2d(cells.map((row) => row.map((n) => Math.max(0, n))), [B, C], "int32");
  const found = embedding(scores, here).squeeze<tf.Tensor2D>([2]); // (B, C)
  const has = tf.tensor2d(cells.map((row) => row.map((n) => Number(n >= 0)))); // (B, C)
  return found.mul(has).add(has.sub(1).mul(-ABSENT)) as tf.Tensor2D; // Nothing reaches the one that stands in.
}
