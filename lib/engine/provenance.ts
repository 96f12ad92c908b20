import * as tf from "../tfjs.ts";
import kit from "../../deno.json" with { type: "json" };
import { abbreviated, digest } from "../digest.ts";
import { backendInUse } from "./backend.ts";

/** What computes here. */
export interface Provenance {
  /** Version of the kit. */
  readonly version: string;
  /** Git revision of the kit, where it is a checkout. */
  readonly revision?: string;
  /** Digest of the kit's code that computes, which changes with an edit that is not committed, too; where it is on disk. */
  readonly code?: string;
  /** Of Deno, V8 and tfjs. */
  readonly versions: Readonly<Record<string, string>>;
  /** tfjs' backend, and what multiplied matrices. */
  readonly backend: string;
  /** System, architecture and cores. */
  readonly machine: string;
}

/**
 * What computes here: what a notebook says before its first result.
 *
 * @example
 * ```ts
 * import { backend, provenance } from "./mod.ts";
 *
 * await backend("cpu");
 * console.log((await provenance()).versions["tfjs"]); // 4.22.0
 * ```
 */
export async function provenance(): Promise<Provenance> {
  const revision = await gitRevision(root());
  const code = await (codeOf ??= codeDigest(new URL("lib/", root())));
  return {
    version: kit.version,
    ...(revision && { revision }),
    ...(code && { code }),
    versions: { deno: Deno.version.deno, v8: Deno.version.v8, tfjs: tf.version_core },
    backend: backendInUse(),
    machine: `${Deno.build.os} ${Deno.build.arch}, ${navigator.hardwareConcurrency} cores`,
  };
}

/** The kit's folder. */
const root = () => new URL("../../", import.meta.url);

/**
 * Versions of the kit and of Deno, and the git revision of a checkout, on one line. Starts no backend.
 *
 * @example
 * ```ts
 * import { versionLine } from "./mod.ts";
 *
 * console.log(await versionLine()); // @gpt1/kit 0.1.0, Deno 2.9.6, git df304c7
 * ```
 */
export async function versionLine(): Promise<string> {
  const revision = await gitRevision(root());
  return `${kit.name} ${kit.version}, Deno ${Deno.version.deno}${revision ? `, git ${revision}` : ""}`;
}

let codeOf: Promise<string | undefined> | undefined; // It is that of the code that this process has loaded.

/** The folders of the code that computes: commands, studies' tables, figures and pages change no score. */
const COMPUTES = ["data", "engine", "model", "text", "train"];

/**
 * Digest of the programs that compute, in any place.
 *
 * @param folder The kit's `lib`, ending in a slash.
 * @returns 16 hexadecimal digits; undefined where the folder is not on disk, or cannot be read.
 */
export async function codeDigest(folder: URL): Promise<string | undefined> {
  if (folder.protocol !== "file:") return undefined;
  const files: [path: string, text: string][] = [];
  const walk = async (within: URL): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(within)) {
      const isOther = within === folder && !COMPUTES.includes(name);
      if (isDirectory && !isOther) await walk(new URL(`${name}/`, within));
      else if (name.endsWith(".ts")) files.push([name, await Deno.readTextFile(new URL(name, within))]);
    }
  };
  try {
    await walk(folder);
  } catch {
    return undefined; // Without the permission to read it.
  }
  return abbreviated(digest(files.sort(([a, x], [b, y]) => a < b || (a === b && x < y) ? -1 : 1)));
}

/**
 * The revision that a folder has checked out, read from git's own files so that no permission to run is needed.
 *
 * @param folder The checkout's own folder, ending in a slash.
 */
export async function gitRevision(folder: URL): Promise<string | undefined> {
  if (folder.protocol !== "file:") return undefined;
  const read = (url: URL) => Deno.readTextFile(url).then((text) => text.trim(), () => "");
  const asFolder = (path: string, base: URL) => new URL(path.endsWith("/") ? path : `${path}/`, base);
  // In a worktree or a submodule `.git` is a file that says where git's folder is.
  const elsewhere = /^gitdir: (.+)$/.exec(await read(new URL(".git", folder)))?.[1];
  const git = asFolder(elsewhere ?? ".git", folder);
  const head = await read(new URL("HEAD", git));
  const ref = /^ref: (.+)$/.exec(head)?.[1];
  if (!ref) return head || undefined;
  const common = await read(new URL("commondir", git));
  for (const place of [git, ...common ? [asFolder(common, git)] : []]) {
    const packed = (await read(new URL("packed-refs", place))).split("\n").find((line) =>
      line.endsWith(` ${ref}`)
    );
    const found = await read(new URL(ref, place)) || packed?.split(" ")[0];
    if (found) return found;
  }
  return undefined;
}
