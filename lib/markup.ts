/**
 * Escapes text content for HTML, SVG, XML and plotly.js, whose labels are HTML.
 *
 * @param text Any text.
 * @returns The escaped text.
 *
 * @example
 * ```ts
 * import { escapeText } from "./markup.ts";
 *
 * console.log(escapeText("a < b & c")); // a &lt; b &amp; c
 * ```
 */
export function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/**
 * Escapes text for an attribute value in double quotes.
 *
 * @param text Any text.
 * @returns The escaped text.
 *
 * @example
 * ```ts
 * import { escapeAttribute } from "./markup.ts";
 *
 * console.log(escapeAttribute('the "text"')); // the &quot;text&quot;
 * ```
 */
export function escapeAttribute(text: string): string {
  return escapeText(text).replaceAll('"', "&quot;");
}

/**
 * The text of HTML as {@linkcode escapeText} and plotly.js' labels have it: without tags, line breaks as spaces.
 *
 * @param html Escaped text, with tags such as `<br>`.
 * @returns The text.
 *
 * @example
 * ```ts
 * import { unescapeText } from "./markup.ts";
 *
 * console.log(unescapeText("loss<br><b>a &lt; b</b>")); // loss a < b
 * ```
 */
export function unescapeText(html: string): string {
  const entities: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"' };
  return html.replace(/<br ?\/?>/gi, " ").replace(/<[^<>]*>/g, "")
    .replace(/&(amp|lt|gt|quot);/g, (_, name) => entities[name]!);
}

/**
 * HTML in ASCII: other characters as references. A browser then keeps a large page in a byte a character, not two, and
 * reads one of 5 MB in three quarters of the time. Scripts and styles, in which references mean nothing, must be ASCII;
 * control characters (U+0080 to U+009F) stay, as their references mean others.
 *
 * @param html Any HTML.
 * @returns The same, to a browser.
 *
 * @example
 * ```ts
 * import { asciiHtml } from "./markup.ts";
 *
 * console.log(asciiHtml("<p>λ</p>")); // <p>&#955;</p>
 * ```
 */
export function asciiHtml(html: string): string {
  return html.replace(/[^\0-\x9f]/gu, (character) => `&#${character.codePointAt(0)};`);
}
