import { fileURLToPath } from "node:url";
import { createHash } from "node:crypto";
import { listTasks } from "../../lib/data/mod.ts";
import { type Download, downloads, fileName, type Pinned } from "../../lib/data/downloads.ts";
import { obtain } from "../../lib/data/obtain.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { commandOf, outputOf } from "../programs.ts";
import { contents, zip } from "./archives.ts";

const root = new URL("../../", import.meta.url);

const archive = zip({ name: "SST-2/train.tsv", text: "sentence\tlabel\nfine\t1\n" }, {
  name: "SST-2/dev.tsv",
  text: "sentence\tlabel\nawful\t0\n",
});
const unpacked = {
  "SST-2/": "",
  "SST-2/dev.tsv": "sentence\tlabel\nawful\t0\n",
  "SST-2/train.tsv": "sentence\tlabel\nfine\t1\n",
};

/** A file's pin, at an address that is a data set's own. */
function pin(content: Uint8Array | string, name: string, as?: string): Pinned {
  const [bytes, sha256] = [content.length, createHash("sha256").update(content).digest("hex")];
  return { url: `http://127.0.0.1:1/data/${name}?download=1`, bytes, sha256, ...(as ? { as } : {}) };
}

const packed: Download = { name: "packed", files: [pin(archive, "SST-2.zip")] };
const plain: Download = {
  name: "plain",
  files: [pin("one", "1", "one.txt"), pin("two", "2", "two.txt")],
};
const both: Download = {
  ...packed,
  name: "both",
  own: { extension: ".xml", about: "the original's a.xml" },
};
const form: Download = {
  name: "form",
  files: [],
  own: { extension: ".csv", about: "the files that come by mail" },
};

/** A folder with files, and where the data goes. */
async function laid(
  files: Record<string, string | Uint8Array>,
  test: (from: string, folder: string) => Promise<void>,
): Promise<void> {
  const top = await Deno.makeTempDir();
  await Deno.mkdir(`${top}/from`);
  for (const [path, content] of Object.entries(files)) {
    await Deno.mkdir(`${top}/from/${path}`.replace(/[^/]*$/, ""), { recursive: true });
    await Deno.writeFile(
      `${top}/from/${path}`,
      typeof content === "string" ? new TextEncoder().encode(content) : content,
    );
  }
  const before = contents(`${top}/from`);
  try {
    await test(`${top}/from`, `${top}/cache`);
    assertEquals(contents(`${top}/from`), before, "the user's own files stay as they are");
  } finally {
    await Deno.remove(top, { recursive: true });
  }
}

const into = (folder: string) => contents(folder.slice(0, folder.lastIndexOf("/")));
const nothing = (folder: string) => assert(!Object.keys(into(folder)).some((name) => /^cache\/./.test(name)));

Deno.test("the table is whole: names, sizes, checksums, terms, and the hosts that the task may reach", () => {
  assertEquals(
    downloads.map(({ name }) => name).sort().join(" "),
    "cola copa mnli mrpc qnli qqp race rte scitail sick snli sst2 story-cloze stsb winograd wnli",
  );
  const hosts = new Set<string>();
  for (const { name, files, own } of downloads) {
    const { licence, citation = "" } = listTasks().find(({ archive }) => archive === name)!;
    assert(files.length > 0 || own, `${name} can be had nowhere`);
    assert(files.length <= 1 || files.every(({ as }) => as), `${name} has several archives`);
    for (const text of [licence, citation]) {
      assert(text.length > 5 && !/[\n.]$/.test(text), `${name}: ${text}`);
    }
    assert(/ (19|20)\d\d, /.test(citation), citation);
    for (const file of files) {
      assert(/^[0-9a-f]{64}$/.test(file.sha256), `${name} has no SHA-256`);
      assert(Number.isInteger(file.bytes) && file.bytes > 1000);
      assert(file.as || /\.(zip|tar\.gz)$/.test(fileName(file)), `${fileName(file)} is no archive`);
      hosts.add(new URL(file.url).host);
    }
  }
  assertEquals(commandOf("data").match(/--allow-net=(\S+)/)![1]!.split(","), [...hosts].sort());
});

const pins = new URL("../shared/datasets/pins.json", root);
const known = await Deno.readTextFile(pins).catch(() => console.error("pins.json is not on this machine"));
Deno.test({ name: "the table has what Hugging Face's has", ignore: !known }, () => {
  const theirs = (JSON.parse(known!).pins as Pinned[]).map(({ url, bytes, sha256 }) =>
    `${url} ${bytes} ${sha256}`
  );
  for (const { files } of downloads) {
    for (const { url, bytes, sha256 } of files) assert(theirs.includes(`${url} ${bytes} ${sha256}`), url);
  }
});

