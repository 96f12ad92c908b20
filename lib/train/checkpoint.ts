import { createHash } from "node:crypto";
import * as tf from "@tensorflow/tfjs";
import { InputError, quoted } from "../errors.ts";
import { digest } from "../digest.ts";
import { exists, readWhole, writeWhole } from "../files.ts";
import {
  addHead,
  type Archive,
  checkModel,
  type Config,
  decodeSafetensors,
  dispose,
  encodeSafetensors,
  gpt,
  type LanguageModel,
  leaves,
  SPECIALS,
  whileRead,
  type Writable,
} from "../model/mod.ts";
import { checked, flag, type SchemaOf, settle, text, value } from "../settings.ts";
import { tokenizerFrom } from "../text/mod.ts";
import type { AdamState } from "./adam.ts";

/** A run's place in its course, saved beside the model. */
export interface Progress {
  /** Moments, the number of updates and their seconds. */
  readonly state: AdamState;
  /** What the run was asked to do; a checkpoint resumes only the same. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Digest of the model that it began with, by {@linkcode modelDigest}. */
  readonly start: string;
}

/** What made a model: a run, and what it took. */
export interface Made {
  /** Stands for all that the run read. */
  readonly key: string;
  /** Updates that it made. */
  readonly updates: number;
  /** Examples or windows of an update: what was asked, or as many as there are. */
  readonly batch: number;
  /** Seconds that it took, those before an interruption included. */
  readonly seconds: number;
  /** What computed it. */
  readonly provenance?: object;
}

/** What is saved beside a model, and how. */
export interface SaveOptions {
  /** A run's place in its course, for a checkpoint. */
  readonly progress?: Progress;
  /** What made the model. */
  readonly made?: Made;
  /** Whether numbers are rounded to half precision, which is enough to begin fine-tuning with; false unless given. */
  readonly half?: boolean;
}

function object<T extends object>(wanted: string) {
  return value(wanted, (value): value is T => typeof value === "object" && value !== null);
}

/** The settings of {@linkcode SaveOptions}. */
export const saveSettings = {
  progress: { ...object<Progress>("a run's state and settings"), about: "a run's place", otherwise: "none" },
  made: {
    ...object<Made>("a run's key and what it took"),
    about: "what made the model",
    otherwise: "nothing",
  },
  half: { ...flag, about: "whether numbers are rounded to half precision", default: false },
} satisfies SchemaOf<SaveOptions>;

const FORMAT = "gpt1-checkpoint-1";
const NO_SUM = "0".repeat(64);

/**
 * Writes a model as one safetensors file, and with it, if given, all that its run needs to go on: both
 * moments and the number of updates. Dropout masks and data order are functions of seed and update, so no
 * more state exists. The SHA-256 of the file, its own place held by zeros, stands in its header.
 *
 * @throws {InputError} If an option is unknown, or the place cannot be written to; the old file then stays.
 *
 * @example
 * ```ts
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { loadModel, saveModel } from "./checkpoint.ts";
 *
 * const path = `${await Deno.makeTempDir()}/model.safetensors`;
 * await saveModel(path, gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) }));
 * console.log((await loadModel(path)).config.layers); // 2
 * ```
 */
export async function saveModel(
  path: string,
  lm: LanguageModel,
  options: SaveOptions = {},
): Promise<void> {
  checkModel(lm, "save a model");
  checked("save a model", "path", text, path);
  await writeWhole(path, await encodeModel(lm, options));
}

/** What {@linkcode saveModel} writes: the same model is the same bytes. */
export async function encodeModel(
  lm: LanguageModel,
  options: SaveOptions = {},
): Promise<Uint8Array<ArrayBuffer>[]> {
  const { progress, made, half } = settle("save a model", saveSettings, options);
  const tensors = new Map<string, Writable>();
  const store = async (name: string, leaf: tf.Variable) => {
    const data = await leaf.data<"float32">();
    const stored = half ? new Float16Array(data) : data;
    if (half && !stored.every(Number.isFinite)) {
      throw new InputError(`Cannot save a model in half precision as ${name} has numbers beyond 65504`);
    }
    tensors.set(name, { shape: leaf.shape, data: stored });
  };
  await whileRead(lm, async () => {
    for (const [name, leaf] of leaves(lm.parameters)) await store(name, leaf);
  });
  if (progress) {
    let i = 0;
    for (const [name, leaf] of leaves(lm.parameters)) {
      if (!leaf.trainable) continue;
      await store(`adam.m.${name}`, progress.state.m[i]!);
      await store(`adam.v.${name}`, progress.state.v[i++]!);
    }
  }
  const chunks = encodeSafetensors(tensors, {
    format: FORMAT,
    sha256: NO_SUM,
    config: JSON.stringify(lm.config),
    seed: String(lm.seed),
    ...(lm.task && { task: JSON.stringify(lm.task) }),
    ...(made && { made: JSON.stringify(made) }),
    ...(progress && {
      settings: JSON.stringify(progress.settings),
      start: progress.start,
      update: String(progress.state.update),
      seconds: String(progress.state.seconds),
    }),
    tokenizer: JSON.stringify(lm.tokenizer),
  });
  const sum = createHash("sha256");
  for (const chunk of chunks) sum.update(chunk);
  replaceSum(chunks[0]!, NO_SUM, sum.digest("hex"));
  return chunks;
}

