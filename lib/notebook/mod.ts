/**
 * Jupyter notebooks: reading, writing, running them on Deno's kernel, and rendering them as HTML pages.
 *
 * @module
 */
export {
  type Bundle,
  type CodeCell,
  findNotebooks,
  formatNotebook,
  nameOf,
  type Notebook,
  type Output,
  parseNotebook,
  readNotebook,
  type RunMetadata,
  sourcesHash,
  type TextCell,
  tidy,
} from "./notebook.ts";
export { execute, type ExecuteOptions, type Failure, findPython } from "./execute.ts";
export { format } from "./format.ts";
export { includedModel, pageContext } from "./links.ts";
export type { Navigation, PageLink } from "./page.ts";
export {
  type LivePage,
  livePage,
  type LiveSection,
  type PageContext,
  render,
  renderIndex,
  type Summary,
  summaryOf,
} from "./render.ts";
export {
  originalOf,
  textHash,
  TRANSLATION,
  translationOf,
  type UpdatedTranslation,
  updateTranslation,
} from "./translation.ts";