Deno.test("a set is downloaded, checked, unpacked, and its archive thrown away", async () => {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, ({ url }) => {
    const { pathname } = new URL(url);
    return new Response(pathname.endsWith(".zip") ? archive : pathname.endsWith("1") ? "one" : "two");
  });
  const at = ({ files, ...rest }: Download): Download => ({
    ...rest,
    files: files.map((file) => ({ ...file, url: file.url.replace(":1/", `:${server.addr.port}/`) })),
  });
  try {
    await laid({}, async (_, folder) => {
      const told: string[] = [];
      const onProgress = (file: Pinned, bytes: number) => told.push(`${fileName(file)} ${bytes}`);
      assertEquals(await obtain(at(packed), folder, { onProgress }), true);
      assertEquals(contents(`${folder}/packed`), unpacked);
      assertEquals([told[0], told.at(-1)], ["SST-2.zip 0", `SST-2.zip ${archive.length}`]);
      await obtain(at(plain), folder);
      assertEquals(contents(`${folder}/plain`), { "one.txt": "one", "two.txt": "two" });
      assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["packed", "plain"]);
      await assertRefused(
        () => obtain(at(packed), folder),
        /^Cannot create .* for packed as it already exists: remove it/,
      );

      const [file] = at(packed).files;
      const wrong = { ...packed, name: "wrong", files: [{ ...file!, sha256: "0".repeat(64) }] };
      await assertRefused(() => obtain(wrong, folder), /expected SHA-256 0+, found [1-9a-f]/);
      assertEquals([...Deno.readDirSync(folder)].length, 2, "nothing stays of what is wrong");
    });
  } finally {
    await server.shutdown();
  }
});

Deno.test("one's own copy of an archive is checked: by itself, whatever its name, or in a folder", async () => {
  await laid({ "SST-2.zip": archive, "other/renamed": archive }, async (from, folder) => {
    assertEquals(await obtain(packed, folder, { from: `${from}/SST-2.zip` }), true);
    await obtain({ ...packed, name: "second" }, folder, { from });
    await obtain({ ...packed, name: "third" }, folder, { from: `${from}/other/renamed` });
    for (const name of ["packed", "second", "third"]) assertEquals(contents(`${folder}/${name}`), unpacked);
  });
});

Deno.test("one's own copy of single files is taken from a folder that has them all", async () => {
  await laid({ "one.txt": "one", "two.txt": "two", "three.txt": "three" }, async (from, folder) => {
    await obtain(plain, folder, { from });
    assertEquals(contents(`${folder}/plain`), { "one.txt": "one", "two.txt": "two" });
  });
  await laid({ "one.txt": "one" }, async (from, folder) => {
    await assertRefused(
      () => obtain(plain, folder, { from }),
      /^Cannot copy plain from .*from as there is no two\.txt in it: expected the files as they were published$/,
    );
    await assertRefused(
      () => obtain(plain, folder, { from: `${from}/one.txt` }),
      /no one\.txt and no two\.txt in it/,
    );
    nothing(folder);
  });
});

Deno.test("one's own copy that is another file is refused", async () => {
  const damaged = archive.slice();
  damaged[40]! ^= 1;
  await laid(
    { "SST-2.zip": damaged, "short/SST-2.zip": "x", "two.txt": "owt", "one.txt": "one" },
    async (from, folder) => {
      await assertRefused(
        () => obtain(packed, folder, { from }),
        /SST-2\.zip as it is not the known file: expected SHA/,
      );
      await assertRefused(
        () => obtain(packed, folder, { from: `${from}/short` }),
        /expected \d+ bytes, found 1$/,
      );
      await assertRefused(
        () => obtain(plain, folder, { from }),
        /two\.txt as it is not the known file: expected SHA/,
      );
      await assertRefused(() => obtain(packed, folder, { from: `${from}/none` }), /^Cannot read .*none/);
      nothing(folder);
    },
  );
});

