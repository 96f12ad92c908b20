import { InputError } from "../errors.ts";

/** Checks settings that count something.
 *
 * @throws {InputError} If one of the named numbers is not a whole number from 1. */
export function checkWhole(numbers: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(numbers)) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new InputError(`Cannot train with ${name} ${value} as it must be a whole number from 1`);
    }
  }
}
