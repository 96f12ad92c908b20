import * as tf from "../tfjs.ts";
import { InputError, quoted } from "../errors.ts";
import { dropout, type DropoutMask, embedding, type Linear, linear } from "../engine/mod.ts";
import { inputs, type Kind } from "../text/mod.ts";
import { checkSeed } from "./config.ts";
import { type Dropout, dropoutAt } from "./forward.ts";
import { type Parameters, treeOf } from "./parameters.ts";
import { headLeaves } from "./shapes.ts";

/**
 * Adds a task's head to a model (§3.2, `W_y`), or replaces its head: weights N(0, 0.02), bias 0.
 *
 * @param classes Number of labels; a head for multiple choice has one output, whatever the number of choices.
 * @param seed A whole number from 0 to 2³² − 1.
 * @throws {InputError} If the kind is unknown, or the number of labels or the seed is invalid; the old head is kept.
 */
export function addHead(parameters: Parameters, kind: Kind, classes: number, seed: number): void {
  if (!Object.hasOwn(inputs, kind)) {
    throw new InputError(
      `Cannot add a head for ${quoted(kind)} as the kinds are ${Object.keys(inputs).join(", ")}`,
    );
  }
  if (!Number.isSafeInteger(classes) || classes < 1) {
    throw new InputError(
      `Cannot add a head for ${classes} labels as their number must be a positive whole number`,
    );
  }
  checkSeed(seed);
  const { tokens_embed: { weight }, clf: old } = parameters;
  parameters.clf = treeOf(headLeaves(weight.shape[1], outputsOf(kind, classes)), seed)["clf"] as Linear;
  if (old) tf.dispose([old.weight, old.bias]);
}

/** Number of outputs of a task's head. */
export function outputsOf(kind: Kind, classes: number): number {
  return inputs[kind].read === "scores" ? 1 : classes;
}

/**
 * A task's logits, from the hidden states at [Extract] (§3.3, Figure 1).
 *
 * @param parameters Parameters with a head.
 * @param kind The kind of task.
 * @param h Hidden states (N, T, d); sequences of one example are adjacent.
 * @param lengths Length of each sequence (N); its last token is [Extract].
 * @param examples Number of examples, B; or, if they have different numbers of choices, the number of choices of each.
 * @param dropoutOptions Dropout on the head's input; all choices of an example share a mask. Default: none.
 * @returns (B, classes), or (B, choices); missing choices of an example are −1e9, so that their probability is 0.
 */
export function classify(
  parameters: Parameters,
  kind: Kind,
  h: tf.Tensor3D,
  lengths: Int32Array,
  examples: number | readonly number[],
  dropoutOptions?: Dropout,
): tf.Tensor2D {
  const [N, T, d] = h.shape;
  const at = tf.tensor1d(lengths.map((length, n) => n * T + length - 1), "int32"); // (N)
  const states = embedding(h.reshape([N * T, d]) as tf.Tensor2D, at); // (N, d)
  const site = dropoutAt(dropoutOptions, 1 + 3 * parameters.h.length);
  if (typeof examples !== "number") return scoresOf(states as tf.Tensor2D, parameters.clf!, examples, site);
  const grouped = states.reshape([examples, N / examples, d]); // (B, sequences, d)
  if (inputs[kind].read === "scores") {
    const mask = dropout(tf.ones([examples, d]), site).expandDims(1); // (B, 1, d)
    return linear(grouped.mul(mask), parameters.clf!).squeeze([2]); // (B, choices)
  }
  return linear(dropout(grouped.sum(1), site), parameters.clf!) as tf.Tensor2D; // (B, classes)
}

/** Logit of a choice that an example does not have. */
const MISSING_CHOICE = -1e9;

/** Logits of examples with different numbers of choices. */
function scoresOf(
  states: tf.Tensor2D,
  head: Linear,
  counts: readonly number[],
  dropoutMask: DropoutMask | undefined,
): tf.Tensor2D {
  const [B, C, d] = [counts.length, Math.max(...counts), states.shape[1]];
  const exampleOf = counts.flatMap((count, example) => new Array<number>(count).fill(example)); // (N)
  const mask = embedding(dropout(tf.ones<tf.Rank.R2>([B, d]), dropoutMask), tf.tensor1d(exampleOf, "int32")); // (N, d)
  const scores = linear(states.mul(mask), head) as tf.Tensor2D; // (N, 1)
  let next = 0;
  const cells = counts.map((count) => Array.from({ length: C }, (_, c) => c < count ? next++ : -1));
  const here = tf.tensor2d(cells.map((row) => row.map((n) => Math.max(0, n))), [B, C], "int32");
  const found = embedding(scores, here).squeeze<tf.Tensor2D>([2]); // (B, C)
  const has = tf.tensor2d(cells.map((row) => row.map((n) => Number(n >= 0)))); // (B, C)
  return found.mul(has).add(has.sub(1).mul(-MISSING_CHOICE)) as tf.Tensor2D; // The mask keeps the gradient from the placeholder.
}
