import * as tf from "@tensorflow/tfjs";
import { checkTask, type Example, type Measure, type Split, type Task, type ZeroShot } from "../data/mod.ts";
import { embedding, started } from "../engine/mod.ts";
import { InputError, quoted } from "../errors.ts";
import {
  checkCausal,
  checkModel,
  forward,
  type LanguageModel,
  tokenLogits,
  whileRead,
} from "../model/mod.ts";
import type { Tokenizer } from "../text/mod.ts";
import { batchOf } from "./batches.ts";
import { checked } from "../settings.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { split as splits } from "./options.ts";
import { score } from "./measures.ts";
import { askedOf, scoreOf, type TaskScore } from "./evaluate.ts";
import { warnOnce } from "./warnings.ts";

/** A text and the tokens of it that are scored: those from `from` on. */
interface Scored {
  readonly ids: Int32Array;
  readonly from: number;
}

/** How likely the scored tokens are: the sum of their log-probabilities in nats, and how many they are. */
interface Likelihood {
  readonly sum: number;
  readonly count: number;
}

/** Sequences of one step. */
const BATCH = 32;
/** Rows of logits that are made at a time. */
const ROWS = 512;
/** Training examples that choose the threshold of acceptability. */
const THRESHOLD_EXAMPLES = 1000;

/**
 * How well a model that was only pre-trained does a task, by the paper's heuristics (§5, Figure 2 right): a choice by
 * its mean log-probability after the context, a sentiment by which of two words follows "very", acceptability by the
 * mean log-probability of a token, a pronoun by what follows each referent in its place. Called between the records
 * of `pretrain` it gives the figure's curve.
 *
 * What stands before the context's length is not read. Acceptability needs a threshold: the one that does best on
 * the first thousand training examples.
 *
 * @param split Which examples; `test` unless given.
 * @returns Its score; and of each example the log-probability of each answer, that of a text, or their means.
 * @throws {InputError} If it is no model or no task, there is no such split or no heuristic for the task, or the architecture is `bert`.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { zeroShot } from "./mod.ts";
 *
 * await backend("cpu");
 * const rows = [{ context: "rain is", choices: ["wet", "dry"], label: 0 }];
 * const task = {
 *   name: "weather",
 *   kind: "choice" as const,
 *   labels: ["first", "second"],
 *   measures: ["accuracy" as const],
 *   train: rows,
 *   validation: rows,
 *   test: rows,
 *   source: "this example",
 *   licence: "MIT",
 *   about: "what rain is",
 * };
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe("rain is wet and the sun is dry", { merges: 10 }) });
 * console.log((await zeroShot(lm, task)).examples); // 1
 * ```
 */
export async function zeroShot(
  lm: LanguageModel,
  task: Task,
  split: Split = "test",
): Promise<TaskScore & { readonly scores: readonly (readonly number[])[] }> {
  checkModel(lm, "answer a task");
  checkTask(task);
  checked("answer a task", "split", splits, split);
  checkCausal(lm.config, `answer task "${task.name}" without fine-tuning`);
  const how = structuredClone(heuristicOf(task)); // As it is now.
  if (how.by === "word") checkWords(task, how.words, lm.tokenizer);
  const asked = askedOf(task, split);
  const read = (examples: readonly Example[]) => ({
    labels: examples.map(({ label }) => label),
    texts: examples.map((example) => scoredTexts(example, how, lm.tokenizer)),
  });
  const { texts } = read(task[split]);
  const known = how.by === "acceptability" ? read(task.train.slice(0, THRESHOLD_EXAMPLES)) : undefined;
  const values = async (texts: readonly Scored[][]) =>
    (await answers(lm, texts)).map((found) =>
      found.map((likelihood) => how.by === "word" ? likelihood.sum : mean(likelihood))
    );
  await started();
  const means = (found: readonly number[][]) => found.map(([only]) => only!);
  const [scores, learned] = await whileRead(lm, async () => [
    await values(texts),
    known && await values(known.texts),
  ]);
  if (scores.concat(learned ?? []).flat().some(Number.isNaN)) {
    throw new InputError(`Cannot answer task "${task.name}" as the model's scores are not finite numbers`);
  }
  const threshold = known && bestThreshold(asked.measures[0]!, means(learned!), known.labels);
  const ties = scores.filter((values) =>
    values.length > 1 && values.indexOf(Math.max(...values)) < values.lastIndexOf(Math.max(...values))
  );
  if (ties.length > 0) {
    warnOnce(task, [
      `${ties.length} of ${scores.length} ${split} examples of task "${task.name}" have answers that the model finds ` +
      "equally likely: the first of them is taken",
    ]);
  }
  const predictions = threshold === undefined
    ? scores.map((values) => values.indexOf(Math.max(...values)))
    : means(scores).map((mean) => Number(mean > threshold));
  return Object.assign(scoreOf(asked, predictions), { scores });
}

/**
 * How a task is done by a model that was only pre-trained.
 *
 * @throws {InputError} If there is no heuristic for it.
 */
export function heuristicOf({ name, kind, zeroShot }: Task): ZeroShot {
  const how = zeroShot ?? (kind === "choice" ? { by: "choice" as const } : undefined);
  if (!how || kind !== (how.by === "acceptability" || how.by === "word" ? "classification" : "choice")) {
    throw new InputError(
      `Cannot answer task "${name}" without fine-tuning as there is no heuristic for it: choices have one, and ` +
        "classification whose zeroShot names it",
    );
  }
  return how;
}

