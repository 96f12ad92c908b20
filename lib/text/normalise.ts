/**
 * Normalisation of a text before it is split into words: {@linkcode fixText} corresponds to `ftfy`,
 * {@linkcode standardize} to OpenAI's `text_standardize`.
 */

/**
 * Printable ASCII and newlines without an ampersand: the usual English text, in which nothing needs repair.
 */
const PLAIN = /^[\n\x20-\x25\x27-\x7e]*$/;

/** HTML names of the characters U+00A0 to U+00FF, in order. */
const LATIN_1 =
  "nbsp iexcl cent pound curren yen brvbar sect uml copy ordf laquo not shy reg macr deg plusmn sup2 sup3 " +
  "acute micro para middot cedil sup1 ordm raquo frac14 frac12 frac34 iquest Agrave Aacute Acirc Atilde " +
  "Auml Aring AElig Ccedil Egrave Eacute Ecirc Euml Igrave Iacute Icirc Iuml ETH Ntilde Ograve Oacute " +
  "Ocirc Otilde Ouml times Oslash Ugrave Uacute Ucirc Uuml Yacute THORN szlig agrave aacute acirc atilde " +
  "auml aring aelig ccedil egrave eacute ecirc euml igrave iacute icirc iuml eth ntilde ograve oacute " +
  "ocirc otilde ouml divide oslash ugrave uacute ucirc uuml yacute thorn yuml";

/** The named entities that are decoded. */
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ...LATIN_1.split(" ").map((name, i): [string, string] => [name, String.fromCodePoint(0xa0 + i)]),
  ...Object.entries({ quot: '"', amp: "&", apos: "'", lt: "<", gt: ">", OElig: "Œ", oelig: "œ", euro: "€" }),
  ...Object.entries({ ndash: "–", mdash: "—", hellip: "…", bull: "•", trade: "™", minus: "−", horbar: "―" }),
  ...Object.entries({ lsquo: "‘", rsquo: "’", sbquo: "‚", ldquo: "“", rdquo: "”", bdquo: "„", prime: "′" }),
]);

/** Maximum nesting of entities, so that `&amp;amp;amp;…` cannot take quadratic time. */
const ENTITY_DEPTH = 5;

/**
 * An ANSI escape sequence of a terminal; built from a string as it starts with a control character.
 */
const TERMINAL_ESCAPE = new RegExp(`${String.fromCharCode(27)}\\[[\\d;]*[a-zA-Z]`, "g");

/**
 * The byte-order mark, deprecated format characters, and control characters except tab, newline, form feed and CR.
 */
const INVISIBLE = /[[\p{Cc}&&\p{ASCII}]--[\t\n\f\r]]|[\u206a-\u206f\ufeff\ufff9-\ufffc]/gv;

/** Latin ligatures, the ideographic space, and full- or half-width forms: NFKC replaces them by the usual characters. */
const COMPATIBLE = /[\u0132\u0133\u0149\u01c4-\u01cc\u01f1-\u01f3\u3000\ufb00-\ufb06\uff01-\uffef]/g;

/**
 * Repairs common defects of text from the web and from typesetting. It implements `ftfy.fix_text`, GPT-1's first step
 * (Radford et al. 2018, section 4.1), except for the repair of mojibake:
 *
 * - full-width and half-width forms, and Latin ligatures, become the usual characters;
 * - HTML entities are decoded if the text has no `<`: numeric ones, Latin-1's and the usual punctuation;
 * - curly quotes become straight;
 * - every line break (CRLF, CR, U+0085, U+2028, U+2029) becomes `\n`;
 * - terminal escapes, control characters and byte-order marks are removed;
 * - a lone surrogate becomes U+FFFD;
 * - the result is in Unicode normal form C.
 *
 * Not implemented: repair of text that was decoded with the wrong encoding (`Ã©` stays), and rare named entities. `ftfy`
 * decides about entities line by line, this function once for the whole text.
 *
 * @param text Any text.
 * @returns The repaired text; plain ASCII is unchanged.
 *
 * @example
 * ```ts
 * import { fixText } from "./normalise.ts";
 *
 * console.log(fixText("“It’s ﬁne” &mdash; caf&eacute;\r\n")); // "It's fine" — café
 * ```
 */
export function fixText(text: string): string {
  if (PLAIN.test(text)) return text;
  const formed = text.toWellFormed();
  return (formed.includes("<") ? formed : decodeEntities(formed))
    .replace(COMPATIBLE, (char) => char.normalize("NFKC")) // An entity may stand for one.
    .replace(/[\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(/\r\n?|[\x85\u2028\u2029]/g, "\n")
    .replace(TERMINAL_ESCAPE, "")
    .replace(INVISIBLE, "")
    .normalize("NFC");
}

/** Decodes `&name;`, `&#123;` and `&#x7b;`; unknown entities are unchanged. */
function decodeEntities(text: string): string {
  for (let depth = 0; depth < ENTITY_DEPTH && text.includes("&"); depth++) {
    const decoded = text.replace(
      /&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|(\w{1,8}));/g,
      (entity, decimal, hex, name) => {
        if (name !== undefined) return ENTITIES.get(name) ?? entity;
        const code = decimal === undefined ? parseInt(hex, 16) : parseInt(decimal);
        // HTML interprets 128 to 159 as Windows-1252: the quotes and dashes of old pages.
        if (code >= 0x80 && code < 0xa0) return new TextDecoder("windows-1252").decode(Uint8Array.of(code));
        return code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? entity : String.fromCodePoint(code);
      },
    );
    if (decoded === text) break;
    text = decoded;
  }
  return text;
}

/**
 * Python's `\s` without the plain space; JavaScript's `\s` lacks U+001C to U+001F and U+0085, and has U+FEFF.
 */
const ODD_SPACE = "\\t-\\r\\x1c-\\x1f\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000";

/** Every run of white space except a single plain space. */
const SPACES = new RegExp(`[${ODD_SPACE}][ ${ODD_SPACE}]*| [ ${ODD_SPACE}]+`, "g");

/**
 * OpenAI's `text_standardize`, character for character: dashes become `-`, an ellipsis `...`, an acute accent `'`; each
 * run of one of `- ~ ! " ; ? + , ) ( / * [ ] } { | _` gets a space on both sides; white space with newlines becomes
 * `" \n "`, any other run one space; the ends are stripped.
 *
 * A backslash is *not* padded. In OpenAI's plain Python string, `\\+` reaches the regular expression as `\+`, a plus;
 * ports that use a raw string pad backslashes and get different ids. White space is defined as Python's `\s`.
 *
 * @param text Any text, usually the result of {@linkcode fixText}.
 * @returns Text in which the only white space is single spaces, and newlines between two spaces.
 *
 * @example
 * ```ts
 * import { standardize } from "./normalise.ts";
 *
 * console.log(standardize("Well—yes!!\n\nNo…")); // "Well - yes !! \n No..."
 * ```
 */
export function standardize(text: string): string {
  return text
    .replace(/[—–―]/g, "-")
    .replaceAll("…", "...")
    .replaceAll("´", "'")
    .replace(/([-~!";?+,)(/*[\]}{|_])\1*/g, " $& ")
    .replace(SPACES, (run) => run.includes("\n") ? " \n " : " ")
    .replace(/^[ \n]+|[ \n]+$/g, "");
}