Deno.test("what is given out on request cannot be downloaded, and is taken unchecked", async () => {
  const files = { "deep/val.csv": "1,2", "test.csv": "3", ".hidden.csv": "4", "letter.txt": "dear" };
  await laid(
    { ...files, "a.zip": zip({ name: "in/val.csv", text: "5" }), "b.zip": archive },
    async (from, folder) => {
      await assertRefused(
        () => obtain(form, folder),
        /^Cannot download form as its licence forbids redistribution: provide with --from the files that come by mail$/,
      );
      assertEquals(await obtain(form, folder, { from }), false);
      assertEquals(contents(`${folder}/form`), { "deep/": "", "deep/val.csv": "1,2", "test.csv": "3" });
      await obtain({ ...form, name: "one" }, folder, { from: `${from}/test.csv` });
      assertEquals(contents(`${folder}/one`), { "test.csv": "3" });
      await obtain({ ...form, name: "zip" }, folder, { from: `${from}/a.zip` });
      assertEquals(contents(`${folder}/zip`), { "in/": "", "in/val.csv": "5" });
      await Deno.remove(folder, { recursive: true });
      for (const path of ["b.zip", "letter.txt", "a.zip/no"]) {
        await assertRefused(
          () => obtain(form, folder, { from: `${from}/${path}` }),
          /^Cannot (copy form|read)/,
        );
        nothing(folder);
      }
    },
  );
  await laid({ "letter.txt": "dear" }, async (from, folder) => {
    await assertRefused(
      () => obtain(form, folder, { from }),
      /^Cannot copy form from .*from as there is no \.csv file in it: expected the files that come by mail$/,
    );
    nothing(folder);
  });
});

Deno.test("links in one's own folder are not followed", async () => {
  await laid({ "a.csv": "1" }, async (from, folder) => {
    await Deno.symlink(from, `${from}/round`);
    await Deno.symlink("/etc/passwd", `${from}/b.csv`);
    await obtain(form, folder, { from });
    assertEquals(contents(`${folder}/form`), { "a.csv": "1" });
    await Deno.remove(`${from}/round`);
    await Deno.remove(`${from}/b.csv`);
  });
});

Deno.test("a set of two kinds is checked where its known archive is, and taken unchecked in its other form", async () => {
  await laid({ "known/SST-2.zip": archive, "original/data/a.xml": "<a/>" }, async (from, folder) => {
    assertEquals(await obtain(both, folder, { from: `${from}/known` }), true);
    assertEquals(await obtain({ ...both, name: "xml" }, folder, { from: `${from}/original` }), false);
    assertEquals(contents(`${folder}/xml`), { "data/": "", "data/a.xml": "<a/>" });
  });
  await laid({ "SST-2.zip": "x" }, async (from, folder) => {
    await assertRefused(
      () => obtain(both, folder, { from: `${from}/SST-2.zip` }),
      /expected \d+ bytes, found 1$/,
    );
    nothing(folder);
  });
});

/** A set from a server that answers so. */
async function served(
  answer: (request: Request) => Response,
  test: (set: Download, folder: string) => Promise<void>,
): Promise<void> {
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, answer);
  const files = packed.files.map((file) => ({
    ...file,
    url: file.url.replace(":1/", `:${server.addr.port}/`),
  }));
  try {
    await laid({}, (_, folder) => test({ ...packed, files }, folder));
  } finally {
    await server.shutdown();
  }
}

/** The names in a folder; none where it is not there. */
const namesIn = (folder: string): string[] => {
  try {
    return [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch {
    return [];
  }
};

/** The archive, but for its end, which does not come; from then on as asked for. */
function stalling(): (request: Request) => Response {
  let stalled = false;
  return ({ headers }) => {
    const from = Number(headers.get("range")?.match(/\d+/)?.[0] ?? 0);
    if (!stalled) {
      stalled = true;
      return new Response(new ReadableStream({ start: (to) => to.enqueue(archive.slice(0, 100)) }));
    }
    const range = { "content-range": `bytes ${from}-${archive.length - 1}/${archive.length}` };
    return from > 0
      ? new Response(archive.slice(from), { status: 206, headers: range })
      : new Response(archive);
  };
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resume) => setTimeout(resume, 5));
}

const part = (folder: string) => `${folder}/packed.download/SST-2.zip.part`;
const came = (folder: string) => () => exists(part(folder)) && Deno.statSync(part(folder)).size === 100;
const exists = (path: string) => {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
};

Deno.test("of two that bring the same set one does, and the other is told who is at it", async () => {
  await served(stalling(), async (set, folder) => {
    const controller = new AbortController();
    const first = obtain(set, folder, { signal: controller.signal }).catch((error) => error);
    await until(came(folder));
    await assertRefused(
      () => obtain(set, folder),
      new RegExp(
        `^Cannot create .*packed for packed as process ${Deno.pid}( on \\S+)? is working on it: wait for it, or stop it$`,
      ),
    );
    assertEquals(namesIn(folder), ["packed.claim", "packed.download"]);
    controller.abort();
    assertEquals(await first, controller.signal.reason);
    assertEquals(namesIn(folder), ["packed.download"]);
    await obtain(set, folder);
    assertEquals(contents(`${folder}/packed`), unpacked);
    assertEquals(namesIn(folder), ["packed"]);
  });
});

