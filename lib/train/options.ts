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
import { schedules } from "./schedules.ts";

/** OpenAI's Adam and its learning-rate schedule. */
export const adamSettings = {
  rate: { ...number({ from: 1e-9, to: 10 }), about: "maximum learning rate" },
  schedule: {
    ...oneOf(Object.keys(schedules) as (keyof typeof schedules)[]),
    about: "learning-rate schedule",
  },
  warmup: { ...number({ from: 0, to: 1 }), about: "warm-up, as a fraction of the updates" },
  decay: { ...number({ from: 0, to: 100 }), about: "weight decay, on matrices only" },
  clip: {
    ...number({ from: 1e-6, to: 1e6, orZero: true }),
    about: "gradient clipping: maximum global norm, 0 for none",
  },
} satisfies SchemaOf<Omit<AdamOptions, "updates">>;

/** Number of updates of a run. */
export const updates = { ...whole({ from: 1, to: 1e8 }), about: "number of updates" };
/** Passes over the training examples. */
export const epochs = { ...whole({ from: 1, to: 1e4 }), about: "passes over the training examples" };
/** Batch size. */
export const batch = { ...whole({ from: 1, to: 2 ** 16 }), about: "batch size, in examples" };
/** Dropout probability. */
export const dropout = { ...share, about: "dropout probability in training" };
/** λ. */
export const lambda = {
  ...number({ from: 1e-6, to: 1e3, orZero: true }),
  about: "λ, the weight of the auxiliary objective L1; 0 for none",
};
/** Number of pre-trained layers; the model's number of layers is checked elsewhere. */
export const pretrainedLayers = {
  ...whole({ from: -1, to: 1000 }),
  about: "number of pre-trained layers, 0 for the embeddings only, -1 for training from scratch",
};
/** Random seed of a run. */
export const runSeed = {
  ...seeds,
  about: "seed of data order, dropout and new parameters",
  otherwise: "the model's own",
};
/** Number of windows of a text. */
export const windows = { ...limit, about: "maximum number of windows of a text" };
/** Context length. */
export const context = { ...whole({ from: 2, to: 2 ** 16 }), about: "tokens per window" };
/** Order of an n-gram model. */
export const order = { ...whole({ from: 1, to: 100 }), about: "order: tokens of the longest n-grams" };
/** A split of a task. */
export const split = {
  ...oneOf(["train", "validation", "test"]),
  about: "which split",
  default: "test" as const,
};

/** Settings that do not change what a run computes. */
export const runSettings = {
  checkpoint: { ...text, about: "checkpoint file of the run", unit: "file", otherwise: "none" },
  saveEvery: { ...whole({ from: 1, to: 1e8 }), about: "updates between checkpoints", default: 100 },
  signal: {
    ...signals,
    about: "stops the run after the current update",
    otherwise: "none",
  },
} satisfies SchemaOf<RunOptions>;
