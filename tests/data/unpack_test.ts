import { fileURLToPath } from "node:url";
import { verify } from "../../lib/data/download.ts";
import { unpack } from "../../lib/data/unpack.ts";
import { exists } from "../../lib/files.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { outputOf } from "../programs.ts";
import { contents, gzip, type Made, tar, zip } from "./archives.ts";
import { record } from "./bombs.ts";

/** Lays an archive into a folder of its own, and tells where it may go. */
async function laid(
  archive: Uint8Array,
  test: (archive: string, folder: string, around: () => string[]) => Promise<void>,
): Promise<void> {
  const top = await Deno.makeTempDir();
  await Deno.mkdir(`${top}/in/here`, { recursive: true });
  await Deno.writeFile(`${top}/in/archive`, archive);
  try {
    await test(`${top}/in/archive`, `${top}/in/here/data`, () => Object.keys(contents(top)).sort());
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

const usual = ["in/", "in/archive", "in/here/"];

const formats: [name: string, make: (...made: Made[]) => Uint8Array<ArrayBuffer>][] = [
  ["a zip", zip],
  ["a tar.gz", (...made) => gzip(tar(...made))],
];

for (const [format, make] of formats) {
  Deno.test(`${format} is unpacked with its paths, without what macOS adds`, async () => {
    const big = "the same line again and again\n".repeat(20_000);
    const archive = make(
      { name: "RACE/" },
      { name: "RACE/.DS_Store", text: "x" },
      { name: "RACE/empty/" },
      { name: "./RACE/test/high/1.txt", text: "naïve" },
      { name: "RACE/test/big.txt", text: big },
      { name: "RACE/Icon\r", text: "x" },
      { name: "RACE/._1.txt", text: "x" },
      { name: "__MACOSX/RACE/._1.txt", text: "x" },
      { name: "RACE/nothing", text: "" },
    );
    await laid(archive, async (path, folder, around) => {
      await unpack(path, folder);
      assertEquals(contents(folder), {
        "RACE/": "",
        "RACE/empty/": "",
        "RACE/nothing": "",
        "RACE/test/": "",
        "RACE/test/big.txt": big,
        "RACE/test/high/": "",
        "RACE/test/high/1.txt": "naïve",
      });
      assert(!around().some((name) => name.includes(".tmp")));
    });
  });

  const plain = /^Cannot unpack .*archive as "[^]*["…] in it is not a plain relative path$/;
  const twice = /^Cannot unpack .*archive as it holds "a\/b" twice, or with other capitals or accents$/i;
  const hostile: [what: string, made: Made[], why: RegExp][] = [
    ["a way out", [{ name: "../../out.txt", text: "x" }], plain],
    ["a way out further in", [{ name: "a/b/../../../out.txt", text: "x" }], plain],
    ["a folder outside", [{ name: "../out/" }], plain],
    ["an absolute path", [{ name: "/etc/out.txt", text: "x" }], plain],
    ["a drive", [{ name: "C:/out.txt", text: "x" }], plain],
    ["a stream of Windows", [{ name: "a.txt:hidden", text: "x" }], plain],
    ["a backslash", [{ name: "a\\..\\..\\out.txt", text: "x" }], plain],
    ["a line break in a name", [{ name: "a\n.txt", text: "x" }], plain],
    ["no name", [{ name: ".", text: "x" }], plain],
    ["a point that Windows cuts off", [{ name: "a./b", text: "x" }], plain],
    ["a blank that Windows cuts off", [{ name: "a/b ", text: "x" }], plain],
    ["a device of Windows", [{ name: "a/nul.txt", text: "x" }], plain],
    ["many folders in one another", [{ name: `${"a/".repeat(30)}b`, text: "x" }], plain],
    ["a file twice", [{ name: "a/b", text: "1" }, { name: "a/b", text: "2" }], twice],
    ["a file twice, in other letters", [{ name: "a/b", text: "1" }, { name: "A/B", text: "2" }], twice],
    ["a file twice, by a detour", [{ name: "a/b", text: "1" }, { name: "a//./b", text: "2" }], twice],
    ["a file as a folder", [{ name: "a/b", text: "1" }, { name: "a/b/c", text: "2" }], twice],
    ["a folder as a file", [{ name: "a/b/" }, { name: "a/b", text: "2" }], twice],
    [
      "an accent in two spellings",
      [{ name: "caf\u00e9", text: "1" }, { name: "cafe\u0301", text: "2" }],
      /twice, or with other capitals or accents$/,
    ],
    [
      "ten million zeros",
      [{ name: "a/ok", text: "1" }, { name: "a/b", text: new Uint8Array(1e7) }],
      /^Cannot unpack .*archive as it holds more than \d+ bytes, out of proportion to its size of \d+$/,
    ],
  ];
  for (const [what, made, why] of hostile) {
    Deno.test(`${format} with ${what} is refused, and nothing stays`, async () => {
      await laid(make({ name: "first.txt", text: "harmless" }, ...made), async (path, folder, around) => {
        await assertRefused(() => unpack(path, folder), why);
        assertEquals(around(), usual);
      });
    });
  }

  Deno.test(`${format} that is cut anywhere, or is damaged, is refused, and nothing stays`, async () => {
    const text = Array.from({ length: 3000 }, (_, i) => `${i * i}`).join(" ");
    const whole = make({ name: "a", text }, { name: "b/c", text });
    for (const share of [0.02, 0.3, 0.6, 0.9, 0.99, 0.9999]) {
      await laid(whole.slice(0, Math.floor(share * whole.length)), async (path, folder, around) => {
        await assertRefused(
          () => unpack(path, folder),
          /^Cannot unpack .*archive as it is (damaged|neither)/,
        );
        assertEquals(around(), usual);
      });
    }
    const damaged = whole.slice();
    damaged[Math.floor(0.2 * whole.length)]! ^= 0x10;
    await laid(damaged, async (path, folder, around) => {
      await assertRefused(() => unpack(path, folder), /^Cannot unpack .*archive as it is damaged/);
      assertEquals(around(), usual);
    });
  });

  Deno.test(`${format} does not replace a folder that is there, and clears what a killed run left`, async () => {
    await laid(make({ name: "a", text: "new" }), async (path, folder) => {
      await Deno.mkdir(`${folder}.tmp`);
      await Deno.writeTextFile(`${folder}.tmp/half`, "old");
      await unpack(path, folder);
      assertEquals(contents(folder), { a: "new" });
      await Deno.writeTextFile(`${folder}/a`, "mine");
      await assertRefused(() => unpack(path, folder), /^Cannot create .*data as it already exists/);
      assertEquals(contents(folder), { a: "mine" });
    });
  });

  Deno.test(`${format} is left when the signal says so, and nothing stays`, async () => {
    await laid(make({ name: "a", text: "x" }), async (path, folder, around) => {
      const signal = AbortSignal.abort();
      const error = await unpack(path, folder, signal).catch((error) => error);
      assertEquals(error, signal.reason);
      assertEquals(around(), usual);
    });
  });
}

Deno.test("a tar's long names are taken, from pax headers and from GNU's entries", async () => {
  const long = `${"a long name ".repeat(12)}x`;
  const says = (type: string, text: string) => ({ name: "././@LongLink", type, text });
  const made: Made[][] = [
    [says("L", `${long}\0`), { name: "short", text: "x" }],
    [says("x", record("mtime", "1432.000001") + record("path", long)), { name: "short", text: "x" }],
    [says("g", record("comment", "x")), says("L", long), { name: "short", text: "x" }],
  ];
  for (const entries of made) {
    await laid(gzip(tar(...entries)), async (path, folder) => {
      await unpack(path, folder);
      assertEquals(contents(folder), { [long]: "x" });
    });
  }
});

Deno.test("a tar's entries that would be read wrongly, or would take long to read, are refused", async () => {
  const pax = (text: string): Made[] => [{ name: "x", type: "x", text }, { name: "a", text: "x" }];
  const malformed = ["12 path=ab\n", "10 path=ab\n", "10 path=ab", "8 =abcd\n", "\n1x ", "0 path=ab\n", "x"];
  const made: [Made[], RegExp][] = [
    [
      [{ name: "a", type: "S", text: "x" }],
      /as it holds an entry of type "S", which is not a file or folder$/,
    ],
    [pax(record("GNU.sparse.size", "9")), /as it holds a sparse or huge file, with "GNU\.sparse\.size"$/],
    [pax(record("size", "1")), /with "size"$/],
    ...malformed.map((text): [Made[], RegExp] => [
      pax(text),
      /as it is damaged: an extended header is not a pax record$/,
    ]),
    [
      [{ name: "x", type: "L", text: "a".repeat(70_000) }],
      /as it has an extended header of 70000 bytes, more than 65536$/,
    ],
  ];
  for (const [entries, why] of made) {
    await laid(gzip(tar(...entries)), async (path, folder, around) => {
      await assertRefused(() => unpack(path, folder), why);
      assertEquals(around(), usual);
    });
  }
});

for (const [format, make] of formats) {
  Deno.test(`${format} is left in its middle when the signal says so, and nothing stays`, async () => {
    const text = Array.from({ length: 200_000 }, (_, i) => `${i * i}`).join(" ");
    const made = Array.from({ length: 20 }, (_, i) => ({ name: `${i}`, text }));
    await laid(make(...made), async (path, folder, around) => {
      const controller = new AbortController();
      const unpacking = unpack(path, folder, controller.signal).catch((error) => error);
      while (around().length < usual.length + 2) await new Promise((resume) => setTimeout(resume));
      controller.abort();
      assertEquals(await unpacking, controller.signal.reason);
      assertEquals(around(), usual);
    });
  });

  Deno.test(`${format} that is damaged in its middle is refused, and nothing stays`, async () => {
    const text = Array.from({ length: 200_000 }, (_, i) => `${i * i}`).join(" ");
    const whole = make(...["a", "b", "c"].map((name) => ({ name, text })));
    for (const share of [0.34, 0.5, 0.65]) {
      const damaged = whole.slice();
      damaged.fill(0xff, share * whole.length, share * whole.length + 100);
      await laid(damaged, async (path, folder, around) => {
        await assertRefused(() => unpack(path, folder), /^Cannot unpack .*archive as it is damaged/);
        assertEquals(around(), usual);
      });
    }
  });

  Deno.test(`${format} that the disk has no room for is refused as such, and nothing stays`, async () => {
    const top = await Deno.makeTempDir();
    const mount = await outputOf("mount", "-t", "tmpfs", "-o", "size=1m", "none", top);
    if (mount === undefined) { // Only root may.
      console.error("no small disk can be mounted: a full disk is not tested");
      return await Deno.remove(top);
    }
    try {
      const text = Array.from({ length: 300_000 }, (_, i) => `${i * i}`).join(" ");
      await laid(make({ name: "a", text: "x" }, { name: "b", text }), async (path) => {
        await assertRefused(
          () => unpack(path, `${top}/data`),
          /^Cannot create .*data: No space left on device/,
        );
        assertEquals(contents(top), {});
      });
    } finally {
      assert(await outputOf("umount", top) !== undefined);
      await Deno.remove(top);
    }
  });
}

Deno.test("a pipe, a device and a folder are no archives, and are refused at once", async () => {
  const top = await Deno.makeTempDir();
  const pipe = `${top}/pipe.zip`;
  const paths = ["/dev/zero", "/dev/null", top];
  if (await outputOf("mkfifo", pipe) !== undefined) paths.push(pipe);
  for (const path of paths) {
    await assertRefused(
      () => unpack(path, `${top}/data`),
      /^Cannot (read|unpack) .* as it is (not a file|a folder)$/,
    );
  }
  assert(!await exists(`${top}/data`));
  await Deno.remove(top, { recursive: true });
});

Deno.test("a tar that is cut before it was packed is refused, and nothing stays", async () => {
  const whole = tar({ name: "a", text: "x".repeat(900) }, { name: "b", text: "y" });
  for (const length of [0, 100, 600, 1500, 1600, 2048, 2600, 3000]) {
    await laid(gzip(whole.slice(0, length)), async (path, folder, around) => {
      await assertRefused(() => unpack(path, folder), /^Cannot unpack .*archive as it is damaged: [^]*[^.]$/);
      assertEquals(around(), usual);
    });
  }
});

Deno.test("a zip's links, devices and folders that are files are refused", async () => {
  for (const [mode, name] of [[0o120777, "l"], [0o20644, "d"], [0o10644, "p"], [0o100644, "f/"]] as const) {
    await laid(zip({ name, text: "/etc/passwd", mode }), async (path, folder, around) => {
      await assertRefused(() => unpack(path, folder), /^Cannot unpack .* in it is a link or device$/);
      assertEquals(around(), usual);
    });
  }
});

Deno.test("a tar's links and devices are refused", async () => {
  for (const type of ["1", "2", "3", "4", "6"]) {
    const made = [{ name: "l", type, link: "../.." }, { name: "l/out.txt", text: "x" }];
    await laid(gzip(tar(...made)), async (path, folder, around) => {
      await assertRefused(
        () => unpack(path, folder),
        /^Cannot unpack .*"l" in it is a (link|symlink|character|block|fifo)/,
      );
      assertEquals(around(), usual);
    });
  }
});

Deno.test("what is skipped counts where it is unpacked nevertheless", async () => {
  const made = { name: "__MACOSX/b", text: new Uint8Array(1e7) };
  await laid(gzip(tar(made)), async (path, folder, around) => {
    await assertRefused(() => unpack(path, folder), /out of proportion to its size/);
    assertEquals(around(), usual);
  });
});

Deno.test("a NUL in a zip's name is refused", async () => {
  await laid(zip({ name: "a\0.txt", text: "x" }), async (path, folder, around) => {
    await assertRefused(() => unpack(path, folder), /"a\\u0000\.txt" in it is not a plain relative path/);
    assertEquals(around(), usual);
  });
});

Deno.test("a zip whose bytes are not those of its checksum is refused", async () => {
  await laid(
    zip({ name: "a", text: "x" }, { name: "b", text: "y", crc: 1 }),
    async (path, folder, around) => {
      await assertRefused(() => unpack(path, folder), /^Cannot unpack .*archive as it is damaged: .*CRC/i);
      assertEquals(around(), usual);
    },
  );
});

Deno.test("a zip of more entries than any data set has is refused", async () => {
  const many = Array.from({ length: 50_001 }, (_, i) => ({ name: `__MACOSX/${i}` }));
  await laid(zip(...many), async (path, folder, around) => {
    await assertRefused(
      () => unpack(path, folder),
      /^Cannot unpack .*archive as it holds more than 50000 files$/,
    );
    assertEquals(around(), usual);
  });
});

Deno.test("what is no archive, and what is not there, is one sentence", async () => {
  await laid(new TextEncoder().encode("<html>Please log in</html>"), async (path, folder, around) => {
    await assertRefused(
      () => unpack(path, folder),
      /^Cannot unpack .*archive as it is neither a \.zip nor a \.tar\.gz$/,
    );
    await assertRefused(() => unpack(`${path}.none`, folder), /^Cannot .*\.none/);
    assertEquals(around(), usual);
  });
});

// Sizes and SHA-256 as Info-ZIP's unzip gives them.
const genuine: [archive: string, entries: number, file: string, bytes: number, sha256: string][] = [
  [
    "rte/nltk-rte123.zip",
    8,
    "rte/rte3_dev.xml",
    283072,
    "c14ad6758b4e65acf9f8333be361b489562eca9df0c396409e7a6b4b78490937",
  ],
  [
    "hf_dummy/superglue-copa.zip",
    4,
    "COPA/val.jsonl",
    351,
    "d0c5452914d4934febd71ff902322c43f41e69345c34b0ac18dda6792f8345e4",
  ],
  [
    "hf_dummy/race.zip",
    26,
    "dummy_data/RACE/test/high/98.txt",
    2597,
    "5ebfb337a4a9559b10dc9cf699570e767390b704951ec65d6c79e7db9773d4c7",
  ],
];
for (const [archive, entries, file, size, sha256] of genuine) {
  const path = fileURLToPath(new URL(`../../../shared/datasets/${archive}`, import.meta.url));
  const there = await exists(path);
  if (!there) console.error(`${archive} is not on this machine: its test is left out`);
  Deno.test({ name: `${archive} is unpacked as unzip does it`, ignore: !there }, async () => {
    const top = await Deno.makeTempDir();
    await unpack(path, `${top}/data`);
    assertEquals(Object.keys(contents(`${top}/data`)).length, entries);
    await verify({ url: "", bytes: size, sha256 }, `${top}/data/${file}`);
    await Deno.remove(top, { recursive: true });
  });
}
