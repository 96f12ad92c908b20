/**
 * What the user gave cannot be used: an option, a file, a configuration.
 *
 * The message is one sentence that names what was asked, what is, and what would work. A command that
 * catches it prints the message alone and exits with code 2; any other error is a bug and keeps its stack.
 *
 * @example
 * ```ts
 * import { InputError } from "../lib/errors.ts";
 *
 * const error = new InputError("Cannot train for -1 updates as updates must be at least 1");
 * console.log(error.name); // "InputError"
 * ```
 */
export class InputError extends Error {
  /** Always `"InputError"`, so that the name survives a worker's message. */
  override readonly name = "InputError";
}

/** Characters of a value that a message quotes, at the most. */
const QUOTED = 60;

/**
 * A value as a message quotes it: a text in quotes, whatever it holds, and no more than 60 characters.
 *
 * @param value What a user gave, or what a file holds.
 * @param missing What is said of a value that is not there; default: `undefined`, as a program has it.
 * @returns Printable text on one line.
 *
 * @example
 * ```ts
 * import { quoted } from "./errors.ts";
 *
 * console.log(quoted("a\tb"), quoted(NaN), quoted([1, 2])); // "a\tb" NaN [1,2]
 * ```
 */
export function quoted(value: unknown, missing = "undefined"): string {
  if (value === undefined) return missing;
  if (isThenable(value)) return "a promise, before which await is missing";
  const text = typeof value === "function" ? "a function" : jsonOf(value) ?? String(value);
  return shortened(text.slice(0, 4 * QUOTED).replace(UNPRINTABLE, escaped), QUOTED);
}

/**
 * A text of no more than so many characters: of a longer one its beginning, with a sign that it goes on.
 *
 * @param text Any text.
 * @param most Characters, at the most.
 * @returns The text or its beginning; no character is cut in half.
 *
 * @example
 * ```ts
 * import { shortened } from "./errors.ts";
 *
 * console.log(shortened("a long story", 7)); // a long…
 * ```
 */
export function shortened(text: string, most: number): string {
  const characters = Array.from(text.slice(0, 2 * most + 1)); // None is longer than two.
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
}

/**
 * What an error says, or whatever else was thrown.
 *
 * @param error What was caught.
 *
 * @example
 * ```ts
 * import { messageOf } from "./errors.ts";
 *
 * console.log(messageOf(new Error("no network")), messageOf("stopped")); // no network stopped
 * ```
 */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** What a terminal obeys, or what no reader sees. */
const UNPRINTABLE = /[\p{C}\p{Zl}\p{Zp}]/gu;

/**
 * Whether a text is one line that a terminal prints as it is.
 *
 * @param text Any text.
 *
 * @example
 * ```ts
 * import { isPrintable } from "./errors.ts";
 *
 * console.log(isPrintable("linux x86_64"), isPrintable("a\nb")); // true false
 * ```
 */
export function isPrintable(text: string): boolean {
  return text.search(UNPRINTABLE) === -1;
}

function escaped(character: string): string {
  const code = character.codePointAt(0)!.toString(16);
  return code.length > 4 ? `\\u{${code}}` : `\\u${code.padStart(4, "0")}`;
}

/** Characters of a path that a message holds, at the most. */
const NAMED = 120;

/**
 * A path as a message names it: printable, and of a long one its beginning and its end.
 *
 * @param path What a user gave, or what a folder holds.
 * @returns Text on one line, of at most 120 characters.
 *
 * @example
 * ```ts
 * import { named } from "./errors.ts";
 *
 * console.log(named("models/mini.safetensors")); // models/mini.safetensors
 * ```
 */
export function named(path: string): string {
  const text = path.replace(UNPRINTABLE, escaped);
  return text.length <= NAMED ? text : `${text.slice(0, 40)}…${text.slice(41 - NAMED)}`.toWellFormed();
}

/**
 * A model's text as a terminal may print it: control characters, and those that turn the direction of writing, are
 * shown as escapes; newlines and tabs stay.
 *
 * @param text Any text.
 * @returns Text that moves no cursor and sets no colour.
 *
 * @example
 * ```ts
 * import { printable } from "./errors.ts";
 *
 * console.log(printable("a \u001b[31mred\u001b[0m word")); // a \u001b[31mred\u001b[0m word
 * ```
 */
export function printable(text: string): string {
  return text.toWellFormed().replace(/(?![\n\t])[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu, escaped);
}

/** JSON of what has one; numbers are left to `String`, as JSON has no NaN. */
function jsonOf(value: unknown): string | undefined {
  if (typeof value === "number") return undefined;
  try {
    return JSON.stringify(Array.isArray(value) ? value.slice(0, QUOTED) : value);
  } catch {
    return Object.prototype.toString.call(value); // It holds itself, or a bigint.
  }
}

/**
 * Whether a value is yet to be awaited: a promise, or a run of the kit.
 *
 * @param value Anything.
 * @returns Whether it has a method `then`.
 *
 * @example
 * ```ts
 * import { isThenable } from "./errors.ts";
 *
 * console.log(isThenable(Promise.resolve(1)), isThenable(1)); // true false
 * ```
 */
export function isThenable(value: unknown): boolean {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
