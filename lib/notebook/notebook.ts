import { sha256 } from "../digest.ts";
import { InputError, named, quoted } from "../errors.ts";
import { checkFile, fileError } from "../files.ts";
import { isRecord } from "../foreign.ts";

/** Data of an output by media type: text, or JSON where the type ends in `json`. */
export type Bundle = { readonly [type: string]: unknown };

/** What a code cell has put out. */
export type Output =
  | { readonly output_type: "stream"; readonly name: string; readonly text: string }
  | {
    readonly output_type: "display_data" | "execute_result";
    readonly data: Bundle;
    readonly metadata: Bundle;
    readonly execution_count?: number | null;
  }
  | {
    readonly output_type: "error";
    readonly ename: string;
    readonly evalue: string;
    readonly traceback: readonly string[];
  };

/** A cell with code. */
export interface CodeCell {
  /** What it is. */
  readonly cell_type: "code";
  /** Unique in the notebook. */
  readonly id: string;
  /** Tags and whatever an editor has put there. */
  readonly metadata: Bundle;
  /** The code. */
  readonly source: string;
  /** What it has put out. */
  readonly outputs: readonly Output[];
  /** Which cell of its kernel it was. */
  readonly execution_count: number | null;
}

/** A cell with text, or one that is handed on as it is. */
export interface TextCell {
  /** What it is. */
  readonly cell_type: "markdown" | "raw";
  /** Unique in the notebook. */
  readonly id: string;
  /** Whatever an editor has put there. */
  readonly metadata: Bundle;
  /** The text. */
  readonly source: string;
  /** Files that the text shows. */
  readonly attachments?: Bundle;
}

/** A Jupyter notebook of format 4; texts are whole strings, not lists of lines as in its file. */
export interface Notebook {
  /** From the first to the last. */
  readonly cells: readonly (CodeCell | TextCell)[];
  /** Its kernel, what made it, and whatever an editor has put there. */
  readonly metadata: Bundle;
  /** The format. */
  readonly nbformat: 4;
  /** The format's revision. */
  readonly nbformat_minor: number;
}

/** What the `gpt1` entry of a notebook's metadata says of its last run. */
export interface Made {
  /** Deno's version. */
  readonly deno: string;
  /** Whether it was a run in small that finds out nothing. */
  readonly smoke: boolean;
  /** {@linkcode sourcesHash} of the notebook. */
  readonly sources: string;
}

/** The largest notebook that is read, in letters. */
export const LARGEST = 64 * 2 ** 20;

/**
 * Reads a notebook of format 4, which may come from anywhere: all that the kit looks at has its type.
 *
 * @param text The file's text.
 * @param name What messages call it.
 * @returns The notebook; cells without an id have one made of their place.
 * @throws {InputError} If it is not such a notebook; it names the place.
 *
 * @example
 * ```ts
 * import { parseNotebook } from "./notebook.ts";
 *
 * const cells = [{ cell_type: "markdown", metadata: {}, source: ["# Tokens\n", "What is one?"] }];
 * const text = JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 4 });
 * console.log(parseNotebook(text, "tokens").cells[0]!.source); // "# Tokens\nWhat is one?"
 * ```
 */
