import { createHash } from "node:crypto";
import * as tf from "@tensorflow/tfjs";
import { backendInUse } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { writeWhole } from "../files.ts";

/** What computes here. */
export interface Provenance {
  /** Git revision of the folder that this runs in, or of the one above, where there is one. */
  readonly revision?: string;
  /** Of Deno, V8 and tfjs. */
  readonly versions: Readonly<Record<string, string>>;
  /** tfjs' backend, and what multiplied matrices. */
  readonly backend: string;
  /** System, processor and cores. */
  readonly machine: string;
}

/** What made a result. */
export interface Making extends Provenance {
  /** When the run ended, ISO 8601. */
  readonly ended: string;
  /** How long it took, in seconds, all its parts together; of a run that was resumed, since then. */
  readonly seconds: number;
}

/** A run's result with all that it was asked to do and what made it. */
export interface Stored<Result> {
  /** What was asked. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What was found. */
  readonly result: Result;
  /** What made it. */
  readonly provenance: Making;
}

/** Where a run with these settings keeps its files, less the ending: a readable name and a hash of the settings. */
export function runPath(folder: string, name: string, settings: Readonly<Record<string, unknown>>): string {
  const hash = createHash("sha256").update(JSON.stringify(settings)).digest("hex").slice(0, 8);
  return `${folder}/${name}-${hash}`;
}

/**
 * A run's result, if it was stored by a run with these very settings.
 *
 * @throws {InputError} If the file is there and is not a result.
 */
export async function stored<Result>(
  path: string,
  settings: Readonly<Record<string, unknown>>,
): Promise<Stored<Result> | undefined> {
  let text: string;
  try {
    text = await Deno.readTextFile(path);
  } catch {
    return undefined;
  }
  try {
    const found = JSON.parse(text) as Stored<Result>;
    if (JSON.stringify(found.settings) === JSON.stringify(settings) && found.result) return found;
  } catch { /* said below */ }
  throw new InputError(`Cannot use ${path} as the result of this run: remove it to run anew`);
}

/** Stores a run's result, whole or not at all. */
export async function store<Result>(
  path: string,
  settings: Readonly<Record<string, unknown>>,
  result: Result,
  seconds: number,
): Promise<Stored<Result>> {
  const made = { ended: new Date().toISOString(), seconds: Math.round(seconds * 10) / 10 };
  const found: Stored<Result> = { settings, result, provenance: { ...await provenance(), ...made } };
  await writeWhole(path, [JSON.stringify(found, null, 2), "\n"]);
  return found;
}

/**
 * What computes here: what a notebook says before its first result.
 *
 * @example
 * ```ts
 * import { backend } from "../engine/mod.ts";
 * import { provenance } from "./store.ts";
 *
 * await backend("cpu");
 * console.log((await provenance()).versions["tfjs"]); // 4.22.0
 * ```
 */
export async function provenance(): Promise<Provenance> {
  const revision = await gitRevision() ?? await gitRevision("../.git");
  return {
    ...(revision && { revision }),
    versions: { deno: Deno.version.deno, v8: Deno.version.v8, tfjs: tf.version["tfjs"]! },
    backend: backendInUse(),
    machine: `${Deno.build.os} ${Deno.build.arch}, ${navigator.hardwareConcurrency} cores`,
  };
}

/** The revision that is checked out, read from git's own folder so that no permission to run is needed. */
export async function gitRevision(git = ".git"): Promise<string | undefined> {
  const read = (path: string) => Deno.readTextFile(`${git}/${path}`).then((text) => text.trim(), () => "");
  const head = await read("HEAD");
  const ref = /^ref: (.+)$/.exec(head)?.[1];
  if (!ref) return head || undefined;
  const packed = (await read("packed-refs")).split("\n").find((line) => line.endsWith(` ${ref}`));
  return await read(ref) || packed?.split(" ")[0];
}
