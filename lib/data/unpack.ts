import { configure, type FileEntry, Reader, ZipReader } from "@zip.js/zip.js/lib/zip-core-native.js";
import { createTarDecoder } from "modern-tar";
import { InputError, messageOf, named, quoted } from "../errors.ts";
import { checkFile, fileError, fillWhole } from "../files.ts";
import { checkedTar } from "./tar.ts";

/** Most bytes that come out of an archive: so many times its size, and this to spare; text shrinks to a fifth. */
const TIMES = 20;
const SPARE = 2 ** 20;
/** Most bytes of any archive. The largest, MNLI, has 0.3 GB before it is unpacked. */
const MOST = 4 * 2 ** 30;
/** Most entries of an archive, of which RACE has some 28,000, and most folders that they need. */
const ENTRIES = 50_000;
const FOLDERS = 1000;
/** Most characters of a path in it, and most folders on the way. */
const LONGEST = 500;
const DEEPEST = 30;
/** Most bytes of a zip's table: 300 for each entry. */
const TABLE = 2 ** 24;
/** Bytes that are unpacked at once: what they become, a thousand times as much at the most, is in memory. */
const STEP = 2 ** 12;

configure({ chunkSize: STEP, useWebWorkers: false });

/** A file or folder of an archive. */
interface Entry {
  readonly name: string;
  /** `"file"`, `"folder"`, or what an archive of data has no business to hold. */
  readonly type: string;
  /** Its bytes; before the next entry is asked for, this must have been called. */
  read(write: (chunk: Uint8Array) => void): Promise<void>;
  skip(): Promise<void> | void;
}

/** An archive under way. */
interface Source {
  readonly file: Deno.FsFile;
  readonly size: number;
  /** Is told of all bytes as they are unpacked, whatever the archive's tables say of them. */
  measure(bytes: number): void;
  refuse(why: string, cause?: unknown): InputError;
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
  await fillWhole(folder, (temporary) => unpackInto(archive, temporary, signal));
}

/**
 * Unpacks like {@linkcode unpack} into a folder that is there and empty; where it throws, what it unpacked stays.
 *
 * @param archive The file.
 * @param folder Where its entries go.
 * @param signal Ends the work.
 *
 * @example
 * ```ts
 * import { unpackInto } from "./unpack.ts";
 *
 * const folder = await Deno.makeTempDir();
 * await Deno.writeFile(`${folder}/none.zip`, new Uint8Array(22));
 * await unpackInto(`${folder}/none.zip`, folder).catch(({ message }) => console.log(message.slice(-30)));
 * ```
 */
export async function unpackInto(archive: string, folder: string, signal?: AbortSignal): Promise<void> {
  const refuse = (why: string, cause?: unknown) =>
    new InputError(`Cannot unpack ${named(archive)} as ${why}`, { cause });
  using file = await opened(archive);
  const { size } = await file.stat();
  const most = Math.min(TIMES * size + SPARE, MOST);
  let bytes = 0;
  /** Why it ended, which the library that reads it may take for damage. */
  let reason: unknown;
  const measure = (more: number): void => {
    signal?.throwIfAborted();
    bytes += more;
    if (bytes <= most) return;
    throw reason = refuse(`it holds more than ${most} bytes, out of proportion to its size of ${size}`);
  };
  const source = { file, size, measure, refuse };
  const folders = new Set<string>();
  try {
    const entries = size > 0 ? await reader(file) : undefined;
    if (!entries) throw refuse("it is neither a .zip nor a .tar.gz");
    const names = new Names(refuse);
    for await (const entry of entries(source)) {
      signal?.throwIfAborted();
      const path = names.take(entry);
      const above = entry.type === "folder" ? path : path?.replace(/\/?[^/]*$/, "");
      if (above !== undefined && !folders.has(above)) {
        await Deno.mkdir(`${folder}/${above}`, { recursive: true });
        folders.add(above);
      }
      if (path === undefined || entry.type === "folder") {
        await entry.skip();
        continue;
      }
      using target = await Deno.open(`${folder}/${path}`, { write: true, createNew: true });
      await entry.read((chunk) => {
        try {
          for (let at = 0; at < chunk.length;) at += target.writeSync(chunk.subarray(at));
        } catch (error) {
          throw reason = error; // A full disk is no damage.
        }
      });
    }
  } catch (caught) {
    signal?.throwIfAborted();
    const error = reason ?? caught;
    if (error instanceof InputError || error instanceof Error && "code" in error) throw error;
    throw refuse(`it is damaged: ${named(messageOf(error).replace(/\.$/, ""))}`, error);
  }
}

/** Opens an archive, which is neither a pipe nor a folder. */
async function opened(archive: string): Promise<Deno.FsFile> {
  try {
    await checkFile(archive);
    const file = await Deno.open(archive);
    if ((await file.stat()).isFile) return file;
    file.close();
  } catch (error) {
    throw fileError("unpack", archive, error);
  }
  throw new InputError(`Cannot unpack ${archive} as it is a folder`);
}

/** The names of an archive's entries, each of which it may take once. */
class Names {
  readonly #taken = new Map<string, string>();
  #count = 0;
  #folders = 0;

  constructor(readonly refuse: (why: string) => InputError) {}

