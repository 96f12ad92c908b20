import { InputError } from "./errors.ts";
import { fileError, temporaryOf, tryLock } from "./files.ts";

/** Who holds a claim. */
export interface Holder {
  /** Name of the machine; empty where that may not be asked. */
  readonly host: string;
  /** Number of the process. */
  readonly process: number;
  /** Since when, ISO 8601. */
  readonly since: string;
}

/** A piece of work that is this process' to do. */
export interface Claim extends AsyncDisposable {
  /** Aborts if another process takes the claim over, as it does when this one has not been heard of for minutes. */
  readonly lost: AbortSignal;
  /** Gives it up. */
  release(): Promise<void>;
}

/** Milliseconds from one sign of life to the next. */
const BEAT = 5_000;

/** Milliseconds without a sign of life after which a claim is anybody's: longer than any update takes. */
export const STALE = 120_000;

/**
 * Claims a piece of work, so that any number of processes, also on several machines that share a folder, divide it.
 *
 * The claim is a file, which at most one process can make. Its holder keeps it locked, and touches it every few
 * seconds. Where the holder's process has ended, whatever ended it, its lock is gone, and the next process on the same
 * machine takes the claim over at once; elsewhere, or where the process is only stopped, when it has not been touched
 * for two minutes. Two holders at once are thus possible, if rare: what they do must be the same, and files whole.
 *
 * @param path The claim's file; its folder must be there.
 * @returns The claim, or who has it.
 * @throws {InputError} If the file cannot be made, or another thing is in its place.
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
      await checkPlain(path);
      const file = await create(path) ?? await inherit(path);
      if (file) return hold(path, file);
      const seen = await look(path);
      if (!seen) continue; // It was released just now.
      const { holder, isStale, text } = seen;
      if (!isStale || !await discard(path, text)) return holder;
    } catch (error) {
      throw fileError("claim", path, error);
    }
  }
}

/**
 * Who holds a claim, if anybody does.
 *
 * @param path The claim's file.
 */
export async function holderOf(path: string): Promise<Holder | undefined> {
  const seen = await look(path);
  if (!seen || seen.isStale || (isOfThisHost(seen.holder) && await isFree(path))) return undefined;
  return seen.holder;
}

/** A holder as a message names it: `process 7 on host`. */
export function holderName({ host, process }: Holder): string {
  if (process === 0) return "another process"; // It has not yet said which.
  return `process ${process}${host && ` on ${host}`}`;
}

/** Refuses what is no claim's file: a pipe would be waited for, a link that leads nowhere is neither there nor not. */
async function checkPlain(path: string): Promise<void> {
  const there = await Deno.lstat(path).catch(() => undefined);
  if (there && !there.isFile) throw new InputError(`Cannot claim ${path} as it is no plain file: remove it`);
}

/** Makes the claim's file, if there is none. */
async function create(path: string): Promise<Deno.FsFile | undefined> {
  try {
    const file = await Deno.open(path, { read: true, write: true, createNew: true });
    // Locked before it says whose it is: what says so and is not locked is left by a dead process. One who looks
    // whether it is may have it locked for a moment.
    for (let tries = 0; await tryLock(file) === false && tries < 100; tries++) {
      await new Promise((resume) => setTimeout(resume, 10));
    }
    return file;
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return undefined;
    throw error;
  }
}

/** The claim's file, locked, if its holder was a process of this machine that has ended. */
async function inherit(path: string): Promise<Deno.FsFile | undefined> {
  let file: Deno.FsFile;
  try {
    file = await Deno.open(path, { read: true, write: true });
  } catch {
    return undefined;
  }
  if (await tryLock(file) === true) {
    const seen = await look(path); // Locked it stays as it is.
    if (seen && isOfThisHost(seen.holder) && await isSame(path, file)) return file;
  }
  file.close();
  return undefined;
}

/** Whether nobody holds a claim's file locked, or it is gone. */
async function isFree(path: string): Promise<boolean> {
  using file = await Deno.open(path).catch(() => undefined);
  return !file || await tryLock(file) === true;
}

function isOfThisHost({ host, process }: Holder): boolean {
  return process > 0 && host === hostName(); // No machine tells its name: one.
}

/** Whether a path still leads to an open file. */
async function isSame(path: string, file: Deno.FsFile): Promise<boolean> {
  const [there, own] = await Promise.all([Deno.stat(path).catch(() => undefined), file.stat()]);
  return there !== undefined && there.ino === own.ino && there.dev === own.dev;
}

/** What a claim's file says, and whether it was not touched for too long, by the clock of the file's own system. */
async function look(path: string): Promise<{ holder: Holder; isStale: boolean; text: string } | undefined> {
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

/** Whether a file was not touched for too long, by the clock that dates its folder's files: machines' clocks differ. */
async function isOld(path: string, touched: Date): Promise<boolean> {
  const here = Date.now() - touched.getTime();
  if (here >= 0 && here < STALE / 2) return false;
  const probe = temporaryOf(path);
  try {
    using file = await Deno.open(probe, { write: true, createNew: true });
    return (await file.stat()).mtime!.getTime() - touched.getTime() > STALE;
  } finally {
    await Deno.remove(probe).catch(() => {});
  }
}

/** Removes a claim that is stale; of several processes that try, one does. */
async function discard(path: string, text: string): Promise<boolean> {
  const guard = `${path}.guard`;
  try {
    (await Deno.open(guard, { write: true, createNew: true })).close();
  } catch (error) {
    if (!(error instanceof Deno.errors.AlreadyExists)) throw error;
    const there = await Deno.stat(guard).catch(() => undefined);
    if (there && await isOld(path, there.mtime!)) await Deno.remove(guard).catch(() => {}); // A killed process left it.
    return false;
  }
  try {
    const seen = await look(path); // Another may have been faster.
    if (!seen?.isStale || seen.text !== text) return false;
    await Deno.remove(path);
    return true;
  } finally {
    await Deno.remove(guard).catch(() => {});
  }
}

/** Makes a locked file this process' claim. */
function hold(path: string, file: Deno.FsFile): Claim {
  const host = hostName();
  const text = JSON.stringify({
    ...{ host, process: Deno.pid, since: new Date().toISOString() },
    token: crypto.randomUUID(), // Two claims of one process differ.
  });
  const touch = () => {
    file.seekSync(0, Deno.SeekMode.Start);
    file.writeSync(new TextEncoder().encode(text));
  };
  file.truncateSync();
  touch();
  const lost = new AbortController();
  /** Whether the file is gone or says otherwise; one that cannot be read just now tells nothing. */
  const isTaken = () =>
    Deno.readTextFile(path).then((found) => found !== text, (error) => error instanceof Deno.errors.NotFound);
  const timer = setInterval(async () => {
    if (await isTaken()) {
      clearInterval(timer);
      return lost.abort();
    }
    try {
      touch();
    } catch { /* A full disk takes no touch; the next one may succeed. */ }
  }, BEAT);
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

/** This machine's name, where it may be asked without a question to the user. */
function hostName(): string {
  const { state } = Deno.permissions.querySync({ name: "sys", kind: "hostname" });
  return state === "granted" ? Deno.hostname() : "";
}
