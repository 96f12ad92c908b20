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
  sourcesHash,
  type TextCell,
  tidy,
} from "./notebook.ts";
export { execute, type ExecuteOptions, type Failure, findPython } from "./execute.ts";
export { format } from "./format.ts";
export { render } from "./render.ts";
