import { InputError } from "../lib/errors.ts";
import { allFinite, decodeUtf8, isLine, parseJson, unusableFile } from "../lib/foreign.ts";
import { assert, assertEquals, assertRefused } from "./assert.ts";

Deno.test("what is no JSON, or nests too deeply, is refused in the kit's own words", async () => {
  assertEquals(parseJson('{"a":[1]}', "it"), { a: [1] });
  await assertRefused(() => parseJson('{"secret": x', "its header"), /^its header is not JSON$/);
  for (const depth of [25, 1e5]) {
    await assertRefused(
      () => parseJson("[".repeat(depth) + "]".repeat(depth), "it"),
      /^it nests more than 24 levels deep$/,
    );
  }
  assertEquals(JSON.stringify(parseJson("[".repeat(24) + "]".repeat(24), "it")).length, 48);
});

Deno.test("text is read from UTF-8, and from nothing else", () => {
  assertEquals(decodeUtf8(new TextEncoder().encode("\ufeffλ 😀")), "λ 😀");
  for (const bytes of [[0xff], [0xce], [0xed, 0xa0, 0x80], [0xc0, 0x80]]) {
    assertEquals(decodeUtf8(new Uint8Array(bytes)), undefined);
  }
});

Deno.test("a file that cannot be used is refused in one short sentence, without the engine's words", () => {
  for (
    const error of [
      new TypeError("a is not iterable"),
      new InputError("x".repeat(1e4)),
      new InputError("it is odd"),
    ]
  ) {
    const { message, cause } = unusableFile("y".repeat(1e4), "a checkpoint", error);
    assert(/^Cannot use \P{C}{1,279}$/u.test(message) && !message.includes("iterable"), message);
    assertEquals(cause, error);
  }
});

Deno.test("numbers that are not finite are found, wherever they stand", () => {
  for (const Type of [Float32Array, Float64Array, Float16Array]) {
    const data = new Type(1000).fill(-3);
    assert(allFinite(data) && allFinite(new Type()));
    for (const number of [NaN, Infinity, -Infinity]) {
      for (const at of [0, 500, 999]) assert(!allFinite(data.with(at, number)));
    }
  }
  assert(isLine("x86_64") && !isLine("a\u0007") && !isLine("x".repeat(201)) && !isLine(1));
});