export function parseNotebook(text: string, name: string): Notebook {
  const fail = (why: string): never => {
    throw new InputError(`Cannot read ${named(name)} as a notebook: ${named(why)}`);
  };
  const object = (value: unknown, place: string): Bundle =>
    isRecord(value) ? value : fail(`${place} must be an object`);
  const list = (value: unknown, place: string): unknown[] =>
    Array.isArray(value) ? value : fail(`${place} must be a list`);
  const string = (value: unknown, place: string): string =>
    typeof value === "string" ? value : fail(`${place} must be a text`);
  const lines = (value: unknown, place: string): string =>
    Array.isArray(value) ? value.map((line) => string(line, place)).join("") : string(value, place);
  const count = (value: unknown, place: string): number | null =>
    value === null || value === undefined || Number.isInteger(value)
      ? value as number ?? null
      : fail(`${place} must be a whole number or null`);
  const bundle = (value: unknown, place: string): Bundle =>
    Object.fromEntries(
      Object.entries(object(value, place)).map(([type, data]) => [
        type,
        isJson(type) ? data : lines(data, `${place}[${quoted(type)}]`),
      ]),
    );

  const output = (value: unknown, place: string): Output => {
    const { output_type, ...rest } = object(value, place);
    switch (output_type) {
      case "stream":
        return {
          output_type,
          name: string(rest["name"], `${place}.name`),
          text: lines(rest["text"], `${place}.text`),
        };
      case "display_data":
      case "execute_result":
        return {
          output_type,
          data: bundle(rest["data"], `${place}.data`),
          metadata: object(rest["metadata"], `${place}.metadata`),
          ...output_type === "execute_result" &&
            { execution_count: count(rest["execution_count"], `${place}.execution_count`) },
        };
      case "error":
        return {
          output_type,
          ename: string(rest["ename"], `${place}.ename`),
          evalue: string(rest["evalue"], `${place}.evalue`),
          traceback: list(rest["traceback"], `${place}.traceback`).map((line) =>
            string(line, `${place}.traceback`)
          ),
        };
      default:
        return fail(`${place}.output_type must be one of Jupyter's`);
    }
  };

  if (text.length > LARGEST) fail(`it must have at most ${LARGEST} letters: it has ${text.length}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text); // However deep: a figure of a thousand levels is one figure, and no fault of the others.
  } catch {
    fail("it is not JSON");
  }
  const { cells, metadata, nbformat, nbformat_minor } = object(parsed, "it");
  if (nbformat !== 4) fail(`its nbformat must be 4: current nbformat is ${quoted(nbformat)}`);
  const ids = new Set<string>();
  return {
    cells: list(cells, "cells").map((value, i) => {
      const place = `cells[${i}]`;
      const { cell_type, id = `cell-${i + 1}`, metadata, source, ...rest } = object(value, place);
      const common = {
        id: string(id, `${place}.id`),
        metadata: object(metadata, `${place}.metadata`),
        source: lines(source, `${place}.source`),
      };
      if (!/^[\w-]{1,64}$/.test(common.id)) fail(`${place}.id must be 1 to 64 letters, digits, - and _`);
      if (ids.has(common.id)) fail(`${place}.id must be its own: "${common.id}" is another's`);
      ids.add(common.id);
      if (cell_type === "code") {
        return {
          cell_type,
          ...common,
          execution_count: count(rest["execution_count"], `${place}.execution_count`),
          outputs: list(rest["outputs"], `${place}.outputs`).map((value, j) =>
            output(value, `${place}.outputs[${j}]`)
          ),
        };
      }
      if (cell_type !== "markdown" && cell_type !== "raw") {
        fail(`${place}.cell_type must be code, markdown or raw`);
      }
      return {
        cell_type: cell_type as "markdown" | "raw",
        ...common,
        ..."attachments" in rest && { attachments: object(rest["attachments"], `${place}.attachments`) },
      };
    }),
    metadata: object(metadata, "metadata"),
    nbformat: 4,
    nbformat_minor: Number.isInteger(nbformat_minor)
      ? nbformat_minor as number
      : fail("nbformat_minor must be a whole number"),
  };
}

/**
 * Reads a notebook's file.
 *
 * @param path Where it is.
 * @returns The notebook.
 * @throws {InputError} If the file cannot be read, or is no notebook of format 4.
 *
 * @example
 * ```ts
 * import { readNotebook } from "./notebook.ts";
 *
 * console.log((await readNotebook("notebooks/01_tokens.ipynb")).nbformat); // 4
 * ```
 */
