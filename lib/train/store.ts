import { digest } from "../digest.ts";
import { type Provenance, provenance } from "../engine/mod.ts";
import { InputError, named } from "../errors.ts";
import { checkFile, fileError, writeAtomic } from "../files.ts";
import { isLine, isRecord, parseJson } from "../foreign.ts";

/** Metadata of the run that computed a result. */
export interface RunMetadata extends Provenance {
  /** End of the run, ISO 8601. */
  readonly ended: string;
  /** Duration in seconds, including the time before an interruption. */
  readonly seconds: number;
}

/** The inputs of a run: as a key, and in readable form. */
export interface RunKey {
  /** Computed by {@linkcode keys}. */
  readonly key: string;
  /** Computed by {@linkcode summary}. */
  readonly settings: unknown;
}

/** A stored result with its inputs and provenance. */
export interface Stored<Result> extends RunKey {
  /** The result. */
  readonly result: Result;
  /** Provenance of the result. */
  readonly provenance: RunMetadata;
  /** Provenance of the model that was evaluated, which may be older than the result. */
  readonly training?: Provenance;
}

const FORMAT = "gpt1-result-2";

/** Maximum size of a result file: three times that of a result with 100,000 examples. */
const MAX_BYTES = 2 ** 25;

/**
 * Loads a stored result, if there is one.
 *
 * @param path The result's file.
 * @param key The run's key. Default: any run's.
 * @throws {InputError} If the file cannot be read, is larger than 32 MB, is no result, was modified, or is of another run.
 */
export async function stored<Result>(path: string, key?: string): Promise<Stored<Result> | undefined> {
  const refuse = (why: string): never => {
    throw new InputError(`Cannot use ${named(path)} as a result as it ${why}: remove it to run again`);
  };
  let text: string;
  try {
    const { size } = await checkFile(path);
    if (size > MAX_BYTES) refuse(`has ${size} bytes, more than ${MAX_BYTES}`);
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError("read a result", path, error);
  }
  const isNot = () => refuse("is incomplete");
  const found = decode(parseJson(text, "it", isNot), isNot);
  if (!isRecord(found) || found["format"] !== FORMAT) return refuse(`is not of format ${FORMAT}`);
  const { sha256, ...rest } = found;
  if (sha256 !== digest(rest)) refuse("was modified");
  if (key !== undefined && found["key"] !== key) refuse("is of another run");
  const { provenance, training } = found;
  if (!isRunMetadata(provenance) || (training !== undefined && !isProvenance(training))) {
    refuse("has no valid provenance");
  }
  return found as unknown as Stored<Result>;
}

/** Whether a value is a {@linkcode Provenance} of short texts; it may come from an untrusted file. */
export function isProvenance(value: unknown): value is Provenance {
  if (!isRecord(value)) return false;
  const { version, revision, code, versions, backend, machine } = value;
  return [version, backend, machine].every(isLine) &&
    [revision, code].every((text) => text === undefined || isLine(text)) &&
    isRecord(versions) && Object.values(versions).every(isLine);
}

function isRunMetadata(value: unknown): value is RunMetadata {
  if (!isProvenance(value)) return false;
  const { ended, seconds } = value as Partial<RunMetadata>;
  return isLine(ended) && typeof seconds === "number" && seconds >= 0 && seconds < Infinity;
}

/** Stores a run's result; the file is written atomically. */
export async function store<Result>(
  path: string,
  { key, settings }: RunKey,
  result: Result,
  seconds: number,
  training?: Provenance,
): Promise<void> {
  const ended = new Date().toISOString();
  const made: RunMetadata = { ...await provenance(), ended, seconds: Math.round(seconds * 10) / 10 };
  // The digest is of the value as it will be read.
  const text = JSON.stringify({ format: FORMAT, key, settings, result, provenance: made, training }, encode);
  const found = decode(JSON.parse(text)) as object;
  await writeAtomic(path, [JSON.stringify({ ...found, sha256: digest(found) }, encode, 2), "\n"]);
}

/** Encodes typed arrays as base64: exact, and a third of the length of decimal digits. */
export function encode(_: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new InputError(`Cannot store a result as it has a number that is ${value}`); // JSON would make it null.
  }
  for (const [name, Type] of arrays) {
    if (!(value instanceof Type)) continue;
    return { [name]: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).toBase64() };
  }
  return value;
}

/** The inverse of {@linkcode encode}. */
export function decode(value: unknown, refuse: () => never = never): unknown {
  if (Array.isArray(value)) return value.map((part) => decode(part, refuse));
  if (!isRecord(value)) return value;
  const names = Object.keys(value);
  const [, Type] = arrays.find(([name]) => names.length === 1 && names[0] === name) ?? [];
  const [only] = Object.values(value);
  if (!Type || typeof only !== "string") {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, decode(part, refuse)]));
  }
  try {
    return new Type(Uint8Array.fromBase64(only).buffer);
  } catch {
    return refuse(); // Not base64, or not a whole number of elements.
  }
}

function never(): never {
  throw new TypeError("what was just encoded can be decoded");
}

const arrays = [["float32", Float32Array], ["float64", Float64Array]] as const;
