/**
 * Jupyter notebooks: reading and writing them, running them on Deno's kernel, and pages of them.
 *
 * @module
 */
export {
  type Bundle,
  type CodeCell,
  findNotebooks,
  formatNotebook,
  type Made,
  nameOf,
  type Notebook,
  type Output,
  parseNotebook,
  readNotebook,
  sourcesHash,
  type TextCell,
  tidy,
} from "./notebook.ts";
export { execute, type ExecuteOptions, type Failure, findPython } from "./execute.ts";
export { format } from "./format.ts";
export { placeOf } from "./links.ts";
export { type Place, render } from "./render.ts";
