import * as tf from "@tensorflow/tfjs";
import { checkTask, type Task } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { keyOf, normals } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { checkWritable } from "../files.ts";
import {
  addHead,
  architectureOf,
  checkModel,
  clone,
  type Config,
  dispose,
  init,
  type LanguageModel,
  leaves,
  SPECIALS,
} from "../model/mod.ts";
import { type SchemaOf, settle } from "../settings.ts";
import { type AdamOptions, adamState, disposeAdam } from "./adam.ts";
import { batchOf, shuffledByLength } from "./batches.ts";
import { resume, saveCheckpoint } from "./checkpoint.ts";
import { type EncodedExample, type EncodedTask, encodeTask } from "./encode.ts";
import { checkMemory } from "./memory.ts";
import { train, type Training, training, type TrainingRecord } from "./loop.ts";
import { type Batch, objective } from "./objectives.ts";
import * as shared from "./options.ts";
import type { RunOptions } from "./pretrain.ts";

/** How a model is fine-tuned. */
export interface FinetuneOptions extends Partial<Omit<AdamOptions, "updates">>, RunOptions {
  /** λ of L3 = L2 + λ·L1 (§3.2); 0.5 unless given, 0 trains on the task alone, as `bert` must. */
  readonly lambda?: number;
  /** Passes over the training examples; default 3 (§4.1). */
  readonly epochs?: number;
  /** Examples of an update; its default depends on the model's width, as rate's and warm-up's do ({@linkcode finetuneDefaults}). */
  readonly batch?: number;
  /** Share dropped at each site; default: the configuration's from GPT-1's width on (§4.1: 0.1), else 0. */
  readonly dropout?: number;
  /**
   * Layers taken over from pre-training (Figure 2): all unless given; with 0 the embeddings alone, with −1 nothing, so
   * that the model is trained from scratch. The others start at random.
   */
  readonly transfer?: number;
  /** Of head, layers not taken over, special tokens, data order and dropout; the model's own unless given. */
  readonly seed?: number;
}

/** What {@linkcode finetuneDefaults} gives. */
export type FinetuneDefaults =
  & Omit<AdamOptions, "updates">
  & Required<Pick<FinetuneOptions, "batch" | "epochs" | "dropout">>;

/** GPT-1's width, from which on the paper's settings hold. */
const WIDE = 768;

/**
 * How a model of a configuration is fine-tuned unless told otherwise: at GPT-1's width and above as in the paper
 * (§4.1), which are the settings of OpenAI's code; below by what small models learn with.
 *
 * @param config Its width decides; at GPT-1's and above its dropout holds.
 *
 * @example
 * ```ts
 * import { presets } from "../model/mod.ts";
 * import { finetuneDefaults } from "./mod.ts";
 *
 * console.log(finetuneDefaults(presets.gpt1).rate, finetuneDefaults(presets.mini).rate); // 0.0000625 0.0005
 * ```
 */
export function finetuneDefaults({ width, dropout }: Pick<Config, "width" | "dropout">): FinetuneDefaults {
  const { schedule, decay, clip, epochs } = finetuneSettings;
  const common = {
    schedule: schedule.default,
    decay: decay.default,
    clip: clip.default,
    epochs: epochs.default,
  };
  if (width >= WIDE) return { ...common, rate: 6.25e-5, warmup: 0.002, batch: 32, dropout };
  return { ...common, rate: Math.min(1e-3, 0.064 / width), warmup: 0.1, batch: 16, dropout: 0 };
}

/**
 * What the defaults of small models were measured on: all else as in {@linkcode finetuneDefaults}, one seed, 95 %
 * intervals of ±1.1 and ±2.5 points. The paper's settings give 70.1 and 51.1 %.
 */
const MEASURED = "mini on validation, 2,000 examples of imdb and of hypernym, 1 seed";

const byWidth = (wide: string, narrow: string) => `${wide} from width ${WIDE} on (§4.1), else ${narrow}`;

