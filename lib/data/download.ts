import { createHash } from "node:crypto";
import { dirname } from "node:path";
import { InputError, messageOf, shortened } from "../errors.ts";
import { checkFile, exists, fileError, temporaryOf } from "../files.ts";
import type { Pinned } from "./downloads.ts";

/** Options of {@linkcode download}. */
export interface DownloadOptions {
  /** Stops the download; the next call resumes it. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of bytes downloaded so far. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/** Timeouts, in seconds. */
export interface Timeouts {
  /** For the response: connection, redirections and all headers. */
  readonly response: number;
  /** For the next bytes. */
  readonly bytes: number;
}

const defaultTimeouts: Timeouts = { response: 30, bytes: 60 };

/**
 * Downloads a file whose size and SHA-256 are known.
 *
 * It is downloaded to `<path>.part`, where an interrupted download resumes, and renamed after its checksum is verified.
 *
 * @param pinned URL, size and checksum.
 * @param path Path of the file; its folder must exist. A correct file is not downloaded again.
 * @param options Signal and progress.
 * @throws {InputError} If the server reports an error, the connection breaks, there is no response for 30 seconds or no
 * data for 60, or the file has another checksum: then it is removed.
 * @throws The signal's reason, if it is aborted.
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
  await downloadWithin(defaultTimeouts, pinned, path, options);
}

/**
 * Downloads a small file that several processes may want at the same time: each has a partial file of its own.
 *
 * @param pinned URL, size and checksum.
 * @param path Path of the file; missing folders are created. A correct file is not downloaded again.
 * @throws {InputError} As {@linkcode download}.
 */
export async function downloadShared(pinned: Pinned, path: string): Promise<void> {
  if (await exists(path)) return await verify(pinned, path);
  const own = temporaryOf(path);
  try {
    await Deno.mkdir(dirname(path), { recursive: true });
    await download(pinned, own);
    await Deno.rename(own, path);
  } catch (error) {
    await Promise.all([own, `${own}.part`].map((rest) => Deno.remove(rest).catch(() => {})));
    throw error;
  }
}

/** {@linkcode download} with other timeouts. */
export async function downloadWithin(
  timeouts: Timeouts,
  pinned: Pinned,
  path: string,
  options: DownloadOptions,
): Promise<void> {
  const part = `${path}.part`;
  const isComplete = await exists(path);
  try {
    if (!isComplete) await receive(timeouts, pinned, part, options);
    await verify(pinned, isComplete ? path : part, pinned.url);
    if (!isComplete) await Deno.rename(part, path);
  } catch (error) {
    if (error instanceof Mismatch) await Deno.remove(isComplete ? path : part);
    else if (!isComplete && await isEmpty(part)) await Deno.remove(part); // Nothing to resume from.
    throw fileError("write", path, error);
  }
}

/**
 * Verifies the size and SHA-256 of a file.
 *
 * @param pinned Expected size and checksum.
 * @param path Path of the file.
 * @param name Name in messages. Default: the path.
 * @throws {InputError} If it cannot be read, or its size or SHA-256 differs.
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

/** The file is not the expected one, so that resuming the download is useless. */
class Mismatch extends InputError {}

function mismatch(name: string, expected: string, found: string): Mismatch {
  return new Mismatch(
    `Cannot use ${name} as it is not the known file: expected ${expected}, found ${found}`,
  );
}

/** Size of a partial download, 0 if there is none; throws if it is not a regular file. */
async function sizeOf(part: string): Promise<number> {
  const info = await Deno.lstat(part).catch((error) => {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  });
  if (info && !info.isFile) {
    throw new InputError(`Cannot resume ${part} as it is not a regular file: remove it`);
  }
  return info?.size ?? 0;
}

async function isEmpty(part: string): Promise<boolean> {
  return await Deno.lstat(part).then(({ isFile, size }) => isFile && size === 0, () => false);
}

/** The reason of a network error: the innermost cause, as fetch's own message is uninformative. */
function reasonOf(error: unknown, url: string): string {
  let reason = error;
  while (reason instanceof Error && reason.cause) reason = reason.cause;
  return brief(messageOf(reason).replace(` for url (${url})`, ""));
}

/** Makes a server's text short and printable. */
function brief(text: string): string {
  return shortened(text.replace(/[\p{C}\p{Z}]+/gu, " ").trim(), 120);
}

/** Downloads the missing bytes of a partial download. */
async function receive(
  timeouts: Timeouts,
  { url, bytes }: Pinned,
  part: string,
  options: DownloadOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  let at = await sizeOf(part);
  if (at === bytes) return;
  if (at > bytes) at = 0;

  const interrupted = (reason: string, cause?: unknown) =>
    new InputError(
      `Cannot download ${url}: ${reason}: ${at} of ${bytes} bytes were downloaded, and the same command resumes`,
      { cause },
    );
  const timeout = new AbortController();
  /** Waits for the server until a timeout. */
  const network = async <T>(step: Promise<T>, seconds: number, what: string): Promise<T> => {
    const timer = setTimeout(
      () => timeout.abort(new Error(`${what} for ${seconds} seconds`)),
      1e3 * seconds,
    );
    try {
      return await step;
    } catch (error) {
      signal?.throwIfAborted();
      throw interrupted(reasonOf(error, url), error);
    } finally {
      clearTimeout(timer);
    }
  };
  // By default fetch decompresses encoded responses, and some servers declare every .gz file as encoded.
  const request = (from: number) => {
    const response = fetch(url, {
      headers: { "accept-encoding": "identity", ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
      signal: AbortSignal.any([timeout.signal, ...signal ? [signal] : []]),
    });
    return network(response, timeouts.response, "the server does not answer");
  };

  let response = await request(at);
  if (response.status === 416 && at > 0) {
    await response.body?.cancel();
    response = await request(at = 0);
  }
  const reader = (response.body ?? new Blob().stream()).getReader();
  try {
    const { status, statusText, headers } = response;
    const [, from, total] = headers.get("content-range")?.match(/^bytes (\d+)-\d+\/(\d+|\*)$/) ?? [];
    const announced = Number((status === 206 ? total : headers.get("content-length")) ?? NaN); // "*" means unknown.
    // The partial download is kept: the response may be a login page, and a later request may succeed.
    if (status !== 200 && status !== 206) throw interrupted(brief(`the server says ${status} ${statusText}`));
    if (status === 206 && Number(from) !== at) {
      throw interrupted("the server sends another range than requested");
    }
    if (announced >= 0 && announced !== bytes) {
      throw new InputError(
        `Cannot download ${url} as the server has another file than the known one: ` +
          `expected ${bytes} bytes, found ${announced}`,
      );
    }
    if (status === 200) at = 0; // The server ignores ranges.

    await sizeOf(part); // It may have been replaced meanwhile.
    using file = await Deno.open(part, { write: true, create: true });
    await file.truncate(at);
    await file.seek(at, Deno.SeekMode.Start);
    onProgress?.(at);
    const next = () => network(reader.read(), timeouts.bytes, "the server sends nothing");
    for (let step = await next(); !step.done; step = await next()) {
      const chunk = step.value;
      if (at + chunk.length > bytes) throw mismatch(url, `${bytes} bytes`, "more");
      for (let written = 0; written < chunk.length;) written += await file.write(chunk.subarray(written));
      at += chunk.length;
      onProgress?.(at);
    }
    await file.sync();
    if (at < bytes) throw interrupted("the connection ended early");
  } finally {
    await reader.cancel().catch(() => {}); // Otherwise the server continues to send.
  }
}
