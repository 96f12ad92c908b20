import { quoted } from "../errors.ts";

/** Maximum size of an extended header (long name, times, attributes), in bytes. */
const MAX_HEADER = 2 ** 16;

/** Entry types of files, in POSIX and older archives. */
const FILES = "\x0007";
/** Entry types without content: links, devices, folders and pipes. */
const EMPTY = "123456";
/** Entry types of extended headers: pax headers and GNU long names. */
const PAX = "xg";
const NAMES = "LK";

/**
 * Validates a tar stream, so that it cannot exhaust its reader's memory or time or be misread: extended headers must be
 * short, well-formed, and not change the entry's size; sparse files are rejected.
 *
 * @param refuse Creates the error for a reason.
 * @returns A transform stream that passes the tar's bytes through.
 *
 * @example
 * ```ts
 * import { checkedTar } from "./tar.ts";
 *
 * const zeros = new Blob([new Uint8Array(1024)]).stream();
 * const tar = zeros.pipeThrough(checkedTar((why) => new Error(why)));
 * console.log((await new Response(tar).bytes()).length); // 1024
 * ```
 */
export function checkedTar(
  refuse: (why: string) => Error,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  const header = new Uint8Array(512);
  let [buffer, filled] = [header, 0]; // Collects a header or an extended header.
  let [skipped, ended] = [0, false];

  const onFilled = (): void => {
    if (buffer !== header) {
      checkRecords(buffer, refuse);
      [buffer, skipped] = [header, -buffer.length & 511];
      return;
    }
    ended = header.every((byte) => byte === 0);
    if (ended) return;
    const sum = header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 32 : byte), 0);
    if (octal(header.subarray(148, 156)) !== sum) {
      throw refuse("it is damaged: the checksum of a header is wrong");
    }
    const type = String.fromCharCode(header[156]!), size = sizeOf(header);
    if (!(FILES + EMPTY + PAX + NAMES).includes(type)) {
      throw refuse(`it holds an entry of type ${quoted(type)}, which is not a file or folder`);
    }
    if (EMPTY.includes(type)) return;
    if (!FILES.includes(type) && size > MAX_HEADER) {
      throw refuse(`it has an extended header of ${size} bytes, more than ${MAX_HEADER}`);
    }
    if (PAX.includes(type)) buffer = new Uint8Array(size);
    else skipped = size + (-size & 511);
  };

  return new TransformStream({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.length && !ended;) {
        const step = Math.min(skipped > 0 ? skipped : buffer.length - filled, chunk.length - at);
        if (skipped > 0) skipped -= step;
        else {
          buffer.set(chunk.subarray(at, at + step), filled);
          filled += step;
          if (filled === buffer.length) {
            filled = 0;
            onFilled();
          }
        }
        at += step;
      }
      controller.enqueue(chunk);
    },
  });
}

/** The size in a header: octal digits, or base 256 if the first bit is set. */
function sizeOf(header: Uint8Array): number {
  const field = header.subarray(124, 136);
  if (field[0]! & 0x80) return field.reduce((size, byte, i) => i === 0 ? byte & 0x7f : size * 256 + byte, 0);
  return octal(field);
}

/** Parses an octal field; the tar reader rejects invalid ones. */
function octal(field: Uint8Array): number {
  return parseInt(new TextDecoder().decode(field).replace(/\0[^]*$/, "").replaceAll(" ", ""), 8) || 0;
}

/** Throws for pax records that are not `<length> <key>=<value>\n` or that change the entry's size. */
function checkRecords(records: Uint8Array, refuse: (why: string) => Error): void {
  const text = new TextDecoder("latin1").decode(records); // One character per byte.
  for (let at = 0; at < text.length;) {
    const [start, length = ""] = text.slice(at, at + 8).match(/^([1-9]\d*) /) ?? [];
    const next = at + Number(length);
    const key = text.slice(at + (start?.length ?? 0), next).match(/^[^=]+(?==[^]*\n$)/)?.[0];
    if (next > text.length || key === undefined) {
      throw refuse("it is damaged: an extended header is not a pax record");
    }
    if (key === "size" || key.startsWith("GNU.sparse.")) {
      throw refuse(`it holds a sparse or huge file, with ${quoted(key)}`);
    }
    at = next;
  }
}
