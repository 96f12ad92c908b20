import { digest } from "../digest.ts";
import { type Provenance, provenance } from "../engine/mod.ts";
import { InputError, named } from "../errors.ts";
import { checkFile, fileError, writeAtomic } from "../files.ts";
import { isLine, isRecord, parseJson } from "../foreign.ts";

/** What made a result. */
export interface Making extends Provenance {
  /** When the run ended, ISO 8601. */
  readonly ended: string;
  /** How long it took, in seconds, those before an interruption included. */
  readonly seconds: number;
}

/** What a run was asked: the key of all that it reads, and the same for a person to read. */
export interface Asked {
  /** As {@linkcode keys} makes it. */
  readonly key: string;
  /** As {@linkcode summary} makes it. */
  readonly settings: unknown;
}

/** A run's result with all that it was asked and what made it. */
export interface Stored<Result> extends Asked {
  /** What was found. */
  readonly result: Result;
  /** What made it. */
  readonly provenance: Making;
  /** What trained the model that it is of; the model may be older than the questions to it. */
  readonly training?: Provenance;
}

const FORMAT = "gpt1-result-2";

/** A result is of 100,000 examples and their scores at the most, which take a third of this. */
const LARGEST = 2 ** 25;

/**
 * A run's result, if there is one.
 *
 * @param path Its file.
 * @param key Of all that the run reads.
 * @throws {InputError} If the file cannot be read, is larger than 32 MB, is no result, was changed since it was written,
 * or is of another run.
 */
export async function stored<Result>(path: string, key: string): Promise<Stored<Result> | undefined> {
  const refuse = (why: string): never => {
    throw new InputError(`Cannot use ${named(path)} as a result as it ${why}: remove it to run again`);
  };
  let text: string;
  try {
    const { size } = await checkFile(path);
    if (size > LARGEST) refuse(`has ${size} bytes where ${LARGEST} are the most`);
    text = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw fileError("read a result", path, error);
  }
  const isNot = () => refuse("is not whole");
  const found = revived(parseJson(text, "it", isNot), isNot);
  if (!isRecord(found) || found["format"] !== FORMAT) return refuse(`is not of format ${FORMAT}`);
  const { sha256, ...rest } = found;
  if (sha256 !== digest(rest)) refuse("was changed since it was written");
  if (found["key"] !== key) refuse("is of another run");
  const { provenance, training } = found;
  if (!isMaking(provenance) || (training !== undefined && !isProvenance(training))) {
    refuse("does not say what made it");
  }
  return found as unknown as Stored<Result>;
}

/** Whether a value says what computed something, in short texts; a file of anybody's may hold it. */
export function isProvenance(value: unknown): value is Provenance {
  if (!isRecord(value)) return false;
  const { version, revision, code, versions, backend, machine } = value;
  return [version, backend, machine].every(isLine) &&
    [revision, code].every((text) => text === undefined || isLine(text)) &&
    isRecord(versions) && Object.values(versions).every(isLine);
}

function isMaking(value: unknown): value is Making {
  if (!isProvenance(value)) return false;
  const { ended, seconds } = value as Partial<Making>;
  return isLine(ended) && typeof seconds === "number" && seconds >= 0 && seconds < Infinity;
}

/** Stores a run's result, whole or not at all. */
export async function store<Result>(
  path: string,
  { key, settings }: Asked,
  result: Result,
  seconds: number,
  training?: Provenance,
): Promise<void> {
  const ended = new Date().toISOString();
  const made: Making = { ...await provenance(), ended, seconds: Math.round(seconds * 10) / 10 };
  // The digest is of what will be read back.
  const text = JSON.stringify({ format: FORMAT, key, settings, result, provenance: made, training }, encode);
  const found = revived(JSON.parse(text)) as object;
  await writeAtomic(path, [JSON.stringify({ ...found, sha256: digest(found) }, encode, 2), "\n"]);
}

/** Numbers of which a result has many are written as base64: exact, and a third of their length in digits. */
function encode(_: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) {
    throw new InputError(`Cannot store a result as it has a number that is ${value}`); // JSON would make it null.
  }
  for (const [name, Type] of arrays) {
    if (!(value instanceof Type)) continue;
    return { [name]: new Uint8Array(value.buffer, value.byteOffset, value.byteLength).toBase64() };
  }
  return value;
}

/** What {@linkcode encode} wrote, as it was. */
function revived(value: unknown, refuse: () => never = never): unknown {
  if (Array.isArray(value)) return value.map((part) => revived(part, refuse));
  if (!isRecord(value)) return value;
  const names = Object.keys(value);
  const [, Type] = arrays.find(([name]) => names.length === 1 && names[0] === name) ?? [];
  const [only] = Object.values(value);
  if (!Type || typeof only !== "string") {
    return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, revived(part, refuse)]));
  }
  try {
    return new Type(Uint8Array.fromBase64(only).buffer);
  } catch {
    return refuse(); // It is no base64, or not of a whole number of elements.
  }
}

function never(): never {
  throw new TypeError("what was just encoded can be decoded");
}

const arrays = [["float32", Float32Array], ["float64", Float64Array]] as const;
