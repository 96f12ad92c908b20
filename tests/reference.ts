/**
 * The numbers of `tests/reference`, a second GPT-1 in PyTorch, as tests read them: `reference` is of `make.py`, `positions`
 * of `positions.py`.
 *
 * @module
 */
import * as tf from "../lib/tfjs.ts";
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
  task: Kind | "lm" | "masked";
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
  /** What of its parameters is a table that stays as it is. */
  frozen: string[];
  analyticallyZero: { parameter: string; rows: [number, number] }[];
}

/** What both files hold. */
interface Fixture {
  config: {
    vocabulary: number;
    width: number;
    heads: number;
    layers: number;
    context: number;
    classes: number;
  };
  batches: Record<string, StoredBatch>;
  cases: Case[];
  dropout: { rate: number; seed: number; update: number; cases: Case[] };
  generation: (Case & { prompt: number[]; tokens: number[] })[];
}

/** A batch as it is stored. */
interface StoredBatch {
  ids: number[][];
  lengths: number[];
  labels: number[];
}

/** What `make.py` writes. */
interface Reference extends Fixture {
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
  schedules: { schedule: Schedule; warmup: number; x: number; value: number }[];
}

/** What `positions.py` writes. */
interface Positions extends Fixture {
  beyond: { batch: StoredBatch; cases: Case[] };
  bidirectional: { batch: StoredBatch & { positions: number[]; tokens: number[] }; cases: Case[] };
  prenorm: { cases: Case[] };
  slopes: { heads: number; values: number[] }[];
  buckets: Record<"causal" | "bidirectional", { from: number; values: number[] }>;
}

type Schedule = "warmup_linear" | "warmup_cosine" | "warmup_constant";

/** One of the files, and what tests make of it. */
async function open<F extends Fixture>(name: string) {
  const about = JSON.parse(await Deno.readTextFile(new URL(`${name}.json`, folder))) as F;
  const { tensors } = decodeSafetensors(
    await Deno.readFile(new URL(`${name}.safetensors`, folder)),
    `tests/fixtures/${name}.safetensors`,
  );

  /** A tensor of the file, flat. */
  function numbers(name: string): Float32Array {
    const stored = tensors.get(name);
    if (!stored) throw new Error(`no tensor ${name} in the reference`);
    return stored.data;
  }

  /** A model with a case's parameters; its tokenizer is none. */
  function modelOf(
    example: Omit<Case, "variant"> & { variant?: Variant },
    change: Partial<Config> = {},
  ): LanguageModel {
    const { classes, ...sizes } = about.config;
    const { vocabulary, width, heads, layers, context } = sizes;
    const { task, positions: kind, scale, variant = "clean" } = example;
    const config: Config = {
      ...{ vocabulary, width, heads, layers, context, variant, dropout: 0 },
      positions: { kind, scale },
      ...change,
    };
    const parameters = init(config, 1);
    if (isTask(task)) addHead(parameters, task, classes, 1);
    for (const [name, leaf] of leaves(parameters)) {
      const set = example.parameters.find((set) => tensors.has(set + name));
      tf.tidy(() => leaf.assign(tf.tensor(numbers(set + name), leaf.shape)));
    }
    const tokenizer = undefined as unknown as Tokenizer;
    const labels = Array.from({ length: classes }, String);
    return {
      ...{ config, parameters, tokenizer, seed: 1 },
      ...isTask(task) && { task: { name: task, kind: task, labels } },
    };
  }

  /** A case's batch. */
  const batchFor = (task: Case["task"]) => batchOf(about.batches[task]!, task);

  return { about, numbers, modelOf, batchFor };
}

function isTask(task: Case["task"]): task is Kind {
  return task !== "lm" && task !== "masked";
}

/** A stored batch as training takes it. */
export function batchOf({ ids, lengths, labels }: StoredBatch, task: Case["task"] = "lm"): Batch {
  return {
    ids: Int32Array.from(ids.flat()),
    lengths: Int32Array.from(lengths),
    ...isTask(task) && { labels: Float32Array.from(labels) },
  };
}

/** What `make.py` wrote. */
export const { about: reference, numbers, modelOf, batchFor } = await open<Reference>("reference");

/** What `positions.py` wrote. */
export const positions = await open<Positions>("positions");

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
