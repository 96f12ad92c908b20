import { asRun } from "../engine/mod.ts";
import type { Corpus } from "../data/mod.ts";
import { digest } from "../digest.ts";
import { InputError, isThenable, quoted } from "../errors.ts";
import { checkWritable } from "../files.ts";
import {
  architectureOf,
  checkModel,
  type LanguageModel,
  leaves,
  type Parameters,
  readLocks,
} from "../model/mod.ts";
import { type SchemaOf, settle, text } from "../settings.ts";
import { type AdamOptions, adamState, disposeAdam } from "./adam.ts";
import { tokensOf } from "../text/mod.ts";
import { windowBatches, windowsOf } from "./batches.ts";
import { modelDigest, resume, saveCheckpoint } from "./checkpoint.ts";
import { checkMemory } from "./memory.ts";
import { adamSettings, batch, dropout, runSeed, runSettings, updates } from "./options.ts";
import { masked } from "./masking.ts";
import { train, type Training, type TrainingRecord } from "./loop.ts";
import { objective } from "./objectives.ts";
import { checkWarmup, stableUpdates } from "./schedules.ts";
import { checkTrunk, latestState, trunkFile } from "./trunk.ts";
import { warnOfUnknown, warnOnce } from "./warnings.ts";

/** Options that do not change what a run computes. */
export interface RunOptions {
  /** Checkpoint file: the run is saved there, and resumes from it if it exists. Default: none. */
  readonly checkpoint?: string;
  /** Number of updates between checkpoints. @default 100 */
  readonly saveEvery?: number;
  /** Stops the run after the current update, with a checkpoint. Default: none. */
  readonly signal?: AbortSignal;
}

/**
 * The options of {@linkcode pretrain}. Default: rate 1e-3, `warmup_cosine` with warm-up 0.1, decay 0.01 and clip 1, for
 * small models on short runs; the paper has 2.5e-4, a warm-up of 2,000 updates and 64 windows of 512 tokens (§4.1).
 */
export interface PretrainOptions extends Partial<AdamOptions>, RunOptions {
  /** Number of updates. @default 2000 */
  readonly updates?: number;
  /** Batch size in windows (§4.1: 64, on 8 GPUs). @default 16 */
  readonly batch?: number;
  /** Dropout probability; use 0 for less than an epoch. Default: the configuration's. */
  readonly dropout?: number;
  /** Seed of data order and dropout. Default: the model's. */
  readonly seed?: number;
  /**
   * Path, without ending, of files by which runs that differ in `updates` only share what precedes the decay of schedule
   * `warmup_stable_decay`. A run starts from the latest state that a shorter one saved, and saves its own before its decay,
   * as `<trunk>-<update>.part`; its result and its seconds are those of a run without. The files stay. Default: none.
   */
  readonly trunk?: string;
}

/** The settings of {@linkcode PretrainOptions}. */
export const pretrainSettings = {
  rate: {
    ...adamSettings.rate,
    default: 1e-3,
    why:
      "the paper's 2.5e-4 is for 12 layers and 100 epochs: small models on short runs need 1e-3 to leave the " +
      "unigram plateau, and 2.5e-3 never does",
  },
  schedule: { ...adamSettings.schedule, default: "warmup_cosine", why: "§4.1" },
  warmup: { ...adamSettings.warmup, default: 0.1, why: "the paper's 2,000 updates are for longer runs" },
  decay: { ...adamSettings.decay, default: 0.01, why: "§4.1" },
  clip: { ...adamSettings.clip, default: 1, why: "OpenAI's code" },
  updates: { ...updates, default: 2000, why: "some minutes of a small model" },
  batch: { ...batch, unit: "windows", default: 16, why: "§4.1 has 64, on 8 GPUs" },
  dropout: { ...dropout, otherwise: "the model's own" },
  seed: runSeed,
  trunk: {
    ...text,
    about: "path of the files that share the updates before the decay with runs of other lengths",
    unit: "file",
    otherwise: "none",
  },
  ...runSettings,
} as const satisfies SchemaOf<PretrainOptions>;

/** The optimiser's default settings in pre-training. */
export const pretrainDefaults: Omit<AdamOptions, "updates"> = {
  rate: pretrainSettings.rate.default,
  schedule: pretrainSettings.schedule.default,
  warmup: pretrainSettings.warmup.default,
  decay: pretrainSettings.decay.default,
  clip: pretrainSettings.clip.default,
};

/**
 * Generative pre-training (§3.1): minimises the language-modelling loss L1 on the corpus' training text. `bert` is
 * trained to predict masked tokens instead.
 *
 * Iterate it for a record of each update, or await it for the model.
 *
 * @param lm The model, trained in place.
 * @throws {InputError} If it is no model or no corpus, another run is training the model, an option is unknown or out of
 * its range, the warm-up of `warmup_stable_decay` is longer than what precedes its decay, the text is shorter than a
 * window, an update does not fit into memory, or the checkpoint or trunk is damaged or of another run.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { pretrain } from "./mod.ts";
 *
 * await backend("cpu");
 * const text = "to be or not to be that is the question ".repeat(20);
 * const lm = gpt(presets.smoke, { tokenizer: trainBpe(text, { merges: 10 }), seed: 1 });
 * for await (const { update, loss } of pretrain(lm, { train: text }, { updates: 2, batch: 2 })) {
 *   console.log(update, loss.toFixed(2));
 * }
 * ```
 */
