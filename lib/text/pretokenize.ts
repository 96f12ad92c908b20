/**
 * Splits a text into words and punctuation marks with the English rules of spaCy 2.0 (Explosion AI, MIT licence), which
 * GPT-1's tokenizer applies before BPE. The rules must be spaCy's, as a different split gives different ids. They are
 * tables here, which {@linkcode splitChunk} interprets.
 */

/** Letters with and without case, as in spaCy 2.0: Latin, Russian; Bengali, Hebrew, Arabic. */
const UNCASED = "[\\p{L}&&[\\p{Script=Bengali}\\p{Script=Hebrew}\\p{Script=Arabic}]]";
const LOWER = `[[\\p{Ll}&&\\p{Script=Latin}]ёа-я${UNCASED}]`;
const UPPER = `[[\\p{Lu}&&\\p{Script=Latin}]ЁА-Я${UNCASED}]`;
const ALPHA = `[${LOWER}${UPPER}]`;

/** Alternatives of a regular expression from a space-separated list; items may contain escapes. */
const list = (items: string): string[] => items.split(" ");

const PUNCTUATION = list(
  "… …… , : ; ! \\? ¿ ؟ ¡ \\( \\) \\[ \\] \\{ \\} < > _ # \\* & 。 ？ ！ ， 、 ； ： ～ · । ، ؛ ٪",
);
const QUOTES = list("' '' \" ” “ `` ` ‘ ´ ‘‘ ’’ ‚ , „ » « 「 」 『 』 （ ） 〔 〕 【 】 《 》 〈 〉");
const ELLIPSES = ["\\.\\.+", "…"];
const SYMBOLS = ["\\p{So}"];
const CURRENCY = list("\\$ £ € ¥ ฿ US\\$ C\\$ A\\$ ₽ ﷼");
const HYPHENS = "-|–|—|--|---|——|~";
const UNITS = list(
  "km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh " +
    "mph hPa Pa mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см см² см³ мм мм² мм³ " +
    "нм кг г мг м/с км/ч кПа Па мбар Кб КБ кб Мб МБ мб Гб ГБ гб Тб ТБ тб",
);

/**
 * Prefixes and suffixes that are split off a chunk, and infixes where its middle is split; the first match counts.
 */
const rules = {
  prefixes: ["§", "%", "=", "\\+", ...PUNCTUATION, ...ELLIPSES, ...QUOTES, ...CURRENCY, ...SYMBOLS],
  suffixes: [
    ...PUNCTUATION,
    ...ELLIPSES,
    ...QUOTES,
    ...SYMBOLS,
    ...list("'s 'S ’s ’S"),
    "(?<=[0-9])\\+",
    "(?<=°[FfCcKk])\\.",
    `(?<=[0-9])(?:${CURRENCY.join("|")})`,
    `(?<=[0-9])(?:${UNITS.join("|")})`,
    // A full stop after a lower-case letter, a digit, a quote or a bracket; after capitals if there are two.
    `(?<=[0-9${LOWER}%²\\-\\)\\]+\\(?:'"”“\`‘´’‚,„»«「」『』（）〔〕【】《》〈〉\\|])\\.`,
    `(?<=${UPPER}${UPPER})\\.`,
  ],
  infixes: [
    ...ELLIPSES,
    ...SYMBOLS,
    "(?<=[0-9])[+\\-*\\^](?=[0-9\\-])",
    `(?<=${LOWER})\\.(?=${UPPER})`,
    `(?<=${ALPHA}),(?=${ALPHA})`,
    `(?<=${ALPHA})[?";:=,.]*(?:${HYPHENS})(?=${ALPHA})`,
    `(?<=[${ALPHA}"])[:<>=\\/](?=${ALPHA})`,
  ],
  /**
   * A lower-case web or mail address is not split; as in spaCy, anything may follow the domain. Numeric hosts are not
   * included.
   */
  address:
    "^(?=[\\p{L}\\p{Nd}_])(?:(?:https?|ftp|mailto):\\/\\/)?(?:\\S+@)?(?:[a-z0-9\\-]*[a-z0-9]\\.)+[a-z]{2}" +
    "\\S*(?<=[\\p{L}\\p{Nd}_\\/])$",
} as const;

const PREFIX = new RegExp(`^(?:${rules.prefixes.join("|")})`, "v");
const SUFFIX = new RegExp(rules.suffixes.map((suffix) => suffix + "$").join("|"), "v");
const INFIX = new RegExp(rules.infixes.join("|"), "gv");
const ADDRESS = new RegExp(rules.address, "v");

/** Words and the endings that are split off: with and without apostrophe, capitalised or not. */
const contractions: readonly (readonly [words: string, endings: readonly string[]])[] = [
  ["i", ["'m", "'m a"]],
  ["i you he she it we they", ["'ll", "'ll 've", "'d", "'d 've"]],
  ["i you we they", ["'ve"]],
  ["you we they", ["'re"]],
  ["he she it", ["'s"]],
  ["who what when where why how there that", ["'s", "'ll", "'ll 've", "'re", "'ve", "'d", "'d 've"]],
  ["ca could do does did had may might must need ought sha should wo would", ["n't", "n't 've"]],
  ["could might must should would", ["'ve"]],
  ["ai are is was were have has dare", ["n't"]],
];

