import { decodeSafetensors, encodeSafetensors, type StoredTensor } from "../../lib/model/mod.ts";
import { fromHalf } from "../../lib/model/safetensors.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

/** A file as bytes: the header's length, the header, the data. */
function file(header: unknown, data: number | number[] = 0, length?: bigint): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
  const rest = typeof data === "number" ? new Array<number>(data).fill(0) : data;
  const bytes = new Uint8Array(8 + text.length + rest.length);
  new DataView(bytes.buffer).setBigUint64(0, length ?? BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(rest, 8 + text.length);
  return bytes;
}

const entry = (shape: unknown, begin: unknown, end: unknown, dtype: unknown = "F32") => ({
  dtype,
  shape,
  data_offsets: [begin, end],
});

async function refused(bytes: Uint8Array<ArrayBuffer>, why: string) {
  await assertRefused(
    () => decodeSafetensors(bytes, "x"),
    new RegExp(`^Cannot read x as safetensors: ${why}$`),
  );
}

async function whole(chunks: Uint8Array<ArrayBuffer>[]): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

Deno.test("a file that Python wrote by struct and json is read", () => {
  // header = b'{"__metadata__":{"by":"hand"},"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
  // struct.pack("<Q", len(header)) + header + struct.pack("<2f", 1.5, -2)
  const python = Uint8Array.fromHex(
    "53000000000000007b225f5f6d657461646174615f5f223a7b226279223a2268616e64227d2c2261223a7b22647479706522" +
      "3a22463332222c227368617065223a5b325d2c22646174615f6f666673657473223a5b302c385d7d7d0000c03f000000c0",
  );
  const { tensors, metadata } = decodeSafetensors(python, "x");
  assertEquals(metadata, { by: "hand" });
  assertEquals([...tensors], [["a", { shape: [2], data: new Float32Array([1.5, -2]) }]]);
});

Deno.test("tensors of any shape and name, and metadata, come back bit for bit", async () => {
  const tensors = new Map<string, StoredTensor>([
    ["w", { shape: [2, 3], data: new Float32Array([1, -0, NaN, Infinity, 1e-45, 3]) }],
    ["", { shape: [], data: new Float32Array([7]) }],
    ["empty", { shape: [0, 5], data: new Float32Array() }],
    ['2 "q"\n', { shape: [1], data: new Float32Array([9, 8, 9]).subarray(1, 2) }],
    ["1", { shape: [1, 1], data: new Float32Array([4]) }],
    ["é", { shape: [2], data: new Float32Array([5, 6]) }],
  ]);
  const read = decodeSafetensors(await whole(encodeSafetensors(tensors, { text: 'a "b"\n', é: "" })), "x");
  assertEquals(read.metadata, { text: 'a "b"\n', é: "" });
  assertEquals(read.tensors.size, tensors.size);
  for (const [name, stored] of tensors) assertEquals(read.tensors.get(name), stored);
});

Deno.test("data starts at a multiple of 8 bytes and is written without a copy", () => {
  const data = new Float32Array([1, 2]);
  const [header, chunk] = encodeSafetensors(new Map([["w", { shape: [2], data }]]));
  assertEquals(header!.length % 8, 0);
  assert(chunk!.buffer === data.buffer);
});

Deno.test("a file that begins anywhere in memory is read", () => {
  const bytes = file({ w: entry([1], 0, 4) }, [0, 0, 0xc0, 0x3f]);
  for (let shift = 0; shift < 8; shift++) {
    const within = new Uint8Array(bytes.length + shift + 3);
    within.set(bytes, shift);
    const { tensors } = decodeSafetensors(within.subarray(shift, shift + bytes.length), "x");
    assertEquals(tensors.get("w")!.data, new Float32Array([1.5]));
  }
});

Deno.test("a header may name its tensors in any order, those without elements too", () => {
  const entries = Object.entries({
    b: entry([2], 4, 12),
    a: entry([1], 0, 4),
    c: entry([1], 12, 16),
    none: entry([0], 4, 4),
    last: entry([3, 0], 16, 16),
  });
  for (let turn = 0; turn < entries.length; turn++) {
    entries.push(entries.shift()!);
    const names = [...decodeSafetensors(file(Object.fromEntries(entries), 16), "x").tensors.keys()];
    assertEquals(names.sort(), ["a", "b", "c", "last", "none"]);
  }
});

