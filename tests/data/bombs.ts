/**
 * Archives that are small and want much: memory, disk, time. They are made from small seeds when they are needed.
 *
 * @module
 */
import { constants, crc32, deflateRawSync } from "node:zlib";
import { bytes, gzip, type Made, tar, zip } from "./archives.ts";

/** A bomb, by name. */
export interface Bomb {
  readonly name: string;
  /** Its bytes, or what writes it where a file may have holes. */
  make(): Uint8Array<ArrayBuffer> | Hole[];
}

/** Bytes that stand at a place of a file; between them are holes, which take no room on most disks. */
export interface Hole {
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Writes a bomb to a file. */
export async function lay({ make }: Bomb, path: string): Promise<void> {
  const made = make();
  if (made instanceof Uint8Array) return await Deno.writeFile(path, made);
  using file = await Deno.create(path);
  for (const { at, bytes } of made) {
    await file.seek(at, Deno.SeekMode.Start);
    for (let done = 0; done < bytes.length;) done += await file.write(bytes.subarray(done));
  }
}

const MB = 2 ** 20;

/** A deflate stream of a block so many times: what is flushed refers to nothing before it. */
function deflated(block: Uint8Array, times: number): Uint8Array<ArrayBuffer> {
  const packed = deflateRawSync(block, { finishFlush: constants.Z_FULL_FLUSH, level: 9 });
  const all = new Uint8Array(packed.length * times + 2);
  for (let i = 0; i < times; i++) all.set(packed, i * packed.length);
  all.set([3, 0], packed.length * times);
  return all;
}

/** A gzip of a block so many times, after a first one; its checksum is wrong, if anybody comes to it. */
function gzipped(first: Uint8Array, block: Uint8Array, times: number): Uint8Array<ArrayBuffer> {
  const head = deflateRawSync(first, { finishFlush: constants.Z_FULL_FLUSH });
  return bytes(["\x1f\x8b\x08\0\0\0\0\0\0\xff", head, deflated(block, times), new Uint8Array(8)]);
}

/** Bytes that do not shrink, so that an archive of them may hold more. */
function noise(length: number): string {
  let state = 1;
  return Array.from({ length: Math.ceil(length / 8) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state.toString(36).padStart(8, "z");
  }).join("").slice(0, length);
}

const zeros = new Uint8Array(MB);

/** The end of a zip by APPNOTE 4.3.16, which may lie. */
function end(entries: number, length: number, offset: number, comment = ""): Uint8Array {
  const view = new DataView(new ArrayBuffer(18));
  view.setUint16(4, entries, true);
  view.setUint16(6, entries, true);
  view.setUint32(8, length, true);
  view.setUint32(12, offset, true);
  view.setUint16(16, comment.length, true);
  return bytes(["PK\x05\x06", new Uint8Array(view.buffer), comment]);
}

/** An entry's header in a zip's table or before its data. */
function header(
  table: boolean,
  name: string,
  { packed = 0, size = 0, at = 0, extra = "", crc = 0 }: {
    packed?: number;
    size?: number;
    at?: number;
    extra?: string;
    crc?: number;
  } = {},
): Uint8Array<ArrayBuffer> {
  const shared = new DataView(new ArrayBuffer(26));
  shared.setUint16(0, 45, true);
  shared.setUint16(4, 8, true); // Deflated.
  shared.setUint32(10, crc, true);
  shared.setUint32(14, packed, true);
  shared.setUint32(18, size, true);
  shared.setUint16(22, name.length, true);
  shared.setUint16(24, extra.length, true);
  const rest = new DataView(new ArrayBuffer(14));
  rest.setUint32(6, 0o100644 * 2 ** 16, true);
  rest.setUint32(10, at, true);
  return table
    ? bytes(["PK\x01\x02\x14\x03", new Uint8Array(shared.buffer), new Uint8Array(rest.buffer), name, extra])
    : bytes(["PK\x03\x04", new Uint8Array(shared.buffer), name, extra]);
}

/** A zip of data that all its entries share. */
function sharing(
  data: Uint8Array,
  names: readonly string[],
  size: number,
  crc: number,
  extra = "",
): Uint8Array<ArrayBuffer> {
  const local = header(false, names[0]!, { packed: data.length, size, extra, crc });
  const table = names.map((name) => header(true, name, { packed: data.length, size, crc }));
  const length = table.reduce((sum, { length }) => sum + length, 0);
  return bytes([local, data, ...table, end(names.length, length, local.length + data.length)]);
}

/** David Fifield's zip (2019): each entry quotes the header of the next one, and all end in the same data. */
function quoting(count: number, kernel: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [kernel];
  const lengths: [packed: number, size: number][] = [[kernel.length, size]];
  const name = (i: number) => `${i}`.padStart(6, "0");
  for (let i = count - 1; i >= 0; i--) {
    const [packed, whole] = lengths[0]!;
    const local = header(false, name(i), { packed, size: whole });
    parts.unshift(local);
    if (i === 0) break;
    const quote = Uint8Array.of(
      0,
      local.length & 255,
      local.length >> 8,
      ~local.length & 255,
      ~local.length >> 8 & 255,
    );
    parts.unshift(quote);
    lengths.unshift([packed + local.length + 5, whole + local.length]);
  }
  let at = 0;
  const table = lengths.map(([packed, size], i) => {
    const entry = header(true, name(i), { packed, size, at });
    at += entry.length - 46 + 30 + 5;
    return entry;
  });
  const body = bytes(parts), directory = bytes(table);
  return bytes([body, directory, end(count, directory.length, body.length)]);
}

/** A zip64's end by APPNOTE 4.3.14 and 4.3.15. */
function end64(entries: bigint, length: bigint, offset: bigint, at: number, extra = 0n): Uint8Array {
  const view = new DataView(new ArrayBuffer(76));
  new Uint8Array(view.buffer).set(bytes(["PK\x06\x06"]));
  view.setBigUint64(4, 44n + extra, true);
  view.setBigUint64(24, entries, true);
  view.setBigUint64(32, entries, true);
  view.setBigUint64(40, length, true);
  view.setBigUint64(48, offset, true);
  new Uint8Array(view.buffer).set(bytes(["PK\x06\x07"]), 56);
  view.setBigUint64(64, BigInt(at), true);
  view.setUint32(72, 1, true);
  return bytes([new Uint8Array(view.buffer), end(0xffff, 0xffffffff, 0xffffffff)]);
}

/** A tar's entry of a type and size that need not be true, without its content. */
function claiming(made: Made, size: string | number): Uint8Array<ArrayBuffer> {
  const block = tar({ ...made, text: "" }).slice(0, 512);
  if (typeof size === "string") block.set(bytes([size.padEnd(12, "\0")]), 124);
  else {
    block[124] = 0x80;
    for (let i = 135, rest = BigInt(size); i > 124 && rest > 0n; i--, rest >>= 8n) {
      block[i] = Number(rest & 255n);
    }
  }
  block.fill(32, 148, 156);
  const sum = block.reduce((sum, byte) => sum + byte).toString(8).padStart(6, "0");
  block.set(bytes([`${sum}\0 `]), 148);
  return block;
}

/** A pax header's record, which begins with its own length. */
export function record(key: string, value: string): string {
  const rest = ` ${key}=${value}\n`;
  const digits = [1, 2, 3, 4, 5, 6, 7, 8].find((digits) => `${rest.length + digits}`.length === digits)!;
  return `${rest.length + digits}${rest}`;
}

const octal = (size: number) => size.toString(8).padStart(11, "0");
const path = (depth: number, i = 0) => `${`${i}/`.repeat(depth)}f`;

/** A tar.gz that says of an entry what takes so much. */
const saying = (type: string, text: string, times = 1) => {
  const block = bytes([
    claiming({ name: "x", type }, octal(text.length)),
    text,
    "\0".repeat(-text.length & 511),
  ]);
  return gzip(bytes([...Array.from({ length: times }, () => block), tar({ name: "a", text: "x" })]));
};

/** All of them. */
export const bombs: readonly Bomb[] = [
  {
    name: "a zip of 10 GB of zeros",
    make: () => sharing(deflated(zeros, 10_240), ["zeros"], 0xfffffffe, 0),
  },
  {
    name: "a zip of 40,000 times 100 kB",
    make: () => {
      const [data, crc] = [deflateRawSync(new Uint8Array(1e5)), crc32(new Uint8Array(1e5))];
      return zip(...Array.from({ length: 40_000 }, (_, i) => ({ name: `${i}`, raw: data, size: 1e5, crc })));
    },
  },
  {
    name: "a zip whose 30,000 entries are the same 10 MB",
    make: () =>
      sharing(
        deflated(zeros, 10),
        Array.from({ length: 30_000 }, (_, i) => `${i}`),
        10 * MB,
        crc32(new Uint8Array(10 * MB)),
      ),
  },
  {
    name: "a zip whose 30,000 entries are the same 50 bytes under 64 kB of extra fields",
    make: () =>
      sharing(
        Uint8Array.of(3, 0),
        Array.from({ length: 30_000 }, (_, i) => `${i}`),
        0,
        0,
        "\x99\x99\0\0".repeat(16_000),
      ),
  },
  {
    name: "a zip whose entries quote one another",
    make: () => quoting(1000, deflated(zeros, 1024), 1024 * MB),
  },
  { name: "a zip of 10,000 folders in one another", make: () => zip({ name: path(10_000), text: "x" }) },
  {
    name: "a zip of 1000 paths of 2000 folders each",
    make: () => zip(...Array.from({ length: 1000 }, (_, i) => ({ name: path(2000, i), text: "x" }))),
  },
  {
    name: "a zip of 2000 paths of 28 folders each",
    make: () => zip(...Array.from({ length: 2000 }, (_, i) => ({ name: path(28, i), text: "x" }))),
  },
  {
    name: "a zip of 50,000 entries, the last of which leads out",
    make: () =>
      zip(...Array.from({ length: 49_999 }, (_, i) => ({ name: `__MACOSX/${`${i}`.repeat(20)}` })), {
        name: "z/../..",
      }),
  },
  {
    name: "a zip of 6000 names of 64 kB",
    make: () => {
      const entry = header(true, "a".repeat(0xffff)).slice(0, 47);
      const stride = 46 + 0xffff;
      const local = header(false, "a");
      return [
        { at: 0, bytes: local },
        ...Array.from({ length: 6000 }, (_, i) => ({ at: local.length + i * stride, bytes: entry })),
        { at: local.length + 6000 * stride, bytes: bytes([end(6000, 6000 * stride, local.length)]) },
      ];
    },
  },
  {
    name: "a zip without an end, of 1 GB",
    make: () => [{ at: 0, bytes: header(false, "a") }, { at: 2 ** 30, bytes: new Uint8Array(1) }],
  },
  {
    name: "a zip whose table claims 4 GB",
    make: () => bytes([header(false, "a"), header(true, "a"), end(1, 0xfffffffe, 31)]),
  },
  {
    name: "a zip64 whose table claims 2 to the 50 entries and bytes",
    make: () => {
      const [local, entry] = [header(false, "a"), header(true, "a")];
      return bytes([
        local,
        entry,
        end64(2n ** 50n, 2n ** 50n, BigInt(local.length), local.length + entry.length),
      ]);
    },
  },
  {
    name: "a zip64 whose end claims 2 to the 52 bytes more",
    make: () => {
      const [local, entry] = [header(false, "a"), header(true, "a")];
      const at = local.length + entry.length;
      return bytes([local, entry, end64(1n, BigInt(entry.length), BigInt(local.length), at, 2n ** 52n)]);
    },
  },
  {
    name: "a zip whose entry claims 2 to the 52 bytes",
    make: () => {
      const extra = "\x01\0\x10\0\0\0\0\0\0\0\x10\0\0\0\0\0\0\0\x10\0";
      const huge = { packed: 0xffffffff, size: 0xffffffff, extra };
      const [local, entry] = [header(false, "a", huge), header(true, "a", huge)];
      return bytes([local, "\0".repeat(50), entry, end(1, entry.length, local.length + 50)]);
    },
  },
  {
    name: "a zip with a comment of 64 kB of ends",
    make: () => bytes([header(false, "a"), end(1, 47, 31, "PK\x05\x06".repeat(16_380))]),
  },
  {
    name: "a zip that says it has 65,534 entries and has one",
    make: () => {
      const [local, entry] = [header(false, "a"), header(true, "a")];
      return bytes([local, "\x03\0", entry, end(65_534, entry.length, local.length + 2)]);
    },
  },
  {
    name: "a tar.gz of 10 GB of zeros",
    make: () => gzipped(claiming({ name: "zeros" }, "77777777777\0"), zeros, 10_240),
  },
  { name: "a tar.gz of 10 GB of nothing", make: () => gzipped(zeros, zeros, 10_240) },
  {
    name: "a tar.gz whose file claims 2 to the 52 bytes",
    make: () => gzip(bytes([claiming({ name: "a" }, 2 ** 52), zeros])),
  },
  {
    name: "a tar.gz with a pax header of 300 MB",
    make: () => gzipped(claiming({ name: "a", type: "x" }, octal(300 * MB)), zeros, 300),
  },
  {
    name: "a tar.gz with a pax header of 8 MB that takes hours to read",
    make: () => saying("x", `${"\n".repeat(4 * MB)}1x${noise(3 * MB)} `),
  },
  {
    name: "a tar.gz with a pax header of 800,000 keys",
    make: () =>
      saying(
        "x",
        Array.from({ length: 6e5 }, (_, i) => record(Math.imul(i, 0x9e3779b1).toString(36), "")).join(""),
      ),
  },
  {
    name: "a tar.gz with 40 pax headers for all of 7 MB",
    make: () => saying("g", record("comment", `${"a".repeat(6 * MB)}${noise(MB)}`), 40),
  },
  {
    name: "a tar.gz with a GNU long name of 100 MB",
    make: () => gzipped(claiming({ name: "a", type: "L" }, octal(100 * MB)), zeros, 100),
  },
  {
    name: "a tar.gz with a GNU long link name of 7 MB",
    make: () => saying("K", `${"a".repeat(6 * MB)}${noise(MB)}`, 20),
  },
  {
    name: "a tar.gz of 2000 paths of 2000 folders each",
    make: () =>
      gzip(bytes([
        ...Array.from({ length: 2000 }, (_, i) => {
          const name = path(2000, i);
          return bytes([
            claiming({ name: "n", type: "L" }, octal(name.length)),
            ...[name, "\0".repeat(-name.length & 511), claiming({ name: "n" }, octal(0))],
          ]);
        }),
        ...[claiming({ name: "n" }, octal(MB)), noise(MB), new Uint8Array(1024)],
      ])),
  },
  {
    name: "a tar.gz of a million empty entries",
    make: () => {
      const block = bytes(Array.from({ length: 1024 }, () => claiming({ name: "a/" }, octal(0))));
      return gzipped(bytes([claiming({ name: "n" }, octal(2 * MB)), noise(2 * MB)]), block, 1024);
    },
  },
  {
    name: "a tar.gz with a sparse file of 8 GB",
    make: () => gzip(bytes([claiming({ name: "a", type: "S" }, octal(512)), new Uint8Array(1536)])),
  },
  {
    name: "a tar.gz with a sparse file of 8 GB in pax",
    make: () => {
      const text = ["major=1", "minor=0", "name=a", "realsize=8589934592"].map((line) =>
        record(`GNU.sparse.${line.split("=")[0]}`, line.split("=")[1]!)
      ).join("");
      return gzip(bytes([
        claiming({ name: "x", type: "x" }, octal(text.length)),
        ...[text, "\0".repeat(-text.length & 511)],
        ...[claiming({ name: "GNUSparseFile.0/a" }, octal(512)), "0\n".padEnd(1536, "\0")],
      ]));
    },
  },
  { name: "a gzip of a gzip of 10 GB", make: () => gzip(gzipped(zeros, zeros, 10_240)) },
  {
    name: "a gzip with a name of 64 MB",
    make: () => bytes(["\x1f\x8b\x08\x08\0\0\0\0\0\xff", new Uint8Array(64 * MB).fill(97), "\0\x03\0"]),
  },
];
