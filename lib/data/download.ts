import { createHash } from "node:crypto";
import { InputError } from "../errors.ts";
import { exists, fileError } from "../files.ts";
import type { Pinned } from "./downloads.ts";

/** Settings of {@linkcode download}. */
export interface DownloadOptions {
  /** Ends the download; what has come stays, and the next call goes on from there. */
  readonly signal?: AbortSignal | undefined;
  /** Is told how many bytes of the file are there. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

/**
 * Downloads a file whose size and SHA-256 are known.
 *
 * It comes to `<path>.part`, from where an earlier call ended, and gets its name when it is right.
 *
 * @param pinned From where, and what it must be.
 * @param path Where it goes; its folder must be there. A right file there is not fetched again.
 * @param options Signal and progress.
 * @throws {InputError} If the server refuses or goes away, or if what it sends is not that file: then it is
 * removed.
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
  const part = `${path}.part`;
  const there = await exists(path);
  try {
    if (!there) await receive(pinned, part, options);
    await verify(pinned, there ? path : part, pinned.url);
    if (!there) await Deno.rename(part, path);
  } catch (error) {
    if (error instanceof Mismatch) await Deno.remove(there ? path : part);
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

/** Appends to a part what it lacks. */
async function receive({ url, bytes }: Pinned, part: string, options: DownloadOptions): Promise<void> {
  const { signal, onProgress } = options;
  let at = await Deno.stat(part).then(({ size }) => size, () => 0);
  if (at === bytes) return;
  if (at > bytes) at = 0;

  const lost = (reason: string, cause?: unknown) =>
    new InputError(
      `Cannot download ${url}: ${reason}: ${at} of ${bytes} bytes are there, and the same command goes on`,
      { cause },
    );
  const network = async <T>(step: Promise<T>): Promise<T> => {
    try {
      return await step;
    } catch (error) {
      signal?.throwIfAborted();
      let reason = error;
      while (reason instanceof Error && reason.cause) reason = reason.cause; // What fetch says itself is no reason.
      const said = reason instanceof Error ? reason.message : String(reason);
      throw lost(said.replace(` for url (${url})`, ""), error);
    }
  };
  // Unasked, fetch unpacks what a server calls encoded, and some call every .gz that.
  const ask = (from: number) =>
    network(fetch(url, {
      headers: { "accept-encoding": "identity", ...(from > 0 ? { range: `bytes=${from}-` } : {}) },
      signal: signal ?? null,
    }));

  let response = await ask(at);
  if (response.status === 416 && at > 0) {
    await response.body?.cancel();
    response = await ask(at = 0);
  }
  const { status, statusText, headers, body } = response;
  const [, from, total] = headers.get("content-range")?.match(/^bytes (\d+)-\d+\/(\d+|\*)$/) ?? [];
  const announced = Number((status === 206 ? total : headers.get("content-length")) ?? NaN); // "*" is unknown, too.
  const wrong = status !== 200 && status !== 206
    ? lost(`the server says ${status} ${statusText}`.trim())
    : status === 206 && Number(from) !== at
    ? lost("the server sends another part than was asked for")
    : announced >= 0 && announced !== bytes
    ? new InputError(
      `Cannot download ${url} as what the server has is not the file that is known: ` +
        `expected ${bytes} bytes, found ${announced}`,
    )
    : undefined;
  if (wrong) { // What is there stays: it may be a page that asks to log in, which another time does not come.
    await body?.cancel();
    throw wrong;
  }
  if (status === 200) at = 0; // Ranges are a server's choice.

  using file = await Deno.open(part, { write: true, create: true });
  await file.truncate(at);
  await file.seek(at, Deno.SeekMode.Start);
  onProgress?.(at);
  const reader = (body ?? new Blob().stream()).getReader();
  for (let step = await network(reader.read()); !step.done; step = await network(reader.read())) {
    const chunk = step.value;
    if (at + chunk.length > bytes) {
      await reader.cancel();
      throw mismatch(url, `${bytes} bytes`, "more");
    }
    for (let written = 0; written < chunk.length;) written += await file.write(chunk.subarray(written));
    at += chunk.length;
    onProgress?.(at);
  }
  await file.sync();
  if (at < bytes) throw lost("the connection ended early");
}
