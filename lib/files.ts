import { InputError, isPrintable, named } from "./errors.ts";
import { checked, text } from "./settings.ts";

/**
 * Writes a file atomically: to a temporary file in the same folder, which is synced to disk and then renamed.
 *
 * The file is complete even if the process is killed or another process writes it at the same time. Missing folders are
 * created. A symbolic link at the path is replaced, not followed.
 *
 * @param path Path of the file.
 * @param chunks The content; strings are written as UTF-8.
 * @throws {InputError} If the file cannot be written; the temporary file is removed.
 *
 * @example
 * ```ts
 * import { writeAtomic } from "./files.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await writeAtomic(`${folder}/notes/first.txt`, ["all ", "or nothing"]);
 * console.log(await Deno.readTextFile(`${folder}/notes/first.txt`)); // "all or nothing"
 * ```
 */
export async function writeAtomic(path: string, chunks: Iterable<Uint8Array | string>): Promise<void> {
  checked("write a file", "path", text, path);
  await checkTarget(path);
  const temporary = temporaryOf(path);
  try {
    await Deno.mkdir(folderOf(path), { recursive: true });
    await removeStaleFiles(path);
    const file = await Deno.open(temporary, { write: true, createNew: true });
    try {
      await tryLock(file); // So that no other process removes it as stale.
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
 * Creates a folder atomically: `fill` writes to a temporary folder, which is then renamed.
 *
 * @param folder Path of the folder; missing parent folders are created.
 * @param fill Writes the content into the given temporary folder.
 * @throws {InputError} If the folder exists already or cannot be written; the temporary folder is removed.
 *
 * @example
 * ```ts
 * import { createFolder } from "./files.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await createFolder(`${folder}/notes`, (temporary) => Deno.writeTextFile(`${temporary}/first.txt`, "one"));
 * console.log(await Deno.readTextFile(`${folder}/notes/first.txt`)); // "one"
 * ```
 */
export async function createFolder(
  folder: string,
  fill: (temporary: string) => Promise<void>,
): Promise<void> {
  const refuse = () =>
    new InputError(`Cannot create ${folder} as it already exists: remove it to create it again`);
  if (await exists(folder)) throw refuse();
  const temporary = temporaryOf(folder);
  let lock: Deno.FsFile | undefined;
  try {
    await Deno.mkdir(folderOf(folder), { recursive: true });
    await removeStaleFiles(folder);
    await Deno.mkdir(temporary);
    lock = await Deno.open(temporary).catch(() => undefined); // Windows cannot open folders.
    if (lock) await tryLock(lock);
    await fill(temporary);
    await Deno.rename(temporary, folder);
    await syncFolder(folderOf(folder));
  } catch (error) {
    await Deno.remove(temporary, { recursive: true }).catch(() => {});
    if (!(error instanceof InputError) && await exists(folder)) throw refuse();
    throw fileError("create", folder, error);
  } finally {
    lock?.close();
  }
}

/** The folder that a path lies in, as it is written; `.` of a bare name. */
export const folderOf = (path: string): string => path.replace(/[/\\]+$/, "").replace(/[^/\\]*$/, "") || ".";

/** A unique temporary path in the same folder. */
export function temporaryOf(path: string): string {
  return `${path.replace(/[/\\]+$/, "")}.${crypto.randomUUID().slice(0, 8)}.tmp`;
}

/** Age in ms from which an unlocked temporary file is considered stale: left by a killed process. */
const STALE_AFTER = 2000;

/**
 * Removes stale temporary files of a path, left by killed processes; those in use are locked.
 *
 * @param after Minimum age, in ms.
 */
export async function removeStaleFiles(path: string, after: number = STALE_AFTER): Promise<void> {
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
  } catch { /* Another process is removing it. */ }
}

/** Tries to lock a file until it is closed; undefined if the file system does not support locks. */
export async function tryLock(file: Deno.FsFile): Promise<boolean | undefined> {
  try {
    return await file.tryLock(true);
  } catch {
    return undefined;
  }
}

/** Syncs a folder to disk, so that a rename survives a power loss; not all systems support it. */
async function syncFolder(folder: string): Promise<void> {
  try {
    using opened = await Deno.open(folder);
    await opened.sync();
  } catch { /* not supported */ }
}

/**
 * Checks that a file can be written, before hours are spent computing its content.
 *
 * @throws {InputError} If it cannot be written.
 */
export async function checkWritable(path: string): Promise<void> {
  checked("write a file", "path", text, path);
  await checkTarget(path);
  const probe = temporaryOf(path);
  try {
    await Deno.mkdir(folderOf(path), { recursive: true });
    await removeStaleFiles(path);
    (await Deno.open(probe, { write: true, createNew: true })).close();
  } catch (error) {
    throw fileError("write", path, error);
  }
  await Deno.remove(probe);
}

/** Throws if a path is a folder, a device or a pipe, which a rename would replace. */
async function checkTarget(path: string): Promise<void> {
  const existing = await Deno.stat(path).catch(() => undefined);
  if (/[/\\]$/.test(path) || (existing && !existing.isFile)) {
    throw new InputError(`Cannot write ${path} as it is not a file name: name a file`);
  }
}

/**
 * Checks that a folder can exist, without creating it: that no part of its path is a file.
 *
 * @param action What the folder is for, such as "write".
 * @throws {InputError} If one is.
 */
export function checkFolders(action: string, path: string): void {
  const file = fileIn(path);
  if (file !== undefined) throw notFolder(action, path, file);
}

/** The part of a path that is a file, of which a folder is expected. */
function fileIn(path: string): string | undefined {
  const part = path.replace(/[/\\]+$/, "");
  try {
    return Deno.statSync(part).isDirectory ? undefined : part;
  } catch {
    const above = folderOf(part);
    return above === path ? undefined : fileIn(above);
  }
}

function notFolder(action: string, path: string, file: string, cause?: unknown): InputError {
  return new InputError(
    `Cannot ${action} ${named(path)} as ${named(file)} is a file and not a folder: choose another path`,
    { cause },
  );
}

/** The lines of a stream as they arrive, without an incomplete last line. */
export async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

/** Whether a file or folder exists. */
export function exists(path: string): Promise<boolean> {
  return Deno.stat(path).then(() => true, () => false);
}

/** Reads a file; if it is missing or unreadable, throws an {@linkcode InputError} that says what it is for. */
export async function readFile(path: string, what: string): Promise<Uint8Array<ArrayBuffer>> {
  checked(`read ${what}`, "path", text, path);
  try {
    const { isFile, size } = await checkFile(path);
    if (isFile && size === 0) return new Uint8Array(); // Some files in /proc report size 0 and are endless.
    return await Deno.readFile(path);
  } catch (error) {
    throw fileError(`read ${what}`, path, error);
  }
}

/** Throws if a path is a device or a pipe, which may be endless; returns its file info. */
export async function checkFile(path: string): Promise<Deno.FileInfo> {
  const info = await Deno.stat(path);
  if (!info.isFile && !info.isDirectory) throw new InputError(`Cannot read ${path} as it is not a file`);
  return info;
}

/**
 * Converts errors of the file system to an {@linkcode InputError}; other errors are bugs and are returned unchanged.
 *
 * @param action The action, such as "write".
 * @param path The file or folder.
 * @param error The caught error.
 * @returns The error to throw.
 */
export function fileError(action: string, path: string, error: unknown): unknown {
  // The abort reason of a signal has a code, too.
  if (!(error instanceof Error) || error instanceof InputError || error instanceof DOMException) return error;
  const known = error instanceof Deno.errors.NotCapable || "code" in error ||
    /\(os error \d+\)/.test(error.message); // Not each of them has a code.
  if (!known) return error;
  if (error instanceof Deno.errors.AlreadyExists || error instanceof Deno.errors.NotADirectory) {
    const file = fileIn(/ '([^]*)'$/.exec(error.message)?.[1] ?? path);
    if (file !== undefined) return notFolder(action, path, file, error);
  }
  const full = error.message.replace(/\.[0-9a-f]{8}\.tmp\b/g, ""); // Hides the temporary name.
  const isPlain = full.length <= 160 && isPrintable(full);
  const why = isPlain ? full : full.replace(/:? \w+ '[^]*$/, ""); // It repeats the path.
  return new InputError(`Cannot ${action} ${named(path)}: ${why}`, { cause: error });
}
