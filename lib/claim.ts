import { InputError } from "./errors.ts";
import { fileError, temporaryOf, tryLock } from "./files.ts";

/** The process that holds a claim. */
export interface Holder {
  /** Host name; empty without permission to read it. */
  readonly host: string;
  /** Process id. */
  readonly process: number;
  /** Start of the claim, ISO 8601. */
  readonly since: string;
}

/** A claim of the current process: an exclusive lock on a piece of work. */
export interface Claim extends AsyncDisposable {
  /** Aborted if another process takes the claim over, after this one has been unresponsive for minutes. */
  readonly lost: AbortSignal;
  /** Releases the claim. */
  release(): Promise<void>;
}

/** Interval between heartbeats, in ms. */
const HEARTBEAT = 5_000;

/** Time without a heartbeat after which a claim is stale, in ms: longer than any update takes. */
export const STALE = 120_000;

/**
 * Claims a piece of work, so that processes can share work, also on several machines with a shared folder.
 *
 * A claim is a lock file that only one process can create. Its holder keeps it locked and touches it every few seconds.
 * When the holder's process ends, its lock is released, and a process on the same machine takes the claim over at once;
 * a process on another machine does so after two minutes without a heartbeat, also if the holder is only suspended. In
 * rare cases there are thus two holders: their work must be identical and their files written atomically.
 *
 * @param path Path of the claim file; its folder must exist.
 * @returns The claim, or the process that holds it.
 * @throws {InputError} If the file cannot be created, or is not a regular file.
 *
 * @example
 * ```ts
 * import { claim } from "./claim.ts";
 *
 * const path = `${await Deno.makeTempDir()}/work.claim`;
 * const mine = await claim(path);
 * const other = await claim(path);
 * console.log("release" in mine, "process" in other); // true true
 * if ("release" in mine) await mine.release();
 * ```
 */
export async function claim(path: string): Promise<Claim | Holder> {
  for (;;) {
    try {
      await checkRegular(path);
      const file = await create(path) ?? await takeOver(path);
      if (file) return hold(path, file);
      const state = await stateOf(path);
      if (!state) continue; // It has just been released.
      const { holder, isStale, text } = state;
      if (!isStale || !await removeStale(path, text)) return holder;
    } catch (error) {
      throw fileError("claim", path, error);
    }
  }
}

/**
 * The process that holds a claim; undefined if there is none.
 *
 * @param path Path of the claim file.
 */
export async function holderOf(path: string): Promise<Holder | undefined> {
  const state = await stateOf(path);
  if (!state || state.isStale || (isOfThisHost(state.holder) && await isFree(path))) return undefined;
  return state.holder;
}

/** A holder in messages: `process 7 on host`. */
export function holderName({ host, process }: Holder): string {
  if (process === 0) return "another process"; // It has not written its id yet.
  return `process ${process}${host && ` on ${host}`}`;
}

/** Throws if the path is not a regular file: opening a pipe would block, and a broken link neither exists nor not. */
async function checkRegular(path: string): Promise<void> {
  const existing = await Deno.lstat(path).catch(() => undefined);
  if (existing && !existing.isFile) {
    throw new InputError(`Cannot claim ${path} as it is not a regular file: remove it`);
  }
}

/** Creates the claim file, if it does not exist. */
async function create(path: string): Promise<Deno.FsFile | undefined> {
  try {
    const file = await Deno.open(path, { read: true, write: true, createNew: true });
    // Locked before the holder is written: a file with a holder and without a lock belongs to a dead process. Another
    // process that checks this may hold the lock for a moment.
    for (let tries = 0; await tryLock(file) === false && tries < 100; tries++) {
      await new Promise((resume) => setTimeout(resume, 10));
    }
    return file;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

/** The claim file, locked, if its holder was a process on this machine that has ended. */
async function takeOver(path: string): Promise<Deno.FsFile | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true });
  } catch {
    return undefined;
  }
  if (await tryLock(file) === true) {
    const state = await stateOf(path); // It cannot change while it is locked.
    if (state && isOfThisHost(state.holder) && await isSame(path, file)) return file;
  }
  file.close();
  return undefined;
}

