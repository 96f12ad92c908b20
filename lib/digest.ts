import { createHash, type Hash } from "node:crypto";

/**
 * The SHA-256 of a value, in hexadecimal: an object, array, string, number, typed array, or a value with `toJSON`, such
 * as a tokenizer. Different values have different digests; the order of an object's fields and undefined fields do not
 * matter.
 *
 * @param value Any data.
 * @throws {TypeError} If it contains a function, a promise or another value that is not data.
 *
 * @example
 * ```ts
 * import { digest } from "./digest.ts";
 *
 * console.log(digest({ a: 1, b: [2] }) === digest({ b: [2], a: 1 })); // true
 * ```
 */
export function digest(value: unknown): string {
  const hash = createHash("sha256");
  const text = new TextBuffer(hash);
  write(value, text);
  text.flush();
  return hash.digest("hex");
}

/**
 * The SHA-256 of strings and bytes, in hexadecimal.
 *
 * @param parts A string, an array of bytes, or several, which are concatenated.
 *
 * @example
 * ```ts
 * import { sha256 } from "./digest.ts";
 *
 * console.log(sha256("abc") === sha256(["a", new Uint8Array([98, 99])])); // true
 * ```
 */
export function sha256(parts: string | Uint8Array | Iterable<string | Uint8Array>): string {
  const hash = createHash("sha256");
  for (const part of typeof parts === "string" || parts instanceof Uint8Array ? [parts] : parts) {
    hash.update(part);
  }
  return hash.digest("hex");
}

/**
 * The first 16 hexadecimal digits of a digest: long enough to be unique among a user's files, short enough for a file
 * name or a report.
 *
 * @param digest A result of {@linkcode digest} or {@linkcode sha256}.
 *
 * @example
 * ```ts
 * import { abbreviated, sha256 } from "./digest.ts";
 *
 * console.log(abbreviated(sha256("abc"))); // ba7816bf8f01cfea
 * ```
 */
export function abbreviated(digest: string): string {
  return digest.slice(0, 16);
}

/** Buffers text before hashing: many short updates are slower than few long ones. */
class TextBuffer {
  #text = "";
  constructor(readonly hash: Hash) {}

  add(text: string): void {
    this.#text += text;
    if (this.#text.length > 1 << 16) this.flush();
  }

  flush(): void {
    this.hash.update(this.#text);
    this.#text = "";
  }
}

/** Serialises a value uniquely: JSON with sorted fields, and markers for types that JSON lacks. */
function write(value: unknown, to: TextBuffer): void {
  if (typeof value === "string") return to.add(JSON.stringify(value)); // Escapes lone surrogates.
  if (typeof value === "number") return to.add(Object.is(value, -0) ? "-0" : String(value));
  if (typeof value === "boolean" || value === null || value === undefined) return to.add(String(value));
  if (ArrayBuffer.isView(value)) {
    to.add(`#${value.constructor.name}:${value.byteLength}:`);
    to.flush();
    to.hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
  } else if (Array.isArray(value)) {
    to.add("[");
    for (const item of value) {
      write(item, to);
      to.add(",");
    }
    to.add("]");
  } else if (typeof value === "object" && "toJSON" in value && typeof value.toJSON === "function") {
    to.add("#");
    write(value.toJSON(), to);
  } else if (Object.prototype.toString.call(value) === "[object Object]") {
    to.add("{");
    for (const [name, item] of Object.entries(value as object).sort(([a], [b]) => a < b ? -1 : 1)) {
      if (item === undefined) continue;
      to.add(`${JSON.stringify(name)}:`);
      write(item, to);
      to.add(",");
    }
    to.add("}");
  } else {
    throw new TypeError(
      `Cannot take the digest of ${Object.prototype.toString.call(value)} as it is not data`,
    );
  }
}