Deno.test("what a killed process was at, the next goes on with at once, and nothing of it stays", async () => {
  await served(stalling(), async (set, folder) => {
    const code = `import { obtain } from "${root.href}lib/data/obtain.ts";
      await obtain(${JSON.stringify(set)}, "${folder}");`;
    const child = new Deno.Command(Deno.execPath(), {
      args: ["eval", `--config=${fileURLToPath(new URL("deno.json", root))}`, code],
      stdout: "null",
      stderr: "null",
    }).spawn();
    await until(came(folder));
    child.kill("SIGKILL");
    await child.status;
    if (Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state !== "granted") {
      const path = `${folder}/packed.claim`; // Then this process does not know that it was on the same machine.
      const holder = JSON.parse(await Deno.readTextFile(path));
      await Deno.writeTextFile(path, JSON.stringify({ ...holder, host: "" }));
    }
    await Deno.mkdir(`${folder}/packed.0123abcd.tmp/half`, { recursive: true });
    await Deno.mkdir(`${folder}/packed.2.0123abcd.tmp`);
    assertEquals(namesIn(folder).filter((name) => !name.endsWith("tmp")), [
      "packed.claim",
      "packed.download",
    ]);
    await obtain(set, folder);
    assertEquals(contents(`${folder}/packed`), unpacked);
    assertEquals(namesIn(folder), ["packed", "packed.2.0123abcd.tmp"]);
  });
});

Deno.test("a link where a download goes is refused, and not followed", async () => {
  await served(() => new Response(archive), async (set, folder) => {
    const elsewhere = `${folder}/elsewhere`;
    await Deno.mkdir(elsewhere, { recursive: true });
    await Deno.symlink(elsewhere, `${folder}/packed.download`);
    await assertRefused(
      () => obtain(set, folder),
      /^Cannot download to .*packed\.download as it is a link or file: remove it$/,
    );
    await Deno.remove(`${folder}/packed.download`);
    await Deno.mkdir(`${folder}/packed.download`);
    await Deno.symlink(`${elsewhere}/victim`, part(folder));
    await assertRefused(
      () => obtain(set, folder),
      /^Cannot resume .*\.part as it is not a regular file: remove it$/,
    );
    assertEquals([namesIn(elsewhere), namesIn(folder)], [[], ["elsewhere", "packed.download"]]);
  });
});

Deno.test("after success nothing but the set is there, and after a refusal nothing but a part to go on from", async () => {
  let content: Uint8Array<ArrayBuffer> = archive;
  await served(() => new Response(content), async (set, folder) => {
    await Deno.mkdir(`${folder}/packed.download`, { recursive: true });
    await Deno.writeTextFile(`${folder}/packed.download/other.part`, "left by an older version");
    await obtain(set, folder);
    assertEquals(namesIn(folder), ["packed"]);
    content = archive.slice().fill(0, 50, 60);
    await assertRefused(() => obtain({ ...set, name: "wrong" }, folder), /expected SHA-256/);
    content = archive.slice(0, 60);
    await assertRefused(() => obtain({ ...set, name: "short" }, folder), /expected \d+ bytes, found 60$/);
    assertEquals(namesIn(folder), ["packed"]);
  });
});

Deno.test("of an archive of one's own without a fitting file nothing is there at any time", async () => {
  await laid({ "b.zip": archive }, async (from, folder) => {
    const watch = setInterval(() => assert(!namesIn(folder).includes("form")), 1);
    await assertRefused(
      () => obtain(form, folder, { from: `${from}/b.zip` }),
      /as there is no \.csv file in it/,
    );
    clearInterval(watch);
    nothing(folder);
  });
});

Deno.test("pipes and devices are no copy of one's own, and are refused at once", async () => {
  await laid({}, async (from, folder) => {
    if (await outputOf("mkfifo", `${from}/SST-2.zip`) === undefined) return;
    await Deno.rename(`${from}/SST-2.zip`, `${from}/a.csv`);
    await Deno.mkdir(`${from}/in`);
    await outputOf("mkfifo", `${from}/in/SST-2.zip`);
    const noFile = /^Cannot read .* as it is not a file$/;
    for (const path of [`${from}/in`, `${from}/in/SST-2.zip`, "/dev/zero", "/dev/null"]) {
      await assertRefused(() => obtain(packed, folder, { from: path }), noFile);
      if (path.endsWith("in")) continue;
      await assertRefused(() => obtain(form, folder, { from: path }), noFile);
    }
    await assertRefused(() => obtain(form, folder, { from: `${from}/a.csv` }), noFile);
    await assertRefused(() => obtain(form, folder, { from }), /as there is no \.csv file in it/);
    await Deno.remove(`${from}/a.csv`); // Before anything here would read it.
    await Deno.remove(`${from}/in`, { recursive: true });
    nothing(folder);
  });
});
