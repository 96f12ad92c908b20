import { createHash, type Hash } from "node:crypto";

/**
 * The SHA-256 of a whole value, in hexadecimal: of objects, arrays, texts, numbers, typed arrays, and of what has a
 * `toJSON`, such as a tokenizer. Values that differ in anything have different digests; the order of an object's
 * fields, and fields that are undefined, do not matter.
 *
 * @param value Anything that is data.
 * @throws {TypeError} If a part is no data, such as a function or a promise: left out, it would make different values
 * alike.
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
  const text = new Pending(hash);
  write(value, text);
  text.flush();
  return hash.digest("hex");
}

/**
 * The SHA-256 of texts and bytes, in hexadecimal.
 *
 * @param parts One text or one array of bytes, or several, which are hashed as if they were one.
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
 * The first 16 hexadecimal digits of a digest: enough that no two of a study's or a user's files have the same, and
 * short enough for a file's name or a line of a report.
 *
 * @param digest What {@linkcode digest} or {@linkcode sha256} returned.
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

/** Text on its way to a hash: many short updates cost more than few long ones. */
class Pending {
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

/** A value as a text that no other value has: JSON with sorted fields, and marks for what JSON lacks. */
function write(value: unknown, to: Pending): void {
  if (typeof value === "string") return to.add(JSON.stringify(value)); // Half a surrogate pair is escaped.
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
      `Cannot take the digest of ${Object.prototype.toString.call(value)} as it is no data`,
    );
  }
}
