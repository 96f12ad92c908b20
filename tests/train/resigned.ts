import { createHash } from "node:crypto";

/** A checkpoint's header: its metadata and its tensors' entries. */
export type Header = Record<string, Record<string, unknown>> & { __metadata__: Record<string, string> };

/** A safetensors file's header and data. */
export function partsOf(file: Uint8Array): { header: Header; data: Uint8Array<ArrayBuffer> } {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Header;
  return { header, data: file.slice(8 + length) };
}

/** A safetensors file of a header's JSON and data. */
export function fileOf(header: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(header);
  const length = Math.ceil(text.length / 8) * 8;
  const all = new Uint8Array(8 + length + data.length).fill(32, 8 + text.length, 8 + length);
  new DataView(all.buffer).setBigUint64(0, BigInt(length), true);
  all.set(text, 8);
  all.set(data, 8 + length);
  return all;
}

/** A checkpoint of a header's JSON and data, with its checksum made right where it has one. */
export function sealed(header: string, data: Uint8Array): Uint8Array<ArrayBuffer> {
  const zeros = header.replace(/"sha256":"[0-9a-f]{64}"/, `"sha256":"${"0".repeat(64)}"`);
  const sum = createHash("sha256").update(fileOf(zeros, data)).digest("hex");
  return fileOf(zeros.replace(`"sha256":"${"0".repeat(64)}"`, `"sha256":"${sum}"`), data);
}

/** A checkpoint with another header, or other data, and its checksum made right. */
export function resigned(
  file: Uint8Array,
  change: (header: Header, data: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | void,
): Uint8Array<ArrayBuffer> {
  const { header, data: old } = partsOf(file);
  const data = change(header, old) ?? old;
  return sealed(JSON.stringify(header), data);
}
