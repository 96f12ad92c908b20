import { basename, dirname, join } from "node:path";
import { sha256 } from "../digest.ts";
import { type Notebook, type Output, type RunMetadata, sourcesHash } from "./notebook.ts";

/** Language of the translations, and name of their folder, which is beside the originals. */
export const TRANSLATION = "zh";

/** A translation with its original's code and outputs, and what is left to translate, by ids of Markdown cells. */
export interface UpdatedTranslation {
  /** The translation. */
  readonly notebook: Notebook;
  /** Cells that have the original's text. */
  readonly untranslated: readonly string[];
  /** Cells whose original has changed since they were translated. */
  readonly outdated: readonly string[];
  /** Cells of the previous translation that the original does not have. */
  readonly removed: readonly string[];
}

/**
 * Updates a translation: cells, code and outputs are the original's, with relative paths for the deeper folder, and
 * translated texts are kept by the ids of their cells. A cell's `translates` entry is the {@linkcode textHash} of the
 * text that it translates; it is added where it is missing.
 *
 * @param original The original, after a run.
 * @param translation The previous translation, or a copy of the original to start with.
 * @returns The updated translation.
 *
 * @example
 * ```ts
 * import type { Notebook } from "./notebook.ts";
 * import { updateTranslation } from "./translation.ts";
 *
 * const of = (source: string): Notebook => {
 *   return { cells: [{ cell_type: "markdown", id: "a", metadata: {}, source }], metadata: {}, nbformat: 4, nbformat_minor: 5 };
 * };
 * const { notebook, untranslated } = updateTranslation(of("# Tokens"), of("# 词元"));
 * console.log(notebook.cells[0]!.source, notebook.metadata, untranslated); // # 词元 { lang: "zh" } []
 * ```
 */
export function updateTranslation(original: Notebook, translation: Notebook): UpdatedTranslation {
  const untranslated: string[] = [], outdated: string[] = [];
  const previous = new Map(
    translation.cells.filter(({ cell_type }) => cell_type === "markdown").map((cell) => [cell.id, cell]),
  );
  const cells = original.cells.map((cell) => {
    const { cell_type, id, metadata } = cell;
    const source = withDeeperPaths(cell.source);
    if (cell_type === "code") return { ...cell, source, outputs: cell.outputs.map(withMovedPaths) };
    if (cell_type === "raw") return cell;
    const translated = previous.get(id), hash = textHash(cell.source);
    previous.delete(id);
    if (translated === undefined || !isChinese(translated.source)) {
      if (!hasWords(cell.source)) return { ...cell, source, metadata: { ...metadata, translates: hash } };
      untranslated.push(id);
      return { ...cell, source };
    }
    const { translates = hash } = translated.metadata;
    if (translates !== hash) outdated.push(id);
    return { ...cell, source: translated.source, metadata: { ...metadata, translates } };
  });
  const moved: Notebook = { ...original, cells, metadata: { ...original.metadata, lang: TRANSLATION } };
  const run = original.metadata["gpt1"] as RunMetadata | undefined;
  const notebook = run?.sources === sourcesHash(original) // Otherwise the outputs are of other code here, too.
    ? { ...moved, metadata: { ...moved.metadata, gpt1: { ...run, sources: sourcesHash(moved) } } }
    : moved;
  return { notebook, untranslated, outdated, removed: [...previous.keys()] };
}

/**
 * The short hash of a text by which its translation says what it was translated from.
 *
 * @param source Source of the original's Markdown cell.
 * @returns 12 hexadecimal digits.
 *
 * @example
 * ```ts
 * import { textHash } from "./translation.ts";
 *
 * console.log(textHash("# Tokens").length); // 12
 * ```
 */
export const textHash = (source: string): string => sha256(source).slice(0, 12);

const isChinese = (text: string): boolean => /\p{Script=Han}/u.test(text);

/** Whether a text has anything to translate beside formulas, code, links and tags. */
const hasWords = (source: string): boolean =>
  /\p{L}/u.test(
    source.replace(/```[^]*?```|`[^`]*`|\$\$[^]*?\$\$|\$[^$]*\$|\[[^\]]*\]\([^)]*\)|<[^>]*>/g, " "),
  );

/**
 * The path of a notebook's translation, which may not exist.
 *
 * @param path Path of a notebook.
 *
 * @example
 * ```ts
 * import { translationOf } from "./translation.ts";
 *
 * console.log(translationOf("notebooks/01_tokens.ipynb")); // notebooks/zh/01_tokens.ipynb
 * ```
 */
export const translationOf = (path: string): string => join(dirname(path), TRANSLATION, basename(path));

/**
 * The path of a translation's original, which may not exist; undefined if the notebook is in no folder of translations.
 *
 * @param path Path of a notebook.
 *
 * @example
 * ```ts
 * import { originalOf } from "./translation.ts";
 *
 * console.log(originalOf("notebooks/zh/01_tokens.ipynb")); // notebooks/01_tokens.ipynb
 * ```
 */
export function originalOf(path: string): string | undefined {
  const folder = dirname(path);
  return basename(folder) === TRANSLATION ? join(dirname(folder), basename(path)) : undefined;
}

/** A text for one folder deeper: strings and links that begin with `../`, and links to notebooks. */
const withDeeperPaths = (text: string): string =>
  text.replace(/(["'`]|\]\()\.\.\//g, "$1../../").replace(/\]\((?=[\w-]+\.ipynb[)#])/g, "](../");

/** An output as the moved code would have made it. */
function withMovedPaths(output: Output): Output {
  if (output.output_type === "stream") return { ...output, text: withDeeperPaths(output.text) };
  if (output.output_type === "error") return output;
  const data = Object.fromEntries(
    Object.entries(output.data).map(([type, value]) => [
      type,
      typeof value === "string" && type.startsWith("text/") ? withDeeperPaths(value) : value,
    ]),
  );
  return { ...output, data };
}
