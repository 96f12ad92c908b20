import * as tf from "../tfjs.ts";
import { checkTask, isGraded, type Measure, type Task } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { asRun, keyOf, normals } from "../engine/mod.ts";
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
import { type AdamOptions, adamState, disposeAdam, rateAt, resetAdam } from "./adam.ts";
import { exampleBatch, shuffledByLength } from "./batches.ts";
import { type BestState, resume, saveCheckpoint } from "./checkpoint.ts";
import { type EncodedTask, encodeTask } from "./encode.ts";
import { logitsOf, predictionOf } from "./evaluate.ts";
import { checkMemory } from "./memory.ts";
import { train, type Training, type TrainingRecord } from "./loop.ts";
import { score } from "./measures.ts";
import { objective } from "./objectives.ts";
import * as shared from "./options.ts";
import type { RunOptions } from "./pretrain.ts";
import { checkWarmup, type LambdaSchedule, lambdaSchedules } from "./schedules.ts";
import { warnOnce } from "./warnings.ts";

/** The options of {@linkcode finetune}. */
export interface FinetuneOptions extends Partial<Omit<AdamOptions, "updates">>, RunOptions {
  /** λ of L3 = L2 + λ·L1 (§3.2); 0 for the task loss only, as `bert` requires. @default 0.5 */
  readonly lambda?: number;
  /**
   * λ over fine-tuning: the same at each update, or λ·(1 − u/U) at the update after u of U, so that L1 guides the start and
   * the task the end (Chronopoulou et al. 2019, where it decays exponentially). It makes no difference with λ = 0.
   * @default "constant"
   */
  readonly lambdaSchedule?: LambdaSchedule;
  /** Passes over the training examples (§4.1). @default 3 */
  readonly epochs?: number;
  /**
   * Passes over the training examples before fine-tuning, in which all but the head is trained on L1 alone: the
   * task-adaptive pre-training of Gururangan et al. 2020. Theirs is of the bare texts; this is of the sequences of
   * fine-tuning, with their special tokens, so that it minimises the L1 of L3. Batch size, dropout and learning rate are
   * those of fine-tuning, with a schedule over these updates; fine-tuning then starts with a fresh optimiser. `bert` has
   * no L1.
   * @default 0
   */
  readonly adaptEpochs?: number;
  /**
   * Batch size in examples. Default, as for rate, warm-up and dropout: from width 768 on the paper's, 32, 6.25e-5, 0.002 and
   * the configuration's; below 16, min(1e-3, 0.064 / width), 0.1 and 0.
   */
  readonly batch?: number;
  /** Dropout probability. Default: the configuration's for GPT-1's width and above (§4.1: 0.1), otherwise 0. */
  readonly dropout?: number;
  /**
   * Number of pre-trained layers to transfer (Figure 2): 0 for the embeddings only, −1 for training from scratch. Other
   * layers are initialised at random. Default: all.
   */
  readonly transfer?: number;
  /**
   * Which parameters are the result: those of the last update, or those at the end of the epoch with the highest score
   * on the validation split, by the task's primary metric, as in OpenAI's code; of equal epochs the earliest. With
   * `best` the last update of each epoch includes a pass over all validation examples, and memory and checkpoint hold
   * one more copy of the parameters. The validation score alone decides: OpenAI's code also scores as many training
   * examples, for its log only.
   * @default "last"
   */
  readonly keep?: "last" | "best";
  /** Seed of new parameters, data order and dropout. Default: the model's. */
  readonly seed?: number;
}

/** The result of {@linkcode finetuneDefaults}. */
export type FinetuneDefaults =
  & Omit<AdamOptions, "updates">
  & Required<Pick<FinetuneOptions, "batch" | "epochs" | "dropout">>;

/** GPT-1's width; models at least as wide use the paper's settings. */
const PAPER_WIDTH = 768;

/**
 * The default settings of fine-tuning: those of the paper (§4.1) and OpenAI's code for models of GPT-1's width and
 * above, others for smaller models.
 *
 * @param config The model's width and dropout.
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
  if (width >= PAPER_WIDTH) return { ...common, rate: 6.25e-5, warmup: 0.002, batch: 32, dropout };
  return { ...common, rate: Math.min(1e-3, 0.064 / width), warmup: 0.1, batch: 16, dropout: 0 };
}

/**
 * How the defaults for small models were chosen. Other settings are those of {@linkcode finetuneDefaults}; 95 %
 * intervals are ±1.1 and ±2.5 points. The paper's settings give 70.1 and 51.1 %.
 */
