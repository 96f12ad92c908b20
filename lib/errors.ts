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