export async function readNotebook(path: string): Promise<Notebook> {
  try {
    const { size } = await checkFile(path);
    if (size > 4 * LARGEST) {
      throw new InputError(`Cannot read ${named(path)} as a notebook: it has ${size} bytes`);
    }
    return parseNotebook(await Deno.readTextFile(path), path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}

/** Whether a media type's data is JSON rather than text. */
const isJson = (type: string): boolean => /[/+]json$/.test(type);

/**
 * A notebook as Jupyter writes its file: keys in order, texts as lists of lines, so that versions of it
 * compare well.
 *
 * @param notebook Any.
 * @returns The file's text, which {@linkcode parseNotebook} reads.
 *
 * @example
 * ```ts
 * import { formatNotebook } from "./notebook.ts";
 *
 * console.log(formatNotebook({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 }).split("\n")[1]); // ' "cells": [],'
 * ```
 */
export function formatNotebook(notebook: Notebook): string {
  const split = (text: string): string[] => text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const bundle = (data: Bundle): Bundle =>
    Object.fromEntries(
      Object.entries(data).map(([type, value]) => [
        type,
        typeof value === "string" && /^text\/|^image\/svg/.test(type) ? split(value) : value,
      ]),
    );
  const output = (it: Output): unknown =>
    it.output_type === "stream"
      ? { ...it, text: split(it.text) }
      : it.output_type === "error"
      ? it
      : { ...it, data: bundle(it.data) };
  const cells = notebook.cells.map((cell) => ({
    ...cell,
    source: split(cell.source),
    ...cell.cell_type === "code" && { outputs: cell.outputs.map(output) },
  }));
  return JSON.stringify({ ...notebook, cells }, inOrder, 1) + "\n";
}

/** For `JSON.stringify`: keys of objects in alphabetical order, as Jupyter writes them. */
function inOrder(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
}

/**
 * SHA-256 over the code cells in their order: outputs whose notebook has another were made by other code.
 *
 * @param notebook Any.
 * @returns 64 hexadecimal digits.
 *
 * @example
 * ```ts
 * import { sourcesHash } from "./notebook.ts";
 *
 * const hash = sourcesHash({ cells: [], metadata: {}, nbformat: 4, nbformat_minor: 5 });
 * console.log(hash.slice(0, 8)); // "4f53cda1"
 * ```
 */
export function sourcesHash({ cells }: Notebook): string {
  const sources = cells.filter(({ cell_type }) => cell_type === "code").map(({ source }) => source);
  return sha256(JSON.stringify(sources));
}

/**
 * A notebook after a run as it is kept: with what made it, without what changes from run to run or belongs
 * to an editor.
 *
 * @param notebook As it was run.
 * @param smoke Whether that was a run in small.
 * @returns Another notebook.
 *
 * @example
 * ```ts
 * import { tidy } from "./notebook.ts";
 *
 * const { metadata } = tidy({ cells: [], metadata: { vscode: {} }, nbformat: 4, nbformat_minor: 5 }, false);
 * console.log(Object.keys(metadata)); // [ "gpt1", "kernelspec", "language_info" ]
 * ```
 */
export function tidy(notebook: Notebook, smoke: boolean): Notebook {
  let executed = 0;
  const cells = notebook.cells.map((cell) => {
    const metadata = "tags" in cell.metadata ? { tags: cell.metadata["tags"] } : {};
    if (cell.cell_type !== "code") return { ...cell, metadata };
    const execution_count = ++executed;
    const outputs = cell.outputs.map((output) =>
      output.output_type === "execute_result" ? { ...output, execution_count } : output
    );
    return { ...cell, metadata, outputs, execution_count };
  });
  const made: Made = { deno: Deno.version.deno, smoke, sources: sourcesHash(notebook) };
  return { cells, metadata: { gpt1: made, ...KERNEL }, nbformat: 4, nbformat_minor: 5 };
}

/** What editors ask of the language; its version, which the kernel tells too, changes with Deno's. */
export const KERNEL = {
  kernelspec: { display_name: "Deno", language: "typescript", name: "deno" },
  language_info: {
    codemirror_mode: "typescript",
    file_extension: ".ts",
    mimetype: "text/x.typescript",
    name: "typescript",
    nbconvert_exporter: "script",
    pygments_lexer: "typescript",
  },
};

/**
 * Finds notebooks by what a person calls them.
 *
 * @param names Of each its name, its number or the path of its file; all of the folder's if none is given.
 * @param folder Where names and numbers are looked for.
 * @returns Paths, in the order of the names.
 * @throws {InputError} If there is none of a name.
 *
 * @example
 * ```ts
 * import { findNotebooks } from "./notebook.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${folder}/01_tokens.ipynb`, "{}");
 * console.log((await findNotebooks(["01"], folder))[0] === `${folder}/01_tokens.ipynb`); // true
 * ```
 */
export async function findNotebooks(names: readonly string[], folder = "notebooks"): Promise<string[]> {
  const known: string[] = [];
  try {
    for await (const { name } of Deno.readDir(folder)) {
      if (name.endsWith(".ipynb")) known.push(name.slice(0, -6));
    }
  } catch (error) {
    if (!names.every((name) => /[/\\]/.test(name)) || names.length === 0) {
      throw fileError("find notebooks in", folder, error);
    }
  }
  known.sort();
  const all = names.length > 0 ? names : known;
  return all.map((name) => {
    if (/[/\\]/.test(name)) return name;
    const bare = name.replace(/\.ipynb$/, "");
    const found = known.find((it) => it === bare) ?? known.find((it) => it.split("_")[0] === bare);
    if (found) return `${folder}/${found}.ipynb`;
    throw new InputError(
      `Cannot find notebook "${name}" as ${folder} has none of that name: there are ${known.join(", ")}`,
    );
  });
}

/** A notebook's name: that of its file, without folder and ending. */
export const nameOf = (path: string): string => path.replace(/^.*[/\\]/, "").replace(/\.ipynb$/, "");
