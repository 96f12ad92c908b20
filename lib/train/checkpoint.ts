import * as tf from "@tensorflow/tfjs";
import { InputError, named, quoted } from "../errors.ts";
import { digest, sha256 } from "../digest.ts";
import type { Provenance } from "../engine/mod.ts";
import { exists, writeAtomic } from "../files.ts";
import { allFinite, isRecord, parseJson, unusableFile } from "../foreign.ts";
import {
  addHead,
  type Archive,
  checkConfig,
  checkModel,
  type Config,
  decodeSafetensors,
  encodeSafetensors,
  gpt,
  type LanguageModel,
  leaves,
  outputsOf,
  readSafetensors,
  shapes,
  whileRead,
  type Writable,
} from "../model/mod.ts";
import {
  checked,
  flag,
  type Kind,
  number,
  oneOf,
  type SchemaOf,
  seed as seeds,
  settle,
  text,
  value,
  whole,
} from "../settings.ts";
import { inputs, type Kind as TaskKind, type Tokenizer, tokenizerFrom } from "../text/mod.ts";
import type { AdamState } from "./adam.ts";
import * as shared from "./options.ts";
import { isProvenance } from "./store.ts";

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
  readonly provenance?: Provenance;
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
const SUM = /^[0-9a-f]{64}$/;

/** What a checkpoint's header says beside its tensors and its tokenizer. */
interface Notes {
  readonly config: Config;
  readonly seed: number;
  readonly task?: NonNullable<LanguageModel["task"]>;
  readonly made?: Made;
  /** Of a run that goes on. */
  readonly run?: {
    readonly settings: Readonly<Record<string, unknown>>;
    /** Absent where version 0.1 wrote it. */
    readonly start?: string;
    readonly update: number;
    readonly updates: number;
    readonly batch: number;
    readonly seconds: number;
  };
}

/** Numbers of seconds, of which a century is the most. */
const seconds = number({ from: 0, to: 3.2e9 });

const taskSettings = {
  name: { ...text, about: "its name" },
  kind: { ...oneOf(Object.keys(inputs) as TaskKind[]), about: "its kind" },
  labels: { ...value("a list of different names", isLabels), about: "names of its labels" },
} satisfies SchemaOf<Notes["task"]>;

function isLabels(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && new Set(value).size === value.length &&
    value.every((label) => typeof label === "string" && label.trim() !== "");
}

const madeSettings = {
  key: { ...text, about: "what stands for all that the run read" },
  updates: shared.updates,
  batch: shared.batch,
  seconds: { ...seconds, about: "what it took" },
  provenance: {
    ...value("versions, backend and machine, in short texts", isProvenance),
    about: "what computed it",
    otherwise: "not said",
  },
} satisfies SchemaOf<Made>;

/**
 * Checks what a header says.
 *
 * @throws {InputError} If anything is missing, or is not of its type and range.
 */
function notesOf(metadata: Archive["metadata"]): Notes {
  const own = (name: string) => Object.hasOwn(metadata, name) ? metadata[name] : undefined;
  const json = (name: string) => parseJson(own(name) ?? "", `its ${name}`);
  const one = <T>(name: string, kind: Kind<T>, found: unknown): T => {
    if (kind.accepts(found)) return found;
    throw new InputError(
      `its ${name} must be ${kind.expected}: current ${name} is ${quoted(found, "absent")}`,
    );
  };
  const read = <T>(name: string, kind: Kind<T>) => one(name, kind, kind.read(own(name) ?? ""));

  const config = json("config") as Config;
  checkConfig(config);
  const notes: Notes = {
    config: { ...config, dropout: config.dropout + 0 }, // Not −0, which would be written as 0.
    seed: read("seed", seeds),
    ...own("task") !== undefined && { task: settle("use its task", taskSettings, json("task")) },
    ...own("made") !== undefined && { made: settle("use what made it", madeSettings, json("made")) },
  };
  if (own("settings") === undefined) return notes;
  const settings = json("settings");
  if (!isRecord(settings)) throw new InputError("its settings must be an object");
  const start = own("start");
  if (start !== undefined && !SUM.test(start)) {
    throw new InputError(`its start must be a digest: current start is ${quoted(start)}`);
  }
  const updates = one("updates", shared.updates, settings["updates"]);
  const run = {
    settings,
    ...start !== undefined && { start },
    update: read("update", whole({ from: 0, to: updates })),
    updates,
    batch: one("batch", shared.batch, settings["batch"]),
    seconds: read("seconds", seconds),
  };
  return { ...notes, run };
}

