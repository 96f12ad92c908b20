/**
 * OpenAI's two vocabulary files: `encoder_bpe_*.json` maps pieces to ids, `vocab_*.bpe` has one merge per line.
 */
import { InputError, named, quoted } from "../errors.ts";
import { fileError, writeAtomic } from "../files.ts";
import { decodeUtf8, isRecord, parseJson } from "../foreign.ts";
import { checked, text } from "../settings.ts";
import { type Tokenizer, tokenizerFrom, tokenizerSetting, UNKNOWN } from "./bpe.ts";

/** Maximum size of a file, in bytes; OpenAI's have less than 1 MB. */
const MAX_FILE = 64 * 2 ** 20;
const ENCODER = /^encoder_bpe_(.*)\.json$/;
const MERGES = /^vocab_(.*)\.bpe$/;

/**
 * Loads a tokenizer from OpenAI's vocabulary files, such as the released ones of GPT-1. The files are not trusted: the
 * number of merges must match the file names, and every piece must be a character or the result of a merge, so that a
 * truncated file is rejected.
 *
 * @param folder A folder with exactly one `encoder_bpe_N.json` and one `vocab_N.bpe` of N merges, each of at most
 * 64 MB.
 * @throws {InputError} If a file is missing, too large, truncated or malformed; the message names file and line.
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
  const find = (pattern: RegExp, form: string): { file: string; count: string } => {
    const found = names.filter((name) => pattern.test(name));
    const [name] = found;
    if (name !== undefined && found.length === 1) {
      return { file: `${folder}/${name}`, count: pattern.exec(name)![1]! };
    }
    throw new InputError(
      `Cannot load a vocabulary from ${named(folder)} as it must hold one file ${form}: ` +
        `current number is ${found.length}`,
    );
  };
  const encoder = find(ENCODER, "encoder_bpe_*.json"), vocab = find(MERGES, "vocab_*.bpe");
  const pieces = parseEncoder(await read(encoder.file), encoder.file);
  const merges = parseMerges(await read(vocab.file), vocab.file);
  const tokenizer = tokenizerFrom({ pieces, merges }, {
    pieces: named(encoder.file),
    merge: (index) => `${named(vocab.file)}:${index + 2}`,
  });
  for (const { file, count } of [vocab, encoder]) {
    if (count === String(merges.length)) continue;
    throw new InputError(
      `Cannot load ${
        named(file)
      } as it must be named after its number of merges: current number is ${merges.length}`,
    );
  }
  checkComplete(tokenizer, `load ${named(encoder.file)}`);
  return tokenizer;
}

/** Throws if a piece is not the result of a merge: its merge is missing, and text would be split into smaller pieces. */
function checkComplete({ pieces, merges }: Tokenizer, action: string): void {
  const merged = new Set(merges.map(([left, right]) => left + right));
  const orphan = pieces.find((piece) =>
    piece !== UNKNOWN && !/^.(<\/w>)?$/su.test(piece) && !merged.has(piece)
  );
  if (orphan === undefined) return;
  throw new InputError(
    `Cannot ${action} as each piece must be one character or the result of a merge: current piece is ${
      quoted(orphan)
    }`,
  );
}

