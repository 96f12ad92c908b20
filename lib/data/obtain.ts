import { claim, holderName } from "../claim.ts";
import { InputError } from "../errors.ts";
import { checkFile, createFolder, exists, fileError, removeStaleFiles } from "../files.ts";
import { download, verify } from "./download.ts";
import { type Download, fileName, type Pinned } from "./downloads.ts";
import { unpack, unpackInto } from "./unpack.ts";

/** Options of {@linkcode obtain}. */
export interface ObtainOptions {
  /** A local copy, an archive or a folder, to use instead of a download. */
  readonly from?: string | undefined;
  /** Stops the work; the next call resumes it. */
  readonly signal?: AbortSignal | undefined;
  /** Called with a file and the number of its bytes downloaded so far. */
  readonly onProgress?: ((file: Pinned, bytes: number) => void) | undefined;
}

/** Maximum number of files in a local copy. */
const MAX_FILES = 10_000;

/**
 * Downloads or copies a data set, verifies and unpacks it into a folder of its name, atomically.
 *
 * A claim file `<name>.claim` next to the folder makes sure that only one process does this at a time. Downloaded files
 * are kept in `<name>.download` until all are complete.
 *
 * @param set The data set.
 * @param folder The parent folder.
 * @param options Local copy, signal, progress.
 * @returns Whether it was verified against a known checksum.
 * @throws {InputError} If the folder already exists, the files are not available or not the expected ones, or another
 * process is working on them.
 * @throws The signal's reason, if it is aborted.
 *
 * @example
 * ```ts
 * import { obtain } from "./obtain.ts";
 *
 * const sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
 * const files = [{ url: "data:text/plain,hello", bytes: 5, sha256, as: "hello.txt" }];
 * const folder = await Deno.makeTempDir();
 * await obtain({ name: "greeting", files }, folder);
 * console.log(await Deno.readTextFile(`${folder}/greeting/hello.txt`)); // "hello"
 * ```
 */
export async function obtain(set: Download, folder: string, options: ObtainOptions = {}): Promise<boolean> {
  const { from, signal } = options;
  const { name, files, own } = set;
  const target = `${folder}/${name}`;
  await checkFree(name, target);
  if (from === undefined) {
    if (files.length === 0) {
      throw new InputError(
        `Cannot download ${name} as its licence forbids redistribution: provide with --from ${own!.about}`,
      );
    }
    await exclusively(name, target, signal, (signal) => fetchAll(set, target, { ...options, signal }));
    return true;
  }
  const known = await knownFiles(set, from);
  await exclusively(name, target, signal, async (signal) => {
    if (!known) return await copyOwn(set, from, target, signal);
    for (const [i, path] of known.entries()) await verify(files[i]!, path);
    await install(files, known, target, signal);
  });
  return known !== undefined;
}

async function checkFree(name: string, target: string): Promise<void> {
  if (!await exists(target)) return;
  throw new InputError(
    `Cannot create ${target} for ${name} as it already exists: remove it to create it again`,
  );
}

/** Works on a set's folder exclusively: two processes would damage each other's downloads. */
async function exclusively(
  name: string,
  target: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await makeFolder(target.slice(0, target.lastIndexOf("/")) || "/");
  const claimed = await claim(`${target}.claim`);
  if (!("release" in claimed)) {
    throw new InputError(
      `Cannot create ${target} for ${name} as ${
        holderName(claimed)
      } is working on it: wait for it, or stop it`,
    );
  }
  try {
    await checkFree(name, target); // Another process may just have created it.
    await removeStaleFiles(target, 0); // Under an exclusive claim, temporary files are those of a killed process.
    await work(AbortSignal.any([claimed.lost, ...signal ? [signal] : []]));
  } catch (error) {
    if (!claimed.lost.aborted || signal?.aborted) throw error;
    throw new InputError(
      `Cannot create ${target} for ${name} as this process was suspended for minutes, and another one took over`,
    );
  } finally {
    await claimed.release();
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await Deno.mkdir(path, { recursive: true });
  } catch (error) {
    throw fileError("create", path, error);
  }
}