/** The shapes of all tensors of a checkpoint, by name: what its header says decides. */
function tensorsOf(
  { config, task, run }: Pick<Notes, "config" | "task" | "run">,
): Map<string, readonly number[]> {
  const leaves = [...shapes(config, task && outputsOf(task.kind, task.labels.length))];
  const parameters = leaves.map(([name, { shape }]) => [name, shape] as const);
  if (!run) return new Map(parameters);
  const trained = leaves.filter(([, { fixed }]) => !fixed);
  const moments = (of: string) => trained.map(([name, { shape }]) => [`adam.${of}.${name}`, shape] as const);
  return new Map([...parameters, ...moments("m"), ...moments("v")]);
}

/** Before memory is taken for a configuration, the file must hold what it needs and nothing else. */
function checkTensors(tensors: Archive["tensors"], notes: Notes): void {
  const needed = tensorsOf(notes);
  for (const [name, shape] of needed) {
    const found = tensors.get(name)?.shape;
    if (found?.join() !== shape.join()) {
      throw new InputError(
        `tensor "${name}" should have shape [${shape}] and has ${found ? quoted(found) : "none"}`,
      );
    }
  }
  for (const [name, { data }] of tensors) {
    if (!needed.has(name)) throw new InputError(`tensor ${quoted(name)} has no place in its model`);
    if (!allFinite(data)) throw new InputError(`tensor "${name}" has numbers that are not finite`);
    if (name.startsWith("adam.v.") && data.some((square) => square < 0)) {
      throw new InputError(`tensor "${name}" has numbers below 0, which are squares`);
    }
  }
}

/**
 * Writes a model as one safetensors file, and with it, if given, all that its run needs to go on: both
 * moments and the number of updates. Dropout masks and data order are functions of seed and update, so no
 * more state exists. The SHA-256 of the file, its own place held by zeros, stands in its header.
 *
 * @throws {InputError} If an option is unknown, the model has numbers that are not finite, or the place cannot be written
 * to; the old file then stays.
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
  await writeAtomic(path, await encodeModel(lm, options));
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
    if (!allFinite(data)) {
      throw new InputError(`Cannot save a model as ${name} has numbers that are not finite`);
    }
    const stored = half ? new Float16Array(data) : data;
    if (half && !allFinite(stored)) {
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
  const metadata = {
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
  };
  checkReadable(tensors, metadata);
  const chunks = encodeSafetensors(tensors, {
    format: FORMAT,
    sha256: NO_SUM,
    ...metadata,
    tokenizer: JSON.stringify(lm.tokenizer),
  });
  replaceSum(chunks[0]!, NO_SUM, sha256(chunks));
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

/** A model that is written must be one that can be read: a hand may have changed it. */
function checkReadable(tensors: ReadonlyMap<string, Writable>, metadata: Archive["metadata"]): void {
  try {
    const needed = [...tensorsOf(notesOf(metadata))].map(([name, shape]) => `${name} [${shape}]`);
    const given = [...tensors].map(([name, { shape }]) => `${name} [${shape}]`);
    const other = new Set(needed).symmetricDifference(new Set(given)).values().next().value;
    if (other !== undefined) {
      throw new InputError(`${other} is in one of its parameters and its configuration alone`);
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`Cannot save a model that could not be read again: ${error.message}`, {
      cause: error,
    });
  }
}

/** A checkpoint that is whole and holds what it says. */
interface Checkpoint extends Notes {
  readonly tensors: Archive["tensors"];
  /** JSON of the tokenizer, which is large, and not always needed. */
  readonly tokenizer: string;
}

/** Reads a checkpoint and checks it: all but its tokenizer. */
async function open(path: string): Promise<Checkpoint> {
  const bytes = await readSafetensors(path, "a checkpoint");
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata["format"] !== FORMAT) {
    throw new InputError(
      `Cannot read ${named(path)} as a checkpoint: its format is ${quoted(metadata["format"], "absent")} ` +
        `where ${FORMAT} is wanted`,
    );
  }
  const claimed = metadata["sha256"] ?? "";
  const found = SUM.test(claimed) && replaceSum(bytes, claimed, NO_SUM);
  if (!found || sha256(bytes) !== claimed) {
    throw new InputError(
      `Cannot read ${named(path)} as its checksum does not match: the file is damaged or was changed`,
    );
  }
  try {
    const notes = notesOf(metadata);
    checkTensors(tensors, notes);
    return { ...notes, tensors, tokenizer: metadata["tokenizer"] ?? "" };
  } catch (error) {
    throw unusableFile(path, "a checkpoint", error);
  }
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
  const checkpoint = await open(path);
  const { key: found, ...took } = checkpoint.made ?? {};
  if (found !== key) {
    throw new InputError(`Cannot use ${named(path)} as another run made it: remove it to make it again`);
  }
  return { lm: modelOf(path, checkpoint), took: took as Omit<Made, "key"> };
}

