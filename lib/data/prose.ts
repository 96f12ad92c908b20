/**
 * Joins hard-wrapped lines: one paragraph a line. Paragraphs are what blank lines separate; runs of white
 * space inside one become a space.
 *
 * @param text Text with `\n`, `\r\n` or `\r` line ends
 * @returns The paragraphs in their order, none of them empty
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
 * Makes a book of Project Gutenberg plain prose: its headers and footers, title line, headings, footnotes,
 * picture captions and lines of asterisks go, the underscores of italics too; `--` stays. What was
 * hard-wrapped becomes one paragraph a line.
 *
 * A heading is a paragraph without a lower-case letter, one that starts with "Chapter" or a Roman numeral and
 * is short, or a book's last word.
 *
 * @param text The file
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
 * Makes a user's text plain paragraphs without touching what stands in them: the byte order mark and
 * Project Gutenberg's header and footer go, line ends become `\n`, empty lines go. Lines are joined only when
 * the text is hard-wrapped for certain: it has blank lines between paragraphs, no line over 100 characters,
 * and of the lines that go on in the next one at least four fifths are 50 characters or longer.
 *
 * @param text The file
 * @returns Paragraphs, separated by `\n`; empty for a text of white space
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

function withoutGutenberg(text: string): string {
  let body = unixLines(text);
  const start = /^\*\*\* ?START OF (THE|THIS) PROJECT GUTENBERG.*$/m.exec(body);
  if (start !== null) body = body.slice(start.index + start[0].length);
  const end = /^(\*\*\* ?)?END OF (THE |THIS )?PROJECT GUTENBERG.*$/im.exec(body);
  return end === null ? body : body.slice(0, end.index);
}

function unixLines(text: string): string {
  return text.replace(/^\uFEFF/, "").replace(/\r\n?/g, "\n");
}