/** Refuses words that the tokenizer does not tell apart, as the first of them would always be taken. */
function checkWords({ name }: Task, words: readonly string[], tokenizer: Tokenizer): void {
  const tokens = words.map((word) => tokenizer.encode(word).join());
  const twin = tokens.findIndex((ids, i) => tokens.indexOf(ids) < i);
  if (twin < 0) return;
  throw new InputError(
    `Cannot answer task "${name}" without fine-tuning as its words ${
      quoted(words[tokens.indexOf(tokens[twin]!)])
    } and ` +
      `${quoted(words[twin])} are the same tokens`,
  );
}

/** A text of which no token is scored is the least likely of all. */
function mean({ sum, count }: Likelihood): number {
  return count === 0 ? -Infinity : sum / count;
}

/** The likelihoods of each example's answers. */
async function answers(lm: LanguageModel, scored: readonly Scored[][]): Promise<Likelihood[][]> {
  const likelihoods = await likelihoodsOf(lm, scored.flat());
  let at = 0;
  return scored.map(({ length }) => likelihoods.slice(at, at += length));
}

/** An example's answers as texts. Each begins with a paragraph break, which is what the model knows texts to begin with. */
function scoredTexts(example: Example, how: ZeroShot, tokenizer: Tokenizer): Scored[] {
  const start = tokenizer.encoder.get("\n</w>");
  const begin = start === undefined ? [] : [start];
  const text = (...parts: string[]) =>
    Int32Array.from([...begin, ...parts.flatMap((part) => [...tokenizer.encode(part)])]);
  if ("text" in example) {
    if (how.by !== "word") return [{ ids: text(example.text), from: 1 }];
    const asked = text(example.text, how.prompt);
    return how.words.map((word) => ({
      ids: Int32Array.from([...asked, ...tokenizer.encode(word)]),
      from: asked.length,
    }));
  }
  if (!("choices" in example)) return [];
  const { length } = text(example.context);
  const whole = example.choices.map((choice) => text(example.context, choice));
  if (how.by === "choice") return whole.map((ids) => ({ ids, from: length }));
  const shortest = Math.min(...whole.map((ids) => ids.length - length));
  let shared = 0; // Tokens of the ending that all choices have; each has a beginning of its own.
  while (shared < shortest - 1 && new Set(whole.map((ids) => ids.at(-1 - shared))).size === 1) shared++;
  return whole.map((ids) => ({ ids, from: ids.length - shared }));
}

async function likelihoodsOf(lm: LanguageModel, texts: readonly Scored[]): Promise<Likelihood[]> {
  const { context } = lm.config;
  const fit = texts.map(({ ids, from }) => {
    const cut = Math.max(0, ids.length - context);
    return { ids: ids.subarray(cut), from: Math.max(1, from - cut) }; // The first token has nothing before it.
  });
  const order = [...fit.keys()].sort((a, b) => fit[a]!.ids.length - fit[b]!.ids.length);
  const found = new Array<Likelihood>(texts.length);
  const signal = stopSignal();
  for (let at = 0; at < order.length; at += BATCH) {
    await yieldToEventLoop(signal);
    const rows = order.slice(at, at + BATCH);
    const { ids, lengths } = batchOf(rows.map((i) => fit[i]!.ids));
    const T = ids.length / lengths.length;
    const places = rows.flatMap((i, n) => {
      const { ids, from } = fit[i]!;
      return Array.from({ length: Math.max(0, ids.length - from) }, (_, t) => n * T + from + t);
    });
    const logs = tf.tidy(() => {
      const { h } = forward(lm, tf.tensor2d(ids, [lengths.length, T], "int32"));
      const states = h.reshape([-1, lm.config.width]) as tf.Tensor2D;
      const parts: tf.Tensor1D[] = [tf.tensor1d([])];
      for (let from = 0; from < places.length; from += ROWS) {
        const some = places.slice(from, from + ROWS);
        const before = embedding(states, tf.tensor1d(some.map((place) => place - 1), "int32")) as tf.Tensor2D;
        const next = embedding(
          lm.parameters.tokens_embed.weight,
          tf.tensor1d(some.map((place) => ids[place]!), "int32"),
        );
        const all = tf.logSumExp(tokenLogits(lm.parameters, before), 1); // (rows)
        parts.push(before.mul(next).sum(1).sub(all) as tf.Tensor1D);
      }
      return tf.concat(parts);
    });
    const values = await logs.data<"float32">();
    logs.dispose();
    let next = 0;
    for (const i of rows) {
      const count = Math.max(0, fit[i]!.ids.length - fit[i]!.from);
      const sum = values.subarray(next, next += count).reduce((a, b) => a + b, 0);
      found[i] = { sum, count };
    }
  }
  return found;
}

/** Above which mean an example is called acceptable, so that the measure is best on these examples. */
function bestThreshold(measure: Measure, means: readonly number[], labels: readonly number[]): number {
  let best = { threshold: -Infinity, value: -Infinity };
  for (const threshold of new Set([-Infinity, ...means])) {
    const value = score(measure, means.map((mean) => Number(mean > threshold)), labels);
    if (value > best.value) best = { threshold, value };
  }
  return best.threshold;
}
