import { sha256 } from "../digest.ts";
import { InputError, named, quoted } from "../errors.ts";
import { checkFile, fileError } from "../files.ts";
import { isRecord } from "../foreign.ts";
import { unknown } from "../settings.ts";
import { altText, PLOTLY } from "./alt.ts";

/** Data of an output by media type: text, or JSON if the type ends in `json`. */
export type Bundle = { readonly [type: string]: unknown };

/** An output of a code cell. */
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

/** A code cell. */
export interface CodeCell {
  /** Type of the cell. */
  readonly cell_type: "code";
  /** Unique in the notebook. */
  readonly id: string;
  /** Tags and other metadata. */
  readonly metadata: Bundle;
  /** The code. */
  readonly source: string;
  /** The outputs. */
  readonly outputs: readonly Output[];
  /** Execution count of the kernel. */
  readonly execution_count: number | null;
}

/** A Markdown or raw cell. */
export interface TextCell {
  /** Type of the cell. */
  readonly cell_type: "markdown" | "raw";
  /** Unique in the notebook. */
  readonly id: string;
  /** Metadata. */
  readonly metadata: Bundle;
  /** The text. */
  readonly source: string;
  /** Files embedded in the text. */
  readonly attachments?: Bundle;
}

/** A Jupyter notebook of format 4; texts are strings, not lists of lines as in the file. */
export interface Notebook {
  /** The cells in order. */
  readonly cells: readonly (CodeCell | TextCell)[];
  /** Kernel, the `gpt1` entry of the last run, and other metadata. */
  readonly metadata: Bundle;
  /** Format version. */
  readonly nbformat: 4;
  /** Minor format version. */
  readonly nbformat_minor: number;
}

/** The `gpt1` entry of a notebook's metadata: how its outputs were produced. */
export interface RunMetadata {
  /** Deno's version. */
  readonly deno: string;
  /** Whether it was a smoke run, whose numbers mean nothing. */
  readonly smoke: boolean;
  /** {@linkcode sourcesHash} of the notebook when it ran. */
  readonly sources: string;
}

/** Maximum length of a notebook's file, in characters. */
export const MAX_LENGTH = 64 * 2 ** 20;

