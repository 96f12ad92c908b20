import { InputError, named, quoted, shortened } from "../errors.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"

/** Maximum header length in bytes: NumPy's limit for untrusted files. */
const HEADER_LIMIT = 10_000;

/**
 * A float32 vector in NumPy's file format, version 1.0.
 *
 * @example
 * ```ts
 * import { decodeNpy, encodeNpy } from "./npy.ts";
 *
 * console.log(decodeNpy(encodeNpy(new Float32Array([1, 2])), "example")); // Float32Array(2) [ 1, 2 ]
 * ```
 */
export function encodeNpy(data: Float32Array): Uint8Array<ArrayBuffer> {
  const dict = `{'descr': '<f4', 'fortran_order': False, 'shape': (${data.length},), }`;
  const header = dict.padEnd(Math.ceil((dict.length + 11) / 64) * 64 - 11) + "\n"; // Data starts at a 64th byte.
  const out = new Uint8Array(10 + header.length + data.byteLength);
  out.set([...MAGIC, 1, 0, header.length & 0xff, header.length >> 8]);
  out.set(new TextEncoder().encode(header), 10);
  out.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + header.length);
  return out;
}

/**
 * Reads a float32 array in NumPy's format, versions 1 to 3, flat.
 *
 * @param bytes The file.
 * @param path The path, for error messages.
 * @throws {InputError} If it is not a NumPy file, has another data type, or its size does not match its shape.
 *
 * @example
 * ```ts
 * import { decodeNpy, encodeNpy } from "./npy.ts";
 *
 * console.log(decodeNpy(encodeNpy(new Float32Array(3)), "example").length); // 3
 * ```
 */
export function decodeNpy(bytes: Uint8Array<ArrayBuffer>, path: string): Float32Array {
  const refuse = (why: string): never => {
    throw new InputError(`Cannot read ${named(path)} as a NumPy array: ${why}`);
  };
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    refuse("it does not start with the magic bytes");
  }
  const version = bytes[6]!;
  if (version < 1 || version > 3) refuse(`its version is ${version}, expected 1 to 3`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [start, length] = version === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (start + length > bytes.length) refuse("its header is truncated");
  if (length > HEADER_LIMIT) refuse(`its header has ${length} bytes, at most ${HEADER_LIMIT} are allowed`);
  const header = new TextDecoder().decode(bytes.subarray(start, start + length));
  const shape = /'shape': *\(((?:\d+, *)*(?:\d+ *)?)\)/.exec(header)?.[1];
  if (!/'descr': *'<f4'/.test(header) || !/'fortran_order': *False/.test(header) || shape === undefined) {
    return refuse(`expected little-endian float32 in C order: its header is ${quoted(header.trim())}`);
  }
  const count = shape.split(",").filter((part) => part.trim()).reduce((all, part) => all * Number(part), 1);
  const data = bytes.slice(start + length);
  if (data.length !== 4 * count) {
    refuse(
      `its shape (${shortened(shape, 60)}) needs ${4 * count} bytes and it has ${data.length}`,
    );
  }
  return new Float32Array(data.buffer);
}
