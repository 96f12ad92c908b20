import { createHash } from "node:crypto";

/** A checkpoint's header: its metadata and its tensors' entries. */
export type Header = Record<string, Record<string, unknown>> & { __metadata__: Record<string, string> };

/** A checkpoint with another header, or other data, and its checksum made right. */
export function resigned(
  file: Uint8Array,
  change: (header: Header, data: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer> | void,
): Uint8Array<ArrayBuffer> {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Header;
  const old = file.slice(8 + length);
  const data = change(header, old) ?? old;
  const bytes = (sha256: string) => {
    if (header.__metadata__) header.__metadata__["sha256"] = sha256;
    const text = new TextEncoder().encode(JSON.stringify(header));
    const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(32);
    padded.set(text);
    const all = new Uint8Array(8 + padded.length + data.length);
    new DataView(all.buffer).setBigUint64(0, BigInt(padded.length), true);
    all.set(padded, 8);
    all.set(data, 8 + padded.length);
    return all;
  };
  return bytes(createHash("sha256").update(bytes("0".repeat(64))).digest("hex"));
}
