import * as tf from "@tensorflow/tfjs";
import { checkTask, type Task } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { keyOf, normals } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import {
  addHead,
  checkDropout,
  checkModel,
  checkSeed,
  clone,
  dispose,
  init,
  type LanguageModel,
  leaves,
  SPECIALS,
} from "../model/mod.ts";
import { type AdamOptions, adamState, checkAdam, disposeAdam } from "./adam.ts";
import { batchOf, shuffledByLength } from "./batches.ts";
import { resume, saveModel } from "./checkpoint.ts";
import { type EncodedExample, type EncodedTask, encodeTask } from "./encode.ts";
import { checkMemory } from "./memory.ts";
import { train, type Training, training, type TrainingRecord } from "./loop.ts";
import { type Batch, checkLambda, objective } from "./objectives.ts";
import { checkWhole } from "./options.ts";
import type { RunOptions } from "./pretrain.ts";

/** How a model is fine-tuned. */
export interface FinetuneOptions extends Partial<Omit<AdamOptions, "updates">>, RunOptions {
  /** λ of L3 = L2 + λ·L1 (§3.2); 0.5 unless given, 0 trains on the task alone, as `bert` must. */
  readonly lambda?: number;
  /** Passes over the training examples (§4.1: 3). */
  readonly epochs?: number;
  /** Examples of an update (§4.1: 32). */
  readonly batch?: number;
  /** Share dropped at each site (§4.1: 0.1); the configuration's unless given. */
  readonly dropout?: number;
  /**
   * Layers taken over from pre-training (Figure 2): all unless given; with 0 the embeddings alone, with −1 nothing, so
   * that the model is trained from scratch. The others start at random.
   */
  readonly transfer?: number;
  /** Of head, layers not taken over, special tokens, data order and dropout; the model's own unless given. */
  readonly seed?: number;
}

/** The paper's settings in fine-tuning (§4.1), which are those of OpenAI's code. */
export const finetuneDefaults = {
  rate: 6.25e-5,
  schedule: "warmup_linear",
  warmup: 0.002,
  decay: 0.01,
  clip: 1,
} as const satisfies Partial<AdamOptions>;

/**
 * Supervised fine-tuning (§3.2): a copy of the model gets the task's head and learns L2 + λ·L1 on it.
 *
 * Iterate it for a record of each update, or await it for the tuned copy; the model itself stays as it is.
 *
 * @throws {InputError} If it is no model or no task, λ or another option is out of its range, the task is not well-formed, an update does not
 * fit into memory, or the checkpoint is not this run's.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { evaluate, finetune } from "./mod.ts";
 *
 * await backend("cpu");
 * const rows = ["a fine day", "a sad day"].map((text, label) => ({ text, label }));
 * const task = {
 *   name: "days",
 *   kind: "classification" as const,
 *   labels: ["fine", "sad"],
 *   measures: ["accuracy" as const],
 *   train: rows,
 *   validation: rows,
 *   test: rows,
 *   source: "this example",
 *   licence: "MIT",
 *   about: "two days",
 * };
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe("a fine day and a sad day", { merges: 10 }) });
 * const tuned = await finetune(lm, task, { lambda: 0.5, epochs: 2, rate: 1e-3 });
 * console.log((await evaluate(tuned, task)).examples); // 2
 * ```
 */
export function finetune(
  lm: LanguageModel,
  task: Task,
  options: FinetuneOptions = {},
): Training<LanguageModel> {
  checkModel(lm, "fine-tune");
  checkTask(task);
  const { lambda = 0.5, epochs = 3, batch = 32, dropout = lm.config.dropout, seed = lm.seed } = options;
  const { transfer = lm.config.layers, checkpoint, saveEvery = 100, signal } = options;
  const { rate, schedule, warmup, decay, clip } = { ...finetuneDefaults, ...options };
  checkTransfer(transfer, lm.config.layers);
  checkLambda(lambda);
  if (lambda > 0 && lm.config.architecture === "bert") {
    throw new InputError(
      `Cannot fine-tune architecture "bert" with λ = ${lambda} as it fills in masked tokens and has no L1: λ = 0 works`,
    );
  }
  checkDropout(dropout);
  checkSeed(seed);
  checkWhole({ epochs, batch, saveEvery });
  const encoded = encodeTask(task, lm.tokenizer, lm.config.context);
  const about = { name: task.name, kind: task.kind, labels: [...task.labels] }; // As it is now.
  const size = Math.min(batch, encoded.train.length);
  const updates = Math.floor(encoded.train.length / size) * epochs;
  const adam: AdamOptions = { rate, schedule, warmup, decay, clip, updates };
  checkAdam(adam);

  return training(async function* (): AsyncGenerator<TrainingRecord, LanguageModel> {
    checkModel(lm, "fine-tune"); // It may have been disposed since.
    const tuned = startTask(lm, about, seed, transfer);
    let complete = false;
    try {
      const sequences = encoded.train.reduce((most, { sequences }) => Math.max(most, sequences.length), 1);
      checkMemory(tuned, size, sequences, encoded.longest);
      yield* learn(tuned);
      complete = true;
      return tuned;
    } finally {
      if (!complete) dispose(tuned.parameters); // Nobody gets it.
    }
  }());

  async function* learn(tuned: LanguageModel): AsyncGenerator<TrainingRecord, void> {
    const variables = leaves(tuned.parameters).map(([, leaf]) => leaf).filter((leaf) => leaf.trainable);
    const state = adamState(variables);
    const pick = shuffledByLength(seed, encoded.train.map(({ length }) => length), size);
    const { train: examples, longest } = encoded;
    const asked = {
      run: "finetune",
      ...adam,
      lambda,
      epochs,
      batch: size,
      dropout,
      seed,
      transfer,
      task: tuned.task,
    };
    const settings = {
      ...asked,
      ...checkpoint && { examples: digest(examples) },
      ...lm.config.variant === "paper" && { longest }, // As many positions take part in the softmax.
    };
    try {
      const start = checkpoint ? await resume(checkpoint, tuned, { state, settings }) : "";
      yield* train({
        variables,
        adam,
        state,
        losses: (update) => {
          const rows = Array.from(pick(update), (i) => examples[i]!);
          const drop = { rate: dropout, seed, update };
          return objective(tuned, exampleBatch(rows, encoded, tuned), lambda, drop);
        },
        ...(checkpoint &&
          { save: () => saveModel(checkpoint, tuned, { progress: { state, settings, start } }), saveEvery }),
        signal,
      });
    } finally {
      disposeAdam(state);
    }
  }
}

