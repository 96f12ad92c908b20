/**
 * Deno, where the program runs on it: in a page there is none, and the model computes there, too.
 *
 * @module
 */

/** Deno's own functions; undefined in a browser. */
export const deno: typeof Deno | undefined = (globalThis as { Deno?: typeof Deno }).Deno;