function modelOf(path: string, { config, seed, task, tensors, tokenizer: json }: Checkpoint): LanguageModel {
  const { vocabulary, ...preset } = config;
  let tokenizer: Tokenizer;
  try {
    tokenizer = tokenizerFrom(parseJson(json, "its tokenizer") as Tokenizer);
    if (tokenizer.size !== vocabulary) {
      throw new InputError(`its vocabulary is ${vocabulary} and its tokenizer has ${tokenizer.size} pieces`);
    }
  } catch (error) {
    throw unusableFile(path, "a checkpoint", error);
  }
  const lm = gpt(preset, { tokenizer, seed });
  if (task) addHead(lm.parameters, task.kind, task.labels.length, seed);
  fill(leaves(lm.parameters), tensors);
  return task ? { ...lm, task } : lm;
}

/** Puts stored values into variables of their shapes. */
function fill(variables: [string, tf.Variable][], tensors: Archive["tensors"]): void {
  for (const [name, leaf] of variables) {
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
  const { update, seconds, updates, batch } = runOf(path, await open(path));
  return { update, seconds, updates, batch };
}

function runOf(path: string, { run }: Checkpoint): NonNullable<Notes["run"]> {
  if (run) return run;
  throw new InputError(`Cannot resume from ${named(path)} as it holds a finished model and not a run`);
}

/**
 * The digest of all that a training reads of a model: configuration, parameters and tokenizer.
 *
 * @param lm The model as it stands.
 */
export async function modelDigest({ config, parameters, tokenizer }: LanguageModel): Promise<string> {
  const read = leaves(parameters).map(async ([name, leaf]) => [name, await leaf.data()] as const);
  return digest({ config, tokenizer, parameters: Object.fromEntries(await Promise.all(read)) });
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
  const checkpoint = await open(path);
  const { tensors } = checkpoint;
  const { start: began, update, seconds, settings: asked } = runOf(path, checkpoint);
  const now: Record<string, unknown> = { ...lm.config, ...settings };
  const then: Record<string, unknown> = { ...checkpoint.config, ...asked };
  for (const name of new Set([...Object.keys(now), ...Object.keys(then)])) {
    const [a, b] = [then[name], now[name]];
    if (JSON.stringify(a) !== JSON.stringify(b)) {
      const what = /^\w{1,40}$/.test(name) ? name : `setting ${quoted(name)}`;
      throw new InputError(
        `Cannot resume from ${named(path)} as its ${what} is ${quoted(a, "absent")}: current ${what} is ${
          quoted(b, "absent")
        }`,
      );
    }
  }
  if (began === undefined) {
    throw new InputError(
      `Cannot resume from ${
        named(path)
      } as version 0.1 wrote it, which did not say what the run began with: remove ` +
        "it to begin again",
    );
  }
  const own = leaves(lm.parameters);
  const trained = own.filter(([, leaf]) => leaf.trainable).map(([name]) => name);
  const variables: [string, tf.Variable][] = [
    ...own,
    ...trained.map((name, i): [string, tf.Variable] => [`adam.m.${name}`, state.m[i]!]),
    ...trained.map((name, i): [string, tf.Variable] => [`adam.v.${name}`, state.v[i]!]),
  ];
  const missing = variables.find(([name, { shape }]) => tensors.get(name)?.shape.join() !== shape.join());
  if (missing) { // A model without a head has no checkpoint of one with a head, whatever the settings say.
    throw new InputError(`Cannot resume from ${named(path)} as tensor "${missing[0]}" is of another model`);
  }
  const { config, tokenizer } = lm;
  const saved = Object.fromEntries(own.map(([name]) => [name, tensors.get(name)!.data]));
  if (began !== start && digest({ config, tokenizer, parameters: saved }) !== start) {
    throw new InputError(
      `Cannot resume from ${
        named(path)
      } as its run began with another model: remove it to begin again with this one`,
    );
  }
  fill(variables, tensors);
  state.update = update;
  state.seconds = seconds;
  return began;
}
