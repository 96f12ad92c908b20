/**
 * Training settings shared by several functions.
 *
 * @module
 */
import {
  limit,
  number,
  oneOf,
  type SchemaOf,
  seed as seeds,
  share,
  signal as signals,
  text,
  whole,
} from "../settings.ts";
import type { AdamOptions } from "./adam.ts";
import type { RunOptions } from "./pretrain.ts";
import { lambdaSchedules, schedules } from "./schedules.ts";

/** OpenAI's Adam and its learning-rate schedule. */
export const adamSettings = {
  rate: { ...number({ from: 1e-9, to: 10 }), about: "maximum learning rate", unit: "rate" },
  schedule: {
    ...oneOf(Object.keys(schedules) as (keyof typeof schedules)[]),
    about: "learning-rate schedule",
  },
  warmup: {
    ...number({ from: 0, to: 1 }),
    about: "warm-up, as a share of the updates; of 2,000 with warmup_stable_decay",
    unit: "share",
  },
  decay: { ...number({ from: 0, to: 100 }), about: "weight decay, on matrices only", unit: "weight" },
  clip: {
    ...number({ from: 1e-6, to: 1e6, orZero: true }),
    about: "maximum global norm of gradients, 0 for no clipping",
    unit: "norm",
  },
} satisfies SchemaOf<Omit<AdamOptions, "updates">>;

/** Number of updates of a run. */
export const updates = { ...whole({ from: 1, to: 1e8 }), about: "number of updates", unit: "updates" };
/** Passes over the training examples. */
export const epochs = {
  ...whole({ from: 1, to: 1e4 }),
  about: "passes over the training examples",
  unit: "epochs",
};
/** Passes over the training examples before fine-tuning. */
export const adaptEpochs = {
  ...whole({ from: 0, to: 1e4 }),
  about: "passes over the training examples before fine-tuning, to minimise L1 alone",
  unit: "epochs",
};
/** Batch size. */
export const batch = { ...whole({ from: 1, to: 2 ** 16 }), about: "batch size", unit: "examples" };
/** Dropout probability. */
export const dropout = { ...share, about: "dropout probability in training" };
/** λ. */
export const lambda = {
  ...number({ from: 1e-6, to: 1e3, orZero: true }),
  about: "λ, the weight of the auxiliary objective L1",
  unit: "weight",
};
/** How λ changes over fine-tuning. */
export const lambdaSchedule = {
  ...oneOf(Object.keys(lambdaSchedules) as (keyof typeof lambdaSchedules)[]),
  about: "λ over fine-tuning: constant, or decaying to 0",
};
/** Number of pre-trained layers; the model's number of layers is checked elsewhere. */
export const pretrainedLayers = {
  ...whole({ from: -1, to: 1000 }),
  about: "pre-trained layers, 0 for the embeddings only, -1 for none",
  unit: "layers",
};
/** Random seed of a run. */
export const runSeed = {
  ...seeds,
  about: "seed of data order, dropout and new parameters",
  unit: "seed",
  otherwise: "the model's own",
};
/** The parameters that are fine-tuning's result. */
export const keep = {
  ...oneOf(["last", "best"]),
  about: "the result: the last epoch, or the best on the validation split",
};
/** Number of windows of a text. */
export const windows = { ...limit, about: "maximum number of windows of a text", unit: "windows" };
/** Context length. */
export const context = { ...whole({ from: 2, to: 2 ** 16 }), about: "tokens per window", unit: "tokens" };
/** Order of an n-gram model. */
export const order = {
  ...whole({ from: 1, to: 100 }),
  about: "order: length of the longest n-grams",
  unit: "tokens",
};
/** A split of a task. */
export const split = {
  ...oneOf(["train", "validation", "test"]),
  about: "which split",
  default: "test" as const,
};

/** Settings that do not change what a run computes. */
export const runSettings = {
  checkpoint: { ...text, about: "checkpoint file of the run", unit: "file", otherwise: "none" },
  saveEvery: {
    ...whole({ from: 1, to: 1e8 }),
    about: "updates between checkpoints",
    unit: "updates",
    default: 100,
  },
  signal: {
    ...signals,
    about: "stops the run after the current update",
    otherwise: "none",
  },
} satisfies SchemaOf<RunOptions>;
