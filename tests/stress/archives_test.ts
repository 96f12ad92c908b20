import { assertEquals } from "../assert.ts";
import { archives } from "./archives.ts";
import { outcomesOf } from "./part.ts";

Deno.test("damaged and hostile archives, and bombs, are unpacked rightly or refused", async () => {
  const outcomes = await outcomesOf(archives, 1, 40);
  assertEquals(outcomes.length, 40);
  assertEquals(outcomes.filter(({ wrong }) => wrong !== undefined), []);
});