/** The settings of {@linkcode FinetuneOptions}. */
export const finetuneSettings = {
  lambda: { ...shared.lambda, default: 0.5, why: "§4.1" },
  rate: {
    ...shared.adamSettings.rate,
    otherwise: byWidth("6.25e-5", "0.064 / width, at most 1e-3"),
    why: `${MEASURED}: 81.4 and 62.6 % at 2.5e-4, 80.2 and 70.1 % at 5e-4, 79.4 and 72.5 % at 1e-3`,
  },
  schedule: { ...shared.adamSettings.schedule, default: "warmup_linear", why: "§4.1" },
  warmup: { ...shared.adamSettings.warmup, otherwise: byWidth("0.002", "0.1") },
  decay: { ...shared.adamSettings.decay, default: 0.01, why: "OpenAI's code" },
  clip: { ...shared.adamSettings.clip, default: 1, why: "OpenAI's code" },
  epochs: { ...shared.epochs, default: 3, why: "§4.1" },
  batch: {
    ...shared.batch,
    otherwise: byWidth("32", "16"),
    why: `${MEASURED}: 80.2 and 70.1 % with 16, 80.6 and 64.9 % with 32`,
  },
  dropout: {
    ...shared.dropout,
    otherwise: byWidth("the model's own", "0"),
    why: `${MEASURED}: 80.2 and 70.1 % with 0, 80.8 and 50.1 % with 0.1`,
  },
  transfer: { ...shared.transfer, otherwise: "all" },
  seed: shared.runSeed,
  ...shared.runSettings,
} as const satisfies SchemaOf<FinetuneOptions>;

/**
 * Supervised fine-tuning (§3.2): a copy of the model gets the task's head and learns L2 + λ·L1 on it.
 *
 * Iterate it for a record of each update, or await it for the tuned copy; the model itself stays as it is. The task is
 * read when this is called, the model when the run begins.
 *
 * @throws {InputError} If it is no model or no task, an option is unknown or out of its range, an update does not
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
  const given = settle("fine-tune", finetuneSettings, options);
  const { lambda, transfer = lm.config.layers, seed = lm.seed, checkpoint, saveEvery, signal } = given;
  const usual = finetuneDefaults(lm.config);
  const { rate, schedule, warmup, decay, clip, epochs, batch, dropout } = { ...usual, ...given };
  checkTransfer(transfer, lm.config.layers);
  if (lambda > 0 && !architectureOf(lm.config).causal) {
    throw new InputError(
      `Cannot fine-tune architecture "${lm.config.architecture}" with λ = ${lambda} as it fills in masked tokens and ` +
        "has no L1: λ = 0 works",
    );
  }
  const encoded = encodeTask(task, lm.tokenizer, lm.config.context);
  const about = { name: task.name, kind: task.kind, labels: [...task.labels] }; // As it is now.
  const size = Math.min(batch, encoded.train.length);
  const updates = Math.floor(encoded.train.length / size) * epochs;
  const adam: AdamOptions = { rate, schedule, warmup, decay, clip, updates };

  return training(async function* (): AsyncGenerator<TrainingRecord, LanguageModel> {
    checkModel(lm, "fine-tune"); // It may have been disposed since.
    if (checkpoint !== undefined) await checkWritable(checkpoint);
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
          {
            save: () => saveCheckpoint(tuned, checkpoint, { progress: { state, settings, start } }),
            saveEvery,
          }),
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

/** Which leaves fine-tuning takes over: tokens and positions count as layer 0, the network's end as its last. */
function transferred(config: Config, transfer: number): (name: string) => boolean {
  const body = architectureOf(config).leaves(config);
  return (name) => {
    const layer = /^h\.(\d+)\./.exec(name)?.[1];
    if (layer !== undefined) return transfer > Number(layer);
    return transfer >= (name in body ? config.layers : 0);
  };
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
    const fresh = new Map(leaves(start)), isTransferred = transferred(lm.config, transfer);
    for (const [name, leaf] of leaves(parameters)) {
      if (fresh.has(name) && !isTransferred(name)) leaf.assign(fresh.get(name)!);
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
