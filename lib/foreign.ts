/**
 * Files that somebody else may have written: nothing in them is trusted, and no word of them reaches a message but
 * quoted.
 *
 * @module
 */
import { InputError, isPrintable, named, shortened } from "./errors.ts";
import { readWhole } from "./files.ts";

/** Lists and objects inside one another, at the most: what walks them calls itself. */
const DEEPEST = 24;

/**
 * A value from its JSON.
 *
 * @param text JSON, perhaps.
 * @param what What it is, as a message says it: `its header`.
 * @param refuse Throws what is to be thrown for a reason; default: the reason alone.
 * @throws {InputError} If it is not JSON, or nests more than 24 levels deep; the engine's words, which quote the text,
 * stay out of the message.
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
  if (isDeeper(value, DEEPEST)) refuse(`${what} nests more than ${DEEPEST} levels deep`);
  return value;
}

function because(why: string): never {
  throw new InputError(why);
}

function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  return levels === 0 || Object.values(value).some((part) => isDeeper(part, levels - 1));
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
 * Reads a file whole unless it is larger than any that is meant.
 *
 * @param path The file.
 * @param what What it is for, as a message says it.
 * @param most Bytes, at the most.
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
  const size = await Deno.stat(path).then(({ size }) => size, () => 0); // Its reader says why.
  if (size <= most) return await readWhole(path, what);
  throw new InputError(
    `Cannot read ${what} ${named(path)} as it must have at most ${most} bytes: current size is ${size}`,
  );
}

/**
 * Whether a value is an object of names and values, and no list.
 *
 * @param value Anything.
 * @returns Whether it is one.
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

/** Characters of a text that says what made something, at the most. */
const LINE = 200;

/**
 * Whether a value is a short text on one line, which a report may hold as it is.
 *
 * @param value Anything.
 * @returns Whether it is a text of at most 200 characters, none of which is a control character.
 *
 * @example
 * ```ts
 * import { isLine } from "./foreign.ts";
 *
 * console.log(isLine("linux x86_64, 2 cores"), isLine("a\nb")); // true false
 * ```
 */
export function isLine(value: unknown): value is string {
  return typeof value === "string" && value.length <= LINE && isPrintable(value);
}

/**
 * Whether all numbers of an array are finite.
 *
 * @param data The numbers.
 * @returns Whether none is infinite or not a number.
 *
 * @example
 * ```ts
 * import { allFinite } from "./foreign.ts";
 *
 * console.log(allFinite(new Float32Array([1, 2])), allFinite(new Float32Array([1, NaN]))); // true false
 * ```
 */
export function allFinite(data: Float32Array | Float16Array | Float64Array): boolean {
  let sum = 0; // Of zeros, unless a number is not finite: a billion of them take a second.
  for (let i = 0; i < data.length; i++) sum += 0 * data[i]!;
  return sum === 0;
}

/** Characters of a reason that the message of a refused file holds, at the most. */
const REASON = 130;

/**
 * Why a file cannot be used, in a sentence that names it. What its reader found is said; where the engine itself
 * stumbled over the content, that alone.
 *
 * @param path The file.
 * @param what What it was to be, as in "a checkpoint".
 * @param error What came of reading it.
 *
 * @example
 * ```ts
 * import { InputError } from "./errors.ts";
 * import { unusable } from "./foreign.ts";
 *
 * const error = unusable("a.safetensors", "a checkpoint", new InputError("its header is not JSON"));
 * console.log(error.message); // Cannot use a.safetensors as a checkpoint: its header is not JSON
 * ```
 */
export function unusable(path: string, what: string, error: unknown): InputError {
  const why = error instanceof InputError ? error.message : "its content is not that of one";
  return new InputError(`Cannot use ${named(path)} as ${what}: ${shortened(why, REASON)}`, { cause: error });
}
