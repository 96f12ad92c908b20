import { createHash } from "node:crypto";
import { InputError, messageOf, shortened } from "../errors.ts";
import { checkFile, exists, fileError } from "../files.ts";
import type { Pinned } from "./downloads.ts";

/** Settings of {@linkcode download}. */
export interface DownloadOptions {
  /** Ends the download; what has come stays, and the next call goes on from there. */
  readonly signal?: AbortSignal | undefined;
  /** Is told how many bytes of the file are there. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** How long a server may let one wait, in seconds. */
export interface Patience {
  /** For its answer: the connection, redirections and all headers. */
  readonly answer: number;
  /** For the next bytes. */
  readonly bytes: number;
}

const patience: Patience = { answer: 30, bytes: 60 };

/**
 * Downloads a file whose size and SHA-256 are known.
 *
 * It comes to `<path>.part`, from where an earlier call ended, and gets its name when it is right.
 *
 * @param pinned From where, and what it must be.
 * @param path Where it goes; its folder must be there. A right file there is not fetched again.
 * @param options Signal and progress.
 * @throws {InputError} If the server refuses, goes away, does not answer for 30 seconds or sends nothing for 60; or
 * if what it sends is not that file: then it is removed.
 * @throws What the signal says, if it is aborted.
 *
 * @example
 * ```ts
 * import { download } from "./download.ts";
 *
 * const sha256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
 * const folder = await Deno.makeTempDir();
 * await download({ url: "data:text/plain,hello", bytes: 5, sha256 }, `${folder}/hello.txt`);
 * console.log(await Deno.readTextFile(`${folder}/hello.txt`)); // "hello"
 * ```
 */
export async function download(pinned: Pinned, path: string, options: DownloadOptions = {}): Promise<void> {
  await downloadWithin(patience, pinned, path, options);
}

/** {@linkcode download}, with a patience of one's own. */
export async function downloadWithin(
  patience: Patience,
  pinned: Pinned,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  const part = `${path}.part`;
  const there = await exists(path);
  try {
    if (!there) await receive(patience, pinned, part, options);
    await verify(pinned, there ? path : part, pinned.url);
    if (!there) await Deno.rename(part, path);
  } catch (error) {
    if (error instanceof Mismatch) await Deno.remove(there ? path : part);
    else if (!there && await isEmpty(part)) await Deno.remove(part); // There is nothing to go on from.
    throw fileError("write", path, error);
  }
}

/**
 * Compares a file with its pin.
 *
 * @param pinned What it must be.
 * @param path Where it is.
 * @param name What an error calls it: the path unless told.
 * @throws {InputError} If it cannot be read, or its size or SHA-256 is another one.
 *
 * @example
 * ```ts
 * import { verify } from "./download.ts";
 *
 * const path = await Deno.makeTempFile();
 * const sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
 * await verify({ url: "http://localhost/empty", bytes: 0, sha256 }, path);
 * await Deno.remove(path);
 * ```
 */
export async function verify({ bytes, sha256 }: Pinned, path: string, name: string = path): Promise<void> {
  const hash = createHash("sha256");
  try {
    await checkFile(path);
    using file = await Deno.open(path);
    const { size } = await file.stat();
    if (size !== bytes) throw mismatch(name, `${bytes} bytes`, `${size}`);
    for await (const chunk of file.readable) hash.update(chunk);
  } catch (error) {
    throw fileError("read", path, error);
  }
  const found = hash.digest("hex");
  if (found !== sha256) throw mismatch(name, `SHA-256 ${sha256}`, found);
}

/** What came is not what is pinned, so that going on from it is no use. */
class Mismatch extends InputError {}

function mismatch(name: string, expected: string, found: string): Mismatch {
  return new Mismatch(
    `Cannot use ${name} as it is not the file that is known: expected ${expected}, found ${found}`,
  );
}

/** Bytes of a part that is there; what is no plain file is neither read nor written to. */
async function sizeOf(part: string): Promise<number> {
  const there = await Deno.lstat(part).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (there && !there.isFile) {
    throw new InputError(`Cannot go on with ${part} as it is not a regular file: remove it`);
  }
  return there?.size ?? 0;
}

async function isEmpty(part: string): Promise<boolean> {
  return await Deno.lstat(part).then(({ isFile, size }) => isFile && size === 0, () => false);
}

/** Why a step failed: what fetch says itself is no reason, but what caused it is. */
function reasonOf(error: unknown, url: string): string {
  let reason = error;
  while (reason instanceof Error && reason.cause) reason = reason.cause;
  return brief(messageOf(reason).replace(` for url (${url})`, ""));
}

/** A few printable words, whatever a server says. */
function brief(words: string): string {
  return shortened(words.replace(/[\p{C}\p{Z}]+/gu, " ").trim(), 120);
}

/** Appends to a part what it lacks. */
async function receive(
  patience: Patience,
  { url, bytes }: Pinned,
  part: string,
  options: DownloadOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  let at = await sizeOf(part);
  if (at === bytes) return;
  if (at > bytes) at = 0;

  const lost = (reason: string, cause?: unknown) =>
    new InputError(
      `Cannot download ${url}: ${reason}: ${at} of ${bytes} bytes are there, and the same command goes on`,
      { cause },
    );
  const silence = new AbortController();
  /** Waits for the server, but not forever. */
  const network = async <T>(step: Promise<T>, seconds: number, silent: string): Promise<T> => {
    const timer = setTimeout(
      () => silence.abort(new Error(`${silent} for ${seconds} seconds`)),
      1e3 * seconds,
    );
    try {
      return await step;
    } catch (error) {
      signal?.throwIfAborted();
      throw lost(reasonOf(error, url), error);
    } finally {
      clearTimeout(timer);
    }
  };
  // Unasked, fetch unpacks what a server calls encoded, and some call every .gz that.
  const ask = (from: number) => {
    const answer = fetch(url, {
      headers: { "accept-encoding": "identity", ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
      signal: AbortSignal.any([silence.signal, ...signal ? [signal] : []]),
    });
    return network(answer, patience.answer, "the server does not answer");
  };

  let response = await ask(at);
  if (response.status === 416 && at > 0) {
    await response.body?.cancel();
    response = await ask(at = 0);
  }
  const reader = (response.body ?? new Blob().stream()).getReader();
  try {
    const { status, statusText, headers } = response;
    const [, from, total] = headers.get("content-range")?.match(/^bytes (\d+)-\d+\/(\d+|\*)$/) ?? [];
    const announced = Number((status === 206 ? total : headers.get("content-length")) ?? NaN); // "*" is unknown, too.
    // What is there stays: it may be a page that asks to log in, which another time does not come.
    if (status !== 200 && status !== 206) throw lost(brief(`the server says ${status} ${statusText}`));
    if (status === 206 && Number(from) !== at) throw lost("the server sends another part than was asked for");
    if (announced >= 0 && announced !== bytes) {
      throw new InputError(
        `Cannot download ${url} as what the server has is not the file that is known: ` +
          `expected ${bytes} bytes, found ${announced}`,
      );
    }
    if (status === 200) at = 0; // Ranges are a server's choice.

    await sizeOf(part); // Nobody has put another thing there meanwhile.
    using file = await Deno.open(part, { write: true, create: true });
    await file.truncate(at);
    await file.seek(at, Deno.SeekMode.Start);
    onProgress?.(at);
    const next = () => network(reader.read(), patience.bytes, "the server sends nothing");
    for (let step = await next(); !step.done; step = await next()) {
      const chunk = step.value;
      if (at + chunk.length > bytes) throw mismatch(url, `${bytes} bytes`, "more");
      for (let written = 0; written < chunk.length;) written += await file.write(chunk.subarray(written));
      at += chunk.length;
      onProgress?.(at);
    }
    await file.sync();
    if (at < bytes) throw lost("the connection ended early");
  } finally {
    await reader.cancel().catch(() => {}); // Or the server would go on sending.
  }
}