const MEASURED = "mini on validation, 2,000 examples of imdb and of hypernym, 1 seed";

const byWidth = (wide: string, narrow: string) =>
  `${wide} for width ≥ ${PAPER_WIDTH} (§4.1), otherwise ${narrow}`;

/** The settings of {@linkcode FinetuneOptions}. */
export const finetuneSettings = {
  lambda: { ...shared.lambda, default: 0.5, why: "§4.1" },
  lambdaSchedule: { ...shared.lambdaSchedule, default: "constant", why: "§3.2" },
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
  adaptEpochs: { ...shared.adaptEpochs, default: 0, why: "§3.2" },
  batch: {
    ...shared.batch,
    otherwise: byWidth("32", "16"),
    why: `${MEASURED}: 80.2 and 70.1 % with 16, 80.6 and 64.9 % with 32`,
  },
  dropout: {
    ...shared.dropout,
    otherwise: byWidth("the model's", "0"),
    why: `${MEASURED}: 80.2 and 70.1 % with 0, 80.8 and 50.1 % with 0.1`,
  },
  transfer: { ...shared.pretrainedLayers, otherwise: "all" },
  keep: {
    ...shared.keep,
    default: "last",
    why: "training then uses no validation example; OpenAI's code keeps the best",
  },
  seed: shared.runSeed,
  ...shared.runSettings,
} as const satisfies SchemaOf<FinetuneOptions>;

