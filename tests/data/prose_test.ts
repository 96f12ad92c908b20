import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { paragraphs, plain, prose } from "../../lib/data/prose.ts";

Deno.test("paragraphs joins lines, whatever their line ends", () => {
  deepStrictEqual(paragraphs("a\r\nb\r\n \r\nc\rd\n\n\n"), ["a b", "c d"]);
});

Deno.test("prose drops Gutenberg's notices, the title line, headings, footnotes and captions", () => {
  const text = `legal words
*** START OF THE PROJECT GUTENBERG EBOOK EMMA ***
[Emma by Jane Austen 1816]

CHAPTER I. Down the Rabbit-Hole

II

TWO RIDDLES

[Illustration: "Here's your trout," said he. _Page 5._]

It was _very_
late.*

* A footnote.

       *       *       *

He said--"no."

THE END
End of Project Gutenberg's Emma
more legal words`;
  strictEqual(prose(text), 'It was very late.\nHe said--"no."');
});

Deno.test("prose keeps a paragraph that merely mentions a chapter", () => {
  strictEqual(prose("CHAPTER 2\n\nThe last chapter was long."), "The last chapter was long.");
});

Deno.test("plain keeps the lines of a poem", () => {
  const poem = "\uFEFFRoses are red,\r\nviolets are blue.\r\n\r\nSugar is sweet,\r\nand so are you.\r\n";
  strictEqual(plain(poem), "Roses are red,\nviolets are blue.\nSugar is sweet,\nand so are you.");
});

Deno.test("plain joins lines that are hard-wrapped beyond doubt", () => {
  const line = "and so they walked on and on until the evening came and";
  const paragraph = [line, line, line, "then slept."].join("\n");
  strictEqual(plain(`${paragraph}\n\n${paragraph}\n`).split("\n").length, 2);
});

Deno.test("plain keeps each of several Gutenberg books, and what is too long for a header or a footer", () => {
  const book = (text: string, name = text.toUpperCase()) =>
    `The Project Gutenberg eBook\n\n*** START OF THE PROJECT GUTENBERG EBOOK ${name} ***\n\n${text}\n\n` +
    `End of Project Gutenberg's ${name}\n\n*** END OF THIS PROJECT GUTENBERG EBOOK ${name} ***\n\nthe licence\n`;
  strictEqual(plain(book("Emma was clever.")), "Emma was clever.");
  strictEqual(plain(["one", "two", "three"].map((text) => book(text)).join("\n")), "one\ntwo\nthree");
  strictEqual(
    plain(`***START OF THE PROJECT GUTENBERG EBOOK\none\n*** START OF THIS PROJECT GUTENBERG\ntwo`),
    "one\ntwo",
  );
  const own = "my own words\n".repeat(3000).trim();
  strictEqual(
    plain(`${own}\n${book("one")}${own}`),
    `${own}\nThe Project Gutenberg eBook\none\nthe licence\n${own}`,
  );
});

Deno.test("plain gives nothing for white space", () => {
  strictEqual(plain("\uFEFF \r\n\t\r\n"), "");
});
