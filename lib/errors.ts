/**
 * An error in what the user provided: an option, a file, a configuration.
 *
 * The message is one sentence with the action, the reason and what would work. A command prints only the message and
 * exits with code 2; any other error is a bug and is shown with its stack trace.
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
  /** Always `"InputError"`, so that the name survives messages between workers. */
  override readonly name = "InputError";
}

/** A model's loss, parameters or outputs are no longer finite numbers. */
export class DivergedError extends InputError {}

/** Maximum length of a quoted value in a message, in characters. */
const QUOTED = 60;

/**
 * Formats a value for a message: on one line, printable, at most 60 characters; a text is in quotes.
 *
 * @param value Any value, from a user or a file.
 * @param missing Text for `undefined`. Default: `undefined`.
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
  if (isThenable(value)) return "a promise that is not awaited";
  const text = typeof value === "function" ? "a function" : jsonOf(value) ?? String(value);
  return shortened(text.slice(0, 4 * QUOTED).replace(UNPRINTABLE, escaped), QUOTED);
}

/**
 * Truncates a text and marks the truncation with an ellipsis.
 *
 * @param text Any text.
 * @param most Maximum length, in characters.
 * @returns The text or its beginning; surrogate pairs are not split.
 *
 * @example
 * ```ts
 * import { shortened } from "./errors.ts";
 *
 * console.log(shortened("a long story", 7)); // a long…
 * ```
 */
export function shortened(text: string, most: number): string {
  const characters = Array.from(text.slice(0, 2 * most + 1)); // A character has at most two units.
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : text;
}

/**
 * The message of an error, or any other thrown value as text.
 *
 * @param error The caught value.
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

/** Control characters and invisible characters. */
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

/** Maximum length of a path in a message, in characters. */
const MAX_PATH = 120;

/**
 * Formats a path for a message: printable; a long one is shortened in the middle.
 *
 * @param path Any path.
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
  return text.length <= MAX_PATH ? text : `${text.slice(0, 40)}…${text.slice(41 - MAX_PATH)}`.toWellFormed();
}

/**
 * Makes a generated text safe to print in a terminal: control characters and bidirectional overrides become escapes;
 * newlines and tabs stay.
 *
 * @param text Any text.
 * @returns Text without terminal escape sequences.
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

/** A value as JSON; undefined for numbers, as JSON has no NaN. */
function jsonOf(value: unknown): string | undefined {
  if (typeof value === "number") return undefined;
  try {
    return JSON.stringify(Array.isArray(value) ? value.slice(0, QUOTED) : value);
  } catch {
    return Object.prototype.toString.call(value); // It is circular, or contains a bigint.
  }
}

/**
 * Whether a value must be awaited: a promise, or a run of the kit.
 *
 * @param value Any value.
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