/**
 * Supervised fine-tuning (§3.2): trains a copy of the model, with a task head, on L3 = L2 + λ·L1. Head and special tokens
 * are new, also those of a model that was fine-tuned before.
 *
 * With `adaptEpochs` it first trains the copy on L1 alone; records of these updates have no L2.
 *
 * Iterate it for a record of each update, or await it for the fine-tuned copy; the model itself does not change. The
 * task is read when this is called, the model when the run starts.
 *
 * With `keep: "best"` the record of an epoch's last update has the `validation` score, and the model that is returned has
 * the number and the score of its epoch as `task.best`. A run that its signal stops returns the best epoch so far, or
 * the current parameters before the end of the first.
 *
 * @throws {InputError} If it is no model or no task, an option is unknown or out of its range, the warm-up of
 * `warmup_stable_decay` is longer than what precedes its decay, an update does not fit into memory, or the checkpoint is
 * of another run.
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
  const { lambda, lambdaSchedule, adaptEpochs, transfer = lm.config.layers, keep, seed = lm.seed } = given;
  const { checkpoint, saveEvery, signal } = given;
  const defaults = finetuneDefaults(lm.config);
  const { rate, schedule, warmup, decay, clip, epochs, batch, dropout } = { ...defaults, ...given };
  checkPretrainedLayers(transfer, lm.config.layers);
  if ((lambda > 0 || adaptEpochs > 0) && !architectureOf(lm.config).causal) {
    const [found, works] = lambda > 0
      ? [`λ = ${lambda}`, "λ = 0"]
      : [`adaptEpochs ${adaptEpochs}`, "adaptEpochs 0"];
    throw new InputError(
      `Cannot fine-tune architecture "${lm.config.architecture}" with ${found} as it predicts masked tokens and ` +
        `has no L1: ${works} works`,
    );
  }
  const encoded = encodeTask(task, lm.tokenizer, lm.config.context);
  const taskInfo = { name: task.name, kind: task.kind, labels: [...task.labels] }; // The task may change before the run starts.
  if (lm.task) {
    warnOnce(lm.parameters, [
      `fine-tuning on task "${task.name}" replaces the model's head and special tokens, which it learned on task ` +
      `"${lm.task.name}": for more epochs, ask for them at once`,
    ]);
  }
  const [measure] = task.measures as [Measure], graded = isGraded(task);
  const batchSize = Math.min(batch, encoded.train.length);
  if (batchSize < (options.batch ?? 0)) {
    warnOnce(task, [
      `task "${task.name}" has ${batchSize} training examples: an update reads so many, not ${batch}`,
    ]);
  }
  const updatesPerEpoch = finetuneUpdates(encoded.train.length, { batch, epochs: 1 });
  const updates = updatesPerEpoch * epochs, adaptUpdates = updatesPerEpoch * adaptEpochs;
  const adam: AdamOptions = { rate, schedule, warmup, decay, clip, updates };
  checkWarmup("fine-tune", adam);
  if (adaptUpdates > 0) checkWarmup("fine-tune", { ...adam, updates: adaptUpdates });
  for (const [stage, updates] of [["", adam.updates], [" before fine-tuning", adaptUpdates]] as const) {
    if (updates !== 1 || rateAt(0, { ...adam, updates }) > 0) continue;
    warnOnce(task, [
      `the only update on task "${task.name}"${stage} has rate 0, where its warm-up begins: ask for more epochs`,
    ]);
  }

  return asRun(async function* (): AsyncGenerator<TrainingRecord, LanguageModel> {
    checkModel(lm, "fine-tune"); // It may have been disposed meanwhile.
    if (checkpoint !== undefined) await checkWritable(checkpoint);
    const tuned = startTask(lm, taskInfo, seed, transfer);
    const variables = leaves(tuned.parameters).map(([, leaf]) => leaf).filter((leaf) => leaf.trainable);
    const best = keep === "best" ? noEpoch(variables) : undefined; // Before memory is checked, as it takes some.
    let complete = false;
    try {
      const sequences = encoded.train.reduce((most, { sequences }) => Math.max(most, sequences.length), 1);
      checkMemory(tuned, batchSize, sequences, encoded.longest);
      yield* trainOn(tuned, variables, best);
      complete = true;
      if (!best?.epoch) return tuned;
      assign(variables, best.parameters);
      const { epoch, validation } = best;
      return { ...tuned, task: { ...taskInfo, best: { epoch, validation } } };
    } finally {
      if (best) tf.dispose([...best.parameters]);
      if (!complete) dispose(tuned.parameters); // It is not returned.
    }
  }());

  async function* trainOn(
    tuned: LanguageModel,
    variables: readonly tf.Variable[],
    best: BestState | undefined,
  ): AsyncGenerator<TrainingRecord, void> {
    const state = adamState(variables);
    const pick = shuffledByLength(seed, encoded.train.map(({ length }) => length), batchSize);
    const { train: examples, longest } = encoded;
    const batchAt = (update: number) =>
      exampleBatch(Array.from(pick(update), (i) => examples[i]!), encoded, tuned);
    const dropoutAt = (update: number) => ({ rate: dropout, seed, update });
    const hyperparameters = {
      run: "finetune",
      ...adam,
      updates: adaptUpdates + updates,
      ...keyedOptions({ lambda, lambdaSchedule, adaptEpochs, keep }),
      epochs,
      batch: batchSize,
      dropout,
      seed,
      transfer,
      task: tuned.task,
    };
    const settings = {
      ...hyperparameters,
      ...checkpoint && { examples: digest(examples) },
      ...lm.config.variant === "paper" && { longest }, // The softmax includes this many positions.
      ...best && { measure, ...checkpoint && { validation: digest(encoded.validation) } },
    };
    try {
      const start = checkpoint ? await resume(checkpoint, tuned, { state, settings, best }) : "";
      const job = {
        state,
        updates: settings.updates,
        ...checkpoint && {
          save: () => saveCheckpoint(tuned, checkpoint, { progress: { state, settings, start, best } }),
          saveEvery,
        },
        signal,
      };
      if (state.update < adaptUpdates) {
        yield* train({
          ...job,
          variables: variables.slice(0, variables.indexOf(tuned.parameters.clf!.weight)), // The head is last, and not in L1.
          adam: { ...adam, updates: adaptUpdates },
          losses: (update) => {
            const at = updates + update; // After those of fine-tuning: another order, and other dropout masks.
            const { labels: _, ...sequences } = batchAt(at);
            return objective(tuned, sequences, 1, dropoutAt(at));
          },
        });
        if (state.update < adaptUpdates) return; // It was stopped.
      }
      if (adaptUpdates > 0 && state.update === adaptUpdates) resetAdam(state);
      state.before = adaptUpdates;
      yield* train({
        ...job,
        variables,
        adam,
        losses: (total) => {
          const update = total - adaptUpdates;
          const weight = lambda * lambdaSchedules[lambdaSchedule](update / updates);
          return objective(tuned, batchAt(update), weight, dropoutAt(update));
        },
        ...best && {
          async measure() {
            const update = state.update - adaptUpdates;
            if (update % updatesPerEpoch > 0) return {};
            const validation = await validationScore(tuned);
            if (validation > best.validation) {
              [best.epoch, best.validation] = [update / updatesPerEpoch, validation];
              assign(best.parameters, variables);
            }
            return { validation };
          },
        },
      });
    } finally {
      disposeAdam(state);
    }
  }

  /** The primary metric on the validation split. No signal stops it, as an update is complete with its score only. */
  async function validationScore(tuned: LanguageModel): Promise<number> {
    const logits = await logitsOf(tuned, taskInfo, encoded, "validation", { atOnce: batchSize }); // Fits where an update does.
    const predictions = logits.map((scores) => predictionOf(scores, graded));
    return score(measure, predictions, encoded.validation.map(({ label }) => label));
  }
}