Deno.test("a file shorter than its header's length is refused", async () => {
  for (let length = 0; length < 8; length++) {
    await refused(
      new Uint8Array(length),
      `it has ${length} bytes, fewer than the 8 of the header's length`,
    );
  }
});

Deno.test("a header that claims more than the file has is refused", async () => {
  for (const length of [3n, 100_000_001n, 2n ** 31n, 2n ** 53n, 2n ** 53n + 1n, 2n ** 64n - 1n]) {
    await refused(
      file("{}", 0, length),
      `its header should have ${Number(length)} bytes and the file has 10`,
    );
  }
});

Deno.test("a header that is no JSON object is refused", async () => {
  for (const header of ["", "{", "{}}", "a poem", "\ufeff{}", '{"a":NaN}', "{'a': 1}"]) {
    await refused(file(header), "its header is not JSON");
  }
  const bytes = file("{ }");
  bytes[9] = 0xff; // Not UTF-8.
  await refused(bytes, "its header is not JSON");
  for (const header of ["[]", "7", "null", '"text"', "true"]) {
    await refused(file(header), "its header is not an object");
  }
});

Deno.test("an entry that is no object, or has no usable shape or offsets, is refused by its name", async () => {
  for (const value of [null, [], 7, "F32"]) {
    await refused(file({ a: value }), 'its entry "a" is not an object');
  }
  for (
    const shape of [undefined, null, 2, "2", [-1], [0.5], ["1"], [null], [[1]], [2 ** 53], { length: 0 }]
  ) {
    await refused(file({ a: entry(shape, 0, 4) }, 4), 'tensor "a" has no usable shape');
  }
  for (
    const offsets of [undefined, null, 4, [4], [0, 4, 4], [0, -4], [0.5, 4.5], ["0", "4"], [0, {
      toString: 1,
    }]]
  ) {
    const header = { a: { dtype: "F32", shape: [1], data_offsets: offsets } };
    await refused(file(header, 4), 'tensor "a" has no usable offsets');
  }
  // JavaScript would call what these hold instead of its own methods.
  await refused(file('{"a":{"dtype":"F32","shape":[1],"data_offsets":[{"toString":1},4]}}', 4), "tensor .*");
  await refused(file({ a: entry([1], 0, 4, { toString: 1, toJSON: 1 }) }, 4), 'tensor "a" has dtype .*');
});

Deno.test("tensors that overlap, leave a gap, lie about their size or pass the end are refused", async () => {
  const misfit = (name: string) => `tensor "${name}" of shape .* does not fit bytes .*`;
  await refused(file({ a: entry([2], 0, 8), b: entry([2], 4, 12) }, 12), misfit("b"));
  await refused(file({ a: entry([1], 0, 4), b: entry([1], 0, 4) }, 4), misfit("b"));
  await refused(file({ a: entry([1], 0, 4), b: entry([1], 8, 12) }, 12), misfit("b"));
  await refused(file({ a: entry([1], 4, 8) }, 8), misfit("a"));
  await refused(file({ a: entry([2], 0, 8) }, 4), misfit("a"));
  await refused(file({ a: entry([1], 4, 0) }, 4), misfit("a"));
  await refused(file({ a: entry([0], 0, 0), b: entry([1], 4, 0) }, 4), misfit("b"));
  await refused(file({ a: entry([2, 2], 0, 12) }, 12), misfit("a"));
  await refused(file({ a: entry([], 0, 0) }), misfit("a"));
  await refused(file({ a: entry([3], 0, 10) }, 10), misfit("a"));
  const huge = new Array(40).fill(Number.MAX_SAFE_INTEGER);
  await refused(file({ a: entry(huge, 0, 4) }, 4), misfit("a"));
  await refused(file({ a: entry([...huge, 0], 0, 0) }), misfit("a"));
});

