import { findPython } from "../../lib/notebook/mod.ts";
import { assertEquals } from "../assert.ts";
import { cells } from "./cells.ts";
import { pagesPart } from "./pages.ts";
import { outcomesOf } from "./part.ts";

Deno.test("pages of some hostile notebooks do nothing, and all else is in them", async () => {
  const outcomes = await outcomesOf(pagesPart(false), 1, 12);
  assertEquals(outcomes.filter(({ wrong }) => wrong !== undefined), []);
});

const ignore = !await findPython().then(() => true, () => false);
Deno.test(
  { name: "some hostile cells end with true exit codes, and leave nothing behind", ignore },
  async () => {
    const outcomes = await outcomesOf(cells, 2, 3);
    assertEquals(outcomes.filter(({ wrong }) => wrong !== undefined), []);
  },
);