/** Number of updates of fine-tuning: whole batches in each epoch, the last examples left out. */
export function finetuneUpdates(
  examples: number,
  { batch, epochs }: { readonly batch: number; readonly epochs: number },
): number {
  return Math.floor(examples / Math.min(batch, examples)) * epochs;
}

/** The options that are newer than stored results. */
export type AddedOptions = Pick<FinetuneOptions, "lambdaSchedule" | "adaptEpochs" | "keep">;

/** Options as they are in keys and checkpoints: the newer ones only where they make a difference, as older files lack them. */
export function keyedOptions<Options extends Required<AddedOptions & Pick<FinetuneOptions, "lambda">>>(
  { lambdaSchedule, adaptEpochs, keep, ...options }: Options,
): Omit<Options, keyof AddedOptions> & AddedOptions {
  return {
    ...options,
    ...keep !== "last" && { keep },
    ...options.lambda > 0 && lambdaSchedule !== "constant" && { lambdaSchedule },
    ...adaptEpochs > 0 && { adaptEpochs },
  };
}

/** The state before any epoch: its parameters are the initial ones. */
function noEpoch(variables: readonly tf.Variable[]): BestState {
  const parameters = variables.map((leaf) => tf.tidy(() => tf.variable(leaf.clone(), false)));
  return { epoch: 0, validation: -Infinity, parameters };
}

/** Assigns the values of variables to others. */
function assign(to: readonly tf.Variable[], from: readonly tf.Variable[]): void {
  to.forEach((leaf, i) => leaf.assign(from[i]!));
}

/** Share of padding among the positions of an epoch's batches. */
export function paddingShare(
  { train, longest }: EncodedTask,
  batch: number,
  seed: number,
  { variant }: Pick<Config, "variant">,
): number {
  const pick = shuffledByLength(seed, train.map(({ length }) => length), batch);
  let [tokens, positions] = [0, 0];
  for (let update = 0; update < Math.max(1, Math.floor(train.length / batch)); update++) {
    const sequences = Array.from(pick(update), (i) => train[i]!.sequences).flat();
    const lengths = sequences.map(({ length }) => length);
    positions += lengths.length * (variant === "paper" ? longest : Math.max(...lengths));
    tokens += lengths.reduce((a, b) => a + b, 0);
  }
  return 1 - tokens / positions;
}

/**
 * Checks a number of pre-trained layers.
 *
 * @throws {InputError} If it is not a whole number from −1 to the model's number of layers.
 */
export function checkPretrainedLayers(count: number, layers: number): void {
  if (!Number.isInteger(count) || count < -1 || count > layers) {
    throw new InputError(
      `Cannot transfer ${count} layers as their number must be a whole number from -1 (none) to ${layers} (all)`,
    );
  }
}

/** Which parameters are transferred from pre-training: embeddings belong to layer 0, a final layer norm to the last. */
function pretrainedFilter(config: Config, pretrainedLayers: number): (name: string) => boolean {
  const body = architectureOf(config).leaves(config);
  return (name) => {
    const layer = /^h\.(\d+)\./.exec(name)?.[1];
    if (layer !== undefined) return pretrainedLayers > Number(layer);
    return pretrainedLayers >= (name in body ? config.layers : 0);
  };
}

/**
 * A copy of the model, prepared for a task: a new head, and new embeddings of [Start], [Delim] and [Extract], which
 * pre-training does not use. `paper` draws them from N(0, 0.02), as OpenAI's code does; `clean` adds the mean of the
 * token embeddings, without which small models do not learn pair tasks.
 */
function startTask(
  lm: LanguageModel,
  task: NonNullable<LanguageModel["task"]>,
  seed: number,
  pretrainedLayers: number,
): LanguageModel {
  const parameters = clone(lm.parameters);
  if (pretrainedLayers < lm.config.layers) {
    const start = init(lm.config, seed);
    const initial = new Map(leaves(start)), isPretrained = pretrainedFilter(lm.config, pretrainedLayers);
    for (const [name, leaf] of leaves(parameters)) {
      if (initial.has(name) && !isPretrained(name)) leaf.assign(initial.get(name)!);
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
