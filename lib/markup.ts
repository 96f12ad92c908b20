/**
 * Text for HTML, SVG, XML and plotly.js, which takes labels for HTML: what stands between two tags.
 *
 * @param text Any text.
 * @returns The same text where markup is read.
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
 * Text for the value of an attribute in double quotes.
 *
 * @param text Any text.
 * @returns The same text where markup is read.
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
