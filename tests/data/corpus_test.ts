import { ok, rejects, strictEqual } from "node:assert/strict";
import { type Corpus, corpus, listCorpora, task } from "../../lib/data/mod.ts";

/** Runs in a folder of its own, which goes afterwards. */
async function inFolder(
  files: Readonly<Record<string, string | Uint8Array<ArrayBuffer>>>,
  body: (path: string) => Promise<void>,
): Promise<void> {
  const path = await Deno.makeTempDir();
  try {
    for (const [name, content] of Object.entries(files)) {
      const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
      await Deno.writeFile(`${path}/${name}`, bytes);
    }
    await body(path);
  } finally {
    await Deno.remove(path, { recursive: true });
  }
}

/** `n` different lines. */
const lines = (n: number, word = "line") => Array.from({ length: n }, (_, i) => `${word} ${i}`).join("\n");

for (const { name } of listCorpora()) {
  Deno.test(`corpus ${name} holds out about a tenth that shares no long line with training`, async () => {
    const { train, heldout, sources } = await corpus(name);
    const share = heldout.length / (train.length + heldout.length);
    ok(share > 0.08 && share < 0.14, `share ${share}`);
    const seen = new Set(train.split("\n"));
    strictEqual(heldout.split("\n").filter((line) => line.length >= 40 && seen.has(line)).length, 0);
    const characters = sources.reduce((sum, { characters }) => sum + characters, 0);
    ok(Math.abs(characters / (train.length + heldout.length) - 1) < 1e-3);
  });

  Deno.test(`corpus ${name} has a paragraph a line, and white space only between words`, async () => {
    const { train, heldout } = await corpus(name);
    for (const text of [train, heldout]) ok(!/[^\n\P{Cc}]|\n\n| {2}|^\s|\s$|<br/u.test(text));
  });
}

for (const name of ["books", "moby-dick"]) {
  Deno.test(`corpus ${name} is prose, without marks and headings`, async () => {
    const { train, heldout } = await corpus(name);
    for (const text of [train, heldout]) {
      ok(!/gutenberg|[_*]/i.test(text));
      ok(!/^(chapter [\divxlc]+|\[.*\]|finis|the end)\.?$/im.test(text));
      ok(text.includes("--"));
    }
  });
}

Deno.test("corpus reviews trains on the reviews that task imdb trains on, and never sees those of its test", async () => {
  const { train, heldout } = await corpus("reviews");
  const imdb = await task("imdb", { words: 10_000 });
  strictEqual(train, imdb.train.map(({ text }) => text).join("\n"));
  strictEqual(heldout, imdb.validation.map(({ text }) => text).join("\n"));
  const lines = new Set(`${train}\n${heldout}`.split("\n"));
  strictEqual(imdb.test.filter(({ text }) => lines.has(text)).length, 0);
});

Deno.test("corpora joined by + are one after the other, in training and held out", async () => {
  const [joined, moby, speeches] = [
    await corpus("moby-dick+speeches"),
    await corpus("moby-dick"),
    await corpus("speeches"),
  ];
  strictEqual(joined.train, `${moby.train}\n${speeches.train}`);
  strictEqual(joined.heldout, `${moby.heldout}\n${speeches.heldout}`);
  strictEqual(joined.sources.length, moby.sources.length + speeches.sources.length);
  await rejects(corpus("moby-dick+sermons"), {
    message: /no such corpus, file or folder: there are books, moby-dick/,
  });
});

Deno.test("corpus moby-dick begins with chapter 1, and holds out from the start of a chapter to the epilogue", async () => {
  const { train, heldout } = await corpus("moby-dick");
  ok(train.startsWith("Loomings.\nCall me Ishmael."));
  ok(heldout.startsWith("The Log and Line."));
  ok(heldout.endsWith("only found another orphan."));
});

Deno.test("a file's last tenth is held out, from the start of a line", async () => {
  await inFolder({ "a.txt": `\uFEFF${lines(100).replaceAll("\n", "\r\n")}\r\n` }, async (path) => {
    const { train, heldout, sources } = await corpus(`${path}/a.txt`);
    strictEqual(`${train}\n${heldout}`, lines(100));
    strictEqual(heldout.split("\n").length, 10);
    strictEqual(sources[0]?.part, "both");
  });
});

Deno.test("a folder's files are held out whole, and the same ones each time", async () => {
  const files = Object.fromEntries(
    Array.from({ length: 20 }, (_, i) => [`${i}.txt`, lines(9, `file ${i} line`)]),
  );
  await inFolder({ ...files, "notes.md": "not text of the corpus" }, async (path) => {
    const [one, two] = [await corpus(path), await corpus(`${path}/`)];
    strictEqual(one.heldout, two.heldout);
    strictEqual(one.heldout.split("\n").length, 18);
    strictEqual(one.sources.filter(({ part }) => part === "heldout").length, 2);
    ok(!`${one.train}${one.heldout}`.includes("not text"));
  });
});

