import { InputError, named, quoted } from "../errors.ts";
import { checkFile, fileError, readFile } from "../files.ts";
import { isRecord, parseJson } from "../foreign.ts";
import { checked, text } from "../settings.ts";
import { sizeOf } from "./leaf.ts";

/** A tensor read from a file. */
export interface StoredTensor {
  /** Its shape; empty for a scalar. */
  readonly shape: readonly number[];
  /** Its values, in row-major order. */
  readonly data: Float32Array;
}

/** The content of a safetensors file. */
export interface Archive {
  /** Its tensors by name, in the order of the file. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  /** Its metadata. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** A tensor to write, in float32 or float16. */
export interface WritableTensor {
  /** Its shape; empty for a scalar. */
  readonly shape: readonly number[];
  /** Its values, in row-major order. */
  readonly data: Float32Array | Float16Array;
}

/** Maximum header length in bytes: the format's limit. */
const HEADER_LIMIT = 100_000_000;

/**
 * Encodes float32 or float16 tensors in the safetensors format, as chunks of bytes to write in this order.
 *
 * The chunks are views of the tensors' data, not copies.
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
  tensors: ReadonlyMap<string, WritableTensor>,
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

function bytesOf(data: WritableTensor["data"]): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/** Bytes per number, by data type. */
const sizes: Readonly<Record<string, number>> = { F32: 4, F16: 2 };

/**
 * Decodes a safetensors file of float32 and float16 tensors, all to float32. The file is untrusted: every size is checked
 * before use.
 *
 * @param bytes The file; float32 tensors are views of it where alignment allows.
 * @param path The path, for error messages.
 * @param isNeeded Which tensors to read, by name. Others may be of any type. Default: all.
 * @throws {InputError} If the file is truncated, has extra bytes, or is not in the format.
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
  isNeeded: (name: string) => boolean = () => true,
): Archive {
  const { entries, metadata, start } = readHeader(bytes, bytes.length, path, isNeeded);
  const tensors = new Map<string, StoredTensor>();
  for (const { name, dtype, shape, begin, end } of entries) {
    if (!isNeeded(name)) continue;
    const at = bytes.byteOffset + start + begin;
    const data = dtype === "F16"
      ? fromHalf(bytes.buffer.slice(at, at + end - begin))
      : at % 4 === 0
      ? new Float32Array(bytes.buffer, at, (end - begin) / 4)
      : new Float32Array(bytes.buffer.slice(at, at + end - begin));
    tensors.set(name, { shape, data });
  }
  return { tensors, metadata };
}

/** A file's header, checked: `start` is the offset of its data. */
interface Header {
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

/** Reads the header of a file of `all` bytes from its first bytes. */
function readHeader(
  bytes: Uint8Array,
  all: number,
  path: string,
  isNeeded: (name: string) => boolean,
): Header {
  const refuse = (why: string): never => {
    throw new InputError(`Cannot read ${named(path)} as safetensors: ${why}`);
  };
  if (bytes.length < 8) refuse(`it has ${bytes.length} bytes, fewer than the 8 of the header's length`);
  const length = lengthOf(bytes);
  if (length > HEADER_LIMIT || length > all - 8) {
    refuse(`its header should have ${length} bytes and the file has ${all}`);
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

  // A header may list tensors in any order; their data are contiguous.
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  const space = all - 8 - length;
  let taken = 0;
  for (const { name, dtype, shape, begin, end } of entries) {
    const misplaced = begin !== taken || end < begin || end > space;
    const size = typeof dtype === "string" && Object.hasOwn(sizes, dtype) ? sizes[dtype]! : 0;
    if (misplaced || (size > 0 && end - begin !== size * sizeOf(shape))) {
      refuse(
        `tensor ${quoted(name)} of shape ${quoted(shape)} does not fit bytes ${begin} to ${end} of ${space}`,
      );
    }
    taken = end;
    if (isNeeded(name) && size === 0) {
      refuse(`tensor ${quoted(name)} has dtype ${quoted(dtype)}, expected "F32" or "F16"`);
    }
  }
  if (taken !== space) refuse(`its tensors take ${taken} bytes and the file has ${space} for them`);
  return { entries, metadata, start: 8 + length };
}

function lengthOf(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
}

/**
 * Reads a safetensors file. Its header is checked before memory for the rest is allocated.
 *
 * @param path The file.
 * @param what What the file is, for error messages: `a checkpoint`.
 * @param isNeeded As in {@linkcode decodeSafetensors}. Default: all.
 * @throws {InputError} If it cannot be read, or its header does not match its size.
 */
export async function readSafetensors(
  path: string,
  what: string,
  isNeeded: (name: string) => boolean = () => true,
): Promise<Uint8Array<ArrayBuffer>> {
  checked(`read ${what}`, "path", text, path);
  try {
    await checkFile(path);
    using file = await Deno.open(path);
    const { size } = await file.stat();
    const start = await first(file, Math.min(8, size));
    const length = start.length < 8 ? 0 : Math.min(lengthOf(start), HEADER_LIMIT, size - 8);
    await file.seek(0, Deno.SeekMode.Start);
    readHeader(await first(file, start.length + length), size, path, isNeeded);
  } catch (error) {
    throw fileError(`read ${what}`, path, error);
  }
  return await readFile(path, what);
}

/** The first `count` bytes of a file, or fewer if it is shorter. */
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
    return undefined; // Not UTF-8, so not JSON.
  }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function isText(record: Readonly<Record<string, unknown>>): record is Record<string, string> {
  return Object.values(record).every((value) => typeof value === "string");
}

/** 16-bit floats as 32-bit ones. */
export function fromHalf(
  buffer: ArrayBuffer,
  isBuiltIn = "Float16Array" in globalThis,
): Float32Array<ArrayBuffer> {
  if (isBuiltIn) return new Float32Array(new Float16Array(buffer));
  return Float32Array.from(new Uint16Array(buffer), (bits) => { // As in browsers of 2024.
    const sign = bits & 0x8000 ? -1 : 1, exponent = bits >> 10 & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
  });
}
