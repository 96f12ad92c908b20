/**
 * OpenAI's two files of a vocabulary: `encoder_bpe_*.json`, piece to id, and `vocab_*.bpe`, a merge a line.
 */
import { InputError } from "../errors.ts";
import { writeWhole } from "../files.ts";
import { checked, text } from "../settings.ts";
import { type Tokenizer, tokenizerFrom, tokenizerSetting } from "./bpe.ts";

/** OpenAI's own are below 1 MB. */
const LARGEST_FILE = 64 * 2 ** 20;
const ENCODER = /^encoder_bpe_.*\.json$/;
const MERGES = /^vocab_.*\.bpe$/;

/**
 * Reads a vocabulary in OpenAI's format, such as the released one of GPT-1. The files are not trusted.
 *
 * @param folder A folder with exactly one `encoder_bpe_*.json` and one `vocab_*.bpe`, each of at most 64 MB.
 * @throws {InputError} If a file is missing, too large or not of the format; the message names file and line.
 *
 * @example
 * ```ts
 * import { trainBpe } from "./bpe.ts";
 * import { loadBpe, saveBpe } from "./files.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await saveBpe(trainBpe("the cat sat on the mat", { merges: 5 }), folder);
 * console.log((await loadBpe(folder)).merges.length); // 5
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function loadBpe(folder: string): Promise<Tokenizer> {
  checked("load a vocabulary", "folder", text, folder);
  const names = await filesOf(folder);
  const find = (pattern: RegExp, form: string): string => {
    const found = names.filter((name) => pattern.test(name));
    if (found.length === 1 && found[0] !== undefined) return `${folder}/${found[0]}`;
    throw new InputError(
      `Cannot load a vocabulary from ${folder} as it must hold one file ${form}: ` +
        `current number is ${found.length}`,
    );
  };
  const encoderFile = find(ENCODER, "encoder_bpe_*.json"), mergesFile = find(MERGES, "vocab_*.bpe");
  const pieces = parseEncoder(await read(encoderFile), encoderFile);
  const merges = parseMerges(await read(mergesFile), mergesFile);
  return tokenizerFrom({ pieces, merges }, {
    pieces: encoderFile,
    merge: (index) => `${mergesFile}:${index + 2}`,
  });
}

/**
 * Writes a vocabulary in OpenAI's format: `encoder_bpe_N.json` and `vocab_N.bpe` for N merges. Each file is
 * written under a temporary name, flushed to the disk and then renamed, so that no reader ever sees half of
 * one.
 *
 * @param tokenizer What to save.
 * @param folder Where to; it is made if it is not there. Files of the same names are replaced.
 * @throws {InputError} If the folder holds a vocabulary of another number of merges, or is a file.
 *
 * @example
 * ```ts
 * import { trainBpe } from "./bpe.ts";
 * import { saveBpe } from "./files.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await saveBpe(trainBpe("the cat sat on the mat", { merges: 5 }), folder);
 * console.log(await Deno.readTextFile(`${folder}/vocab_5.bpe`)); // #version: 0.2, then five lines
 * await Deno.remove(folder, { recursive: true });
 * ```
 */
export async function saveBpe(tokenizer: Tokenizer, folder: string): Promise<void> {
  checked("save a vocabulary", "tokenizer", tokenizerSetting, tokenizer);
  checked("save a vocabulary", "folder", text, folder);
  const { merges, encoder } = tokenizer;
  const encoderName = `encoder_bpe_${merges.length}.json`, mergesName = `vocab_${merges.length}.bpe`;
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory)) {
      throw error;
    }
    throw new InputError(
      `Cannot save a vocabulary to ${folder} as it must be a folder: current path is a file`,
    );
  }
  for (const name of await filesOf(folder)) {
    if ((ENCODER.test(name) && name !== encoderName) || (MERGES.test(name) && name !== mergesName)) {
      throw new InputError(
        `Cannot save a vocabulary to ${folder} as it must hold no other: ` +
          `current one is ${name}, the new one is ${mergesName}`,
      );
    }
  }
  const lines = ["#version: 0.2", ...merges.map(([left, right]) => `${left} ${right}`), ""];
  await writeWhole(`${folder}/${encoderName}`, [JSON.stringify(Object.fromEntries(encoder))]);
  await writeWhole(`${folder}/${mergesName}`, [lines.join("\n")]);
}

/** The names of a folder's files. */
async function filesOf(folder: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const entry of Deno.readDir(folder)) names.push(entry.name);
    return names;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
    throw new InputError(
      `Cannot load a vocabulary from ${folder} as it must be a folder: current path is none`,
    );
  }
}

/** The text of a file of sensible size. */
async function read(file: string): Promise<string> {
  const { size, isFile } = await Deno.stat(file);
  if (!isFile) throw new InputError(`Cannot load ${file} as it must be a file: current path is a folder`);
  if (size > LARGEST_FILE) {
    throw new InputError(
      `Cannot load ${file} as it must have at most ${LARGEST_FILE} bytes: current size is ${size}`,
    );
  }
  return await Deno.readTextFile(file);
}

/** Pieces in the order of their ids. */
function parseEncoder(text: string, file: string): string[] {
  const fail = (why: string): never => {
    throw new InputError(`Cannot load ${file} as ${why}`);
  };
  let table: unknown;
  try {
    table = JSON.parse(text);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return fail(`it must be JSON: current text is not, ${why}`);
  }
  if (typeof table !== "object" || table === null || Array.isArray(table)) {
    return fail("it must be a JSON object of pieces and their ids");
  }
  const entries = Object.entries(table);
  const pieces: (string | undefined)[] = Array.from({ length: entries.length });
  for (const [piece, id] of entries) {
    const name = JSON.stringify(piece);
    if (!Number.isInteger(id) || id < 0 || id >= entries.length) {
      fail(
        `the id of ${name} must be an integer from 0 to ${entries.length - 1}: current id is ${
          JSON.stringify(id)
        }`,
      );
    }
    if (pieces[id] !== undefined) {
      fail(
        `each id must belong to one piece: current id ${id} belongs to ${
          JSON.stringify(pieces[id])
        } and ${name}`,
      );
    }
    pieces[id] = piece;
  }
  return pieces as string[]; // as many ids as pieces, each in range and once: none is missing
}

/** The merges of the lines after the first. */
function parseMerges(text: string, file: string): [string, string][] {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  if (!lines[0]?.startsWith("#version")) {
    throw new InputError(
      `Cannot load ${file}:1 as it must start with #version: current line is ${show(lines[0])}`,
    );
  }
  if (lines.at(-1) === "") lines.pop();
  return lines.slice(1).map((line, i) => {
    const [left, right, ...more] = line.split(" ");
    if (left && right && more.length === 0) return [left, right];
    throw new InputError(
      `Cannot load ${file}:${i + 2} as a line must hold two pieces and one space: current line is ${
        show(line)
      }`,
    );
  });
}

/** A line as a message can hold it. */
function show(line = ""): string {
  return JSON.stringify(line.length > 60 ? line.slice(0, 60) + "…" : line);
}
