import { escapeAttribute, escapeText } from "../lib/markup.ts";
import { assertEquals } from "./assert.ts";

Deno.test("text that is escaped is read as what it was, between tags and in an attribute", () => {
  const text = `<a href="x">&amp; it's & 'so'</a>`;
  assertEquals(escapeText(text), `&lt;a href="x"&gt;&amp;amp; it's &amp; 'so'&lt;/a&gt;`);
  assertEquals(escapeAttribute(text), `&lt;a href=&quot;x&quot;&gt;&amp;amp; it's &amp; 'so'&lt;/a&gt;`);
});
