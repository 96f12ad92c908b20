import { abbreviated, digest, sha256 } from "../lib/digest.ts";
import { trainBpe } from "../lib/text/mod.ts";
import { assert, assertEquals } from "./assert.ts";

Deno.test("values that differ in anything have different digests", () => {
  const values: unknown[] = [
    null,
    undefined,
    true,
    "true",
    0,
    -0,
    "0",
    NaN,
    Infinity,
    1e-320,
    "",
    "a",
    "\ud83d",
    "\ud83e",
    "\ufffd",
    [],
    [[]],
    [[], []],
    ["a", "b"],
    ["a,b"],
    ['a","b'],
    [undefined],
    {},
    { a: 1 },
    { a: "1" },
    { a: null },
    { a: { b: 1 } },
    { "a:{": 1 },
    { ab: 1 },
    Int32Array.of(1),
    Uint32Array.of(1),
    Int32Array.of(1, 0),
    Float32Array.of(0),
    Float32Array.of(-0),
    trainBpe("to be or not to be", { merges: 2 }),
    trainBpe("to be or not to be", { merges: 3 }),
  ];
  assertEquals(new Set(values.map(digest)).size, values.length);
});

Deno.test("what does not matter does not change a digest: order of fields, undefined ones, where bytes lie", () => {
  assertEquals(digest({ a: 1, b: { c: 2, d: 3 } }), digest({ b: { d: 3, c: 2 }, a: 1, e: undefined }));
  assertEquals(digest(Int32Array.of(7, 8, 9).subarray(1)), digest(Int32Array.of(8, 9)));
});

Deno.test("what is no data is refused rather than left out", () => {
  for (
    const value of [() => 1, Symbol(), 1n, new Map(), new Set([1]), Promise.resolve(1), { a: [() => 1] }]
  ) {
    let failed = false;
    try {
      digest(value);
    } catch (error) {
      failed = error instanceof TypeError;
    }
    assert(failed, String(value));
  }
});

Deno.test("a SHA-256 is the same whole and in parts, and 16 digits stand for it", () => {
  const known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"; // FIPS 180-4
  const bytes = new TextEncoder().encode("abc");
  assertEquals([sha256("abc"), sha256(bytes), sha256(["a", bytes.subarray(1)])], [known, known, known]);
  assertEquals(abbreviated(known), "ba7816bf8f01cfea");
});
