import * as tf from "@tensorflow/tfjs";
import { tiedCrossEntropy } from "../engine/mod.ts";
import { checkCausal, classify, type Dropout, forward, type LanguageModel } from "../model/mod.ts";

/** Sequences of one update, right-padded with 0 to a common length. */
export interface Batch {
  /** N × T tokens, row by row. */
  readonly ids: Int32Array;
  /** Real tokens of each sequence (N). */
  readonly lengths: Int32Array;
  /**
   * Labels of the examples (B), where there is a task; the N sequences stand example by example. A grade may stand
   * between two labels.
   */
  readonly labels?: Float32Array;
  /** How many choices each example has (B), where they have different numbers. */
  readonly choices?: readonly number[];
  /** What stood at the positions that are to be filled in, where that is what is learned. */
  readonly masked?: Masked;
}

/** Positions that a model learns to fill in. */
export interface Masked {
  /** Which they are: n·T + t, in rising order. */
  readonly positions: Int32Array;
  /** The tokens that stood there. */
  readonly tokens: Int32Array;
}

/** Losses of a batch, in nats; scalars. */
export interface Losses {
  /** What is minimised. */
  readonly loss: tf.Scalar;
  /** Language modelling (eq. 1), where it is computed. */
  readonly L1?: tf.Scalar;
  /** The task's (eq. 4), where there is one. */
  readonly L2?: tf.Scalar;
}

/**
 * The objective of a batch: L1 (eq. 1) without labels; with them L3 = L2 + λ·L1 (eq. 5), where the paper's
 * sums are means, as in OpenAI's code: L1 over a sequence's predicted tokens, then over sequences; L2 over
 * examples. λ = 0 leaves the language-model head out altogether. A batch with masked positions has another objective:
 * the mean cross-entropy of the tokens that stood there, under the same softmax (Devlin et al. 2018, §3.1; without the
 * layer that they put before it).
 *
 * @param lm With a task's head if the batch has labels.
 * @param lambda λ, the weight of L1 beside L2.
 * @param dropout Dropout of the update. Default: none, as in evaluation.
 */
export function objective(
  lm: Pick<LanguageModel, "config" | "parameters" | "task">,
  batch: Batch,
  lambda: number,
  dropout?: Dropout,
): Losses {
  const { config, parameters, task } = lm;
  const N = batch.lengths.length;
  const ids = tf.tensor2d(batch.ids, [N, batch.ids.length / N], "int32");
  const { h, table } = forward(lm, ids, { dropout, lengths: batch.lengths });
  if (batch.masked) return { loss: maskedLoss(h, table, batch.masked) };
  if (!batch.labels) {
    checkCausal(config, "learn L1");
    const L1 = languageModelLoss(h, table, batch);
    return { loss: L1, L1 };
  }
  const examples = batch.choices ?? batch.labels.length;
  const logits = classify(parameters, task!.kind, h, batch.lengths, examples, dropout); // (B, classes)
  const targets = tf.tensor2d(Array.from(batch.labels, (label) => targetOf(label, logits.shape[1])));
  const L2 = logits.logSoftmax().mul(targets).sum(1).mean().neg() as tf.Scalar;
  if (lambda === 0) return { loss: L2, L2 };
  checkCausal(config, "learn L1");
  const L1 = languageModelLoss(h, table, batch);
  return { loss: L2.add(L1.mul(lambda)), L1, L2 };
}

/**
 * A label as a distribution over the labels: all on itself; or a grade shared between the two on either side by
 * nearness, as OpenAI's `stsb_label_encoding` does for STS-B.
 */
export function targetOf(label: number, classes: number): number[] {
  const below = Math.floor(label);
  const target = new Array<number>(classes).fill(0);
  target[below] = 1 - (label - below);
  if (label > below) target[below + 1] = label - below;
  return target;
}

/** The mean cross-entropy of what stood at masked positions, in nats. */
function maskedLoss(h: tf.Tensor3D, table: tf.Tensor2D, { positions, tokens }: Masked): tf.Scalar {
  const [N, T, d] = h.shape;
  const targets = new Int32Array(N * T);
  const weights = new Float32Array(N * T);
  positions.forEach((row, i) => {
    targets[row] = tokens[i]!;
    weights[row] = 1 / positions.length;
  });
  return tiedCrossEntropy(h.reshape([N * T, d]), table, tf.tensor1d(targets, "int32"), tf.tensor1d(weights));
}

/**
 * L1: each token from those before it, in nats; the mean over a sequence's tokens, then over sequences.
 *
 * @param h States (N, T, d).
 * @param table Output rows (V, d).
 */
export function languageModelLoss(h: tf.Tensor3D, table: tf.Tensor2D, { ids, lengths }: Batch): tf.Scalar {
  const [N, T, d] = h.shape;
  const targets = new Int32Array(N * T);
  const weights = new Float32Array(N * T);
  lengths.forEach((length, n) => {
    const row = n * T;
    targets.set(ids.subarray(row + 1, row + length), row);
    weights.fill(1 / ((length - 1) * N), row, row + length - 1);
  });
  return tiedCrossEntropy(h.reshape([N * T, d]), table, tf.tensor1d(targets, "int32"), tf.tensor1d(weights));
}
