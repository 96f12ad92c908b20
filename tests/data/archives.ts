import { crc32, deflateRawSync, gzipSync } from "node:zlib";

/** An entry of a zip or tar, with what a hostile one may say of itself. */
export interface Made {
  name: string;
  text?: string | Uint8Array;
  /** Zip: Unix' mode; a folder's or file's unless given. */
  mode?: number;
  /** Zip: a checksum that may be wrong. */
  crc?: number;
  /** Zip: deflated data instead of a text, and the size of what it is said to hold. */
  raw?: Uint8Array;
  size?: number;
  /** Tar: the type; a folder's or file's unless given. */
  type?: string;
  /** Tar: where a link goes. */
  link?: string;
}

const encoder = new TextEncoder();
const encode = (text: string | Uint8Array) => typeof text === "string" ? encoder.encode(text) : text;

/** A zip, deflated, by PKWARE's APPNOTE 4.3.7, 4.3.12 and 4.3.16. */
export function zip(...made: Made[]): Uint8Array<ArrayBuffer> {
  const locals: Uint8Array[] = [];
  const centrals: Uint8Array[] = [];
  let at = 0;
  for (
    const { name, text = "", mode = name.endsWith("/") ? 0o40755 : 0o100644, crc, raw, size } of made
  ) {
    const [label, content] = [encode(name), encode(text)];
    const packed = raw ?? (content.length > 0 ? deflateRawSync(content) : Uint8Array.of(3, 0));
    const shared = new DataView(new ArrayBuffer(26)); // From "version needed" to "extra field length".
    shared.setUint16(0, 20, true);
    shared.setUint16(2, 0x800, true); // The name is UTF-8.
    shared.setUint16(4, 8, true);
    shared.setUint32(10, crc ?? crc32(content), true);
    shared.setUint32(14, packed.length, true);
    shared.setUint32(18, size ?? content.length, true);
    shared.setUint16(22, label.length, true);
    const rest = new DataView(new ArrayBuffer(14)); // From "comment length" to "offset".
    rest.setUint32(6, mode * 2 ** 16, true);
    rest.setUint32(10, at, true);
    const head = new Uint8Array(shared.buffer);
    const local = bytes(["PK\x03\x04", head, label, packed]);
    locals.push(local);
    centrals.push(bytes(["PK\x01\x02\x14\x03", head, new Uint8Array(rest.buffer), label]));
    at += local.length;
  }
  const central = bytes(centrals);
  const end = new DataView(new ArrayBuffer(18));
  end.setUint16(4, made.length, true);
  end.setUint16(6, made.length, true);
  end.setUint32(8, central.length, true);
  end.setUint32(12, at, true);
  return bytes([...locals, central, "PK\x05\x06", new Uint8Array(end.buffer)]);
}

/** A ustar tar by POSIX.1-1988. */
export function tar(...made: Made[]): Uint8Array<ArrayBuffer> {
  return bytes([...made.flatMap(tarEntry), new Uint8Array(1024)]);
}

/** An entry's header, and its content in blocks. */
function tarEntry({ name, text = "", type, link = "" }: Made): Uint8Array[] {
  const content = encode(text);
  const header = new Uint8Array(512);
  const put = (at: number, value: string) => header.set(encode(value), at);
  const octal = (value: number, width: number) => value.toString(8).padStart(width - 1, "0");
  put(0, name);
  put(100, octal(0o644, 8));
  put(124, octal(content.length, 12));
  put(148, " ".repeat(8));
  put(156, type ?? (name.endsWith("/") ? "5" : "0"));
  put(157, link);
  put(257, "ustar\x0000");
  put(148, octal(header.reduce((sum, byte) => sum + byte), 7) + "\0");
  const padding = new Uint8Array((512 - content.length % 512) % 512);
  return [header, content, padding];
}

/** A gzip of bytes. */
export function gzip(content: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(gzipSync(content));
}

/** Pieces in one; text has a byte a character. */
export function bytes(parts: readonly (string | Uint8Array)[]): Uint8Array<ArrayBuffer> {
  const arrays = parts.map((part) =>
    typeof part === "string" ? Uint8Array.from(part, (c) => c.charCodeAt(0)) : part
  );
  const all = new Uint8Array(arrays.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const array of arrays) {
    all.set(array, at);
    at += array.length;
  }
  return all;
}

/** All files below a folder and their text; folders end in a stroke. */
export function contents(folder: string, path = ""): Record<string, string> {
  const found: Record<string, string> = {};
  for (const { name, isDirectory } of [...Deno.readDirSync(`${folder}/${path}`)]) {
    const at = path + name;
    if (isDirectory) Object.assign(found, { [`${at}/`]: "" }, contents(folder, `${at}/`));
    else found[at] = Deno.readTextFileSync(`${folder}/${at}`);
  }
  return found;
}
