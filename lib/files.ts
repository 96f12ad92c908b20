import { InputError, isPrintable, named } from "./errors.ts";
import { checked, text } from "./settings.ts";

/**
 * Writes a file whole or not at all: under a name of its own beside it, synced to disk, then renamed over the old one.
 *
 * A kill at any moment, and another process that writes the same file, leave one whole file; folders on the way are
 * made. A symbolic link at the path is replaced, not followed.
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
  await checkPlace(path);
  const temporary = temporaryOf(path);
  try {
    await Deno.mkdir(folderOf(path), { recursive: true });
    await sweep(path);
    const file = await Deno.open(temporary, { write: true, createNew: true });
    try {
      await tryLock(file); // So that nobody sweeps it away.
      for (const chunk of chunks) {
        const bytes = typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
        for (let at = 0; at < bytes.length;) at += await file.write(bytes.subarray(at));
      }
      await file.sync();
      await Deno.rename(temporary, path);
    } finally {
      file.close();
    }
    await syncFolder(folderOf(path));
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw fileError("write", path, error);
  }
}

/**
 * Makes a folder whole or not at all: `fill` fills one beside it, which then gets the folder's name.
 *
 * @param folder Where; folders on the way are made.
 * @param fill Writes what is in it, into the folder that it is given.
 * @throws {InputError} If it is there already, be it that another process has just made it, or the place cannot be
 * written to; nothing half-made stays.
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
  const refuse = () =>
    new InputError(`Cannot make ${folder} as it is there already: remove it to make it again`);
  if (await exists(folder)) throw refuse();
  const temporary = temporaryOf(folder);
  let lock: Deno.FsFile | undefined;
  try {
    await Deno.mkdir(folderOf(folder), { recursive: true });
    await sweep(folder);
    await Deno.mkdir(temporary);
    lock = await Deno.open(temporary).catch(() => undefined); // Windows opens no folder.
    if (lock) await tryLock(lock);
    await fill(temporary);
    await Deno.rename(temporary, folder);
    await syncFolder(folderOf(folder));
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    if (!(error instanceof InputError) && await exists(folder)) throw refuse();
    throw fileError("make", folder, error);
  } finally {
    lock?.close();
  }
}

/** The folder that a file or folder is in. */
const folderOf = (path: string): string => path.replace(/[/\\]+$/, "").replace(/[^/\\]*$/, "") || ".";

/** A name beside a path, for what is to be written there: no two processes take the same. */
export function temporaryOf(path: string): string {
  return `${path.replace(/[/\\]+$/, "")}.${crypto.randomUUID().slice(0, 8)}.tmp`;
}

/** Milliseconds after which an unlocked temporary file is one that a killed process has left. */
const LEFT = 2000;

/**
 * Removes what killed processes have left of their writing to a path; who is writing holds a lock.
 *
 * @param after Milliseconds that it must be old.
 */
export async function sweep(path: string, after: number = LEFT): Promise<void> {
  const folder = folderOf(path), base = path.replace(/[/\\]+$/, "").slice(folder === "." ? 0 : folder.length);
  const isTemporary = (name: string) =>
    name.startsWith(`${base}.`) && /^[0-9a-f]{8}\.tmp$/.test(name.slice(base.length + 1));
  try {
    for await (const { name, isSymlink } of Deno.readDir(folder)) {
      if (!isTemporary(name) || isSymlink) continue;
      const left = `${folder === "." ? "" : folder}${name}`;
      using file = await Deno.open(left);
      const { mtime } = await file.stat();
      if (Date.now() - (mtime?.getTime() ?? 0) < after || await tryLock(file) === false) continue;
      await Deno.remove(left, { recursive: true });
    }
  } catch { /* Somebody else's to remove, or gone. */ }
}

/** Locks a file until it is closed; undefined where the file system has no locks. */
export async function tryLock(file: Deno.FsFile): Promise<boolean | undefined> {
  try {
    return await file.tryLock(true);
  } catch {
    return undefined;
  }
}

/** Makes a rename survive a loss of power; some systems sync no folder. */
async function syncFolder(folder: string): Promise<void> {
  try {
    using opened = await Deno.open(folder);
    await opened.sync();
  } catch { /* as good as it gets */ }
}

/**
 * Makes sure that a file can be written, before hours are spent on what will be in it.
 *
 * @throws {InputError} If it cannot.
 */
export async function checkWritable(path: string): Promise<void> {
  checked("write a file", "path", text, path);
  await checkPlace(path);
  const probe = temporaryOf(path);
  try {
    await Deno.mkdir(folderOf(path), { recursive: true });
    await sweep(path);
    (await Deno.open(probe, { write: true, createNew: true })).close();
  } catch (error) {
    throw fileError("write", path, error);
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
    const { isFile, size } = await checkFile(path);
    if (isFile && size === 0) return new Uint8Array(); // Some files of /proc say so and have no end.
    return await Deno.readFile(path);
  } catch (error) {
    throw fileError(`read ${what}`, path, error);
  }
}

/** Refuses a device or a pipe, which may have no end; tells what is there. */
export async function checkFile(path: string): Promise<Deno.FileInfo> {
  const info = await Deno.stat(path);
  if (!info.isFile && !info.isDirectory) throw new InputError(`Cannot read ${path} as it is no file`);
  return info;
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
  const full = error.message.replace(/\.[0-9a-f]{8}\.tmp\b/g, ""); // Nobody asked for a temporary file.
  const isPlain = full.length <= 160 && isPrintable(full);
  const why = isPlain ? full : full.replace(/:? \w+ '[^]*$/, ""); // It names the path again.
  return new InputError(`Cannot ${action} ${named(path)}: ${why}`, { cause: error });
}