  /** Where an entry goes, or nothing if it is to be skipped. */
  take({ name, type }: Entry): string | undefined {
    if (++this.#count > ENTRIES) throw this.refuse(`it holds more than ${ENTRIES} files`);
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.some(isLitter)) return undefined;
    if (!isSafe(name) || (parts.length === 0 && type !== "folder")) {
      throw this.refuse(`${quoted(name)} in it is no plain path inside a folder`);
    }
    if (type !== "file" && type !== "folder") throw this.refuse(`${quoted(name)} in it is a ${type}`);
    let path = "";
    for (const [i, part] of parts.entries()) {
      path += i === 0 ? part : `/${part}`;
      this.#claim(path, i === parts.length - 1 ? type : "folder");
    }
    return path;
  }

  /** Systems that ignore case, or how an accent is written, would write one file over another. */
  #claim(path: string, type: string): void {
    const key = path.normalize("NFC").toLowerCase();
    const before = this.#taken.get(key);
    if (before !== undefined && (type === "file" || before === "file")) {
      throw this.refuse(`it holds ${quoted(path)} twice, be it in other letters`);
    }
    if (before === undefined && type === "folder" && ++this.#folders > FOLDERS) {
      throw this.refuse(`it holds more than ${FOLDERS} folders`);
    }
    this.#taken.set(key, type);
  }
}

/** What macOS adds of its own: `Icon\r` stands in SNLI's archive. */
function isLitter(part: string): boolean {
  return part === "__MACOSX" || part === ".DS_Store" || part === "Icon\r" || part.startsWith("._");
}

/** Whether a name means the same below one folder on every system: a colon is a drive or a stream on Windows. */
function isSafe(name: string): boolean {
  const parts = name.split("/");
  if (name.length > LONGEST || parts.length > DEEPEST || parts[0] === "" && name !== "") return false;
  return !/[\\:\p{Cc}]/u.test(name) && parts.every((part) => part === "." || !ALIAS.test(part));
}

/** What Windows takes for another name, or for a device: it cuts points and blanks off a name's end. */
const ALIAS = /[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Who can read an archive, told by its first bytes. */
async function reader(file: Deno.FsFile): Promise<((source: Source) => AsyncIterable<Entry>) | undefined> {
  const magic = new Uint8Array(2);
  await file.read(magic);
  await file.seek(0, Deno.SeekMode.Start);
  if (magic[0] === 0x50 && magic[1] === 0x4b) return zipEntries;
  if (magic[0] === 0x1f && magic[1] === 0x8b) return tarEntries;
  return undefined;
}

async function* zipEntries(source: Source): AsyncGenerator<Entry> {
  // Real archives differ between their two tables in harmless ways: the names are judged here, the bytes by CRC.
  const zip = new ZipReader(new FileReader(source), {
    strictness: "tolerant",
    checkCrc32: true,
    maxAppendedDataSize: SPARE, // Beyond that its end is not looked for.
  });
  for await (const entry of zip.getEntriesGenerator()) {
    const { filename, directory, encrypted, externalFileAttributes } = entry;
    const kind = externalFileAttributes >>> 28; // The type of Unix' mode: 4 is a folder, 8 a file, 0 is not told.
    const plain = kind === 0 || kind === (directory ? 4 : 8);
    yield {
      name: filename,
      type: !plain ? "link or device" : encrypted ? "file under a password" : directory ? "folder" : "file",
      skip() {},
      async read(write) {
        await (entry as FileEntry).getData(
          new WritableStream({
            write(chunk) {
              source.measure(chunk.length);
              write(chunk);
            },
          }),
        );
      },
    };
  }
}

async function* tarEntries({ file, measure, refuse }: Source): AsyncGenerator<Entry> {
  const measured = new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
    transform(chunk, controller) {
      measure(chunk.length);
      controller.enqueue(chunk);
    },
  });
  const tar = chunks(file).pipeThrough(new DecompressionStream("gzip")).pipeThrough(measured)
    .pipeThrough(checkedTar(refuse)).pipeThrough(createTarDecoder({ strict: true }));
  for await (const { header: { name, type = "file" }, body } of tar) {
    yield {
      name,
      type: type === "directory" ? "folder" : type,
      skip: () => body.cancel(),
      async read(write) {
        for await (const chunk of body) write(chunk);
      },
    };
  }
}

/** A file in small steps, from where it is read. */
function chunks(file: Deno.FsFile): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const chunk = new Uint8Array(STEP);
      const length = await file.read(chunk);
      if (length === null) controller.close();
      else controller.enqueue(chunk.subarray(0, length));
    },
  }, { highWaterMark: 0 });
}

/** Reads where the zip's tables point, as a zip is read from its end. */
class FileReader extends Reader<Source> {
  #read = 0;

  constructor(readonly source: Source) {
    super(source);
    this.size = source.size;
  }

  override async readUint8Array(index: number, length: number): Promise<Uint8Array> {
    const { file, size, measure, refuse } = this.source;
    const wanted = Math.max(0, Math.min(length, size - index));
    if (wanted > TABLE) throw refuse(`its table takes ${wanted} bytes, more than ${TABLE}`);
    this.#read += wanted;
    if (this.#read > 4 * size + SPARE) throw refuse("its entries lie over one another");
    measure(0);
    const bytes = new Uint8Array(wanted);
    await file.seek(index, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += await file.read(bytes.subarray(at)) ?? bytes.length;
    return bytes;
  }
}
