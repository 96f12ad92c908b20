import { assertClose, assertEquals } from "./assert.ts";

Deno.test("vectors that hold NaN are close to nothing, wherever it stands", () => {
  for (const at of [0, 1, 2]) {
    const actual = [1, 2, 3].map((x, i) => i === at ? NaN : x);
    let said = "";
    try {
      assertClose(actual, [1, 2, 3], "x");
    } catch (error) {
      said = (error as Error).message;
    }
    assertEquals(said.slice(0, 12), `x[${at}] is NaN `);
  }
  assertClose([1, 2, 3], [1, 2, 3], "x");
});
