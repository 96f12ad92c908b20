import {
  configure,
  type FileEntry,
  Reader,
  ZipReader,
} from "npm:@zip.js/zip.js@2.24.0/lib/zip-core-native.js";
import { createTarDecoder } from "npm:modern-tar@0.8.6";
import { InputError, messageOf, named, quoted } from "../errors.ts";
import { checkFile, createFolder, fileError } from "../files.ts";
import { checkedTar } from "./tar.ts";

/** Maximum compression ratio, plus a margin in bytes; text is compressed to a fifth. */
const MAX_RATIO = 20;
const MARGIN = 2 ** 20;
/** Maximum unpacked size in bytes. The largest archive, MNLI, has 0.3 GB packed. */
const MAX_BYTES = 4 * 2 ** 30;
/** Maximum number of entries, of which RACE has some 28,000, and of folders. */
const MAX_ENTRIES = 50_000;
const MAX_FOLDERS = 1000;
/** Maximum length of a path, in characters, and its maximum depth. */
const MAX_PATH = 500;
const MAX_DEPTH = 30;
/** Maximum size of a zip's central directory, in bytes: 300 per entry. */
const MAX_DIRECTORY = 2 ** 24;
/** Bytes unpacked at a time: the result, at most a thousand times as much, is in memory. */
const CHUNK = 2 ** 12;

configure({ chunkSize: CHUNK, useWebWorkers: false });

/** A file or folder of an archive. */
interface Entry {
  readonly name: string;
  /** `"file"`, `"folder"`, or a type that is rejected. */
  readonly type: string;
  /** Reads its bytes. This or `skip` must be called before the next entry is requested. */
  read(write: (chunk: Uint8Array) => void): Promise<void>;
  skip(): Promise<void> | void;
}

/** An archive that is being unpacked. */
interface Source {
  readonly file: Deno.FsFile;
  readonly size: number;
  /** Counts the actual bytes as they are unpacked, whatever size the archive declares. */
  measure(bytes: number): void;
  refuse(why: string, cause?: unknown): InputError;
}

/**
 * Unpacks a `.zip` or `.tar.gz` into a new folder, atomically.
 *
 * The archive is not trusted. It is rejected if it is damaged, its compression ratio is too high, or an entry would be
 * outside the folder, has a name that is ambiguous on some system, is neither file nor folder, or is a duplicate. macOS
 * metadata is skipped.
 *
 * @param archive Path of the archive.
 * @param folder The new folder; it must not exist.
 * @param signal Stops the work; nothing is left behind.
 * @throws {InputError} If the archive is rejected or cannot be read, or the folder exists or cannot be written.
 * @throws The signal's reason, if it is aborted.
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
  await createFolder(folder, (temporary) => unpackInto(archive, temporary, signal));
}

/**
 * Unpacks like {@linkcode unpack}, but into an existing, empty folder; if it throws, unpacked files remain.
 *
 * @param archive Path of the archive.
 * @param folder The folder.
 * @param signal Stops the work.
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
  using file = await openArchive(archive);
  const { size } = await file.stat();
  const most = Math.min(MAX_RATIO * size + MARGIN, MAX_BYTES);
  let bytes = 0;
  /** The actual error, which the library may report as damage. */
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
      const path = names.add(entry);
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
          throw reason = error; // A full disk, for example, is not damage to the archive.
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