/** Words that equal a contraction without its apostrophe. */
const notContractions = "Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore";

/** Other chunks with a special split, marked by spaces. */
const splits = [
  ..."y' all,y all,how 'd 'y,How 'd 'y,not 've,not ve,Not 've,Not ve,can not,Can not".split(","),
  ..."gon na,Gon na,got ta,Got ta,let 's,Let 's".split(","),
  ...Array.from({ length: 12 }, (_, i) => ["a.m.", "am", "p.m.", "pm"].map((half) => `${i + 1} ${half}`))
    .flat(),
];

/**
 * Chunks that are not split. spaCy's table has more emoticons, and `and/or`, `w/o`, `C++`: they contain a character that
 * `standardize` pads with spaces, so they cannot occur here.
 */
const wholes = list(
  "a. b. c. d. e. f. g. h. i. j. k. l. m. n. o. p. q. r. s. t. u. v. w. x. y. z. ä. ö. ü. ' '' \\n \\t " +
    "'S 's ‘S ‘s 're 'd 'll 'em em ll cause 'cause 'Cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout nuff 'nuff " +
    "ma'am Ma'am o'clock O'clock lovin lovin' Lovin Lovin' havin havin' Havin Havin' doin doin' Doin Doin' " +
    "goin goin' Goin Goin' nothin nothin' Nothin Nothin' nuthin nuthin' Nuthin Nuthin' ol ol' Ol Ol' " +
    "somethin somethin' Somethin Somethin' a.m. p.m. co. vs. e.g. E.g. E.G. i.e. I.e. I.E. " +
    "Adm. Bros. Co. Corp. Dr. Gen. Gov. Inc. Jr. Ltd. Messrs. Mr. Mrs. Ms. Mt. Ph.D. Rep. Rev. Sen. St. " +
    "Jan. Feb. Mar. Apr. May. Jun. Jul. Aug. Sep. Sept. Oct. Nov. Dec. " +
    "Ak. Ala. Ariz. Ark. Calif. Colo. Conn. D.C. Del. Fla. Ga. Ia. Id. Ill. Ind. Kan. Kans. Ky. La. Mass. " +
    "Md. Mich. Minn. Miss. Mo. Mont. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Okla. Ore. Pa. S.C. " +
    "Tenn. Va. Wash. Wis. :P :p :O :o :0 :1 :3 :D :X :x :> =3 =D 8D xD xDD XD XDD <3 <33 <333 >:o >.< >.> " +
    "<.< v.v V.V o.o o.O O.o O.O 0.0 0.o o.0",
);

/** Maps chunks to tokens, for all exceptions above. */
const exceptions: ReadonlyMap<string, readonly string[]> = (() => {
  const table = new Map<string, readonly string[]>();
  const add = (cut: string) => {
    table.set(cut.replaceAll(" ", ""), cut.split(" "));
    // Also with a curly apostrophe, for text without `fixText`.
    if (cut.includes("'")) {
      table.set(cut.replaceAll(" ", "").replaceAll("'", "’"), cut.replaceAll("'", "’").split(" "));
    }
  };
  for (const [words, endings] of contractions) {
    for (const word of list(words)) {
      for (const ending of endings) {
        for (const cut of [`${word} ${ending}`, `${word[0]?.toUpperCase()}${word.slice(1)} ${ending}`]) {
          add(cut);
          add(cut.replaceAll("'", ""));
        }
      }
    }
  }
  for (const word of list(notContractions)) table.delete(word);
  for (const cut of [...splits, ...wholes]) add(cut);
  return table;
})();

/** Maximum length of a chunk that is cached or recognised as an address. */
const LONGEST_CHUNK = 256;
/** Maximum length of an exception; looking up a longer slice would waste time on hashing it. */
const LONGEST_EXCEPTION = 16;
/** Maximum length that the suffix rules examine, so that a long run takes linear time. */
const TAIL = 64;

/** The tokens of a chunk in the table of exceptions, if it is one. */
function exception(chunk: string): readonly string[] | undefined {
  return chunk.length <= LONGEST_EXCEPTION ? exceptions.get(chunk) : undefined;
}

/**
 * The tokens of one chunk: a run of characters without white space, or of white space.
 *
 * An exception is split as in the table. Otherwise prefixes and suffixes are split off, one of each at a time, until an
 * exception or an address is left or none matches; the rest is split at its infixes.
 *
 * @example
 * ```ts
 * import { splitChunk } from "./pretokenize.ts";
 *
 * console.log(splitChunk('"Can\'t.')); // [ '"', "Ca", "n't", "." ]
 * ```
 */
