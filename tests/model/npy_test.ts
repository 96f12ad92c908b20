import { decodeNpy, encodeNpy } from "../../lib/model/npy.ts";
import { assertEquals, assertRefused } from "../assert.ts";

/** What NumPy 2.4 writes for `np.array([1.5, -2], dtype="<f4")`. */
const HEADER = "{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }";
const NUMPY = bytesOf(
  ...[0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0],
  HEADER + " ".repeat(60) + "\n",
  ...[0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0],
);

function bytesOf(...parts: (number | string)[]): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(
    parts.flatMap((part) => typeof part === "number" ? [part] : [...new TextEncoder().encode(part)]),
  );
}

/** A file of this header and this many zeros. */
function file(header: string, size: number, version = 1): Uint8Array<ArrayBuffer> {
  const length = version === 1 ? [header.length & 255, header.length >> 8] : [header.length & 255, 0, 0, 0];
  return bytesOf(0x93, "NUMPY", version, 0, ...length, header, ...new Array<number>(size).fill(0));
}

Deno.test("the bytes are those that NumPy writes", () => {
  assertEquals(encodeNpy(new Float32Array([1.5, -2])), NUMPY);
});

Deno.test("what NumPy wrote is read", () => {
  assertEquals(decodeNpy(NUMPY, "x"), new Float32Array([1.5, -2]));
});

Deno.test("vectors of any length come back bit for bit, and data starts at a 64th byte", () => {
  for (const length of [0, 1, 9, 10, 99, 1000, 12345]) {
    const data = Float32Array.from({ length }, (_, i) => i === 3 ? NaN : i === 4 ? -0 : Math.sin(i));
    const bytes = encodeNpy(data);
    assertEquals((bytes.length - 4 * length) % 64, 0);
    assertEquals(decodeNpy(bytes, "x"), data);
  }
});

Deno.test("a part of a longer buffer is written, and read, as that part alone", () => {
  const bytes = encodeNpy(new Float32Array([9, 1.5, -2, 9]).subarray(1, 3));
  assertEquals(bytes, NUMPY);
  const within = new Uint8Array(NUMPY.length + 5);
  within.set(NUMPY, 3);
  assertEquals(decodeNpy(within.subarray(3, -2), "x"), new Float32Array([1.5, -2]));
});

Deno.test("matrices and scalars are read flat, in each of NumPy's three versions", () => {
  for (const version of [1, 2, 3]) {
    for (
      const [shape, size] of [["()", 1], ["(3,)", 3], ["(2, 3)", 6], ["(1, 2, 3)", 6], ["(0, 7)", 0]] as const
    ) {
      const header = `{'descr': '<f4', 'fortran_order': False, 'shape': ${shape}, }\n`;
      assertEquals(decodeNpy(file(header, 4 * size, version), "x"), new Float32Array(size));
    }
  }
});

Deno.test("a file cut short anywhere is refused by its name", async () => {
  for (let length = 0; length < NUMPY.length; length++) {
    await assertRefused(
      () => decodeNpy(NUMPY.slice(0, length), "params_3.npy"),
      /^Cannot read params_3\.npy as a NumPy array: (it does not start with the magic bytes|its header is truncated|its shape \(2,\))/,
    );
  }
});

Deno.test("bytes left over are refused", async () => {
  await assertRefused(
    () => decodeNpy(bytesOf(...NUMPY, 0), "x"),
    /^Cannot read x as a NumPy array: its shape \(2,\) needs 8 bytes and it has 9$/,
  );
});

Deno.test("other types, other orders and shapes that are none are refused with the header", async () => {
  for (
    const header of [
      HEADER.replace("<f4", "<f8"),
      HEADER.replace("<f4", ">f4"),
      HEADER.replace("<f4", "|O"),
      HEADER.replace("False", "True"),
      HEADER.replace("(2,)", "2"),
      HEADER.replace("(2,)", "(-2,)"),
      HEADER.replace("(2,)", "(2.0,)"),
      HEADER.replace("(2,)", "(1 1,)"),
      HEADER.replace("(2,)", "(,)"),
      "{}",
      "\x1b[31m two\nlines",
    ]
  ) {
    await assertRefused(
      () => decodeNpy(file(header, 8), "x"),
      /^Cannot read x as a NumPy array: expected little-endian float32 in C order: its header is "[ -~]+["…]$/,
    );
  }
});

Deno.test("a shape that lies about the size is refused", async () => {
  for (
    const [shape, size] of [
      ["(3,)", "12"],
      ["(1,)", "4"],
      ["(0,)", "0"],
      ["(2, 2)", "16"],
      ["(4611686018427387904,)", "\\d+"],
      [`(${"9".repeat(400)},)`, "Infinity"],
    ] as const
  ) {
    await assertRefused(
      () => decodeNpy(file(HEADER.replace("(2,)", shape), 8), "x"),
      new RegExp(`^Cannot read x as a NumPy array: its shape .* needs ${size} bytes and it has 8$`),
    );
  }
});

Deno.test("a version that NumPy has not is refused", async () => {
  for (const version of [0, 4, 255]) {
    const bytes = NUMPY.slice();
    bytes[6] = version;
    await assertRefused(
      () => decodeNpy(bytes, "x"),
      new RegExp(`^Cannot read x as a NumPy array: its version is ${version}, expected 1 to 3$`),
    );
  }
});
