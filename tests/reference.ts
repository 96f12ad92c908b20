/**
 * The numbers of `tests/reference/make.py`, a second GPT-1 in PyTorch, as tests read them.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import {
  addHead,
  type Config,
  decodeSafetensors,
  init,
  type LanguageModel,
  leaves,
  type PositionKind,
  type PositionScale,
  type Variant,
} from "../lib/model/mod.ts";
import type { Kind, Tokenizer } from "../lib/text/mod.ts";
import type { Batch } from "../lib/train/mod.ts";

const folder = new URL("./fixtures/", import.meta.url);

/** A case of the reference: one arm on one batch. */
export interface Case {
  task: Kind | "lm";
  positions: PositionKind;
  scale: PositionScale;
  variant: Variant;
  parameters: string[];
  L1: number;
  L2?: number;
  L3?: number;
  loss: number;
  hidden: string;
  logits?: string;
  gradient: string;
  analyticallyZero: { parameter: string; rows: [number, number] }[];
}

/** Everything that is no tensor. */
export const reference = JSON.parse(await Deno.readTextFile(new URL("reference.json", folder))) as {
  config: {
    vocabulary: number;
    width: number;
    heads: number;
    layers: number;
    context: number;
    classes: number;
  };
  batches: Record<
    string,
    { ids: number[][]; lengths: number[]; labels: number[]; width: number; examples: number }
  >;
  cases: Case[];
  dropout: { rate: number; seed: number; update: number; cases: Case[] };
  threefry: {
    knownAnswers: { key: [number, number]; counter: [number, number]; words: number[] }[];
    masks: {
      seed: number;
      update: number;
      site: number;
      shape: number[];
      rate: number;
      kept: number[];
      factor: number;
    }[];
  };
  adam: {
    lr: number;
    warmup: number;
    updates: number;
    l2: number;
    order: string[];
    after: number[];
    schedules: Schedule[];
    norms: Record<Schedule, number[]>;
  };
  training: {
    lr: number;
    warmup: number;
    updates: number;
    l2: number;
    rate: number;
    seed: number;
    cases: (Case & { schedule: Schedule; final: string; losses: number[] })[];
  };
  generation: (Case & { prompt: number[]; tokens: number[] })[];
  schedules: { schedule: Schedule; warmup: number; x: number; value: number }[];
};

type Schedule = "warmup_linear" | "warmup_cosine" | "warmup_constant";

const { tensors } = decodeSafetensors(
  await Deno.readFile(new URL("reference.safetensors", folder)),
  "tests/fixtures/reference.safetensors",
);

/** A tensor of the reference, flat. */
export function numbers(name: string): Float32Array {
  const stored = tensors.get(name);
  if (!stored) throw new Error(`no tensor ${name} in the reference`);
  return stored.data;
}

/** A model with a case's parameters; its tokenizer is none. */
export function modelOf(example: Omit<Case, "variant"> & { variant?: Variant }, dropout = 0): LanguageModel {
  const { vocabulary, width, heads, layers, context, classes } = reference.config;
  const { task, positions: kind, scale, variant = "clean" } = example;
  const config: Config = {
    vocabulary,
    width,
    heads,
    layers,
    context,
    positions: { kind, scale },
    variant,
    dropout,
  };
  const parameters = init(config, 1);
  if (task !== "lm") addHead(parameters, task, classes, 1);
  for (const [name, leaf] of leaves(parameters)) {
    const set = example.parameters.find((set) => tensors.has(set + name));
    tf.tidy(() => leaf.assign(tf.tensor(numbers(set + name), leaf.shape)));
  }
  const tokenizer = undefined as unknown as Tokenizer;
  const labels = Array.from({ length: classes }, String);
  return {
    config,
    parameters,
    tokenizer,
    seed: 1,
    ...(task !== "lm" && { task: { name: task, kind: task, labels } }),
  };
}

/** A case's batch. */
export function batchFor(task: Case["task"]): Batch {
  const { ids, lengths, labels } = reference.batches[task]!;
  return {
    ids: Int32Array.from(ids.flat()),
    lengths: Int32Array.from(lengths),
    ...(task !== "lm" && { labels: Float32Array.from(labels) }),
  };
}

/** Which elements of a parameter have a gradient that is zero by analysis. */
export function zeros(
  { analyticallyZero }: Case,
  name: string,
  shape: readonly number[],
): [number, number][] {
  const row = shape.slice(1).reduce((a, b) => a * b, 1);
  return analyticallyZero.filter(({ parameter }) => parameter === name)
    .map(({ rows: [from, to] }) => [from * row, to * row]);
}
