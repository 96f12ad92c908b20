/**
 * Readers for the file formats of the benchmarks. A reader yields the entries of a file; errors name file and line.
 */
import { parseXml, type XmlDocument, XmlElement, XmlError } from "npm:@rgrove/parse-xml@5.0.0";
import { CsvError, parse as parseCsv } from "npm:csv-parse@7.0.3/sync";
import { nearest } from "../../settings.ts";
import { InputError, named, quoted } from "../../errors.ts";
import { decodeUtf8, parseJson as parse } from "../../foreign.ts";

/** An entry of a file, with parts by name. */
export interface Entry {
  /**
   * Reads a part, trimmed.
   *
   * @throws {InputError} If there is no such part, or it is not text.
   */
  get(name: string): string | readonly string[];
  /** Throws an error about this entry. */
  refuse(why: string): never;
}

/** Yields the entries of a file; the name is for messages. */
export type Reader = (bytes: Uint8Array, file: string) => Iterable<Entry>;

/** Throws an error about a file; control characters in the reason are removed. */
export function refuse(file: string, at: string, why: string, cause?: unknown): never {
  throw new InputError(`Cannot read ${named(file)}, ${at}, as ${why.replace(/[\s\p{Cc}]+/gu, " ")}`, {
    cause,
  });
}

/** A line of a file: its number, for messages, and its bytes without the line break. */
interface Line {
  readonly at: string;
  readonly line: Uint8Array;
}

const [TAB, LF, CR] = [9, 10, 13];
const BOM = [0xef, 0xbb, 0xbf];
const EMPTY = new Uint8Array();

/** The lines that are not empty, as bytes: the largest files exceed the maximum length of a string. */
function* lines(bytes: Uint8Array): Generator<Line> {
  let from = BOM.every((byte, i) => bytes[i] === byte) ? BOM.length : 0;
  for (let n = 1; from < bytes.length; n++) {
    const found = bytes.indexOf(LF, from);
    const end = found === -1 ? bytes.length : found;
    const line = bytes.subarray(from, end > from && bytes[end - 1] === CR ? end - 1 : end);
    if (line.length > 0) yield { at: `line ${n}`, line };
    from = end + 1;
  }
}

function decode(bytes: Uint8Array, file: string, at: string): string {
  const text = decodeUtf8(bytes) ?? refuse(file, at, "it must be UTF-8: current bytes are not");
  return text.includes("\0") ? refuse(file, at, "it must be text: it has a NUL character") : text.trim();
}

/** Maximum size of a file that is decoded at once, in bytes; the largest official one has 2 MB. */
const MAX_BYTES = 2 ** 28;

/** Decodes a file. */
function decodeAll(bytes: Uint8Array, file: string): string {
  if (bytes.length > MAX_BYTES) {
    refuse(file, "line 1", `it must have at most ${MAX_BYTES} bytes: current size is ${bytes.length}`);
  }
  for (const { at, line } of lines(bytes)) decode(line, file, at);
  return new TextDecoder().decode(bytes);
}

/** Index of a column by name; the names are in line 1 or given. */
function column(names: readonly string[], name: string, file: string): number {
  const i = names.indexOf(name);
  if (i >= 0) return i;
  const near = nearest(name, names);
  return refuse(
    file,
    "line 1",
    `it has no column ${name}: ${
      near ? `did you mean ${quoted(near)}?` : `its columns are ${quoted(names.join(", "))}`
    }`,
  );
}

/**
 * Reads tab-separated values without quoting.
 *
 * @param columns Names of the columns. Default: the first line.
 * @param range Allowed number of columns. Default: the number of names. With `brokenAsEmpty`, all parts of a line with another
 * number of columns are empty.
 */
export function tsv(
  columns?: readonly string[],
  range: { least?: number; most?: number; brokenAsEmpty?: true } = {},
): Reader {
  return function* (bytes, file) {
    let names = columns;
    for (const { at, line } of lines(bytes)) {
      const cells: Uint8Array[] = [];
      for (let from = 0, end = 0; end < line.length; from = end + 1) {
        end = line.indexOf(TAB, from);
        if (end === -1) end = line.length;
        cells.push(line.subarray(from, end));
      }
      if (names === undefined) {
        names = cells.map((cell) => decode(cell, file, at));
        continue;
      }
      const known = names;
      const { least = known.length, most = known.length } = range;
      if (cells.length < least || cells.length > most) {
        if (range.brokenAsEmpty) {
          yield { get: () => "", refuse: (why) => refuse(file, at, why) };
          continue;
        }
        const expected = least < most ? `${least} to ${most}` : least;
        refuse(file, at, `it must have ${expected} columns: current number is ${cells.length}`);
      }
      // Decodes only the requested columns: most of MNLI is parse trees.
      yield {
        get: (name) => decode(cells[column(known, name, file)] ?? EMPTY, file, at),
        refuse: (why) => refuse(file, at, why),
      };
    }
  };
}

