import * as tf from "../tfjs.ts";
import { InputError, named, quoted } from "../errors.ts";
import { digest, sha256 } from "../digest.ts";
import { deno } from "../host.ts";
import type { Provenance } from "../engine/mod.ts";
import { exists, writeAtomic } from "../files.ts";
import { allFinite, isRecord, parseJson, unusableFile } from "../foreign.ts";
import {
  addHead,
  type Archive,
  type BestEpoch,
  checkConfig,
  checkModel,
  type Config,
  decodeSafetensors,
  encodeSafetensors,
  init,
  type LanguageModel,
  leaves,
  outputsOf,
  readSafetensors,
  shapes,
  withReadLock,
  type WritableTensor,
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
import { type LossCurve, lossCurveOf } from "./losses.ts";
import * as shared from "./options.ts";
import { isProvenance } from "./store.ts";

/** The state of an unfinished run, saved with the model. */
export interface Progress {
  /** The optimiser's state. */
  readonly state: AdamState;
  /** The run's settings; it resumes only with the same. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Digest of the initial model, by {@linkcode modelDigest}. */
  readonly start: string;
  /** The best epoch so far, if the run keeps the best. */
  readonly best?: BestState | undefined;
}

/** The best epoch of an unfinished run. */
export interface BestState {
  /** Its number, from 1; 0 before the end of the first. */
  epoch: number;
  /** Its score on the validation split. */
  validation: number;
  /** Its trainable parameters. */
  readonly parameters: readonly tf.Variable[];
}

/** The run that trained a model. */
export interface TrainingRun {
  /** Key of the run's inputs. */
  readonly key: string;
  /** Number of updates. */
  readonly updates: number;
  /** Batch size in examples or windows, at most as many as there are. */
  readonly batch: number;
  /** Duration in seconds, including the time before an interruption. */
  readonly seconds: number;
  /** Its losses; absent if parts of it are of a version that did not keep them. */
  readonly losses?: LossCurve;
  /** Versions, backend and machine. */
  readonly provenance?: Provenance;
}

/** The options of {@linkcode saveModel}. */
export interface SaveOptions {
  /** Whether to save in float16, which is precise enough for fine-tuning. @default false */
  readonly half?: boolean;
}

/** The content of a checkpoint in addition to the model. */
export interface CheckpointOptions extends SaveOptions {
  /** State and settings of an unfinished run, to resume it. Default: none. */
  readonly progress?: Progress;
  /** The run that trained the model. Default: none. */
  readonly made?: TrainingRun;
}

function object<T extends object>(expected: string) {
  return value(expected, (value): value is T => typeof value === "object" && value !== null);
}

const half = { ...flag, about: "whether to save in float16", default: false };

/** The settings of {@linkcode SaveOptions}. */
export const saveSettings = { half } satisfies SchemaOf<SaveOptions>;

const checkpointSettings = {
  progress: {
    ...object<Progress>("a run's state and settings"),
    about: "state of an unfinished run",
    otherwise: "none",
  },
  made: {
    ...object<TrainingRun>("a run's key, updates, batch size and seconds"),
    about: "the run that trained the model",
    otherwise: "none",
  },
  half,
} satisfies SchemaOf<CheckpointOptions>;

const FORMAT = "gpt1-checkpoint-1";
const ZERO_DIGEST = "0".repeat(64);
const SHA256_HEX = /^[0-9a-f]{64}$/;

/** The metadata of a checkpoint, without its tokenizer. */
interface Metadata {
  readonly config: Config;
  readonly seed: number;
  readonly task?: NonNullable<LanguageModel["task"]>;
  readonly made?: TrainingRun;
  /** The state of an unfinished run. */
  readonly run?: {
    readonly settings: Readonly<Record<string, unknown>>;
    /** Absent in files of version 0.1. */
    readonly start?: string;
    readonly update: number;
    readonly updates: number;
    readonly batch: number;
    readonly seconds: number;
    /** The losses so far; absent in files of earlier versions. */
    readonly losses?: LossCurve;
    /** The best epoch so far; absent before the end of the first, or if the run does not keep the best. */
    readonly best?: BestEpoch;
  };
}

/** A duration in seconds, at most a century. */
const seconds = number({ from: 0, to: 3.2e9 });

/** A best epoch, whose number is of this kind. */
function bestOf(epoch: Kind<number>): Kind<BestEpoch> {
  const score = number({ from: -1, to: 1 });
  return value(
    `an epoch, ${epoch.expected}, and its validation score, ${score.expected}`,
    (value): value is BestEpoch =>
      isRecord(value) && epoch.accepts(value["epoch"]) && score.accepts(value["validation"]),
  );
}

const taskSettings = {
  name: { ...text, about: "its name" },
  kind: { ...oneOf(Object.keys(inputs) as TaskKind[]), about: "its kind" },
  labels: { ...value("a list of different names", isLabels), about: "names of its labels" },
  best: { ...bestOf(shared.epochs), about: "the epoch that was kept", otherwise: "none" },
} satisfies SchemaOf<Metadata["task"]>;

function isLabels(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.length > 0 && new Set(value).size === value.length &&
    value.every((label) => typeof label === "string" && label.trim() !== "");
}

const trainingRunSettings = {
  key: { ...text, about: "key of the run's inputs" },
  updates: shared.updates,
  batch: shared.batch,
  seconds: { ...seconds, about: "its duration" },
  losses: { ...lossCurveOf(1e8), about: "its losses", otherwise: "none" },
  provenance: {
    ...value("versions, backend and machine, in short texts", isProvenance),
    about: "versions, backend and machine",
    otherwise: "none",
  },
} satisfies SchemaOf<TrainingRun>;

/**
 * Parses and checks a checkpoint's metadata.
 *
 * @throws {InputError} If a field is missing, or has a wrong type or range.
 */
function parseMetadata(metadata: Archive["metadata"]): Metadata {
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
  const parsed: Metadata = {
    config: { ...config, dropout: config.dropout + 0 }, // −0 would be written as 0.
    seed: read("seed", seeds),
    ...own("task") !== undefined && { task: settle("use its task", taskSettings, json("task")) },
    ...own("made") !== undefined && { made: settle("use what made it", trainingRunSettings, json("made")) },
  };
  if (own("settings") === undefined) return parsed;
  const settings = json("settings");
  if (!isRecord(settings)) throw new InputError("its settings must be an object");
  const start = own("start");
  if (start !== undefined && !SHA256_HEX.test(start)) {
    throw new InputError(`its start must be a digest: current start is ${quoted(start)}`);
  }
  const updates = one("updates", shared.updates, settings["updates"]);
  const update = read("update", whole({ from: 0, to: updates }));
  const adapted = one("adaptEpochs", shared.adaptEpochs, settings["adaptEpochs"] ?? 0);
  const epochs = settings["keep"] === "best" // Those that ended and were scored.
    ? Math.floor(update * (adapted + one("epochs", shared.epochs, settings["epochs"])) / updates) - adapted
    : 0;
  const run = {
    settings,
    ...start !== undefined && { start },
    update,
    updates,
    batch: one("batch", shared.batch, settings["batch"]),
    seconds: read("seconds", seconds),
    ...own("losses") !== undefined && { losses: one("losses", lossCurveOf(update), json("losses")) },
    ...epochs > 0 && { best: one("best", bestOf(whole({ from: 1, to: epochs })), json("best")) },
  };
  return { ...parsed, run };
}

/** The shapes of all tensors of a checkpoint by name, according to its metadata. */
function tensorsOf(
  { config, task, run }: Pick<Metadata, "config" | "task" | "run">,
): Map<string, readonly number[]> {
  const leaves = [...shapes(config, task && outputsOf(task.kind, task.labels.length))];
  const parameters = leaves.map(([name, { shape }]) => [name, shape] as const);
  if (!run) return new Map(parameters);
  const trained = leaves.filter(([, { fixed }]) => !fixed);
  const others = ["adam.m", "adam.v", ...run.best ? ["best"] : []].flatMap((of) =>
    trained.map(([name, { shape }]) => [`${of}.${name}`, shape] as const)
  );
  return new Map([...parameters, ...others]);
}

/** Checks that a file has exactly the tensors of its configuration, before memory for a model is allocated. */
function checkTensors(tensors: Archive["tensors"], parsed: Metadata): void {
  const needed = tensorsOf(parsed);
  for (const [name, shape] of needed) {
    const found = tensors.get(name)?.shape;
    if (found?.join() !== shape.join()) {
      throw new InputError(
        `tensor "${name}" must have shape [${shape}]: current shape is ${found ? quoted(found) : "absent"}`,
      );
    }
  }
  for (const [name, { data }] of tensors) {
    if (!needed.has(name)) throw new InputError(`tensor ${quoted(name)} is not part of its model`);
    if (!allFinite(data)) throw new InputError(`tensor "${name}" has numbers that are not finite`);
    if (name.startsWith("adam.v.") && data.some((square) => square < 0)) {
      throw new InputError(`tensor "${name}" has numbers below 0, which must be squares`);
    }
  }
}

/**
 * Saves a model with its configuration and tokenizer as one safetensors file, for {@linkcode loadModel}.
 *
 * @throws {InputError} If an option is unknown, the model has numbers that are not finite, or the file cannot be written;
 * an existing file is then kept.
 *
 * @example
 * ```ts
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { loadModel, saveModel } from "./checkpoint.ts";
 *
 * const path = `${await Deno.makeTempDir()}/model.safetensors`;
 * await saveModel(gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) }), path);
 * console.log((await loadModel(path)).config.layers); // 2
 * ```
 */
export async function saveModel(
  lm: LanguageModel,
  path: string,
  options: SaveOptions = {},
): Promise<void> {
  await saveCheckpoint(lm, path, settle("save a model", saveSettings, options));
}

/**
 * As {@linkcode saveModel}, optionally with the optimiser's state, to resume a run. Dropout masks and data order are
 * functions of seed and update, so there is no other state. The header has the SHA-256 of the file, computed with zeros
 * in its place.
 */
export async function saveCheckpoint(
  lm: LanguageModel,
  path: string,
  options: CheckpointOptions = {},
): Promise<void> {
  checkModel(lm, "save a model");
  checked("save a model", "path", text, path);
  await writeAtomic(path, await encodeModel(lm, options));
}

/** The bytes that {@linkcode saveCheckpoint} writes; the same model always gives the same bytes. */
export async function encodeModel(
  lm: LanguageModel,
  options: CheckpointOptions = {},
): Promise<Uint8Array<ArrayBuffer>[]> {
  const { progress, made, half } = settle("save a model", checkpointSettings, options);
  const tensors = new Map<string, WritableTensor>();
  const store = async (name: string, leaf: tf.Variable) => {
    const data = await leaf.data<"float32">();
    if (!allFinite(data)) {
      throw new InputError(`Cannot save a model as ${name} has numbers that are not finite`);
    }
    const stored = half ? new Float16Array(data) : data;
    if (half && !allFinite(stored)) {
      throw new InputError(`Cannot save a model in float16 as ${name} has numbers beyond 65504`);
    }
    tensors.set(name, { shape: leaf.shape, data: stored });
  };
  await withReadLock(lm, async () => {
    for (const [name, leaf] of leaves(lm.parameters)) await store(name, leaf);
  });
  const best = progress?.best?.epoch ? progress.best : undefined;
  if (progress) {
    let i = 0;
    for (const [name, leaf] of leaves(lm.parameters)) {
      if (!leaf.trainable) continue;
      await store(`adam.m.${name}`, progress.state.m[i]!);
      await store(`adam.v.${name}`, progress.state.v[i]!);
      if (best) await store(`best.${name}`, best.parameters[i]!);
      i++;
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
      ...progress.state.losses && { losses: JSON.stringify(progress.state.losses) },
    }),
    ...(best && { best: JSON.stringify({ epoch: best.epoch, validation: best.validation }) }),
  };
  checkReadable(tensors, metadata);
  const chunks = encodeSafetensors(tensors, {
    format: FORMAT,
    sha256: ZERO_DIGEST,
    ...metadata,
    tokenizer: JSON.stringify(lm.tokenizer),
  });
  replaceDigest(chunks[0]!, ZERO_DIGEST, sha256(chunks));
  return chunks;
}

