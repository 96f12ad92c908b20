import assert from "node:assert/strict";
import { fixText, standardize } from "../../lib/text/normalise.ts";

Deno.test("fixText gives plain ASCII back as it is", () => {
  const text = 'He said: "no" <b>\n\n1 + 1 = 2';
  assert.equal(fixText(text), text);
});

Deno.test("fixText does what it documents", () => {
  const cases: [text: string, fixed: string][] = [
    ["e\u0301", "\u00e9"], // NFC
    ["\u2018a\u2019 \u201cb\u201d", "'a' \"b\""],
    ["\ufb01ne \ufb04 \u0133", "fine ffl ij"],
    ["a\r\nb\rc\u2028d\u2029e\x85f", "a\nb\nc\nd\ne\nf"],
    ["\ufeffa\x00b\x07c\x7fd\x1b[31me", "abcde"],
    ["tab\tand\fform feed stay", "tab\tand\fform feed stay"],
    ["\uff26\uff55\uff4c\uff4c\u3000\uff11", "Full 1"],
    ["&lt;3 &eacute;&#233;&#xe9; &mdash; &nbsp;", "<3 ééé — \u00a0"],
    ["it&#146;s", "it's"], // Windows-1252, then straight
    ["&amp;lt;", "<"],
    ["&bogus; &#1114112; &#xd800; R&D", "&bogus; &#1114112; &#xd800; R&D"],
    ["&#xfb01;ne &#xff21; \u0149 \u01c4", "fine A \u02bcn D\u017d"], // As ftfy 6.3.1.
    ["a<b &amp; c", "a<b &amp; c"], // could be HTML: entities stay
    ["Ã©", "Ã©"], // mojibake is not undone
  ];
  for (const [text, fixed] of cases) assert.equal(fixText(text), fixed, JSON.stringify(text));
});

Deno.test("fixText ends on entities within entities", () => {
  assert.equal(fixText("&" + "amp;".repeat(100_000)).length, 400_001 - 4 * 5);
});

Deno.test("standardize agrees with Python's re on OpenAI's pattern", () => {
  // Made with Python 3.11, whose string was not raw.
  const cases: [text: string, standardized: string][] = [
    ["a\\b", "a\\b"],
    ["a\\\\b c\\", "a\\\\b c\\"],
    ["1+1 a++b", "1 + 1 a ++ b"],
    ["Wait--what?!", "Wait -- what ? !"],
    ["(a)[b]{c}<d>", "( a ) [ b ] { c } <d>"],
    ["a\u001cb\u0085c", "a b c"],
    ["\ufeffa\ufeff", "\ufeffa\ufeff"],
    ["a \u00a0\t\u2003 b", "a b"],
    ["x\n\n \n y", "x \n y"],
    ["\r\na\rb\u000bc", "a b c"],
    ["~~ ___ || **", "~~ ___ || **"],
    ["don\u00b4t\u2026 \u2014\u2013\u2015", "don't... ---"],
    ["\u200ba\u200b \u2028b", "\u200ba\u200b b"],
    ["a.b:c'd&e#f%g@h=i>j", "a.b:c'd&e#f%g@h=i>j"],
    ["  ", ""],
    ['"""q""', '""" q ""'],
    ["a-\n-b", "a - \n - b"],
    ["-~-", "- ~ -"],
    ["`a` ,,b;;", "`a` ,, b ;;"],
  ];
  for (const [text, standardized] of cases) {
    assert.equal(standardize(text), standardized, JSON.stringify(text));
  }
});

Deno.test("standardize twice is standardize once", () => {
  const text = "«Yes» — he\tsaid…\r\n\r\n(It's 5+5;\u001f\\o/ )\n";
  assert.equal(standardize(standardize(text)), standardize(text));
});

Deno.test("standardize of a million spaces takes linear time", () => {
  assert.equal(standardize("a" + " ".repeat(1e6) + "b"), "a b");
});