/** Reads comma-separated values with quoting; the first line names the columns. */
export const csv: Reader = function* (bytes, file) {
  let records: { record: string[]; info: { lines: number } }[];
  try {
    // csv-parse's types do not reflect `info`.
    records = parseCsv(decodeAll(bytes, file), {
      info: true,
      skipEmptyLines: true,
    }) as unknown as typeof records;
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
    return refuse(file, `line ${error["lines"]}`, `it must be CSV: ${error.message.split(":")[0]}`, error);
  }
  const names = records[0]?.record.map((name) => name.trim()) ?? [];
  for (const { record, info } of records.slice(1)) {
    yield {
      get: (name) => record[column(names, name, file)]!.trim(),
      refuse: (why) => refuse(file, `line ${info.lines}`, why),
    };
  }
};

/** Reads JSON lines. */
export const jsonLines: Reader = function* (bytes, file) {
  for (const { at, line } of lines(bytes)) yield entry(parseJson(decode(line, file, at), file, at), file, at);
};

/** Reads a JSON file. */
export function json(bytes: Uint8Array, file: string): unknown {
  return parseJson(decodeAll(bytes, file), file, "line 1");
}

function parseJson(text: string, file: string, at: string): unknown {
  return parse(text, "it must be JSON: current text", (why) => refuse(file, at, why));
}

/** An entry from an object whose fields are texts, numbers, booleans or lists of texts. */
export function entry(value: unknown, file: string, at: string): Entry {
  return {
    refuse: (why) => refuse(file, at, why),
    get(name) {
      const parts = (value ?? {}) as Readonly<Record<string, unknown>>, part = parts[name];
      if (typeof part === "string") return part.trim();
      if (typeof part === "boolean" || Number.isFinite(part)) return String(part);
      if (Array.isArray(part) && part.every((text) => typeof text === "string")) {
        return part.map((text) => text.trim());
      }
      return refuse(
        file,
        at,
        `it must have a text or texts ${name}: ${
          part === undefined
            ? `its fields are ${quoted(Object.keys(parts).join(", "))}`
            : `current value is ${quoted(part)}`
        }`,
      );
    },
  };
}

/** An element of an XML file and where it starts. */
export interface Item {
  /** Its line, for messages. */
  readonly at: string;
  /** Its attributes. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The texts of its descendants at a path: `texts("answers/answer")`. */
  texts(path: string): string[];
}

/** Yields the children of the root element with a name. */
export function* xml(bytes: Uint8Array, file: string, name: string): Generator<Item> {
  const start = new TextDecoder("latin1").decode(bytes.subarray(0, 100));
  const latin = /^<\?xml[^>]*encoding=["'](iso-8859-1|windows-1252)["']/i.test(start);
  const text = latin ? new TextDecoder("latin1").decode(bytes) : decodeAll(bytes, file);
  let document: XmlDocument;
  try {
    document = parseXml(text, { includeOffsets: true });
  } catch (error) {
    if (error instanceof XmlError) {
      const [message = ""] = error.message.split(/ \(line|\n/);
      return refuse(file, `line ${error.line}`, `it must be XML: ${quoted(message)}`, error);
    }
    if (error instanceof RangeError) {
      return refuse(file, "line 1", "it must be XML: it nests too deeply", error);
    }
    throw error;
  }
  let [line, from] = [1, 0];
  for (const element of below(document.root, name)) {
    line += text.slice(from, element.start).split("\n").length - 1; // Counts incrementally, as a file may have many elements.
    from = element.start;
    yield {
      at: `line ${line}`,
      attributes: element.attributes,
      texts: (path) =>
        path.split("/").reduce((level, step) => level.flatMap((one) => below(one, step)), [element])
          .map((one) => one.text.replace(/\s+/g, " ").trim()),
    };
  }
}

function below(element: XmlElement | null, name: string): XmlElement[] {
  return element?.children.filter((child) => child instanceof XmlElement).filter((child) =>
    child.name === name
  ) ?? [];
}