/**
 * Parses an untrusted notebook of format 4 and checks the types of all fields that the kit uses.
 *
 * @param text The file's text.
 * @param name The notebook's name in messages.
 * @returns The notebook; cells without an id get one from their index.
 * @throws {InputError} If it is not such a notebook; the message names the field.
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
  const object = (value: unknown, path: string): Bundle =>
    isRecord(value) ? value : fail(`${path} must be an object`);
  const list = (value: unknown, path: string): unknown[] =>
    Array.isArray(value) ? value : fail(`${path} must be a list`);
  const string = (value: unknown, path: string): string =>
    typeof value === "string" ? value : fail(`${path} must be a text`);
  const lines = (value: unknown, path: string): string =>
    Array.isArray(value) ? value.map((line) => string(line, path)).join("") : string(value, path);
  const count = (value: unknown, path: string): number | null =>
    value === null || value === undefined || Number.isInteger(value)
      ? value as number ?? null
      : fail(`${path} must be a whole number or null`);
  const bundle = (value: unknown, path: string): Bundle =>
    Object.fromEntries(
      Object.entries(object(value, path)).map(([type, data]) => [
        type,
        isJson(type) ? data : lines(data, `${path}[${quoted(type)}]`),
      ]),
    );

  const output = (value: unknown, path: string): Output => {
    const { output_type, ...rest } = object(value, path);
    switch (output_type) {
      case "stream":
        return {
          output_type,
          name: string(rest["name"], `${path}.name`),
          text: lines(rest["text"], `${path}.text`),
        };
      case "display_data":
      case "execute_result":
        return {
          output_type,
          data: bundle(rest["data"], `${path}.data`),
          metadata: object(rest["metadata"], `${path}.metadata`),
          ...output_type === "execute_result" &&
            { execution_count: count(rest["execution_count"], `${path}.execution_count`) },
        };
      case "error":
        return {
          output_type,
          ename: string(rest["ename"], `${path}.ename`),
          evalue: string(rest["evalue"], `${path}.evalue`),
          traceback: list(rest["traceback"], `${path}.traceback`).map((line) =>
            string(line, `${path}.traceback`)
          ),
        };
      default:
        return fail(`${path}.output_type must be one of Jupyter's`);
    }
  };

  if (text.length > MAX_LENGTH) fail(`it must have at most ${MAX_LENGTH} characters: it has ${text.length}`);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text); // Of any depth: one deeply nested figure must not make the notebook unreadable.
  } catch {
    fail("it is not JSON");
  }
  const { cells, metadata, nbformat, nbformat_minor } = object(parsed, "it");
  if (nbformat !== 4) fail(`its nbformat must be 4: current nbformat is ${quoted(nbformat)}`);
  const ids = new Set<string>();
  return {
    cells: list(cells, "cells").map((value, i) => {
      const path = `cells[${i}]`;
      const { cell_type, id = `cell-${i + 1}`, metadata, source, ...rest } = object(value, path);
      const common = {
        id: string(id, `${path}.id`),
        metadata: object(metadata, `${path}.metadata`),
        source: lines(source, `${path}.source`),
      };
      if (!/^[\w-]{1,64}$/.test(common.id)) fail(`${path}.id must be 1 to 64 letters, digits, - and _`);
      if (ids.has(common.id)) fail(`${path}.id must be unique: "${common.id}" is used by another cell`);
      ids.add(common.id);
      if (cell_type === "code") {
        return {
          cell_type,
          ...common,
          execution_count: count(rest["execution_count"], `${path}.execution_count`),
          outputs: list(rest["outputs"], `${path}.outputs`).map((value, j) =>
            output(value, `${path}.outputs[${j}]`)
          ),
        };
      }
      if (cell_type !== "markdown" && cell_type !== "raw") {
        fail(`${path}.cell_type must be code, markdown or raw`);
      }
      return {
        cell_type: cell_type as "markdown" | "raw",
        ...common,
        ..."attachments" in rest && { attachments: object(rest["attachments"], `${path}.attachments`) },
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
 * Reads a notebook file.
 *
 * @param path Path of the file.
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
    if (size > 4 * MAX_LENGTH) {
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
 * Formats a notebook as Jupyter writes it: sorted keys and texts as lists of lines, for readable diffs.
 *
 * @param notebook The notebook.
 * @returns The text of the file.
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
  return JSON.stringify({ ...notebook, cells }, sortKeys, 1) + "\n";
}

/** Replacer for `JSON.stringify`: sorts keys alphabetically, as Jupyter does. */
function sortKeys(_key: string, value: unknown): unknown {
  if (!isRecord(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => a < b ? -1 : 1));
}

/**
 * SHA-256 of the code cells: if it differs from the stored one, the outputs come from other code.
 *
 * @param notebook The notebook.
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
 * Prepares a notebook for saving after a run: adds {@linkcode RunMetadata} and alternative texts of figures, removes
 * editors' metadata and what changes from run to run.
 *
 * @param notebook The notebook after the run.
 * @param smoke Whether it was a smoke run.
 * @returns A new notebook.
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
    const outputs = cell.outputs.map((output) => ({
      ...output,
      ...output.output_type === "execute_result" && { execution_count },
      ..."data" in output && { metadata: withAlt(output.data, output.metadata) },
    }));
    return { ...cell, metadata, outputs, execution_count };
  });
  const run: RunMetadata = { deno: Deno.version.deno, smoke, sources: sourcesHash(notebook) };
  return { cells, metadata: { gpt1: run, ...KERNEL }, nbformat: 4, nbformat_minor: 5 };
}

/** An output's metadata, with the alternative text of a figure's PNG where nbconvert reads it; the kernel sends none. */
function withAlt(data: Bundle, metadata: Bundle): Bundle {
  if (!(PLOTLY in data && "image/png" in data)) return metadata;
  return { ...metadata, "image/png": { alt: altText(data, metadata) } };
}

/** Kernel and language metadata; without the language version, which changes with Deno's. */
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
 * Finds notebooks by name, number or path.
 *
 * @param names Names, numbers or paths; if empty, all notebooks in the folder.
 * @param folder The folder to search.
 * @returns Paths, in the order of the names.
 * @throws {InputError} If a notebook does not exist.
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
    const stem = name.replace(/\.ipynb$/, "");
    const found = known.find((it) => it === stem) ?? known.find((it) => it.split("_")[0] === stem);
    if (found) return `${folder}/${found}.ipynb`;
    throw new InputError(
      `Cannot find notebook ${quoted(name)} in ${folder} as ${unknown("notebook", name, known)}`,
    );
  });
}

/** A notebook's name: its file name without folder and extension. */
export const nameOf = (path: string): string => path.replace(/^.*[/\\]/, "").replace(/\.ipynb$/, "");
