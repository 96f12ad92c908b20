import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { byHash, hash } from "../../lib/data/hash.ts";

Deno.test("hash never changes: splits that were reported depend on it", () => {
  deepStrictEqual([hash(""), hash("whale"), hash("whale", 1)], [2872998923, 684428684, 3556161114]);
});

Deno.test("hash spreads texts that differ in the last letter evenly", () => {
  const low =
    Array.from({ length: 10_000 }, (_, i) => hash(`example ${i}`)).filter((h) => h < 2 ** 32 / 10).length;
  ok(low > 900 && low < 1100, `${low}`);
});

Deno.test("byHash gives the same order whatever the order before", () => {
  const items = Array.from({ length: 50 }, (_, i) => `${i}`);
  const sorted = byHash(items, (x) => x);
  deepStrictEqual(byHash(items.toReversed(), (x) => x), sorted);
  strictEqual(new Set(sorted).size, 50);
});