/** Replaces the checksum in a header's bytes; false if it does not stand there. */
function replaceSum(bytes: Uint8Array, from: string, to: string): boolean {
  const encode = (sum: string) => new TextEncoder().encode(`"sha256":"${sum}"`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const at = new TextDecoder("latin1").decode(bytes.subarray(0, 8 + length)).indexOf(`"sha256":"${from}"`);
  if (at < 0) return false;
  bytes.set(encode(to), at);
  return true;
}

/** Reads a checkpoint and checks that it is whole. */
async function open(path: string): Promise<Archive> {
  const bytes = await readWhole(path, "a checkpoint");
  const archive = decodeSafetensors(bytes, path);
  if (archive.metadata["format"] !== FORMAT) {
    throw new InputError(
      `Cannot read ${path} as a checkpoint: its format is ${archive.metadata["format"] ?? "not named"} ` +
        `where ${FORMAT} is wanted`,
    );
  }
  const claimed = archive.metadata["sha256"] ?? "";
  const found = replaceSum(bytes, claimed, NO_SUM);
  if (!found || createHash("sha256").update(bytes).digest("hex") !== claimed) {
    throw new InputError(
      `Cannot read ${path} as its checksum does not match: the file is damaged or was changed`,
    );
  }
  return archive;
}

/**
 * Reads a model from a checkpoint.
 *
 * @throws {InputError} If the file is missing, truncated, damaged, or no checkpoint.
 *
 * @example
 * ```ts
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { loadModel, saveModel } from "./checkpoint.ts";
 *
 * const path = `${await Deno.makeTempDir()}/model.safetensors`;
 * await saveModel(path, gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) }));
 * console.log((await loadModel(path)).tokenizer.merges.length); // 3
 * ```
 */
export async function loadModel(path: string): Promise<LanguageModel> {
  return modelOf(path, await open(path));
}

/**
 * Reads a model that a run made, and what it took.
 *
 * @param key Of the run.
 * @throws {InputError} If it cannot be read, or another run made it.
 */
export async function loadMade(
  path: string,
  key: string,
): Promise<{ lm: LanguageModel; took: Omit<Made, "key"> }> {
  const archive = await open(path);
  const { key: found, ...took } = JSON.parse(archive.metadata["made"] ?? "{}") as Partial<Made>;
  if (found !== key) {
    throw new InputError(`Cannot use ${path} as another run made it: remove it to make it again`);
  }
  return { lm: modelOf(path, archive), took: took as Omit<Made, "key"> };
}

function modelOf(path: string, { tensors, metadata }: Archive): LanguageModel {
  let lm: LanguageModel | undefined;
  try {
    const config = JSON.parse(metadata["config"]!) as Config;
    checkSizes(config, tensors);
    const { vocabulary: _, ...preset } = config;
    lm = gpt(preset, {
      tokenizer: tokenizerFrom(JSON.parse(metadata["tokenizer"]!)),
      seed: Number(metadata["seed"]),
    });
    if (metadata["task"]) {
      const task = JSON.parse(metadata["task"]) as NonNullable<LanguageModel["task"]>;
      addHead(lm.parameters, task.kind, task.labels.length, lm.seed);
      lm = { ...lm, task };
    }
    fill(leaves(lm.parameters), tensors);
    return lm;
  } catch (error) {
    if (lm) dispose(lm.parameters);
    const why = error instanceof Error ? error.message : String(error);
    throw new InputError(`Cannot use ${path} as a checkpoint: ${why}`, { cause: error });
  }
}

/** Before memory is taken for a configuration, the file must hold what it speaks of. */
function checkSizes(
  { architecture, layers, width, units = 0, context, vocabulary, positions }: Config,
  tensors: Archive["tensors"],
): void {
  const wanted: [string, number[]][] = [
    ["tokens_embed.weight", [vocabulary + SPECIALS, width]],
    architecture === "lstm"
      ? ["lstm.gates.weight", [width + units, 4 * units]]
      : [`h.${layers - 1}.mlp.c_fc.weight`, [width, 4 * width]],
  ];
  if (positions.kind !== "none") wanted.push(["positions_embed.weight", [context, width]]);
  for (const [name, shape] of wanted) {
    const found = tensors.get(name)?.shape;
    if (found?.join() !== shape.join()) {
      throw new InputError(
        `tensor "${name}" should have shape [${shape}] and has ${found ? `[${found}]` : "none"}`,
      );
    }
  }
}

/** Puts stored values into variables, all or none. */
function fill(named: [string, tf.Variable][], tensors: Archive["tensors"]): void {
  for (const [name, { shape }] of named) {
    const found = tensors.get(name);
    if (found?.shape.join() !== shape.join()) {
      throw new InputError(
        `tensor "${name}" should have shape [${shape}] and has ${found ? `[${found.shape}]` : "none"}`,
      );
    }
  }
  for (const [name, leaf] of named) {
    tf.tidy(() => leaf.assign(tf.tensor(tensors.get(name)!.data, leaf.shape, "float32")));
  }
}

/**
 * How far the run of a checkpoint is; nothing if there is no file.
 *
 * @throws {InputError} If it is damaged or holds no run.
 */
export async function progressOf(path: string): Promise<Omit<Made, "key"> & { update: number } | undefined> {
  if (!await exists(path)) return undefined;
  const { metadata } = await open(path);
  const { updates, batch } = JSON.parse(metadata["settings"] ?? "{}");
  return { update: Number(metadata["update"]), seconds: Number(metadata["seconds"]), updates, batch };
}

/**
 * The digest of all that a training reads of a model: configuration, parameters and tokenizer.
 *
 * @param lm The model as it stands.
 */
export async function modelDigest({ config, parameters, tokenizer }: LanguageModel): Promise<string> {
  const named = leaves(parameters).map(async ([name, leaf]) => [name, await leaf.data()] as const);
  return digest({ config, tokenizer, parameters: Object.fromEntries(await Promise.all(named)) });
}

/** A setting as a message quotes it; a checkpoint may lack one. */
function told(setting: unknown): string {
  return setting === undefined ? "absent" : quoted(setting);
}

/**
 * Takes a run up where a checkpoint left it: fills the model and the moments.
 *
 * @param path A checkpoint of this run; where there is none, the run begins at its start.
 * @param lm The model as it stood when the run began, or as the checkpoint left it.
 * @returns What the run began with, which its next checkpoint says, too.
 * @throws {InputError} If it is damaged, is of another configuration or other settings, or began with another model;
 * nothing is changed then.
 */
export async function resume(
  path: string,
  lm: LanguageModel,
  { state, settings }: Omit<Progress, "start">,
): Promise<string> {
  const start = await modelDigest(lm);
  if (!await exists(path)) return start;
  const { tensors, metadata } = await open(path);
  if (metadata["settings"] === undefined) {
    throw new InputError(`Cannot resume from ${path} as it holds a finished model and not a run`);
  }
  const now: Record<string, unknown> = { ...lm.config, ...settings };
  const then: Record<string, unknown> = {
    ...JSON.parse(metadata["config"] ?? "{}"),
    ...JSON.parse(metadata["settings"]),
  };
  for (const name of new Set([...Object.keys(now), ...Object.keys(then)])) {
    const [a, b] = [then[name], now[name]];
    if (JSON.stringify(a) !== JSON.stringify(b)) {
      throw new InputError(
        `Cannot resume from ${path} as its ${name} is ${told(a)}: current ${name} is ${told(b)}`,
      );
    }
  }
  const began = metadata["start"];
  if (began === undefined) {
    throw new InputError(
      `Cannot resume from ${path} as version 0.1 wrote it, which did not say what the run began with: remove it to ` +
        "begin again",
    );
  }
  const named = leaves(lm.parameters);
  const trained = named.filter(([, leaf]) => leaf.trainable).map(([name]) => name);
  const { config, tokenizer } = lm;
  const saved = Object.fromEntries(named.map(([name]) => [name, tensors.get(name)?.data]));
  if (began !== start && digest({ config, tokenizer, parameters: saved }) !== start) {
    throw new InputError(
      `Cannot resume from ${path} as its run began with another model: remove it to begin again with this one`,
    );
  }
  fill([
    ...named,
    ...trained.map((name, i): [string, tf.Variable] => [`adam.m.${name}`, state.m[i]!]),
    ...trained.map((name, i): [string, tf.Variable] => [`adam.v.${name}`, state.v[i]!]),
  ], tensors);
  state.update = Number(metadata["update"]);
  state.seconds = Number(metadata["seconds"]);
  return began;
}