/** Examples as a batch; in `paper` as wide as the whole task, whose positions take part in the softmax. */
export function exampleBatch(
  rows: readonly EncodedExample[],
  { longest }: EncodedTask,
  { config }: LanguageModel,
): Batch {
  const labels = Float32Array.from(rows, ({ label }) => label);
  const choices = rows.map(({ sequences }) => sequences.length);
  const batch = batchOf(
    rows.flatMap(({ sequences }) => sequences),
    labels,
    config.variant === "paper" ? longest : undefined,
  );
  return choices.some((count) => count !== choices[0]) ? { ...batch, choices } : batch;
}

/** Share of the positions that an epoch's updates read which hold no token but padding. */
export function paddingShare({ train }: EncodedTask, batch: number, seed: number): number {
  const pick = shuffledByLength(seed, train.map(({ length }) => length), batch);
  let [tokens, positions] = [0, 0];
  for (let update = 0; update < Math.max(1, Math.floor(train.length / batch)); update++) {
    const sequences = Array.from(pick(update), (i) => train[i]!.sequences).flat();
    const lengths = sequences.map(({ length }) => length);
    positions += lengths.length * Math.max(...lengths);
    tokens += lengths.reduce((a, b) => a + b, 0);
  }
  return 1 - tokens / positions;
}

/** Checks a number of layers to take over.
 *
 * @throws {InputError} If it is not a whole number from −1 to the model's layers. */
export function checkTransfer(transfer: number, layers: number): void {
  if (!Number.isInteger(transfer) || transfer < -1 || transfer > layers) {
    throw new InputError(
      `Cannot take over ${transfer} layers as their number must be a whole number from -1, which is nothing, ` +
        `to ${layers}, which is all`,
    );
  }
}

/** Whether fine-tuning begins with a pre-trained leaf: embeddings count as layer 0, what ends the network as its last. */
function isTransferred(name: string, transfer: number, layers: number): boolean {
  if (/_embed\./.test(name)) return transfer >= 0;
  const layer = /^h\.(\d+)\./.exec(name)?.[1];
  return transfer > (layer === undefined ? layers - 1 : Number(layer));
}

/**
 * A copy of the model that is ready for a task: a new head, and rows for [Start], [Delim] and [Extract] that
 * pre-training never used. `paper` draws them from N(0, 0.02), as OpenAI's code does; `clean` sets them
 * among the trained tokens, at their mean plus that noise, where small models learn pair tasks that they
 * otherwise do not.
 */
function startTask(
  lm: LanguageModel,
  task: NonNullable<LanguageModel["task"]>,
  seed: number,
  transfer: number,
): LanguageModel {
  const parameters = clone(lm.parameters);
  if (transfer < lm.config.layers) {
    const start = init(lm.config, seed);
    const fresh = new Map(leaves(start));
    for (const [name, leaf] of leaves(parameters)) {
      if (fresh.has(name) && !isTransferred(name, transfer, lm.config.layers)) leaf.assign(fresh.get(name)!);
    }
    dispose(start);
  }
  addHead(parameters, task.kind, task.labels.length, seed);
  const { weight } = parameters.tokens_embed;
  const [V, d] = [lm.config.vocabulary, lm.config.width];
  tf.tidy(() => {
    const tokens = weight.slice([0, 0], [V, d]); // (V, d)
    const noise = tf.tensor2d(normals(keyOf(seed, "specials"), SPECIALS * d, 0.02), [SPECIALS, d]);
    const rows = lm.config.variant === "clean" ? noise.add(tokens.mean(0)) : noise; // (3, d)
    weight.assign(tf.concat([tokens, rows]) as tf.Tensor2D);
  });
  return { ...lm, parameters, task };
}
