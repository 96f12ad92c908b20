import { assertEquals } from "../assert.ts";
import * as files from "./files.ts";
import { outcomesOf, type Part } from "./part.ts";

for (const [name, part] of Object.entries(files) as [string, Part][]) {
  Deno.test(`${name}: damaged and forged files give a right value or one short sentence, soon and in little memory`, async () => {
    const { warn } = console;
    console.warn = () => {};
    try {
      const outcomes = await outcomesOf(part, 1, 60);
      assertEquals(outcomes.filter(({ wrong }) => wrong !== undefined), []);
    } finally {
      console.warn = warn;
    }
  });
}

Deno.test("the same seed gives the same attacks", async () => {
  for (const part of [files.checkpoints, files.npy, files.bpe]) {
    const names = async () => (await outcomesOf(part, 5, 20)).map(({ name }) => name);
    assertEquals(await names(), await names());
  }
});