/** Replaces the digest in a header's bytes; returns false if it is not there. */
function replaceDigest(bytes: Uint8Array, from: string, to: string): boolean {
  const encode = (sum: string) => new TextEncoder().encode(`"sha256":"${sum}"`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const at = new TextDecoder("latin1").decode(bytes.subarray(0, 8 + length)).indexOf(`"sha256":"${from}"`);
  if (at < 0) return false;
  bytes.set(encode(to), at);
  return true;
}

/** Checks that a model can be loaded again, as a user may have changed its objects. */
function checkReadable(tensors: ReadonlyMap<string, WritableTensor>, metadata: Archive["metadata"]): void {
  try {
    const needed = [...tensorsOf(parseMetadata(metadata))].map(([name, shape]) => `${name} [${shape}]`);
    const given = [...tensors].map(([name, { shape }]) => `${name} [${shape}]`);
    const other = new Set(needed).symmetricDifference(new Set(given)).values().next().value;
    if (other !== undefined) {
      throw new InputError(`${other} is in either its parameters or its configuration, not in both`);
    }
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(`Cannot save a model that could not be read again: ${error.message}`, {
      cause: error,
    });
  }
}

/** A checkpoint whose digest and tensors were checked. */
interface Checkpoint extends Metadata {
  readonly tensors: Archive["tensors"];
  /** JSON of the tokenizer, which is large and not always needed. */
  readonly tokenizer: string;
}

/** What a checkpoint is read from: its path, or its bytes. */
type Source = string | Uint8Array;

const pathOf = (source: Source): string => typeof source === "string" ? source : "bytes";

/** Reads and checks a checkpoint, except its tokenizer. */
async function openCheckpoint(source: Source): Promise<Checkpoint> {
  if (!(source instanceof Uint8Array)) checked("read a checkpoint", "path", text, source);
  const path = pathOf(source);
  const bytes = typeof source === "string"
    ? await readSafetensors(source, "a checkpoint")
    : new Uint8Array(source); // A copy: its tensors are views of it, and its digest is replaced.
  const { tensors, metadata } = decodeSafetensors(bytes, path);
  if (metadata["format"] !== FORMAT) {
    throw new InputError(
      `Cannot read ${named(path)} as a checkpoint: its format is ${quoted(metadata["format"], "absent")}, ` +
        `expected ${FORMAT}`,
    );
  }
  const claimed = metadata["sha256"] ?? "";
  const found = SHA256_HEX.test(claimed) && replaceDigest(bytes, claimed, ZERO_DIGEST);
  if (!found || await digestOf(bytes, claimed) !== claimed) {
    throw new InputError(
      `Cannot read ${named(path)} as its checksum does not match: the file was damaged or modified`,
    );
  }
  try {
    const parsed = parseMetadata(metadata);
    checkTensors(tensors, parsed);
    return { ...parsed, tensors, tokenizer: metadata["tokenizer"] ?? "" };
  } catch (error) {
    throw unusableFile(path, "a checkpoint", error);
  }
}

/** The SHA-256 of a checkpoint; in a page without https the claimed one, as browsers have no other there. */
async function digestOf(bytes: Uint8Array<ArrayBuffer>, claimed: string): Promise<string> {
  if (deno) return sha256(bytes);
  if (!crypto.subtle) return claimed;
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/**
 * Loads a model from a checkpoint. From its bytes it loads in a browser, too.
 *
 * @param source Path of its file, or its bytes, of which a copy is made.
 * @throws {InputError} If the file is missing, or it is truncated, damaged, or no checkpoint.
 *
 * @example
 * ```ts
 * import { gpt, presets } from "../model/mod.ts";
 * import { trainBpe } from "../text/mod.ts";
 * import { loadModel, saveModel } from "./checkpoint.ts";
 *
 * const path = `${await Deno.makeTempDir()}/model.safetensors`;
 * await saveModel(gpt(presets.smoke, { tokenizer: trainBpe("to be or not to be", { merges: 3 }) }), path);
 * console.log((await loadModel(path)).tokenizer.merges.length); // 3
 * ```
 */
export async function loadModel(source: string | Uint8Array): Promise<LanguageModel> {
  return modelOf(pathOf(source), await openCheckpoint(source));
}

/**
 * Loads a model and the metadata of the run that trained it.
 *
 * @param key The run's key.
 * @throws {InputError} If it cannot be read, or another run trained it.
 */
export async function loadTrained(
  path: string,
  key: string,
): Promise<{ lm: LanguageModel; run: Omit<TrainingRun, "key"> }> {
  const checkpoint = await openCheckpoint(path);
  const { key: found, ...run } = checkpoint.made ?? {};
  if (found !== key) {
    throw new InputError(`Cannot use ${named(path)} as another run trained it: remove it to train it again`);
  }
  return { lm: modelOf(path, checkpoint), run: run as Omit<TrainingRun, "key"> };
}

function modelOf(path: string, { config, seed, task, tensors, tokenizer: json }: Checkpoint): LanguageModel {
  const { vocabulary } = config;
  let tokenizer: Tokenizer;
  try {
    tokenizer = tokenizerFrom(parseJson(json, "its tokenizer") as Tokenizer);
    if (tokenizer.size !== vocabulary) {
      throw new InputError(`its vocabulary is ${vocabulary} and its tokenizer has ${tokenizer.size} pieces`);
    }
  } catch (error) {
    throw unusableFile(path, "a checkpoint", error);
  }
  const parameters = init(config, seed, (name) => tensors.get(name)!.data);
  const lm = { config, parameters, tokenizer, seed };
  if (!task) return lm;
  addHead(parameters, task.kind, task.labels.length, seed);
  assignTensors(leaves(parameters).filter(([name]) => name.startsWith("clf.")), tensors);
  return { ...lm, task };
}

/** Assigns stored values to variables. */
function assignTensors(variables: [string, tf.Variable][], tensors: Archive["tensors"]): void {
  for (const [name, leaf] of variables) {
    tf.tidy(() => leaf.assign(tf.tensor(tensors.get(name)!.data, leaf.shape, "float32")));
  }
}

/**
 * The progress of a checkpoint's run; undefined if there is no file.
 *
 * @throws {InputError} If it is damaged or has no unfinished run.
 */
export async function progressOf(
  path: string,
): Promise<Omit<TrainingRun, "key"> & { update: number } | undefined> {
  if (!await exists(path)) return undefined;
  const { settings: _, start: __, best: ___, ...progress } = runOf(path, await openCheckpoint(path));
  return progress;
}

function runOf(path: string, { run }: Checkpoint): NonNullable<Metadata["run"]> {
  if (run) return run;
  throw new InputError(
    `Cannot resume from ${named(path)} as it is a finished model, not the checkpoint of a run`,
  );
}

/**
 * The digest of a model's configuration, parameters and tokenizer.
 *
 * @param lm The model.
 */
export async function modelDigest({ config, parameters, tokenizer }: LanguageModel): Promise<string> {
  const read = leaves(parameters).map(async ([name, leaf]) => [name, await leaf.data()] as const);
  return digest({ config, tokenizer, parameters: Object.fromEntries(await Promise.all(read)) });
}

/**
 * Resumes a run from a checkpoint: restores the model, the optimiser's state and the best epoch so far.
 *
 * @param path The checkpoint; if there is no file, the run starts from the beginning.
 * @param lm The initial model of the run, or the model at the checkpoint.
 * @param progress The state to restore, and what the checkpoint must have. `start` is by default the model's digest.
 * @returns Digest of the run's initial model, for its next checkpoint.
 * @throws {InputError} If it is damaged, has another configuration or other settings, or started from another model;
 * nothing is changed then.
 */
export async function resume(
  path: string,
  lm: LanguageModel,
  { state, settings, best, start: initial }: Omit<Progress, "start"> & Partial<Pick<Progress, "start">>,
): Promise<string> {
  const start = initial ?? await modelDigest(lm);
  if (!await exists(path)) return start;
  const checkpoint = await openCheckpoint(path);
  const { tensors } = checkpoint;
  const { start: began, update, seconds, losses, settings: asked, best: found } = runOf(path, checkpoint);
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
      } as it is of version 0.1, which does not identify the initial model: remove ` +
        "it to start again",
    );
  }
  const own = leaves(lm.parameters);
  const trained = own.filter(([, leaf]) => leaf.trainable).map(([name]) => name);
  const variables: [string, tf.Variable][] = [
    ...own,
    ...trained.map((name, i): [string, tf.Variable] => [`adam.m.${name}`, state.m[i]!]),
    ...trained.map((name, i): [string, tf.Variable] => [`adam.v.${name}`, state.v[i]!]),
    ...trained.flatMap((name, i): [string, tf.Variable][] =>
      best && found ? [[`best.${name}`, best.parameters[i]!]] : []
    ),
  ];
  const missing = variables.find(([name, { shape }]) => tensors.get(name)?.shape.join() !== shape.join());
  if (missing) { // The model must have the same parameters, such as a head.
    throw new InputError(`Cannot resume from ${named(path)} as tensor "${missing[0]}" is of another model`);
  }
  const { config, tokenizer } = lm;
  const saved = Object.fromEntries(own.map(([name]) => [name, tensors.get(name)!.data]));
  if (began !== start && digest({ config, tokenizer, parameters: saved }) !== start) {
    throw new InputError(
      `Cannot resume from ${
        named(path)
      } as its run started from another model: remove it to start again with this one`,
    );
  }
  assignTensors(variables, tensors);
  state.update = update;
  state.seconds = seconds;
  state.losses = losses;
  if (best && found) [best.epoch, best.validation] = [found.epoch, found.validation];
  return began;
}
