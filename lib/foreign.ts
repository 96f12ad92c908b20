/**
 * Reading untrusted files: everything is validated, and messages quote their content.
 *
 * @module
 */
import { InputError, isPrintable, named, shortened } from "./errors.ts";
import { readFile } from "./files.ts";

/** Maximum nesting depth, as JSON is walked recursively. */
const MAX_DEPTH = 24;

/**
 * Parses untrusted JSON.
 *
 * @param text The text.
 * @param what What it is, for messages: `its header`.
 * @param refuse Throws an error for a reason. Default: an {@linkcode InputError} with the reason as its message.
 * @throws {InputError} If it is not JSON, or is nested more than 24 levels deep. The message does not quote the text.
 *
 * @example
 * ```ts
 * import { parseJson } from "./foreign.ts";
 *
 * console.log(parseJson("[1, 2]", "its list")); // [ 1, 2 ]
 * ```
 */
export function parseJson(text: string, what: string, refuse: (why: string) => never = because): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    refuse(`${what} is not JSON`);
  }
  if (isDeeper(value, MAX_DEPTH)) refuse(`${what} nests more than ${MAX_DEPTH} levels deep`);
  return value;
}

function because(why: string): never {
  throw new InputError(why);
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  const parts: unknown[] = Array.isArray(value) ? value : Object.values(value);
  return levels === 0 || parts.some((part) => isDeeper(part, levels - 1));
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

/**
 * A text from its UTF-8, without a byte order mark.
 *
 * @param bytes UTF-8, perhaps.
 * @returns The text; nothing where the bytes are no UTF-8.
 *
 * @example
 * ```ts
 * import { decodeUtf8 } from "./foreign.ts";
 *
 * console.log(decodeUtf8(new Uint8Array([104, 105])), decodeUtf8(new Uint8Array([255]))); // hi undefined
 * ```
 */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/**
 * Reads a file of limited size.
 *
 * @param path Path of the file.
 * @param what What it is for, for messages.
 * @param most Maximum size, in bytes.
 * @throws {InputError} If it is larger, or cannot be read.
 *
 * @example
 * ```ts
 * import { readWithin } from "./foreign.ts";
 *
 * const path = await Deno.makeTempFile();
 * console.log((await readWithin(path, "an example", 100)).length); // 0
 * await Deno.remove(path);
 * ```
 */
export async function readWithin(path: string, what: string, most: number): Promise<Uint8Array<ArrayBuffer>> {
  const size = await Deno.stat(path).then(({ size }) => size, () => 0); // Reading it reports the error.
  if (size <= most) return await readFile(path, what);
  throw new InputError(
    `Cannot read ${what} ${named(path)} as it must have at most ${most} bytes: current size is ${size}`,
  );
}

/**
 * Whether a value is an object and not a list.
 *
 * @param value Any value.
 *
 * @example
 * ```ts
 * import { isRecord } from "./foreign.ts";
 *
 * console.log(isRecord({ a: 1 }), isRecord([1]), isRecord(null)); // true false false
 * ```
 */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Maximum length of a line, in characters. */
const MAX_LINE = 200;

/**
 * Whether a value is a short text on one line, which can be printed in a report.
 *
 * @param value Any value.
 * @returns Whether it is a text of at most 200 characters without control characters.
 *
 * @example
 * ```ts
 * import { isLine } from "./foreign.ts";
 *
 * console.log(isLine("linux x86_64, 2 cores"), isLine("a\nb")); // true false
 * ```
 */
export function isLine(value: unknown): value is string {
  return typeof value === "string" && value.length <= MAX_LINE && isPrintable(value);
}

/**
 * Whether all numbers of an array are finite.
 *
 * @param data The numbers.
 * @returns Whether none is infinite or NaN.
 *
 * @example
 * ```ts
 * import { allFinite } from "./foreign.ts";
 *
 * console.log(allFinite(new Float32Array([1, 2])), allFinite(new Float32Array([1, NaN]))); // true false
 * ```
 */
export function allFinite(data: Float32Array | Float16Array | Float64Array): boolean {
  let sum = 0; // 0 × x is 0 for finite x and NaN otherwise: fast, a second for a billion numbers.
  for (let i = 0; i < data.length; i++) sum += 0 * data[i]!;
  return sum === 0;
}

/** Maximum length of the reason in a message, in characters. */
const MAX_REASON = 130;

/**
 * An error for a file that cannot be used. Its message gives the reason if it is an {@linkcode InputError}, and hides
 * messages of the JavaScript engine.
 *
 * @param path Path of the file.
 * @param what What it should be, such as "a checkpoint".
 * @param error The error from reading it.
 *
 * @example
 * ```ts
 * import { InputError } from "./errors.ts";
 * import { unusableFile } from "./foreign.ts";
 *
 * const error = unusableFile("a.safetensors", "a checkpoint", new InputError("its header is not JSON"));
 * console.log(error.message); // Cannot use a.safetensors as a checkpoint: its header is not JSON
 * ```
 */
export function unusableFile(path: string, what: string, error: unknown): InputError {
  const why = error instanceof InputError ? error.message : "its content is invalid";
  return new InputError(`Cannot use ${named(path)} as ${what}: ${shortened(why, MAX_REASON)}`, {
    cause: error,
  });
}
