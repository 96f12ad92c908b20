import { InputError } from "../errors.ts";
import { exists, fileError, fillWhole } from "../files.ts";
import { download, verify } from "./download.ts";
import { type Download, fileName, type Pinned } from "./downloads.ts";
import { unpack } from "./unpack.ts";

/** Settings of {@linkcode obtain}. */
export interface ObtainOptions {
  /** A copy of one's own, an archive or a folder, instead of a download. */
  readonly from?: string | undefined;
  /** Ends the work; the next call goes on from there. */
  readonly signal?: AbortSignal | undefined;
  /** Is told how many bytes of which file are there. */
  readonly onProgress?: ((file: Pinned, bytes: number) => void) | undefined;
}

/** Files of a copy of one's own. */
const MANY = 10_000;

/**
 * Brings a data set into a folder of its name: downloaded or copied, checked, unpacked; whole or not at all.
 *
 * @param set Which.
 * @param folder The folder that its folder goes to.
 * @param options A copy of one's own, signal, progress.
 * @returns Whether it was checked against a known checksum.
 * @throws {InputError} If it is there already, cannot be had, or is not what is known.
 * @throws What the signal says, if it is aborted.
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
  const { from, signal, onProgress } = options;
  const { name, files, own } = set;
  const target = `${folder}/${name}`;
  if (await exists(target)) {
    throw new InputError(
      `Cannot bring ${name} to ${target} as it is there already: remove it to have it anew`,
    );
  }
  if (from !== undefined) {
    const known = await knownFiles(set, from);
    if (known) {
      for (const [i, path] of known.entries()) await verify(files[i]!, path);
      await settle(files, known, target, signal);
    } else await takeOwn(set, from, target, signal);
    return known !== undefined;
  }
  if (files.length === 0) {
    throw new InputError(`Cannot download ${name} as nobody may pass it on: give with --from ${own!.about}`);
  }
  const incoming = `${target}.download`;
  try {
    await Deno.mkdir(incoming, { recursive: true });
  } catch (error) {
    throw fileError("make", incoming, error);
  }
  const paths = files.map((file) => `${incoming}/${fileName(file)}`);
  try {
    for (const [i, file] of files.entries()) {
      await download(file, paths[i]!, { signal, onProgress: (bytes) => onProgress?.(file, bytes) });
    }
    await settle(files, paths, target, signal);
    for (const path of paths) await Deno.remove(path);
  } finally {
    await Deno.remove(incoming).catch(() => {}); // Unless something is in it to go on from.
  }
  return true;
}

/** The set's known files at a place, or nothing if what is there is a copy of another kind that may be taken. */
async function knownFiles({ name, files, own }: Download, from: string): Promise<string[] | undefined> {
  const wanted = files.map(fileName);
  const { isDirectory } = await stat(from);
  if (!isDirectory && files.length === 1 && (!own || from.endsWith(wanted[0]!))) return [from];
  const paths = wanted.map((file) => `${from}/${file}`);
  const there = await Promise.all(paths.map(exists));
  if (isDirectory && files.length > 0 && there.every(Boolean)) return paths;
  if (own) return;
  const missing = wanted.filter((_, i) => !there[i]);
  throw new InputError(
    `Cannot take ${name} from ${from} as there is no ${
      missing.join(" and no ")
    } in it: its files are known, ` +
      "and only as they were published",
  );
}

/** Puts checked files into the set's folder. */
async function settle(
  files: readonly Pinned[],
  paths: readonly string[],
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (files[0]!.as === undefined) return await unpack(paths[0]!, target, signal);
  await fillWhole(target, async (temporary) => {
    for (const [i, file] of files.entries()) await Deno.copyFile(paths[i]!, `${temporary}/${fileName(file)}`);
  });
}

/** Takes what nobody knows the checksum of: an archive, a folder's files of the right ending, or one such file. */
async function takeOwn(
  { name, own }: Download,
  from: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { ending, about } = own!;
  const none = () =>
    new InputError(`Cannot take ${name} from ${from} as there is no ${ending} file in it: expected ${about}`);
  const { isDirectory } = await stat(from);
  if (!isDirectory && /\.(zip|tgz|tar\.gz)$/i.test(from)) {
    await unpack(from, target, signal);
    if ((await below(target, ending)).length > 0) return;
    await Deno.remove(target, { recursive: true });
    throw none();
  }
  const found = isDirectory ? await below(from, ending) : from.endsWith(ending) ? [""] : [];
  if (found.length === 0) throw none();
  await fillWhole(target, async (temporary) => {
    for (const path of found) {
      signal?.throwIfAborted();
      const to = `${temporary}/${path || from.split(/[/\\]/).at(-1)}`;
      await Deno.mkdir(to.slice(0, to.lastIndexOf("/")), { recursive: true });
      await Deno.copyFile(path ? `${from}/${path}` : from, to);
    }
  });
}

/** Paths of the files below a folder whose names end so; links are not followed. */
async function below(folder: string, ending: string): Promise<string[]> {
  const found: string[] = [];
  let seen = 0;
  const walk = async (path: string): Promise<void> => {
    for await (const { name, isFile, isDirectory } of Deno.readDir(`${folder}/${path}`)) {
      if (++seen > MANY) throw new InputError(`Cannot take ${folder} as it holds more than ${MANY} files`);
      if (name.startsWith(".")) continue;
      if (isDirectory) await walk(`${path}${name}/`);
      else if (isFile && name.endsWith(ending)) found.push(path + name);
    }
  };
  try {
    await walk("");
  } catch (error) {
    throw fileError("read", folder, error);
  }
  return found;
}

async function stat(path: string): Promise<Deno.FileInfo> {
  try {
    return await Deno.stat(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}
