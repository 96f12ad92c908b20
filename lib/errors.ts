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

/** Characters of a name or reason that a message holds, at the most. */
const PRINTED = 120;

/**
 * A value as a message quotes it: a text in quotes, whatever it holds, and no more than 60 characters.
 *
 * @param value What a user gave.
 * @returns Printable text on one line.
 *
 * @example
 * ```ts
 * import { quoted } from "./errors.ts";
 *
 * console.log(quoted("a\tb"), quoted(NaN), quoted([1, 2])); // "a\tb" NaN [1,2]
 * ```
 */
export function quoted(value: unknown): string {
  if (isThenable(value)) return "a promise, before which await is missing";
  const text = typeof value === "function" ? "a function" : jsonOf(value) ?? String(value);
  const characters = Array.from(text.slice(0, 4 * QUOTED)); // No character is longer than that.
  const short = text.length > characters.join("").length || characters.length > QUOTED
    ? `${characters.slice(0, QUOTED - 1).join("")}…`
    : text;
  return escapeControls(short);
}

function escapeControls(text: string): string {
  return text.replace(
    /[\p{C}\p{Zl}\p{Zp}]/gu,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * A name or a reason as a message holds it, without quotes: on one line, and no more than 120 characters.
 *
 * @param text What came from outside.
 * @returns Its printable form, without its middle if it is longer.
 *
 * @example
 * ```ts
 * import { printable } from "./errors.ts";
 *
 * console.log(printable("a\nb")); // a\u000ab
 * ```
 */
export function printable(text: string): string {
  const short = text.length <= PRINTED
    ? text
    : `${text.slice(0, PRINTED / 3)}…${text.slice(1 - 2 * PRINTED / 3)}`;
  return escapeControls(short);
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
