/**
 * Splits a hard-wrapped text into paragraphs at blank lines; other white space becomes single spaces.
 *
 * @param text Text with `\n`, `\r\n` or `\r` line breaks
 * @returns The paragraphs in order, without empty ones
 *
 * @example
 * ```ts
 * import { paragraphs } from "./prose.ts";
 *
 * console.log(paragraphs("Call me\nIshmael.\n\nSome years ago")); // ["Call me Ishmael.", "Some years ago"]
 * ```
 */
export function paragraphs(text: string): string[] {
  return unixLines(text).split(/\n[^\S\n]*\n/).map((block) => block.replace(/\s+/g, " ").trim())
    .filter((block) => block !== "");
}

/**
 * Extracts the prose of a Project Gutenberg book, one paragraph per line: removes headers and footers, title line,
 * headings, footnotes, captions, lines of asterisks and underscores of italics; keeps `--`.
 *
 * A heading is a paragraph without lower-case letters, a short one that starts with "Chapter" or a Roman numeral, or
 * "The End" and similar.
 *
 * @param text Text of the file
 * @returns Paragraphs, separated by `\n`
 *
 * @example
 * ```ts
 * import { prose } from "./prose.ts";
 *
 * console.log(prose("[Emma by Jane Austen 1816]\n\nVOLUME I\n\nEmma was _very_\nclever.")); // Emma was very clever.
 * ```
 */
export function prose(text: string): string {
  return paragraphs(withoutGutenberg(text))
    .filter((p) => !/^(\[[^\]]*\]$|\[Illustration|\[?\*)/.test(p))
    .filter((p) => /\p{Ll}/u.test(p) && !HEADING.test(p))
    .map((p) => p.replace(/[_*]+/g, "").replace(/\s+/g, " ").trim())
    .filter((p) => p !== "")
    .join("\n");
}

const HEADING =
  /^(chapter [\divxlc]+\b.{0,60}|volume [ivx]+\.?|[IVXLC]+\. .{0,60}|finis|the end|epilogue)\.?$/i;

/**
 * Normalises a user's text to one paragraph per line without changing its content: removes the byte-order mark, Project
 * Gutenberg's header and footer and empty lines; line breaks become `\n`. Lines are joined only if the text is clearly
 * hard-wrapped: it has blank lines, no line over 100 characters, and of the lines followed by a non-empty line at least
 * four fifths have 50 characters or more.
 *
 * @param text Text of the file
 * @returns Paragraphs, separated by `\n`; empty if there is only white space
 *
 * @example
 * ```ts
 * import { plain } from "./prose.ts";
 *
 * console.log(plain("\uFEFFroses are red\r\n\r\nviolets are blue\r\n")); // two lines
 * ```
 */
export function plain(text: string): string {
  const body = withoutGutenberg(text);
  if (isWrapped(body)) return paragraphs(body).join("\n");
  return body.split("\n").map((line) => line.trimEnd()).filter((line) => line !== "").join("\n");
}

function isWrapped(text: string): boolean {
  const lines = text.split("\n").map((line) => line.trim());
  const inner = lines.filter((line, i) => line !== "" && (lines[i + 1] ?? "") !== "");
  const long = inner.filter((line) => line.length >= 50).length;
  const blank = lines.slice(1, -1).includes("");
  return blank && inner.length >= 5 && long >= 0.8 * inner.length &&
    lines.every((line) => line.length <= 100);
}

/** Lines before and after a Project Gutenberg book. */
const MARK =
  /^(?:\*\*\* ?START OF (?:THE|THIS)|(?:\*\*\* ?)?(END) OF (?:THE |THIS )?) ?PROJECT GUTENBERG.*$/gim;
/** Longest header or footer: Project Gutenberg's licence has some 19,000 characters. */
const LONGEST_NOTICE = 30_000;

/** A text without the headers and footers of its books: what precedes a start, or follows an end, and is not longer. */
function withoutGutenberg(text: string): string {
  const body = unixLines(text), marks = [...body.matchAll(MARK)];
  const isEnd = (mark?: RegExpExecArray) => mark?.[1] !== undefined;
  return [undefined, ...marks].flatMap((before, i) => {
    const after = marks[i], from = before ? before.index + before[0].length : 0;
    const part = body.slice(from, after?.index);
    const isNotice = before ? isEnd(before) : after !== undefined && !isEnd(after);
    return isNotice && part.length <= LONGEST_NOTICE ? [] : [part];
  }).join("\n");
}

function unixLines(text: string): string {
  return text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
}
