import { quoted } from "../errors.ts";

/** Most bytes of what stands before an entry: a long name, times, attributes. */
const LONGEST = 2 ** 16;

/** Types of entries: files as POSIX and older writers have them. */
const FILES = "\x0007";
/** Links, devices, folders and pipes, which have no content. */
const EMPTY = "123456";
/** What stands before an entry and says more of it: pax headers, and names that GNU's tar finds too long. */
const PAX = "xg";
const NAMES = "LK";

/**
 * Passes a tar on, and ends it where it would take its reader's memory or time, or be read wrongly: what stands before
 * an entry must be short, well-formed, and leave the entry's size alone, and a sparse file is none.
 *
 * @param refuse What to throw, given why.
 * @returns A stream between the tar's bytes and their reader.
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
  let [wanted, filled] = [header, 0]; // What is gathered: a header, or what stands before an entry.
  let [skipped, ended] = [0, false];

  const gathered = (): void => {
    if (wanted !== header) {
      checkRecords(wanted, refuse);
      [wanted, skipped] = [header, -wanted.length & 511];
      return;
    }
    ended = header.every((byte) => byte === 0);
    if (ended) return;
    const sum = header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 32 : byte), 0);
    if (octal(header.subarray(148, 156)) !== sum) {
      throw refuse("it is damaged: a header has another checksum");
    }
    const type = String.fromCharCode(header[156]!), size = sizeOf(header);
    if (!(FILES + EMPTY + PAX + NAMES).includes(type)) {
      throw refuse(`it holds an entry of type ${quoted(type)}, which is no file or folder`);
    }
    if (EMPTY.includes(type)) return;
    if (!FILES.includes(type) && size > LONGEST) {
      throw refuse(`it says ${size} bytes of an entry, more than ${LONGEST}`);
    }
    if (PAX.includes(type)) wanted = new Uint8Array(size);
    else skipped = size + (-size & 511);
  };

  return new TransformStream({
    transform(chunk, controller) {
      for (let at = 0; at < chunk.length && !ended;) {
        const step = Math.min(skipped > 0 ? skipped : wanted.length - filled, chunk.length - at);
        if (skipped > 0) skipped -= step;
        else {
          wanted.set(chunk.subarray(at, at + step), filled);
          filled += step;
          if (filled === wanted.length) {
            filled = 0;
            gathered();
          }
        }
        at += step;
      }
      controller.enqueue(chunk);
    },
  });
}

/** A header's size: octal digits, or a number of base 256 where the first bit is set. */
function sizeOf(header: Uint8Array): number {
  const field = header.subarray(124, 136);
  if (field[0]! & 0x80) return field.reduce((size, byte, i) => i === 0 ? byte & 0x7f : size * 256 + byte, 0);
  return octal(field);
}

/** The number in a field; what is none is refused by the tar's reader. */
function octal(field: Uint8Array): number {
  return parseInt(new TextDecoder().decode(field).replace(/\0[^]*$/, "").replaceAll(" ", ""), 8) || 0;
}

/** Refuses pax records that are not `<length> <key>=<value>\n`, and those that change what the entry's bytes are. */
function checkRecords(records: Uint8Array, refuse: (why: string) => Error): void {
  const text = new TextDecoder("latin1").decode(records); // A character a byte.
  for (let at = 0; at < text.length;) {
    const [start, length = ""] = text.slice(at, at + 8).match(/^([1-9]\d*) /) ?? [];
    const next = at + Number(length);
    const key = text.slice(at + (start?.length ?? 0), next).match(/^[^=]+(?==[^]*\n$)/)?.[0];
    if (next > text.length || key === undefined) {
      throw refuse("it is damaged: what it says of an entry is no pax record");
    }
    if (key === "size" || key.startsWith("GNU.sparse.")) {
      throw refuse(`it holds a sparse or huge file, by its ${quoted(key)}`);
    }
    at = next;
  }
}
