import { InputError, named, quoted, shortened } from "../errors.ts";

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // "\x93NUMPY"

/** Longest header that is read, in bytes: NumPy's own limit for files that are not trusted. */
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
  const words = `{'descr': '<f4', 'fortran_order': False, 'shape': (${data.length},), }`;
  const header = words.padEnd(Math.ceil((words.length + 11) / 64) * 64 - 11) + "\n"; // Data starts at a 64th byte.
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
 * @param path Named in errors.
 * @throws {InputError} If it is no such file, is of another type, or its size is not what its shape says.
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
  if (bytes.length < 12 || MAGIC.some((byte, i) => bytes[i] !== byte)) refuse("it does not begin as one");
  const version = bytes[6]!;
  if (version < 1 || version > 3) refuse(`its version is ${version} where 1 to 3 is wanted`);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const [start, length] = version === 1 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (start + length > bytes.length) refuse("its header is cut off");
  if (length > HEADER_LIMIT) refuse(`its header has ${length} bytes where ${HEADER_LIMIT} are the most`);
  const header = new TextDecoder().decode(bytes.subarray(start, start + length));
  const shape = /'shape': *\(((?:\d+, *)*(?:\d+ *)?)\)/.exec(header)?.[1];
  if (!/'descr': *'<f4'/.test(header) || !/'fortran_order': *False/.test(header) || shape === undefined) {
    return refuse(`little-endian float32 in C order is wanted: its header is ${quoted(header.trim())}`);
  }
  const count = shape.split(",").filter((part) => part.trim()).reduce((all, part) => all * Number(part), 1);
  const data = bytes.slice(start + length);
  if (data.length !== 4 * count) {
    refuse(
      `its shape (${shortened(shape, 60)}) takes ${4 * count} bytes and it has ${data.length}`,
    );
  }
  return new Float32Array(data.buffer);
}
