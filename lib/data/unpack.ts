import { type FileEntry, Reader, ZipReader } from "@zip.js/zip.js/lib/zip-core-native.js";
import { createTarDecoder } from "modern-tar";
import { InputError, named, quoted } from "../errors.ts";
import { fillWhole } from "../files.ts";

/** Most bytes that come out of an archive: so many times its size, and this to spare; text shrinks to a fifth. */
const TIMES = 20;
const SPARE = 2 ** 20;
/** Most bytes of any archive. The largest, MNLI, has 0.3 GB before it is unpacked. */
const MOST = 4 * 2 ** 30;
/** Most entries of an archive; RACE has some 28,000. */
const ENTRIES = 50_000;

/** A file or folder of an archive. */
interface Entry {
  readonly name: string;
  /** `"file"`, `"folder"`, or what an archive of data has no business to hold. */
  readonly type: string;
  /** Its bytes. Before the next entry is asked for, this one must be read or skipped. */
  read(into: WritableStream<Uint8Array>): Promise<unknown>;
  skip(): Promise<void> | void;
}

/**
 * Unpacks a `.zip` or `.tar.gz` into a new folder, whole or not at all.
 *
 * The archive is not trusted: an entry that would lie outside the folder, has a name that some system takes for
 * another, is neither file nor folder, or comes twice makes it refused, as do damage and a size out of all
 * proportion. What macOS leaves in archives is skipped.
 *
 * @param archive The file.
 * @param folder Where its entries go; it must not be there yet.
 * @param signal Ends the work; then nothing stays.
 * @throws {InputError} If the archive is refused or cannot be read, or the folder is there or cannot be written to.
 * @throws What the signal says, if it is aborted.
 *
 * @example
 * ```ts
 * import { unpack } from "./unpack.ts";
 *
 * const folder = await Deno.makeTempDir();
 * const empty = Uint8Array.from({ length: 22 }, (_, i) => [0x50, 0x4b, 5, 6][i] ?? 0);
 * await Deno.writeFile(`${folder}/empty.zip`, empty);
 * await unpack(`${folder}/empty.zip`, `${folder}/nothing`);
 * console.log([...Deno.readDirSync(`${folder}/nothing`)].length); // 0
 * ```
 */
export async function unpack(archive: string, folder: string, signal?: AbortSignal): Promise<void> {
  const refuse = (why: string, cause?: unknown) =>
    new InputError(`Cannot unpack ${named(archive)} as ${why}`, { cause });
  await fillWhole(folder, async (temporary) => {
    using file = await Deno.open(archive);
    const { size } = await file.stat();
    const most = Math.min(TIMES * size + SPARE, MOST);
    let [count, bytes] = [0, 0];
    const measure = (chunk: Uint8Array) => {
      signal?.throwIfAborted();
      bytes += chunk.length;
      if (bytes > most) {
        throw refuse(`it holds more than ${most} bytes, out of proportion to its size of ${size}`);
      }
    };
    const taken = new Map<string, string>();
    /** Systems that ignore case, or how an accent is written, would write one file over another. */
    const claim = (path: string, type: string) => {
      const key = path.normalize("NFC").toLowerCase();
      const before = taken.get(key);
      if (before !== undefined && (type === "file" || before === "file")) {
        throw refuse(`it holds ${quoted(path)} twice, be it in other letters`);
      }
      taken.set(key, type);
    };
    try {
      const entries = await reader(file);
      if (!entries) throw refuse("it is neither a .zip nor a .tar.gz");
      for await (const { name, type, read, skip } of entries(file, size, measure)) {
        signal?.throwIfAborted();
        if (++count > ENTRIES) throw refuse(`it holds more than ${ENTRIES} files`);
        const parts = name.split("/").filter((part) => part !== "" && part !== ".");
        if (parts.some(isLitter)) {
          await skip();
          continue;
        }
        if (!isSafe(name) || (parts.length === 0 && type !== "folder")) {
          throw refuse(`${quoted(name)} in it is no plain path inside a folder`);
        }
        if (type !== "file" && type !== "folder") throw refuse(`${quoted(name)} in it is a ${named(type)}`);
        const paths = parts.map((_, i) => parts.slice(0, i + 1).join("/"));
        const path = type === "file" ? paths.pop() : undefined;
        for (const above of paths) claim(above, "folder");
        await Deno.mkdir([temporary, ...paths.slice(-1)].join("/"), { recursive: true });
        if (path === undefined) {
          await skip();
          continue;
        }
        claim(path, "file");
        const target = await Deno.open(`${temporary}/${path}`, { write: true, createNew: true });
        await read(target.writable);
      }
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof InputError || error instanceof Error && "code" in error) throw error;
      throw refuse(`it is damaged: ${quoted(error instanceof Error ? error.message : error)}`, error);
    }
  });
}

