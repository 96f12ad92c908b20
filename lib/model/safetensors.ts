import { InputError } from "../errors.ts";

/** A tensor as it stands in a file. */
export interface Stored {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** What a safetensors file holds. */
export interface Archive {
  readonly tensors: ReadonlyMap<string, Stored>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Longest header that is read, in bytes: the format's own limit. */
const HEADER_LIMIT = 100_000_000;

/**
 * Float32 tensors in the safetensors format, as chunks of bytes to be written one after the other.
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
  tensors: ReadonlyMap<string, Stored>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer>[] {
  let end = 0;
  const entries = [...tensors].map(([name, { shape, data }]) => {
    const begin = end;
    return [name, { dtype: "F32", shape, data_offsets: [begin, end += data.byteLength] }] as const;
  });
  const header = new TextEncoder().encode(
    JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) }),
  );
  const padded = new Uint8Array(8 + Math.ceil(header.length / 8) * 8).fill(0x20); // Spaces align the data to 8.
  new DataView(padded.buffer).setBigUint64(0, BigInt(padded.length - 8), true);
  padded.set(header, 8);
  return [padded, ...[...tensors.values()].map(({ data }) => bytesOf(data))];
}

function bytesOf(data: Float32Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
}

/**
 * Reads a safetensors file of float32 tensors. Nothing in it is trusted: every size is checked before use.
 *
 * @param bytes The file; the tensors are views of it where alignment allows.
 * @param path Named in errors.
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
export function decodeSafetensors(bytes: Uint8Array<ArrayBuffer>, path: string): Archive {
  const refuse = (why: string): never => {
    throw new InputError(`Cannot read ${path} as safetensors: ${why}`);
  };
  if (bytes.length < 8) refuse(`it has ${bytes.length} bytes where the header's length alone takes 8`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > HEADER_LIMIT || length > bytes.length - 8) {
    refuse(`its header claims ${length} bytes and the file has ${bytes.length}`);
  }
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(8, 8 + length)));
  } catch {
    refuse("its header is not JSON");
  }
  if (!isRecord(header)) return refuse("its header is not an object");

  const space = bytes.length - 8 - length;
  const tensors = new Map<string, Stored>();
  let metadata: Record<string, string> = {};
  const entries = Object.entries(header).map(([name, entry]) => {
    if (!isRecord(entry)) return refuse(`its entry "${name}" is not an object`);
    return { name, entry };
  });
  // A header may name its tensors in any order; in the file they stand one after the other.
  const begin = ({ entry }: { entry: Record<string, unknown> }) =>
    Array.isArray(entry["data_offsets"]) ? Number(entry["data_offsets"][0]) : -1;
  let taken = 0;
  for (const { name, entry } of entries.sort((a, b) => begin(a) - begin(b))) {
    if (name === "__metadata__") {
      if (!Object.values(entry).every((value) => typeof value === "string")) {
        refuse("its metadata is not all text");
      }
      metadata = entry as Record<string, string>;
      continue;
    }
    const [dtype, shape, offsets] = [entry["dtype"], entry["shape"], entry["data_offsets"]];
    if (dtype !== "F32") refuse(`tensor "${name}" has dtype ${dtype} where F32 is wanted`);
    if (!isSizes(shape)) return refuse(`tensor "${name}" has no usable shape`);
    if (!isSizes(offsets) || offsets.length !== 2) return refuse(`tensor "${name}" has no usable offsets`);
    const [begin, end] = offsets as [number, number];
    if (begin !== taken || end > space || end - begin !== 4 * shape.reduce((a, b) => a * b, 1)) {
      refuse(`tensor "${name}" of shape [${shape}] does not fit bytes ${begin} to ${end} of ${space}`);
    }
    taken = end;
    const at = bytes.byteOffset + 8 + length + begin;
    const data = at % 4 === 0
      ? new Float32Array(bytes.buffer, at, (end - begin) / 4)
      : new Float32Array(bytes.buffer.slice(at, at + end - begin));
    tensors.set(name, { shape, data });
  }
  if (taken !== space) refuse(`its tensors take ${taken} bytes and the file has ${space} for them`);
  return { tensors, metadata };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
