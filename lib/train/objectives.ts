import * as tf from "../tfjs.ts";
import { tiedCrossEntropy } from "../engine/mod.ts";
import { checkCausal, classify, type Dropout, forward, type LanguageModel } from "../model/mod.ts";

/** A batch of sequences, right-padded with 0 to a common length. */
export interface Batch {
  /** Token ids (N × T), row-major. */
  readonly ids: Int32Array;
  /** Length of each sequence without padding (N). */
  readonly lengths: Int32Array;
  /** Labels of the examples (B), if there is a task; sequences of one example are adjacent. Grades may be fractional. */
  readonly labels?: Float32Array;
  /** Number of choices of each example (B), if they differ. */
  readonly choices?: readonly number[];
  /** Masked positions and their tokens, for masked language modelling. */
  readonly masked?: Masked;
}

/** Masked positions that a model predicts. */
export interface Masked {
  /** Their indices n·T + t, in ascending order. */
  readonly positions: Int32Array;
  /** The original tokens. */
  readonly tokens: Int32Array;
}

/** Losses of a batch, in nats; scalars. */
export interface Losses {
  /** The total loss. */
  readonly loss: tf.Scalar;
  /** The language-modelling loss (eq. 1), if computed. */
  readonly L1?: tf.Scalar;
  /** The task loss (eq. 4), if there is a task. */
  readonly L2?: tf.Scalar;
}

/**
 * The loss of a batch: without labels L1 (eq. 1), with labels L3 = L2 + λ·L1 (eq. 5). The paper's sums are means, as in
 * OpenAI's code: L1 over the tokens of a sequence, then over sequences; L2 over examples. With λ = 0, L1 is not computed.
 * With masked positions it is the mean cross-entropy of the original tokens (Devlin et al. 2018, §3.1, without the
 * dense layer before the softmax).
 *
 * @param lm The model, with a task's head if the batch has labels.
 * @param lambda λ, the weight of L1.
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
 * A label as a target distribution: one-hot; a fractional grade is linearly interpolated between the two nearest labels,
 * as OpenAI's `stsb_label_encoding` does for STS-B.
 */
export function targetOf(label: number, classes: number): number[] {
  const below = Math.floor(label);
  const target = new Array<number>(classes).fill(0);
  target[below] = 1 - (label - below);
  if (label > below) target[below + 1] = label - below;
  return target;
}

/** The mean cross-entropy of the original tokens at masked positions, in nats. */
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
 * L1: the cross-entropy of next-token prediction, in nats; the mean over the tokens of a sequence, then over sequences.
 *
 * @param h Hidden states (N, T, d).
 * @param table Output embeddings (V, d).
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