Deno.test("about a tenth is held out where paragraphs or files are of very different lengths, and it says how much", async () => {
  const shareOf = ({ train, heldout }: Corpus) => heldout.length / (train.length + heldout.length);
  const long = "a few words more ".repeat(500).trim(), short = lines(20);
  for (const text of [`${short}\n${long}`, `${long}\n${long}`, long, `${long}\n${short}`]) {
    await inFolder({ "a.txt": text }, async (path) => {
      const found = await corpus(`${path}/a.txt`);
      ok(Math.abs(shareOf(found) - 0.1) < 0.01, `${shareOf(found)}`);
      strictEqual(`${found.train}${text[found.train.length]}${found.heldout}`, text, "nothing is lost");
      ok(/the last (9\.|10\.)\d % held out$/.test(found.about), found.about);
    });
  }
  const sizes = [400, 1, 1, 30, 2, 5], folder: Record<string, string> = {};
  for (const from of sizes.keys()) {
    sizes.forEach((size, i) => folder[`${(from + i) % sizes.length}.txt`] = lines(size, `file ${i} line`));
    await inFolder(folder, async (path) => {
      const found = await corpus(path);
      ok(shareOf(found) > 0.001 && shareOf(found) < 0.12, `${shareOf(found)}`);
      ok(found.about.endsWith(`${(100 * shareOf(found)).toFixed(1)} % of the text`), found.about);
    });
  }
});

Deno.test("a folder of one file is that file", async () => {
  await inFolder({ "a.TXT": lines(50) }, async (path) => {
    strictEqual((await corpus(path)).heldout, (await corpus(`${path}/a.TXT`)).heldout);
  });
});

Deno.test("held-out lines of 40 characters that training has are dropped and counted", async () => {
  const twin = "the same sentence of more than forty characters";
  await inFolder({ "a.txt": `${lines(50)}\n${twin}\n${lines(40, "x")}\n${twin}\nline 1` }, async (path) => {
    const { heldout, dropped } = await corpus(`${path}/a.txt`);
    strictEqual(dropped, 1);
    ok(!heldout.includes(twin));
    ok(heldout.includes("line 1"), "short lines stay");
  });
});

Deno.test("what cannot be a corpus is named", async () => {
  const bytes = Uint8Array.of(0x61, 0xff, 0xfe, 0x62);
  await inFolder({ "empty.txt": "\uFEFF \n", "latin.txt": bytes, "one.txt": "one" }, async (path) => {
    await rejects(corpus(`${path}/empty.txt`), {
      name: "InputError",
      message: /empty\.txt" of the corpus as it has no text/,
    });
    await rejects(corpus(`${path}/latin.txt`), {
      name: "InputError",
      message: /latin\.txt" as it is not UTF-8/,
    });
    await rejects(corpus(`${path}/one.txt`), { name: "InputError", message: /as it is a single word/ });
    await Deno.truncate(`${path}/one.txt`, 2 ** 29);
    for (const name of [path, `${path}/one.txt`]) {
      await rejects(corpus(name), {
        name: "InputError",
        message: /must have at most 536869888 bytes: current size is 53/,
      });
    }
  });
  await inFolder({}, async (path) => {
    await rejects(corpus(path), { name: "InputError", message: /as it has no \.txt file/ });
  });
  const why = "as there is no such corpus, file or folder:";
  for (
    const [name, message] of [
      ["no-such", `Cannot open corpus "no-such" ${why} there are books, moby-dick, reviews, speeches`],
      ["Books", `Cannot open corpus "Books" ${why} did you mean books?`],
      ["moby-dick+speches", `Cannot open corpus "moby-dick+speches" ${why} did you mean speeches?`],
      ["", 'Cannot open a corpus with name "" as it must be a text that is not empty'],
    ] as const
  ) await rejects(corpus(name), { name: "InputError", message });
});

Deno.test("importing the data room downloads no data: of packages three small ones alone are in its module graph", async () => {
  const mod = new URL("../../lib/data/mod.ts", import.meta.url).href;
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", mod] }).output();
  const graph: { modules: { specifier: string }[] } = JSON.parse(new TextDecoder().decode(stdout));
  ok(graph.modules.length > 5);
  const packages = graph.modules.map(({ specifier }) => specifier).filter((name) =>
    /^npm:|^https?:/.test(name)
  );
  ok(
    packages.every((name) => /^npm:\/(@rgrove\/parse-xml|csv-parse|fastest-levenshtein)@/.test(name)),
    packages.join(),
  );
  strictEqual(packages.length, 3);
});
