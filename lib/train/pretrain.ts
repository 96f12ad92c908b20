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
  untilUnread,
} from "../model/mod.ts";
import { type SchemaOf, settle } from "../settings.ts";
import { type AdamOptions, adamState, disposeAdam } from "./adam.ts";
import { tokensOf } from "../text/mod.ts";
import { windowBatches, windowsOf } from "./batches.ts";
import { resume, saveCheckpoint } from "./checkpoint.ts";
import { checkMemory } from "./memory.ts";
import { adamSettings, batch, dropout, runSeed, runSettings, updates } from "./options.ts";
import { masked } from "./masking.ts";
import { train, type Training, training, type TrainingRecord } from "./loop.ts";
import { objective } from "./objectives.ts";
import { warnOfUnknown } from "./warnings.ts";

/** How a run is carried out; it changes nothing in what the run computes. */
export interface RunOptions {
  /** A file that keeps the run: it is saved there, and taken up from there if it exists. */
  readonly checkpoint?: string;
  /** Updates from one save to the next; 100 unless given. */
  readonly saveEvery?: number;
  /** Ends the run after the update under way; what was reached is saved. */
  readonly signal?: AbortSignal;
}

/** How a model is pre-trained. */
export interface PretrainOptions extends Partial<AdamOptions>, RunOptions {
  /** Number of updates; 2,000 unless given. */
  readonly updates?: number;
  /** Windows of an update (§4.1: 64); 16 unless given, as most machines have no 8 GPUs. */
  readonly batch?: number;
  /** Share dropped at each site; the configuration's unless given. Short runs over much text want 0. */
  readonly dropout?: number;
  /** Of data order and dropout; the model's own unless given. */
  readonly seed?: number;
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
  batch: { ...batch, about: "windows of an update", default: 16, why: "§4.1 has 64, on 8 GPUs" },
  dropout: { ...dropout, otherwise: "the model's own" },
  seed: runSeed,
  ...runSettings,
} as const satisfies SchemaOf<PretrainOptions>;

/** The optimiser's settings in pre-training: those of {@linkcode PretrainOptions} that are not given. */
export const pretrainDefaults: Omit<AdamOptions, "updates"> = {
  rate: pretrainSettings.rate.default,
  schedule: pretrainSettings.schedule.default,
  warmup: pretrainSettings.warmup.default,
  decay: pretrainSettings.decay.default,
  clip: pretrainSettings.clip.default,
};

/**
 * Generative pre-training (§3.1): changes the model so that L1 over the corpus' training text falls. `bert` learns to
 * fill masked tokens in instead.
 *
 * Iterate it for a record of each update, or await it for the model.
 *
 * @param lm Trained in place.
 * @throws {InputError} If it is no model or no corpus, another run pre-trains the model, an option is unknown or out of its range, the text does not fill a window, an update does not fit
 * into memory, or the checkpoint is not this run's.
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
  const { dropout = lm.config.dropout, seed = lm.seed } = given;
  const adam: AdamOptions = { rate, schedule, warmup, decay, clip, updates };
  const { train: text } = corpus; // As it is now.

  return training(async function* (): AsyncGenerator<TrainingRecord, LanguageModel> {
    checkModel(lm, "pre-train"); // It may have been disposed since.
    if (underWay.has(lm.parameters)) {
      throw new InputError("Cannot pre-train a model that another run is pre-training: await that run first");
    }
    if (checkpoint !== undefined) await checkWritable(checkpoint);
    const ids = tokensOf(text, lm.tokenizer);
    warnOfUnknown("the training text", ids, lm.tokenizer);
    const windows = windowBatches(ids, lm.config.context, batch, seed);
    const batchAt = architectureOf(lm.config).causal
      ? windows
      : (update: number) => masked(windows(update), lm.config.vocabulary, seed, update);
    checkMemory(lm, batch, 1, lm.config.context);
    const variables = leaves(lm.parameters).map(([, leaf]) => leaf).filter((leaf) => leaf.trainable);
    const state = adamState(variables);
    underWay.add(lm.parameters);
    try {
      const size = Math.min(batch, windowsOf(ids, lm.config.context));
      const asked = { run: "pretrain", ...adam, batch: size, dropout, seed };
      const settings = { ...asked, ...checkpoint && { text: digest(ids) } };
      const start = checkpoint ? await resume(checkpoint, lm, { state, settings }) : "";
      yield* train({
        variables,
        adam,
        state,
        ready: () => untilUnread(lm),
        losses: (update) => objective(lm, batchAt(update), 0, { rate: dropout, seed, update }),
        ...(checkpoint && {
          save: () => saveCheckpoint(lm, checkpoint, { progress: { state, settings, start } }),
          saveEvery,
        }),
        signal,
      });
    } finally {
      underWay.delete(lm.parameters);
      disposeAdam(state);
    }
    return lm;
  }());
}

/** The parameters that a run is changing. */
const underWay = new WeakSet<Parameters>();

/** Refuses what is no corpus, with what would be one. */
function checkCorpus(value: unknown): void {
  if (isThenable(value)) {
    throw new InputError("Cannot pre-train as the corpus is not awaited: write await before it");
  }
  if (typeof value === "string") {
    const isName = /^[\w+./-]+$/.test(value);
    throw new InputError(
      isName
        ? `Cannot pre-train on the name ${quoted(value)}: write await corpus(${quoted(value)})`
        : "Cannot pre-train on a text alone as a corpus is an object: write { train: text }",
    );
  }
  const { train }: { train?: unknown } = Object(value);
  if (typeof train === "string") return;
  throw new InputError(
    "Cannot pre-train: expected a corpus as corpus() gives it, or { train: text }: current value is " +
      quoted(value),
  );
}