export function pretrain(
  lm: LanguageModel,
  corpus: Pick<Corpus, "train">,
  options: PretrainOptions = {},
): Training<LanguageModel> {
  checkModel(lm, "pre-train");
  checkCorpus(corpus);
  const given = settle("pre-train", pretrainSettings, options);
  const { rate, schedule, warmup, decay, clip, updates, batch, checkpoint, saveEvery, signal } = given;
  const { dropout = lm.config.dropout, seed = lm.seed, trunk } = given;
  const adam: AdamOptions = { rate, schedule, warmup, decay, clip, updates };
  checkWarmup("pre-train", adam);
  checkTrunk(trunk, schedule);
  const stable = stableUpdates(updates);
  const branch = trunk === undefined ? undefined : trunkFile(trunk, stable);
  const { train: text } = corpus; // The corpus may change before the run starts.

  return asRun(async function* (): AsyncGenerator<TrainingRecord, LanguageModel> {
    checkModel(lm, "pre-train"); // It may have been disposed meanwhile.
    if (inTraining.has(lm.parameters)) {
      throw new InputError("Cannot pre-train a model that another run is pre-training: await that run first");
    }
    for (const file of [checkpoint, branch]) if (file !== undefined) await checkWritable(file);
    const ids = tokensOf(text, lm.tokenizer);
    warnOfUnknown("the training text", ids, lm.tokenizer);
    const windows = windowBatches(ids, lm.config.context, batch, seed);
    const batchAt = architectureOf(lm.config).causal
      ? windows
      : (update: number) => masked(windows(update), lm.config.vocabulary, seed, update);
    checkMemory(lm, batch, 1, lm.config.context);
    const variables = leaves(lm.parameters).map(([, leaf]) => leaf).filter((leaf) => leaf.trainable);
    const state = adamState(variables);
    inTraining.add(lm.parameters);
    const before = trainedOn.get(lm.parameters) ?? new Map<number, string>();
    trainedOn.set(lm.parameters, before);
    try {
      const batchSize = Math.min(batch, windowsOf(ids, lm.config.context));
      if (batchSize < batch) {
        warnOnce(lm.parameters, [
          `the training text has ${batchSize} windows: an update reads so many, not ${batch}`,
        ]);
      }
      const hyperparameters = { run: "pretrain", ...adam, batch: batchSize, dropout, seed };
      const isSaved = checkpoint !== undefined || trunk !== undefined;
      const settings = { ...hyperparameters, ...isSaved && { text: digest(ids) } };
      const trunkSettings = (updates: number) => ({ ...settings, run: "trunk", updates }); // No checkpoint is taken for one.
      let start = isSaved ? await modelDigest(lm) : "";
      if (checkpoint) start = await resume(checkpoint, lm, { state, settings, start });
      const latest = trunk ? await latestState(trunk, stable) : 0;
      if (trunk && latest > state.update) {
        start = await resume(trunkFile(trunk, latest), lm, { state, settings: trunkSettings(latest), start });
      }
      if (state.update === 0 && before.get(seed) === text) {
        warnOnce(lm.parameters, [
          "pre-training again on the same text with the same seed sees the same windows in the same order: give " +
          "another seed, or make one run and iterate it",
        ]);
      }
      before.set(seed, text);
      yield* train({
        variables,
        adam,
        state,
        async ready() {
          if (branch && latest < stable && state.update === stable) {
            await saveCheckpoint(lm, branch, { progress: { state, settings: trunkSettings(stable), start } });
          }
        },
        reading: () => readLocks(lm),
        losses: (update) => objective(lm, batchAt(update), 0, { rate: dropout, seed, update }),
        ...(checkpoint && {
          save: () => saveCheckpoint(lm, checkpoint, { progress: { state, settings, start } }),
          saveEvery,
        }),
        signal,
      });
    } finally {
      inTraining.delete(lm.parameters);
      disposeAdam(state);
    }
    return lm;
  }());
}

/** The text that a model has been trained on with each seed. */
const trainedOn = new WeakMap<Parameters, Map<number, string>>();

/** The parameters of models that a run is training. */
const inTraining = new WeakSet<Parameters>();

/** Checks that a value is a corpus. */
function checkCorpus(value: unknown): void {
  if (isThenable(value)) {
    throw new InputError("Cannot pre-train as the corpus is not awaited: write await before it");
  }
  if (typeof value === "string") {
    const isName = /^[\w+./-]+$/.test(value);
    throw new InputError(
      isName
        ? `Cannot pre-train on the name ${quoted(value)}: write await corpus(${quoted(value)})`
        : "Cannot pre-train on a string as a corpus is an object: write { train: text }",
    );
  }
  const { train }: { train?: unknown } = Object(value);
  if (typeof train === "string") return;
  throw new InputError(
    "Cannot pre-train: expected a corpus from corpus(), or { train: text }: current value is " +
      quoted(value),
  );
}
