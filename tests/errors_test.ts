import { isPrintable, messageOf, named, printable, quoted, shortened } from "../lib/errors.ts";
import { assert, assertEquals } from "./assert.ts";

const odd = [
  "\u001b[31m",
  "\u0085".repeat(100),
  "\u{e0001}".repeat(100),
  "\ud83d",
  "a\u2028b\u202ec",
  "x".repeat(1e6),
  "😀".repeat(1e4),
  "\u0000".repeat(59) + "😀",
];

Deno.test("a quoted value, a named path and a shortened text are short and printable, whatever they hold", () => {
  for (const text of odd) {
    for (const value of [text, [text], { [text]: text }, new Array(1e5).fill(text.slice(0, 9))]) {
      const shown = quoted(value);
      assert(Array.from(shown).length <= 60 && /^\P{C}*$/u.test(shown), shown);
    }
    assert(
      Array.from(shortened(text, 50)).length <= 50 && text.startsWith(shortened(text, 50).replace(/…$/, "")),
    );
    assert(named(text).length <= 120 && /^\P{C}*$/u.test(named(text)), named(text));
  }
  assertEquals([quoted("a\tb"), named("models/mini é.safetensors")], [
    '"a\\tb"',
    "models/mini é.safetensors",
  ]);
  assertEquals([quoted(undefined), quoted(undefined, "absent"), quoted(null, "absent")], [
    "undefined",
    "absent",
    "null",
  ]);
  assertEquals(["😀".repeat(3), "😀".repeat(4)].map((text) => shortened(text, 3)), ["😀😀😀", "😀😀…"]);
});

Deno.test("what a terminal obeys, or what no reader sees, is not printable", () => {
  assert(["", "a b", "日 é 😀", "−"].every(isPrintable));
  for (const text of odd.slice(0, 5)) assert(!isPrintable(text) && !isPrintable(`a${text}`), text);
});

Deno.test("whatever was thrown has a message", () => {
  assertEquals([new TypeError("no"), "no", undefined].map(messageOf), ["no", "no", "undefined"]);
});

Deno.test("printable text keeps letters, newlines and tabs, and shows what a terminal would obey", () => {
  assertEquals(printable("a\tb\n日 é 👩‍🚀"), "a\tb\n日 é 👩‍🚀");
  assertEquals(printable("\u001b[2J\r\u009b\u202e"), "\\u001b[2J\\u000d\\u009b\\u202e");
});
