import { asciiHtml, escapeAttribute, escapeText, unescapeText } from "../lib/markup.ts";
import { assertEquals } from "./assert.ts";

Deno.test("text that is escaped is read as what it was, between tags and in an attribute", () => {
  const text = `<a href="x">&amp; it's & 'so'</a>`;
  assertEquals(escapeText(text), `&lt;a href="x"&gt;&amp;amp; it's &amp; 'so'&lt;/a&gt;`);
  assertEquals(escapeAttribute(text), `&lt;a href=&quot;x&quot;&gt;&amp;amp; it's &amp; 'so'&lt;/a&gt;`);
});

Deno.test("the text of a label is what it was before it was escaped and broken into lines", () => {
  const text = `<a href="x">&amp; it's & 'so'</a>`;
  assertEquals(unescapeText(escapeText(text)), text);
  assertEquals(unescapeText(escapeAttribute(text)), text);
  assertEquals(unescapeText("two<br>lines<br/>of <b>bold &amp;lt;</b>"), "two lines of bold &lt;");
});

Deno.test("HTML in ASCII is the same to a browser: characters as references, controls as they are", () => {
  assertEquals(asciiHtml('<p title="λ">a − 𝄞 é</p>'), '<p title="&#955;">a &#8722; &#119070; &#233;</p>');
  const controls = "\x80\x85\x96\x9f"; // Their references are those of €, …, – and Ÿ.
  assertEquals(asciiHtml(`${controls}\xa0`), `${controls}&#160;`);
});