/** Opens an archive; throws for a pipe or a folder. */
async function openArchive(archive: string): Promise<Deno.FsFile> {
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

/** The names of an archive's entries, which must be unique. */
class Names {
  readonly #types = new Map<string, string>();
  #count = 0;
  #folders = 0;

  constructor(readonly refuse: (why: string) => InputError) {}

  /** Validates an entry's name and returns its path; undefined if it is skipped. */
  add({ name, type }: Entry): string | undefined {
    if (++this.#count > MAX_ENTRIES) throw this.refuse(`it holds more than ${MAX_ENTRIES} files`);
    const parts = name.split("/").filter((part) => part !== "" && part !== ".");
    if (parts.some(isMacMetadata)) return undefined;
    if (!isSafe(name) || (parts.length === 0 && type !== "folder")) {
      throw this.refuse(`${quoted(name)} in it is not a plain relative path`);
    }
    if (type !== "file" && type !== "folder") throw this.refuse(`${quoted(name)} in it is a ${type}`);
    let path = "";
    for (const [i, part] of parts.entries()) {
      path += i === 0 ? part : `/${part}`;
      this.#register(path, i === parts.length - 1 ? type : "folder");
    }
    return path;
  }

  /** Names must also differ on systems that ignore case or Unicode normalisation. */
  #register(path: string, type: string): void {
    const key = path.normalize("NFC").toLowerCase();
    const before = this.#types.get(key);
    if (before !== undefined && (type === "file" || before === "file")) {
      throw this.refuse(`it holds ${quoted(path)} twice, or with other capitals or accents`);
    }
    if (before === undefined && type === "folder" && ++this.#folders > MAX_FOLDERS) {
      throw this.refuse(`it holds more than ${MAX_FOLDERS} folders`);
    }
    this.#types.set(key, type);
  }
}

/** Whether a name is metadata of macOS; SNLI's archive has `Icon\r`. */
function isMacMetadata(part: string): boolean {
  return part === "__MACOSX" || part === ".DS_Store" || part === "Icon\r" || part.startsWith("._");
}

/** Whether a name is the same relative path on every system: on Windows, a colon marks a drive or a stream. */
function isSafe(name: string): boolean {
  const parts = name.split("/");
  if (name.length > MAX_PATH || parts.length > MAX_DEPTH || parts[0] === "" && name !== "") return false;
  return !/[\\:\p{Cc}]/u.test(name) && parts.every((part) => part === "." || !WINDOWS_ALIAS.test(part));
}

/** Names with another meaning on Windows: devices, and names with trailing dots or spaces, which it removes. */
const WINDOWS_ALIAS = /[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** The reader for an archive, detected by its first bytes. */
async function reader(file: Deno.FsFile): Promise<((source: Source) => AsyncIterable<Entry>) | undefined> {
  const magic = new Uint8Array(2);
  await file.read(magic);
  await file.seek(0, Deno.SeekMode.Start);
  if (magic[0] === 0x50 && magic[1] === 0x4b) return zipEntries;
  if (magic[0] === 0x1f && magic[1] === 0x8b) return tarEntries;
  return undefined;
}

async function* zipEntries(source: Source): AsyncGenerator<Entry> {
  // Local headers and central directory of real archives differ in harmless ways: names are validated here, data by CRC.
  const zip = new ZipReader(new FileReader(source), {
    strictness: "tolerant",
    checkCrc32: true,
    maxAppendedDataSize: MARGIN, // Limits the search for the end record.
  });
  for await (const entry of zip.getEntriesGenerator()) {
    const { filename, directory, encrypted, externalFileAttributes } = entry;
    const kind = externalFileAttributes >>> 28; // File type in the Unix mode: 4 is a folder, 8 a file, 0 unknown.
    const plain = kind === 0 || kind === (directory ? 4 : 8);
    yield {
      name: filename,
      type: !plain ? "link or device" : encrypted ? "file with a password" : directory ? "folder" : "file",
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

/** A file as a stream of small chunks. */
function chunks(file: Deno.FsFile): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new ReadableStream({
    async pull(controller) {
      const chunk = new Uint8Array(CHUNK);
      const length = await file.read(chunk);
      if (length === null) controller.close();
      else controller.enqueue(chunk.subarray(0, length));
    },
  }, { highWaterMark: 0 });
}

/** Random access to a zip, which is read from its end. */
class FileReader extends Reader<Source> {
  #read = 0;

  constructor(readonly source: Source) {
    super(source);
    this.size = source.size;
  }

  override async readUint8Array(index: number, length: number): Promise<Uint8Array> {
    const { file, size, measure, refuse } = this.source;
    const available = Math.max(0, Math.min(length, size - index));
    if (available > MAX_DIRECTORY) {
      throw refuse(`its central directory has ${available} bytes, more than ${MAX_DIRECTORY}`);
    }
    this.#read += available;
    if (this.#read > 4 * size + MARGIN) throw refuse("its entries overlap");
    measure(0);
    const bytes = new Uint8Array(available);
    await file.seek(index, Deno.SeekMode.Start);
    for (let at = 0; at < bytes.length;) at += await file.read(bytes.subarray(at)) ?? bytes.length;
    return bytes;
  }
}