/**
 * Saves a tokenizer as OpenAI's vocabulary files: `encoder_bpe_N.json` and `vocab_N.bpe` for N merges. Each file is
 * written atomically.
 *
 * @param tokenizer The tokenizer.
 * @param folder Created if missing. Files of the same names are replaced.
 * @throws {InputError} If the folder has a vocabulary with another number of merges, or is a file; or if the format
 * cannot represent the vocabulary, as a piece is not the result of a merge or a merge contains white space.
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
  checkComplete(tokenizer, "save a vocabulary");
  const spaced = merges.flat().find((piece) => /[ \r\n]/.test(piece));
  if (spaced !== undefined) {
    throw new InputError(
      `Cannot save a vocabulary as its merges must be without white space: current piece is ${
        quoted(spaced)
      }`,
    );
  }
  const encoderName = `encoder_bpe_${merges.length}.json`, mergesName = `vocab_${merges.length}.bpe`;
  try {
    await Deno.mkdir(folder, { recursive: true });
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory)) {
      throw fileError("save a vocabulary to", folder, error);
    }
    throw new InputError(
      `Cannot save a vocabulary to ${named(folder)} as it must be a folder: current path is a file`,
    );
  }
  for (const name of await filesOf(folder)) {
    if ((ENCODER.test(name) && name !== encoderName) || (MERGES.test(name) && name !== mergesName)) {
      throw new InputError(
        `Cannot save a vocabulary to ${named(folder)} as it must hold no other: ` +
          `current one is ${quoted(name)}, the new one is ${mergesName}`,
      );
    }
  }
  const lines = ["#version: 0.2", ...merges.map(([left, right]) => `${left} ${right}`), ""];
  await writeAtomic(`${folder}/${encoderName}`, [JSON.stringify(Object.fromEntries(encoder))]);
  await writeAtomic(`${folder}/${mergesName}`, [lines.join("\n")]);
}

/** The names of a folder's files. */
async function filesOf(folder: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const entry of Deno.readDir(folder)) names.push(entry.name);
    return names;
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) {
      throw fileError("load a vocabulary from", folder, error);
    }
    throw new InputError(
      `Cannot load a vocabulary from ${named(folder)} as it must be a folder: current path is none`,
    );
  }
}

/** Reads a text file, up to the maximum size. */
async function read(file: string): Promise<string> {
  let bytes: Uint8Array;
  try {
    const { size, isFile, isDirectory } = await Deno.stat(file);
    if (!isFile) {
      throw new InputError(
        `Cannot load ${named(file)} as it must be a file: current path is ${
          isDirectory ? "a folder" : "a device"
        }`,
      );
    }
    if (size > MAX_FILE) {
      throw new InputError(
        `Cannot load ${named(file)} as it must have at most ${MAX_FILE} bytes: current size is ${size}`,
      );
    }
    bytes = await Deno.readFile(file);
  } catch (error) {
    throw fileError("load", file, error);
  }
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new InputError(`Cannot load ${named(file)} as it must be UTF-8: current bytes are not`);
}

/** Pieces in the order of their ids. */
function parseEncoder(text: string, file: string): string[] {
  const fail = (why: string): never => {
    throw new InputError(`Cannot load ${named(file)} as ${why}`);
  };
  const table = parseJson(text, "it must be JSON: current text", fail);
  if (!isRecord(table)) return fail("it must be a JSON object of pieces and their ids");
  const entries = Object.entries(table) as [piece: string, id: number][];
  const pieces: (string | undefined)[] = Array.from({ length: entries.length });
  for (const [piece, id] of entries) {
    if (!Number.isInteger(id) || id < 0 || id >= entries.length) {
      const range = `an integer from 0 to ${entries.length - 1}`;
      fail(`the id of ${quoted(piece)} must be ${range}: current id is ${quoted(id)}`);
    }
    if (pieces[id] !== undefined) {
      fail(
        `each id must belong to one piece: current id ${id} belongs to ${quoted(pieces[id])} and ${
          quoted(piece)
        }`,
      );
    }
    pieces[id] = piece;
  }
  return pieces as string[]; // each id is in range and unique, so none is missing
}

/** The merges, one per line after the first. */
function parseMerges(text: string, file: string): [string, string][] {
  const lines = text.split("\n").map((line) => line.replace(/\r$/, ""));
  if (!lines[0]?.startsWith("#version")) {
    throw new InputError(
      `Cannot load ${named(file)}:1 as it must start with #version: current line is ${
        quoted(lines[0] ?? "")
      }`,
    );
  }
  if (lines.pop() !== "") {
    throw new InputError(
      `Cannot load ${named(file)} as it must end with a line break: its last line may be truncated`,
    );
  }
  return lines.slice(1).map((line, i) => {
    const [left, right, ...more] = line.split(" ");
    if (left && right && more.length === 0) return [left, right];
    throw new InputError(
      `Cannot load ${named(file)}:${i + 2} as a line must hold two pieces and one space: current line is ${
        quoted(line)
      }`,
    );
  });
}