/** Whether a claim file is not locked, or does not exist. */
async function isFree(path: string): Promise<boolean> {
  using file = await Deno.open(path).catch(() => undefined);
  return !file || await tryLock(file) === true;
}

function isOfThisHost({ host, process }: Holder): boolean {
  return process > 0 && host === hostName(); // Without a host name, all processes count as local.
}

/** Whether a path still refers to an open file. */
async function isSame(path: string, file: Deno.FsFile): Promise<boolean> {
  const [current, own] = await Promise.all([Deno.stat(path).catch(() => undefined), file.stat()]);
  return current !== undefined && current.ino === own.ino && current.dev === own.dev;
}

/** The content of a claim file, and whether it is stale by the clock of its file system. */
async function stateOf(
  path: string,
): Promise<{ holder: Holder; isStale: boolean; text: string } | undefined> {
  try {
    const { size, mtime, isFile } = await Deno.lstat(path);
    const text = isFile && size < 1000 ? await Deno.readTextFile(path) : "";
    return { holder: parse(text), isStale: await isOld(path, mtime!), text };
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

function parse(text: string): Holder {
  try {
    const { host, process, since } = JSON.parse(text);
    if (typeof host === "string" && Number.isSafeInteger(process) && Number.isFinite(Date.parse(since))) {
      return { host, process, since };
    }
  } catch { /* It is being written. */ }
  return { host: "", process: 0, since: new Date().toISOString() };
}

/** Whether a file is stale by the clock of its file system, as the clocks of machines differ. */
async function isOld(path: string, touched: Date): Promise<boolean> {
  const age = Date.now() - touched.getTime();
  if (age >= 0 && age < STALE / 2) return false;
  const probe = temporaryOf(path);
  try {
    using file = await Deno.open(probe, { write: true, createNew: true });
    return (await file.stat()).mtime!.getTime() - touched.getTime() > STALE;
  } finally {
    await Deno.remove(probe).catch(() => {});
  }
}

/** Removes a stale claim; of several processes that try, only one succeeds. */
async function removeStale(path: string, text: string): Promise<boolean> {
  const guard = `${path}.guard`;
  try {
    (await Deno.open(guard, { write: true, createNew: true })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    const existing = await Deno.stat(guard).catch(() => undefined);
    // A stale guard was left by a killed process.
    if (existing && await isOld(path, existing.mtime!)) await Deno.remove(guard).catch(() => {});
    return false;
  }
  try {
    const state = await stateOf(path); // Another process may have been faster.
    if (!state?.isStale || state.text !== text) return false;
    await Deno.remove(path);
    return true;
  } finally {
    await Deno.remove(guard).catch(() => {});
  }
}

/** Turns a locked file into a claim of this process. */
function hold(path: string, file: Deno.FsFile): Claim {
  const host = hostName();
  const text = JSON.stringify({
    ...{ host, process: Deno.pid, since: new Date().toISOString() },
    token: crypto.randomUUID(), // Distinguishes two claims of one process.
  });
  const touch = () => {
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(text));
  };
  try {
    file.truncateSync();
    touch();
  } catch (error) { // The disk is full: an empty claim would keep others waiting for minutes.
    Deno.removeSync(path);
    file.close();
    throw error;
  }
  const lost = new AbortController();
  /** Whether the file is missing or has another content; a read error does not count. */
  const isTaken = () =>
    Deno.readTextFile(path).then((found) => found !== text, (error) => error instanceof Deno.errors.NotFound);
  const timer = setInterval(async () => {
    if (await isTaken()) {
      clearInterval(timer);
      return lost.abort();
    }
    try {
      touch();
    } catch { /* The disk may be full; the next heartbeat may succeed. */ }
  }, HEARTBEAT);
  Deno.unrefTimer(timer);
  let isHeld = true;
  const release = async () => {
    if (!isHeld) return;
    isHeld = false;
    clearInterval(timer);
    if (!await isTaken()) await Deno.remove(path).catch(() => {});
    file.close();
  };
  return { lost: lost.signal, release, [Symbol.asyncDispose]: release };
}

/** The host name, if the permission is granted without a prompt. */
function hostName(): string {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "hostname" });
  return state === "granted" ? Deno.hostname() : "";
}
