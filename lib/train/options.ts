/**
 * Settings of training that several functions have, each defined once.
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

/** OpenAI's Adam: the course of an update. */
export const adamSettings = {
  rate: { ...number({ from: 1e-9, to: 10 }), about: "largest learning rate" },
  schedule: {
    ...oneOf(Object.keys(schedules) as (keyof typeof schedules)[]),
    about: "course of the learning rate",
  },
  warmup: { ...number({ from: 0, to: 1 }), about: "share of the updates in which the rate rises" },
  decay: { ...number({ from: 0, to: 100 }), about: "weight decay of matrices" },
  clip: {
    ...number({ from: 1e-6, to: 1e6, orZero: true }),
    about: "largest norm of the gradient, 0 for any",
  },
} satisfies SchemaOf<Omit<AdamOptions, "updates">>;

/** Updates of a run. */
export const updates = { ...whole({ from: 1, to: 1e8 }), about: "number of updates" };
/** Passes over the examples. */
export const epochs = { ...whole({ from: 1, to: 1e4 }), about: "passes over the training examples" };
/** Windows or examples of an update. */
export const batch = { ...whole({ from: 1, to: 2 ** 16 }), about: "examples of an update" };
/** What is dropped in training. */
export const dropout = { ...share, about: "share dropped at each site, in this training" };
/** λ. */
export const lambda = {
  ...number({ from: 1e-6, to: 1e3, orZero: true }),
  about: "λ, the weight of the auxiliary objective L1; with 0 it is left out",
};
/** How much of a pre-trained model is kept; the model's layers bound it further. */
export const transfer = {
  ...whole({ from: -1, to: 1000 }),
  about: "layers taken over from pre-training, 0 for the embeddings alone, -1 for nothing",
};
/** Of a run. */
export const runSeed = {
  ...seeds,
  about: "seed of data order, dropout and what starts at random",
  otherwise: "the model's own",
};
/** Windows of a text. */
export const windows = { ...limit, about: "windows of a text, at the most" };
/** Tokens of a window. */
export const context = { ...whole({ from: 2, to: 2 ** 16 }), about: "tokens of a window" };
/** Tokens of the longest n-gram. */
export const order = { ...whole({ from: 1, to: 100 }), about: "tokens of the longest n-grams" };
/** A part of a task. */
export const split = {
  ...oneOf(["train", "validation", "test"]),
  about: "which examples",
  default: "test" as const,
};

/** How a run is carried out. */
export const runSettings = {
  checkpoint: { ...text, about: "a file that keeps the run", unit: "file", otherwise: "none" },
  saveEvery: { ...whole({ from: 1, to: 1e8 }), about: "updates between checkpoints", default: 100 },
  signal: {
    ...signals,
    about: "ends the run after the update under way",
    otherwise: "nothing ends it early",
  },
} satisfies SchemaOf<RunOptions>;
