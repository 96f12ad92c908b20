import { InputError, named, quoted } from "../errors.ts";
import { checkFile, fileError, readFile } from "../files.ts";
import { isRecord, parseJson } from "../foreign.ts";
import { checked, text } from "../settings.ts";

/** A tensor as it stands in a file. */
export interface Stored {
  /** Its sizes, the outermost first; none for a scalar. */
  readonly shape: readonly number[];
  /** Its numbers, row by row. */
  readonly data: Float32Array;
}

/** What a safetensors file holds. */
export interface Archive {
  /** By name, in the order in which they stand in the file. */
  readonly tensors: ReadonlyMap<string, Stored>;
  /** Whatever its writer noted. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor as it is written: numbers in half precision take half the room. */
export interface Writable {
  /** Its sizes, the outermost first; none for a scalar. */
  readonly shape: readonly number[];
  /** Its numbers, row by row. */
  readonly data: Float32Array | Float16Array;
}

/** Longest header that is read, in bytes: the format's own limit. */
const HEADER_LIMIT = 100_000_000;

/**
 * Tensors of float32 or float16 in the safetensors format, as chunks of bytes to be written one after the other.
 *
 * The chunks of tensors are views of their data, not copies.
 *
 * @example
 * ```ts
 * import { decodeSafetensors, encodeSafetensors } from "./safetensors.ts";
 *
 * const chunks = encodeSafetensors(new Map([["w", { shape: [2], data: new Float32Array([1, 2]) }]]), { by: "me" });
 * const bytes = new Uint8Array(await new Blob(chunks).arrayBuffer());
 * console.log(decodeSafetensors(bytes, "example").tensors.get("w")?.data); // Float32Array(2) [ 1, 2 ]
 * ```
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Writable>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer>[] {
  let end = 0;
  const entries = [...tensors].map(([name, { shape, data }]) => {
    const begin = end;
    const dtype = data instanceof Float16Array ? "F16" : "F32";
    return [name, { dtype, shape, data_offsets: [begin, end += data.byteLength] }] as const;
  });
  const header = new TextEncoder().encode(
    JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }),
  );
  const padded = new Uint8Array(8 + Math.ceil(header.length / 8) * 8).fill(0x20); // Spaces align the data to 8.
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(header, 8);
  return [padded, ...[...tensors.values()].map(({ data }) => bytesOf(data))];
}

function bytesOf(data: Writable["data"]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/** Bytes that a number takes, by type. */
const sizes: Readonly<Record<string, number>> = { F32: 4, F16: 2 };

/**
 * Reads a safetensors file of float32 and float16 tensors, all as float32. Nothing in it is trusted: every size is checked before use.
 *
 * @param bytes The file; float32 tensors are views of it where alignment allows.
 * @param path Named in errors.
 * @param wanted Which tensors are read, by name. Default: all. Others may be of any type.
 * @throws {InputError} If the file is truncated, has bytes left over, or does not keep to the format.
 *
 * @example
 * ```ts
 * import { decodeSafetensors } from "./safetensors.ts";
 *
 * const header = new TextEncoder().encode('{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}');
 * const bytes = new Uint8Array(8 + header.length + 4);
 * bytes[0] = header.length;
 * bytes.set(header, 8);
 * console.log(decodeSafetensors(bytes, "example").tensors.get("w")?.shape); // [ 1 ]
 * ```
 */
export function decodeSafetensors(
  bytes: Uint8Array<ArrayBuffer>,
  path: string,
  wanted: (name: string) => boolean = () => true,
): Archive {
  const { entries, metadata, start } = headOf(bytes, bytes.length, path, wanted);
  const tensors = new Map<string, Stored>();
  for (const { name, dtype, shape, begin, end } of entries) {
    if (!wanted(name)) continue;
    const at = bytes.byteOffset + start + begin;
    const data = dtype === "F16"
      ? new Float32Array(new Float16Array(bytes.buffer.slice(at, at + end - begin)))
      : at % 4 === 0
      ? new Float32Array(bytes.buffer, at, (end - begin) / 4)
      : new Float32Array(bytes.buffer.slice(at, at + end - begin));
    tensors.set(name, { shape, data });
  }
  return { tensors, metadata };
}

/** What a file's header says, checked: `start` is where its data begins. */
interface Head {
  readonly entries: readonly {
    readonly name: string;
    readonly dtype: unknown;
    readonly shape: readonly number[];
    readonly begin: number;
    readonly end: number;
  }[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly start: number;
}

/** Reads the header of a file of so many bytes, of which the first are given. */
function headOf(bytes: Uint8Array, all: number, path: string, wanted: (name: string) => boolean): Head {
  const refuse = (why: string): never => {
    throw new InputError(`Cannot read ${named(path)} as safetensors: ${why}`);
  };
  if (bytes.length < 8) refuse(`it has ${bytes.length} bytes where the header's length alone takes 8`);
  const length = lengthOf(bytes);
  if (length > HEADER_LIMIT || length > all - 8) {
    refuse(`its header claims ${length} bytes and the file has ${all}`);
  }
  const header = parseJson(textOf(bytes.subarray(8, 8 + length)) ?? "", "its header", refuse);
  if (!isRecord(header)) return refuse("its header is not an object");

  let metadata: Record<string, string> = {};
  const entries: { name: string; dtype: unknown; shape: number[]; begin: number; end: number }[] = [];
  for (const [name, entry] of Object.entries(header)) {
    if (!isRecord(entry)) return refuse(`its entry ${quoted(name)} is not an object`);
    if (name === "__metadata__") {
      if (!isText(entry)) return refuse("its metadata is not all text");
      metadata = entry;
      continue;
    }
    const { dtype, shape, data_offsets: offsets } = entry;
    if (!isSizes(shape)) return refuse(`tensor ${quoted(name)} has no usable shape`);
    if (!isSizes(offsets) || offsets.length !== 2) {
      return refuse(`tensor ${quoted(name)} has no usable offsets`);
    }
    entries.push({ name, dtype, shape, begin: offsets[0]!, end: offsets[1]! });
  }

  // A header may name its tensors in any order; in the file they stand one after the other.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const space = all - 8 - length;
  let taken = 0;
  for (const { name, dtype, shape, begin, end } of entries) {
    const misplaced = begin !== taken || end < begin || end > space;
    const size = typeof dtype === "string" && Object.hasOwn(sizes, dtype) ? sizes[dtype]! : 0;
    if (misplaced || (size > 0 && end - begin !== size * shape.reduce((a, b) => a * b, 1))) {
      refuse(
        `tensor ${quoted(name)} of shape ${quoted(shape)} does not fit bytes ${begin} to ${end} of ${space}`,
      );
    }
    taken = end;
    if (wanted(name) && size === 0) {
      refuse(`tensor ${quoted(name)} has dtype ${quoted(dtype)} where "F32" or "F16" is wanted`);
    }
  }
  if (taken !== space) refuse(`its tensors take ${taken} bytes and the file has ${space} for them`);
  return { entries, metadata, start: 8 + length };
}

function lengthOf(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
}

/**
 * A safetensors file's bytes. Its header is read first and checked, so that a file that is none costs no memory.
 *
 * @param path The file.
 * @param what What it is for, as a message says it: `a checkpoint`.
 * @param wanted As of {@linkcode decodeSafetensors}.
 * @throws {InputError} If it cannot be read, or its header is not one of a file of its size.
 */
export async function readSafetensors(
  path: string,
  what: string,
  wanted: (name: string) => boolean = () => true,
): Promise<Uint8Array<ArrayBuffer>> {
  checked(`read ${what}`, "path", text, path);
  try {
    await checkFile(path);
    using file = await Deno.open(path);
    const { size } = await file.stat();
    const start = await first(file, Math.min(8, size));
    const length = start.length < 8 ? 0 : Math.min(lengthOf(start), HEADER_LIMIT, size - 8);
    await file.seek(0, Deno.SeekMode.Start);
    headOf(await first(file, start.length + length), size, path, wanted);
  } catch (error) {
    throw fileError(`read ${what}`, path, error);
  }
  return await readFile(path, what);
}

/** The first bytes of a file: so many, or as many as there are. */
async function first(file: Deno.FsFile, count: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(count);
  let at = 0;
  for (let read: number | null = 0; at < count && read !== null; at += read ?? 0) {
    read = await file.read(bytes.subarray(at));
  }
  return bytes.subarray(0, at);
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // It is not UTF-8, and no JSON either.
  }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isText(record: Readonly<Record<string, unknown>>): record is Record<string, string> {
  return Object.values(record).every((value) => typeof value === "string");
}
