import * as tf from "@tensorflow/tfjs";
import type { Task } from "../data/mod.ts";
import { InputError } from "../errors.ts";
import { classify, forward, type LanguageModel } from "../model/mod.ts";
import { batchOf, tokensOf } from "./batches.ts";
import { encodeTask } from "./encode.ts";
import { exampleBatch } from "./finetune.ts";
import { languageModelLoss } from "./objectives.ts";

/** How well a model of any kind foretells a text. */
export interface TextScore {
  /** Nats a token; comparable between models of one tokenizer. */
  readonly loss: number;
  /** exp(loss), a token's. */
  readonly perplexity: number;
  /** Bits a character of the text; comparable between tokenizers. */
  readonly bitsPerCharacter: number;
  /** How many tokens were foretold. */
  readonly tokens: number;
}

/** Sequences of one evaluation step: enough to keep matrix products busy, few enough to fit a small heap. */
const EVALUATION_BATCH = 16;

/**
 * A text's windows for evaluation: `limit` of them, spread evenly; all, side by side, if there are no more.
 *
 * @throws {InputError} If the text does not fill one.
 */
export function evaluationWindows(ids: Int32Array, context: number, limit = Infinity): Int32Array[] {
  const count = Math.floor(ids.length / context);
  if (count === 0) {
    throw new InputError(`Cannot evaluate on ${ids.length} tokens as a window takes ${context}`);
  }
  const taken = Math.min(count, limit);
  return Array.from({ length: taken }, (_, i) => {
    const at = Math.floor(i * count / taken) * context;
    return ids.subarray(at, at + context);
  });
}

/** A loss as a score of a text. */
export function textScore(loss: number, tokens: number, text: string, ids: Int32Array): TextScore {
  const bitsPerCharacter = loss / Math.LN2 * ids.length / text.length;
  return { loss, perplexity: Math.exp(loss), bitsPerCharacter, tokens };
}

/**
 * How well a model foretells a text that it has not seen: window by window, without dropout, under a softmax
 * over the token rows whatever the variant, so that arms compare.
 *
 * @param limit Windows at the most, spread evenly over the text; all unless given.
 * @throws {InputError} If the text does not fill a window.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { scoreText } from "./mod.ts";
 *
 * await backend("cpu");
 * const text = "to be or not to be that is the question ".repeat(20);
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe(text, { merges: 10 }) });
 * console.log((await scoreText(lm, text)).bitsPerCharacter);
 * ```
 */
export async function scoreText(lm: LanguageModel, text: string, limit?: number): Promise<TextScore> {
  const ids = tokensOf(text, lm.tokenizer);
  const windows = evaluationWindows(ids, lm.config.context, limit);
  let total = 0;
  for (let at = 0; at < windows.length; at += EVALUATION_BATCH) {
    const batch = batchOf(windows.slice(at, at + EVALUATION_BATCH));
    const loss = tf.tidy(() => {
      const N = batch.lengths.length;
      const { h } = forward(
        lm.parameters,
        lm.config,
        tf.tensor2d(batch.ids, [N, lm.config.context], "int32"),
      );
      return languageModelLoss(h, lm.parameters.tokens_embed.weight, batch);
    });
    total += (await loss.data())[0]! * batch.lengths.length;
    loss.dispose();
  }
  return textScore(total / windows.length, windows.length * (lm.config.context - 1), text, ids);
}

/** How well a model does a task. */
export interface TaskScore {
  /** Share of examples for which the label is the likeliest. */
  readonly accuracy: number;
  /** Mean cross-entropy of the labels, L2, in nats. */
  readonly loss: number;
  /** Examples seen. */
  readonly examples: number;
  /** Scores of each example's labels, or choices. */
  readonly logits: readonly Float32Array[];
}

/**
 * How well a fine-tuned model does a task, without dropout.
 *
 * @param split Which examples; `test` unless given.
 * @throws {InputError} If the model has no head for a task of this kind.
 *
 * @example
 * ```ts ignore
 * import { evaluate, finetune, loadModel, task } from "../mod.ts";
 *
 * const imdb = await task("imdb");
 * const tuned = await finetune(await loadModel("data/results/mini.safetensors"), imdb);
 * console.log((await evaluate(tuned, imdb)).accuracy);
 * ```
 */
export async function evaluate(
  lm: LanguageModel,
  task: Task,
  split: "train" | "validation" | "test" = "test",
): Promise<TaskScore> {
  if (lm.task?.kind !== task.kind || lm.task.labels.length !== task.labels.length) {
    const head = lm.task ? `a head for ${lm.task.kind} of ${lm.task.labels.length} labels` : "no head";
    throw new InputError(
      `Cannot evaluate on ${task.name} as it is ${task.kind} of ${task.labels.length} labels: the model has ${head}`,
    );
  }
  const encoded = encodeTask(task, lm.tokenizer, lm.config.context);
  const rows = encoded[split];
  const logits: Float32Array[] = [];
  const perBatch = Math.max(1, Math.floor(2 * EVALUATION_BATCH / rows[0]!.sequences.length));
  for (let at = 0; at < rows.length; at += perBatch) {
    const batch = exampleBatch(rows.slice(at, at + perBatch), encoded, lm);
    const scores = tf.tidy(() => {
      const N = batch.lengths.length;
      const { h } = forward(
        lm.parameters,
        lm.config,
        tf.tensor2d(batch.ids, [N, batch.ids.length / N], "int32"),
      );
      return classify(lm.parameters, task.kind, h, batch.lengths, batch.labels!.length);
    });
    const flat = await scores.data<"float32">();
    const width = scores.shape[1];
    for (let i = 0; i < scores.shape[0]; i++) logits.push(flat.slice(i * width, (i + 1) * width));
    scores.dispose();
  }
  let [right, loss] = [0, 0];
  logits.forEach((scores, i) => {
    const label = rows[i]!.label;
    const top = Math.max(...scores);
    if (scores[label] === top) right++;
    loss += Math.log(scores.reduce((sum, score) => sum + Math.exp(score - top), 0)) - (scores[label]! - top);
  });
  return { accuracy: right / rows.length, loss: loss / rows.length, examples: rows.length, logits };
}
