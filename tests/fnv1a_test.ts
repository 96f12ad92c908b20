import { keyOf } from "../lib/engine/mod.ts";
import { fnv1a } from "../lib/fnv1a.ts";
import { armStyle } from "../lib/show/mod.ts";
import { assertEquals } from "./assert.ts";

Deno.test("FNV-1a gives the published answers", () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  assertEquals(["", "a", "foobar"].map((text) => fnv1a(text)), [0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
  assertEquals(["", "a", "foobar"].map((text) => fnv1a(bytes(text))), [0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
});

Deno.test("streams and colours of names never change: results and figures depend on them", () => {
  assertEquals([...keyOf(1, "order"), ...keyOf(7, "λ", 3)], [2844650621, 3755257225, 441017359, 1128945307]);
  assertEquals(["my arm", "Ångström"].map((name) => Object.values(armStyle({ name }))), [
    ["#56B4E9", "#39779b", "longdash", "cross", "-"],
    ["#E69F00", "#996900", "dot", "diamond", "."],
  ]);
});
