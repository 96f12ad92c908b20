import assert from "node:assert/strict";
import { standardize } from "../../lib/text/normalise.ts";
import { pretokenize } from "../../lib/text/pretokenize.ts";

/** Each text beside its tokens, separated by `|`. The expected ones are those of spaCy 2.0.11's rules. */
function check(cases: Record<string, string>): void {
  for (const [text, tokens] of Object.entries(cases)) {
    assert.equal(pretokenize(text).join("|"), tokens, JSON.stringify(text));
  }
}

Deno.test("white space: one space goes, the rest are tokens", () => {
  check({
    "a b": "a|b",
    "a  b": "a| |b",
    "a \n b": "a|\n |b",
    "a\nb": "a|\n|b",
    " a ": " |a",
    "a\u001cb": "a|\u001c|b",
    "a\ufeffb": "a\ufeffb",
    "": "",
  });
});

Deno.test("contractions, with an apostrophe and without", () => {
  check({
    "I'm you'll he'd we've they're she's": "I|'m|you|'ll|he|'d|we|'ve|they|'re|she|'s",
    "Im youll hed weve theyre shes": "I|m|you|ll|he|d|we|ve|they|re|she|s",
    "can't won't don't isn't wouldn't've": "ca|n't|wo|n't|do|n't|is|n't|would|n't|'ve",
    "cant wont dont isnt": "ca|nt|wo|nt|do|nt|is|nt",
    "who's What'd there'll that'd've": "who|'s|What|'d|there|'ll|that|'d|'ve",
    "could've mustve": "could|'ve|must|ve",
    "cannot gonna gotta let's y'all how'd'y": "can|not|gon|na|got|ta|let|'s|y'|all|how|'d|'y",
    "ill its hell shell shed were well whore": "ill|its|hell|shell|shed|were|well|whore",
    "It’s Can’t": "It|’s|Ca|n’t",
  });
});

Deno.test("words that stay whole", () => {
  check({
    "o'clock ma'am 'em 'cause goin' Somethin'": "o'clock|ma'am|'em|'cause|goin'|Somethin'",
    "Mr. Mrs. St. Jan. Ph.D. N.Y. e.g. i.e.": "Mr.|Mrs.|St.|Jan.|Ph.D.|N.Y.|e.g.|i.e.",
    "a. z. <3 :P o.O": "a.|z.|<3|:P|o.O",
    "www.example.com jo@example.com http://example.org/a-b":
      "www.example.com|jo@example.com|http://example.org/a-b",
  });
});

Deno.test("times are split before am and pm", () => {
  check({ "7am 12p.m. 13pm": "7|am|12|p.m.|13pm" });
});

Deno.test("prefixes and suffixes are peeled", () => {
  check({
    "(well)": "(|well|)",
    '"\'Tis,"': '"|\'|Tis|,|"',
    "«$5»": "«|$|5|»",
    "the dog's DOG'S dogs'": "the|dog|'s|DOG|'S|dogs|'",
    "[(Mr.)]": "[|(|Mr.|)|]",
    "...so... what..": "...|so|...|what|..",
    "♥you☼": "♥|you|☼",
    '"Can\'t."': '"|Ca|n\'t|.|"',
    "§ %5 =x +y #tag": "§|%|5|=|x|+|y|#|tag",
  });
});

Deno.test("a full stop leaves lower-case letters, digits, quotes and two capitals", () => {
  check({
    "end. End. 10. 5%. x²). USA. U.S. A. Mr.": "end|.|End|.|10|.|5|%|.|x²|)|.|USA|.|U.S.|A.|Mr.",
    "°C. 20°C.": "°|C|.|20|°|C|.",
  });
});

Deno.test("units and currency leave digits", () => {
  check({ "10km 5kg 7€ 3m² 10US$ m²": "10|km|5|kg|7|€|3|m²|10|US$|m²" });
});

Deno.test("infixes split letters and digits", () => {
  check({
    "well-known a--b": "well|-|known|a|--|b",
    "end.Next end.next": "end|.|Next|end.next",
    "this,that 1,000": "this|,|that|1,000",
    "so...then": "so|...|then",
    "a=b c:d e/f 1/2 3:4": "a|=|b|c|:|d|e|/|f|1/2|3:4",
    "1+2 4-5 2*3 2^8": "1|+|2|4|-|5|2|*|3|2|^|8",
    "a☃b": "a|☃|b",
  });
});

Deno.test("tokens joined are the text without single spaces", () => {
  const text = standardize("\"Mr. O'Neil can't -- won't! -- pay US$5.50,\" said he.\n\nIt's 7pm (or 19:00)…");
  assert.equal(pretokenize(text).join("").replaceAll(" ", ""), text.replaceAll(" ", ""));
});

Deno.test("pretokenize gives a new list each time", () => {
  pretokenize("can't").pop();
  assert.deepEqual(pretokenize("can't"), ["ca", "n't"]);
});

Deno.test("long runs without white space take linear time", () => {
  assert.equal(pretokenize("'".repeat(200_000)).join("").length, 200_000);
  assert.equal(pretokenize("a.".repeat(100_000)).join("").length, 200_000);
});