/** Downloads and verifies a set's files and installs them; partial downloads are kept until then. */
async function fetchAll({ files }: Download, target: string, options: ObtainOptions): Promise<void> {
  const { signal, onProgress } = options;
  const incoming = `${target}.download`;
  if (await Deno.lstat(incoming).then(({ isDirectory }) => !isDirectory, () => false)) {
    throw new InputError(`Cannot download to ${incoming} as it is a link or file: remove it`);
  }
  await makeFolder(incoming);
  const paths = files.map((file) => `${incoming}/${fileName(file)}`);
  try {
    for (const [i, file] of files.entries()) {
      await download(file, paths[i]!, { signal, onProgress: (bytes) => onProgress?.(file, bytes) });
    }
    await install(files, paths, target, signal);
    await Deno.remove(incoming, { recursive: true });
  } finally {
    await Deno.remove(incoming).catch(() => {}); // Fails if it has files to resume from.
  }
}

/** Paths of the set's known files in a local copy; undefined if it is another copy that is accepted. */
async function knownFiles({ name, files, own }: Download, from: string): Promise<string[] | undefined> {
  const names = files.map(fileName);
  const { isDirectory } = await stat(from);
  if (!isDirectory && files.length === 1 && (!own || from.endsWith(names[0]!))) return [from];
  const paths = names.map((file) => `${from}/${file}`);
  const found = await Promise.all(paths.map(exists));
  if (isDirectory && files.length > 0 && found.every(Boolean)) return paths;
  if (own) return;
  const missing = names.filter((_, i) => !found[i]);
  throw new InputError(
    `Cannot copy ${name} from ${from} as there is no ${missing.join(" and no ")} in it: expected the files ` +
      "as they were published",
  );
}

/** Unpacks or copies verified files into the set's folder. */
async function install(
  files: readonly Pinned[],
  paths: readonly string[],
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (files[0]!.as === undefined) return await unpack(paths[0]!, target, signal);
  await createFolder(target, async (temporary) => {
    for (const [i, file] of files.entries()) await Deno.copyFile(paths[i]!, `${temporary}/${fileName(file)}`);
  });
}

const isArchive = (path: string) => /\.(zip|tgz|tar\.gz)$/i.test(path);

/** The error for a local copy without files of the set. */
const noFiles = ({ name, own }: Download, from: string): InputError => {
  const { extension, about } = own!;
  return new InputError(
    `Cannot copy ${name} from ${from} as there is no ${extension} file in it: expected ${about}`,
  );
};

/** Copies files without a known checksum: an archive, a folder's files with the extension, or one such file. */
async function copyOwn(
  set: Download,
  from: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { extension } = set.own!;
  const { isDirectory } = await stat(from);
  await createFolder(target, async (temporary) => {
    if (!isDirectory && isArchive(from)) {
      await unpackInto(from, temporary, signal);
      if ((await filesBelow(temporary, extension)).length === 0) throw noFiles(set, from);
      return;
    }
    const found = isDirectory ? await filesBelow(from, extension) : from.endsWith(extension) ? [""] : [];
    if (found.length === 0) throw noFiles(set, from);
    for (const path of found) {
      signal?.throwIfAborted();
      const to = `${temporary}/${path || from.split(/[/\\]/).at(-1)}`;
      await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
      await Deno.copyFile(path ? `${from}/${path}` : from, to);
    }
  });
}

/** Relative paths of the files with an extension in a folder, recursively; links are not followed. */
async function filesBelow(folder: string, extension: string): Promise<string[]> {
  const found: string[] = [];
  let count = 0;
  const walk = async (path: string): Promise<void> => {
    for await (const { name, isFile, isDirectory } of Deno.readDir(`${folder}/${path}`)) {
      if (++count > MAX_FILES) {
        throw new InputError(`Cannot copy ${folder} as it holds more than ${MAX_FILES} files`);
      }
      if (name.startsWith(".")) continue;
      if (isDirectory) await walk(`${path}${name}/`);
      else if (isFile && name.endsWith(extension)) found.push(path + name);
    }
  };
  try {
    await walk("");
  } catch (error) {
    throw fileError("read", folder, error);
  }
  return found;
}

/** File info of a file or folder; throws for a pipe, which would block, or a device, which may be endless. */
async function stat(path: string): Promise<Deno.FileInfo> {
  try {
    return await checkFile(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}