export function splitChunk(chunk: string): readonly string[] {
  const special = exception(chunk);
  if (special) return special;
  const before: string[] = [], after: string[] = [];
  let rest = chunk;
  while (rest !== "" && !isAddress(rest)) {
    const start = PREFIX.exec(rest)?.[0].length ?? 0;
    if (start && exception(rest.slice(start))) {
      before.push(rest.slice(0, start));
      rest = rest.slice(start);
      break;
    }
    const end = SUFFIX.exec(rest.slice(-TAIL))?.[0].length ?? 0;
    if (end && exception(rest.slice(0, -end))) {
      after.push(rest.slice(-end));
      rest = rest.slice(0, -end);
      break;
    }
    if (!start && !end) break;
    const both = start + end <= rest.length;
    if (start) before.push(rest.slice(0, start));
    if (end && (both || !start)) after.push(rest.slice(-end));
    rest = rest.slice(start, end && (both || !start) ? -end : undefined);
    if (exception(rest)) break;
  }
  return [...before, ...splitMiddle(rest), ...after.reverse()];
}

/** The tokens of a chunk without its prefixes and suffixes. */
function splitMiddle(text: string): readonly string[] {
  if (text === "") return [];
  const special = exception(text);
  if (special) return special;
  if (isAddress(text)) return [text];
  const tokens: string[] = [];
  let start = 0;
  for (const { 0: infix, index } of text.matchAll(INFIX)) {
    if (index === start) continue; // as in spaCy: an infix right after another is not split off
    tokens.push(text.slice(start, index), infix);
    start = index + infix.length;
  }
  if (start < text.length) tokens.push(text.slice(start));
  return tokens;
}

/** Whether the chunk is a web or mail address. */
function isAddress(chunk: string): boolean {
  return chunk.length <= LONGEST_CHUNK && chunk.includes(".") && ADDRESS.test(chunk);
}

/** Python's `str.isspace` for one UTF-16 unit; all white space is in the Basic Multilingual Plane. */
function isSpace(code: number): boolean {
  if (code <= 32) return code === 32 || (code >= 9 && code <= 13) || code >= 28;
  if (code < 0x1680) return code === 0x85 || code === 0xa0;
  return code === 0x1680 || (code >= 0x2000 && code <= 0x200a) || code === 0x2028 || code === 0x2029 ||
    code === 0x202f || code === 0x205f || code === 0x3000;
}

/**
 * Visits the chunks of a text in order: runs without white space, and runs of white space. The single space after a word
 * is dropped; the remaining white space is a chunk, so that `" \n "` at a paragraph break becomes `"\n "`.
 *
 * @example
 * ```ts
 * import { forEachChunk } from "./pretokenize.ts";
 *
 * const chunks: string[] = [];
 * forEachChunk("So be it. \n Yes", (chunk) => chunks.push(chunk));
 * console.log(chunks); // [ "So", "be", "it.", "\n ", "Yes" ]
 * ```
 */
export function forEachChunk(text: string, visit: (chunk: string) => void): void {
  let start = 0, inSpace = isSpace(text.charCodeAt(0));
  for (let i = 1; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (isSpace(code) === inSpace) continue;
    if (start < i) visit(text.slice(start, i));
    start = code === 32 ? i + 1 : i;
    inSpace = !inSpace;
  }
  if (start < text.length) visit(text.slice(start));
}

/** Cached splits: an English text of a million words has about 50,000 different chunks. */
const cache = new Map<string, readonly string[]>();
const CACHE_SIZE = 1 << 16;

/**
 * Splits a text into words, punctuation marks and runs of white space with the English rules of spaCy 2.0, the tokenizer
 * of GPT-1 (Radford et al. 2018, section 4.1). Case is kept; GPT-1 lower-cases afterwards.
 *
 * The text is split at white space. Each chunk is then matched against a table of exceptions (`can't` → `ca n't`,
 * `cannot` → `can not`, `7am` → `7 am`, `Mr.` unchanged); punctuation, quotes, brackets and currency at both ends (`'s`,
 * units after digits and a full stop at the end only); and marks between letters or digits (`well-known` →
 * `well - known`, `end.Next` → `end . Next`).
 *
 * @param text Usually the result of {@linkcode standardize}.
 * @returns The tokens; concatenated, they are the text without single spaces between words.
 *
 * @example
 * ```ts
 * import { pretokenize } from "./pretokenize.ts";
 *
 * console.log(pretokenize("Mr. Knightley can't come.")); // [ "Mr.", "Knightley", "ca", "n't", "come", "." ]
 * ```
 */
export function pretokenize(text: string): string[] {
  const tokens: string[] = [];
  forEachChunk(text, (chunk) => {
    let split = cache.get(chunk);
    if (!split) {
      split = splitChunk(chunk);
      if (cache.size >= CACHE_SIZE) cache.clear();
      if (chunk.length <= LONGEST_CHUNK) cache.set(chunk, split);
    }
    for (const token of split) tokens.push(token);
  });
  return tokens;
}
