import { InputError } from "./errors.ts";
import { checked, text } from "./settings.ts";

/**
 * Writes a file whole or not at all: to `<path>.tmp`, synced to disk, then renamed over the old one.
 *
 * A kill at any moment leaves the old file or the new one; folders on the way are made.
 *
 * @param path Where.
 * @param chunks What, one after the other; a string is written as UTF-8.
 * @throws {InputError} If the place cannot be written to; nothing half-written stays.
 *
 * @example
 * ```ts
 * import { writeWhole } from "./files.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await writeWhole(`${folder}/notes/first.txt`, ["all ", "or nothing"]);
 * console.log(await Deno.readTextFile(`${folder}/notes/first.txt`)); // "all or nothing"
 * ```
 */
export async function writeWhole(path: string, chunks: Iterable<Uint8Array | string>): Promise<void> {
  checked("write a file", "path", text, path);
  const temporary = `${path}.tmp`;
  await checkPlace(path);
  try {
    await Deno.mkdir(path.replace(/[^/\\]*$/, "") || ".", { recursive: true });
    const file = await Deno.open(temporary, { write: true, create: true, truncate: true });
    try {
      for (const chunk of chunks) {
        const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      }
      await file.sync();
    } finally {
      file.close();
    }
    await Deno.rename(temporary, path);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw fileError("write", path, error);
  }
}

/**
 * Makes a folder whole or not at all: `fill` fills `<folder>.tmp`, which then gets the folder's name.
 *
 * @param folder Where; folders on the way are made.
 * @param fill Writes what is in it, into the folder that it is given.
 * @throws {InputError} If it is there already, or the place cannot be written to; nothing half-made stays.
 *
 * @example
 * ```ts
 * import { fillWhole } from "./files.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await fillWhole(`${folder}/notes`, (temporary) => Deno.writeTextFile(`${temporary}/first.txt`, "one"));
 * console.log(await Deno.readTextFile(`${folder}/notes/first.txt`)); // "one"
 * ```
 */
export async function fillWhole(folder: string, fill: (temporary: string) => Promise<void>): Promise<void> {
  if (await exists(folder)) {
    throw new InputError(`Cannot make ${folder} as it is there already: remove it to have it anew`);
  }
  const temporary = `${folder}.tmp`;
  try {
    if (await exists(temporary)) await Deno.remove(temporary, { recursive: true }); // A killed run left it.
    await Deno.mkdir(temporary, { recursive: true });
    await fill(temporary);
    await Deno.rename(temporary, folder);
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    throw fileError("make", folder, error);
  }
}

/**
 * Makes sure that a file can be written, before hours are spent on what will be in it.
 *
 * @throws {InputError} If it cannot.
 */
export async function checkWritable(path: string): Promise<void> {
  await checkPlace(path);
  const probe = `${path}.probe`;
  try {
    await writeWhole(probe, []);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(error.message.replaceAll(probe, path), { cause: error.cause }); // Which is what was asked for.
  }
  await Deno.remove(probe);
}

/** Refuses a path that is a folder's, a device's or a pipe's: a file that is renamed to it would replace it. */
async function checkPlace(path: string): Promise<void> {
  const there = await Deno.stat(path).catch(() => undefined);
  if (/[/\\]$/.test(path) || (there && !there.isFile)) {
    throw new InputError(`Cannot write ${path} as it is no file's name: name a file`);
  }
}

/** A stream's lines, as they come; what follows the last line break is left out. */
export async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

/** Whether there is a file or folder. */
export function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

/** Reads a file whole; a missing or unreadable one is an {@linkcode InputError} that says what it was for. */
export async function readWhole(path: string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  checked(`read ${what}`, "path", text, path);
  try {
    await checkFile(path);
    return await Deno.readFile(path);
  } catch (error) {
    throw fileError(`read ${what}`, path, error);
  }
}

/** Refuses a device or a pipe, which may have no end. */
export async function checkFile(path: string): Promise<void> {
  const { isFile, isDirectory } = await Deno.stat(path);
  if (!isFile && !isDirectory) throw new InputError(`Cannot read ${path} as it is no file`);
}

/**
 * The system's refusals as one sentence; anything else is a bug and passes through.
 *
 * @param action What was to be done, as in "write".
 * @param path To which file or folder.
 * @param error What came of it.
 * @returns What to throw.
 */
export function fileError(action: string, path: string, error: unknown): unknown {
  // A signal's reason has a code, too.
  if (!(error instanceof Error) || error instanceof InputError || error instanceof DOMException) return error;
  const known = error instanceof Deno.errors.NotCapable || "code" in error;
  if (!known) return error;
  const short = path.length <= 120 ? path : `${path.slice(0, 40)}…${path.slice(-79)}`;
  const why = error.message.length <= 160 ? error.message : error.message.replace(/:? \w+ '[^]*$/, ""); // It names the path again.
  return new InputError(`Cannot ${action} ${short}: ${why}`, { cause: error });
}