Deno.test("bytes after the last tensor are refused", async () => {
  await refused(
    file({ a: entry([1], 0, 4) }, 5),
    "its tensors take 4 bytes and the file has 5 for them",
  );
  await refused(file({}, 1), "its tensors take 0 bytes and the file has 1 for them");
});

Deno.test("half precision takes half the room, and is read as float32", async () => {
  // numpy.array([1, -2, 0.1, 65504, 6e-8], "float16").tobytes().hex()
  const numpy = Uint8Array.fromHex("003c00c0662eff7b0100");
  const data = new Float16Array([1, -2, 0.1, 65504, 6e-8]);
  const bytes = await whole(encodeSafetensors(new Map([["w", { shape: [5], data }]])));
  assertEquals(bytes.slice(-10), numpy);
  for (const shift of [0, 1, 2]) {
    const moved = new Uint8Array(bytes.length + shift);
    moved.set(bytes, shift);
    const { tensors } = decodeSafetensors(moved.subarray(shift), "x");
    const read = new Float32Array([1, -2, 0.0999755859375, 65504, 2 ** -24]);
    assertEquals(tensors.get("w"), { shape: [5], data: read });
  }
  await refused(
    file({ a: entry([2], 0, 8, "F16") }, 8),
    'tensor "a" of shape \\[2\\] does not fit bytes 0 to 8 of 8',
  );
});

Deno.test("another type than float32 and float16 is refused by its name", async () => {
  for (const dtype of ["f16", "BF16", "F64", "I64", "f32", "", 32, null]) {
    await refused(
      file({ a: entry([1], 0, 4, dtype) }, 4),
      `tensor "a" has dtype ${JSON.stringify(dtype)}, expected "F32" or "F16"`,
    );
  }
});

Deno.test("a tensor that is not wanted may be of any type, but not in another's place", async () => {
  const header = { a: entry([1], 8, 12), ids: entry([1], 0, 8, "I64") };
  const wanted = (name: string) => name !== "ids";
  assertEquals([...decodeSafetensors(file(header, 12), "x", wanted).tensors.keys()], ["a"]);
  header.ids.data_offsets = [0, 12];
  await assertRefused(() => decodeSafetensors(file(header, 12), "x", wanted), /^Cannot read x as .* "a" of/);
});

Deno.test("metadata that is not all text is refused", async () => {
  for (const value of [1, null, {}, ["a"], true]) {
    await refused(file({ __metadata__: { a: "fine", b: value } }), "its metadata is not all text");
  }
  for (const value of [null, "text", []]) {
    await refused(file({ __metadata__: value }), 'its entry "__metadata__" is not an object');
  }
});

Deno.test('a tensor named "__proto__" is a tensor, and changes nothing else', async () => {
  const header =
    '{"__proto__":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"__metadata__":{"__proto__":"a"}}';
  const { tensors, metadata } = decodeSafetensors(file(header, 4), "x");
  assertEquals([...tensors.keys()], ["__proto__"]);
  assertEquals(Object.getOwnPropertyNames(metadata), ["__proto__"]);
  assert(Object.getPrototypeOf(metadata) === Object.prototype);
  assert(!("dtype" in {}));
  const again = decodeSafetensors(await whole(encodeSafetensors(tensors)), "x");
  assertEquals([...again.tensors.keys()], ["__proto__"]);
});

Deno.test("a name from a hostile file cannot break a message's line", async () => {
  await assertRefused(
    () => decodeSafetensors(file({ "a\n\x1b[2J": entry([1], 0, 4, "F64") }, 4), "x"),
    /^[ -~]+$/,
  );
});

Deno.test("a file cut short anywhere is refused", async () => {
  const data = new Float32Array(5);
  const bytes = await whole(encodeSafetensors(new Map([["w", { shape: [5], data }]]), { by: "me" }));
  for (let length = 0; length < bytes.length; length++) await refused(bytes.slice(0, length), ".*");
});

Deno.test("floats of 16 bits are read alike where JavaScript has such numbers and where it has none", () => {
  const all = Uint16Array.from({ length: 2 ** 16 }, (_, i) => i).buffer;
  const [own, builtIn] = [fromHalf(all, false), fromHalf(all, true)];
  assert(own.every((value, i) => Object.is(value, builtIn[i])));
});