/** What macOS adds of its own: `Icon\r` stands in SNLI's archive. */
function isLitter(part: string): boolean {
  return part === "__MACOSX" || part === ".DS_Store" || part === "Icon\r" || part.startsWith("._");
}

/** Whether a name means the same below one folder on every system: a colon is a drive or a stream on Windows. */
function isSafe(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return !name.startsWith("/") && !/[\\:\x00-\x1f\x7f]/.test(name) && !name.split("/").includes("..");
}

/** The entries of an archive, whose bytes `measure` is told of as they come. */
type Entries = (
  file: Deno.FsFile,
  size: number,
  measure: (chunk: Uint8Array) => void,
) => AsyncIterable<Entry>;

/** Who can read an archive, told by its first bytes. */
async function reader(file: Deno.FsFile): Promise<Entries | undefined> {
  const magic = new Uint8Array(2);
  await file.read(magic);
  await file.seek(0, Deno.SeekMode.Start);
  if (magic[0] === 0x50 && magic[1] === 0x4b) return zipEntries;
  if (magic[0] === 0x1f && magic[1] === 0x8b) return tarEntries;
  return undefined;
}

async function* zipEntries(
  file: Deno.FsFile,
  size: number,
  measure: (chunk: Uint8Array) => void,
): AsyncGenerator<Entry> {
  // Real archives differ between their two tables in harmless ways: the names are judged here, the bytes by CRC.
  const zip = new ZipReader(new FileReader(file, size), {
    strictness: "tolerant",
    checkCrc32: true,
    useWebWorkers: false,
  });
  for await (const entry of zip.getEntriesGenerator()) {
    const { filename, directory, encrypted, externalFileAttributes } = entry;
    const kind = externalFileAttributes >>> 28; // The type of Unix' mode: 4 is a folder, 8 a file, 0 is not told.
    const plain = kind === 0 || kind === (directory ? 4 : 8);
    yield {
      name: filename,
      type: !plain ? "link or device" : encrypted ? "file under a password" : directory ? "folder" : "file",
      skip() {},
      async read(into) {
        const { readable, writable } = measured(measure);
        await Promise.all([(entry as FileEntry).getData(writable), readable.pipeTo(into)]);
      },
    };
  }
}

async function* tarEntries(
  file: Deno.FsFile,
  _size: number,
  measure: (chunk: Uint8Array) => void,
): AsyncGenerator<Entry> {
  const tar = file.readable.pipeThrough(new DecompressionStream("gzip")).pipeThrough(measured(measure))
    .pipeThrough(createTarDecoder({ strict: true }));
  for await (const { header: { name, type = "file" }, body } of tar) {
    yield {
      name,
      type: type === "directory" ? "folder" : type,
      read: (into) => body.pipeTo(into),
      skip: () => body.cancel(),
    };
  }
}

/** Passes bytes on and measures them, whatever the archive's tables say of them. */
function measured(
  measure: (chunk: Uint8Array) => void,
): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  return new TransformStream({
    transform(chunk, controller) {
      measure(chunk);
      controller.enqueue(chunk);
    },
  });
}

/** Reads where the zip's tables point, as a zip is read from its end. */
class FileReader extends Reader<Deno.FsFile> {
  constructor(readonly file: Deno.FsFile, override size: number) {
    super(file);
  }

  override async readUint8Array(index: number, length: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(Math.max(0, Math.min(length, this.size - index)));
    await this.file.seek(index, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += await this.file.read(bytes.subarray(at)) ?? bytes.length;
    return bytes;
  }
}
