import { claim, holderName } from "../claim.ts";
import { InputError } from "../errors.ts";
import { checkFile, exists, fileError, fillWhole, sweep } from "../files.ts";
import { download, verify } from "./download.ts";
import { type Download, fileName, type Pinned } from "./downloads.ts";
import { unpack, unpackInto } from "./unpack.ts";

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
 * One process at a time is at it, which a file `<name>.claim` beside the folder holds for it. What has come of a
 * download stays in `<name>.download` until all has.
 *
 * @param set Which.
 * @param folder The folder that its folder goes to.
 * @param options A copy of one's own, signal, progress.
 * @returns Whether it was checked against a known checksum.
 * @throws {InputError} If it is there already, cannot be had, is not what is known, or another process is at it.
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
  const { from, signal } = options;
  const { name, files, own } = set;
  const target = `${folder}/${name}`;
  await checkFree(name, target);
  if (from === undefined) {
    if (files.length === 0) {
      throw new InputError(
        `Cannot download ${name} as nobody may pass it on: give with --from ${own!.about}`,
      );
    }
    await alone(name, target, signal, (signal) => fetchAll(set, target, { ...options, signal }));
    return true;
  }
  const known = await knownFiles(set, from);
  await alone(name, target, signal, async (signal) => {
    if (!known) return await takeOwn(set, from, target, signal);
    for (const [i, path] of known.entries()) await verify(files[i]!, path);
    await settle(files, known, target, signal);
  });
  return known !== undefined;
}

async function checkFree(name: string, target: string): Promise<void> {
  if (!await exists(target)) return;
  throw new InputError(`Cannot bring ${name} to ${target} as it is there already: remove it to have it anew`);
}

/** Does work on a set's folder while no other process does: two would tear each other's downloads. */
async function alone(
  name: string,
  target: string,
  signal: AbortSignal | undefined,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  await makeFolder(target.slice(0, target.lastIndexOf("/")) || "/");
  const claimed = await claim(`${target}.claim`);
  if (!("release" in claimed)) {
    throw new InputError(
      `Cannot bring ${name} to ${target} as ${holderName(claimed)} is at it: wait for it, or end it`,
    );
  }
  try {
    await checkFree(name, target); // Another process may just have brought it.
    await sweep(target, 0); // Who holds the claim is alone: what is half filled is a killed process'.
    await work(AbortSignal.any([claimed.lost, ...signal ? [signal] : []]));
  } catch (error) {
    if (!claimed.lost.aborted || signal?.aborted) throw error;
    throw new InputError(
      `Cannot bring ${name} to ${target} as this process stood still for minutes, and another is at it`,
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

/** Downloads a set's files, checks and settles them; until then what has come stays. */
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
    await settle(files, paths, target, signal);
    await Deno.remove(incoming, { recursive: true });
  } finally {
    await Deno.remove(incoming).catch(() => {}); // Unless something is in it to go on from.
  }
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

const isArchive = (path: string) => /\.(zip|tgz|tar\.gz)$/i.test(path);

/** What to say of a copy in which there is nothing of the set. */
const nothing = ({ name, own }: Download, from: string): InputError => {
  const { ending, about } = own!;
  return new InputError(
    `Cannot take ${name} from ${from} as there is no ${ending} file in it: expected ${about}`,
  );
};

/** Takes what nobody knows the checksum of: an archive, a folder's files of the right ending, or one such file. */
async function takeOwn(
  set: Download,
  from: string,
  target: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { ending } = set.own!;
  const { isDirectory } = await stat(from);
  await fillWhole(target, async (temporary) => {
    if (!isDirectory && isArchive(from)) {
      await unpackInto(from, temporary, signal);
      if ((await below(temporary, ending)).length === 0) throw nothing(set, from);
      return;
    }
    const found = isDirectory ? await below(from, ending) : from.endsWith(ending) ? [""] : [];
    if (found.length === 0) throw nothing(set, from);
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

/** What is at a place, which is a file or a folder: a pipe would be waited for, a device may have no end. */
async function stat(path: string): Promise<Deno.FileInfo> {
  try {
    return await checkFile(path);
  } catch (error) {
    throw fileError("read", path, error);
  }
}
