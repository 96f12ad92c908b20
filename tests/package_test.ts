import kit from "../deno.json" with { type: "json" };
import { assert, assertEquals } from "./assert.ts";
import { endOf, root, startDeno } from "./programs.ts";

const folder = new URL("../", import.meta.url);

/** What a program does that starts the kit from anywhere: its backend with two threads, a model of its own, a figure. */
const START = `
const { matmul } = await backend("wasm", { threads: 2 });
const lm = await pretrained("mini");
const image = await png(bars([{ name: "a", bars: [{ name: "b", mean: 1 }] }], { title: "t", x: "x", y: "y" }));
const { version } = await provenance();
console.log(JSON.stringify({ matmul, layers: lm.config.layers, png: image.length > 1000, version }));
`;

/** What the README's program does, with a small model, and a study by two workers. */
const PROGRAM = `
import { ablate, backend, bars, corpus, finetune, generate, gpt, png, presets, pretrain, pretrained, provenance, subset,
  task, trainBpe } from "@gpt1/kit";
${START}
const text = await corpus("moby-dick");
const tokenizer = trainBpe(text.train, { merges: 200 });
const own = gpt({ ...presets.smoke, positions: { kind: "rotary" } }, { tokenizer, seed: 1 });
let updates = 0;
for await (const { loss } of pretrain(own, text, { updates: 3 })) updates += Number(loss > 0);
const few = subset(await task("kind"), { train: 32, validation: 8, test: 8 });
const tuned = await finetune(own, few, { lambda: 0.5, epochs: 1 });
const said = await generate(tuned, "The whale", { tokens: 3, seed: 1 });
const study = await ablate({ positions: ["learned", "none"], lambda: [0], tasks: ["kind"], seeds: 1, preset: presets.smoke,
  merges: 200, pretrain: { updates: 3 }, finetune: { epochs: 1 }, trainExamples: 32, testExamples: 16, heldoutWindows: 4,
  folder: "study", workers: 2 });
console.log(JSON.stringify({ updates, said: said.length > 9, findings: study.findings.length > 0 }));
`;

/** What {@linkcode START} prints. */
const started = (text: string) => {
  const { matmul, ...rest } = JSON.parse(text.split("\n")[0]!);
  assert(matmul.endsWith(", 2 threads"), matmul);
  assertEquals(rest, { layers: 4, png: true, version: kit.version });
};

/** Files in a new folder, and what a program prints there that is run with these arguments after \`deno run\`. */
async function inFolder(
  files: Readonly<Record<string, string>>,
  args: readonly string[],
  cwd = ".",
): Promise<string> {
  const place = await Deno.makeTempDir();
  try {
    for (const [name, text] of Object.entries(files)) {
      await Deno.mkdir(new URL(".", `file://${place}/${name}`), { recursive: true });
      await Deno.writeTextFile(`${place}/${name}`, text);
    }
    const { code, out, err } = await endOf(
      startDeno(["run", "--quiet", "--no-check", "--no-prompt", ...args], { cwd: `${place}/${cwd}` }),
    );
    assertEquals([code, err.replaceAll(/^Warning: .*\n?/gm, "")], [0, ""]);
    return out;
  } finally {
    await Deno.remove(place, { recursive: true });
  }
}

const names = "import { backend, bars, png, pretrained, provenance } from";
const all = ["-A", "a.ts"];

Deno.test("a program in a folder of its own starts the kit by its path, without a deno.json", async () => {
  for (const from of [root + "mod.ts", folder.href + "mod.ts"]) {
    started(await inFolder({ "a.ts": `${names} "${from}";${START}` }, all));
  }
});

Deno.test("a folder starts the kit by its import map, as a link, and in a workspace", async () => {
  const program = `${names} "@gpt1/kit";${START}`;
  const json = JSON.stringify;
  started(
    await inFolder(
      { "a.ts": program, "deno.json": json({ imports: { "@gpt1/kit": `${root}mod.ts` } }) },
      all,
    ),
  );
  const links = { links: [root], imports: { "@gpt1/kit": `jsr:@gpt1/kit@${kit.version}` } };
  started(await inFolder({ "a.ts": program, "deno.json": json(links) }, all));
  const { name, version, exports } = kit;
  const workspace = {
    "deno.json": json({ workspace: ["./kit", "./mine"] }),
    "kit/deno.json": json({ name, version, exports }),
    "kit/mod.ts": `export * from "${folder.href}mod.ts";`,
    "mine/deno.json": "{}",
    "mine/a.ts": program,
  };
  started(await inFolder(workspace, all, "mine"));
});

/** What JSR would be sent: the files, and what stands before their list. */
async function packed(): Promise<{ files: Map<string, number>; warnings: string[]; code: number }> {
  const { code, err } = await endOf(
    startDeno(["publish", "--dry-run", "--no-check", "--allow-dirty"], { cwd: folder }),
  );
  const files = new Map<string, number>();
  for (const [, url] of err.matchAll(/^ +(file:\S+) \([\d.]+\w+\)$/gm)) {
    files.set(url!.slice(folder.href.length), (await Deno.stat(new URL(url!))).size);
  }
  return { files, warnings: err.match(/^(?:warning|error).*\n.*$/gm) ?? [], code };
}

Deno.test("the package is what it needs, below 20 MB, with one warning: what comes on demand is imported by a computed name", async () => {
  const { files, warnings, code } = await packed();
  assertEquals(code, 0);
  assertEquals(warnings.length, 1, warnings.join("\n"));
  assert(/unanalyzable-dynamic-import[^]*lib\/origin\.ts/.test(warnings[0]!), warnings[0]!);
  const bytes = [...files.values()].reduce((sum, size) => sum + size, 0);
  assert(bytes > 8e6 && bytes < 20e6, `${bytes} bytes`);
  for (
    const file of [
      "mod.ts",
      "deno.json",
      "README.md",
      "LICENSE",
      "lib/engine/thread.ts",
      "lib/study/worker.ts",
    ]
  ) {
    assert(files.has(file), file);
  }
  assertEquals([...files.keys()].filter((file) => /^(tests|notebooks|lib\/(cli|notebook))\//.test(file)), []);
});

Deno.test("loaded from a server as JSR serves it, the kit trains, draws, has its models, and runs a study by two workers", async () => {
  const { files } = await packed();
  const place = `/@gpt1/kit/${kit.version}/`;
  const asked = new Set<string>();
  const server = Deno.serve({ port: 0, hostname: "127.0.0.1", onListen: () => {} }, async ({ url }) => {
    const path = new URL(url).pathname, file = path.slice(place.length);
    asked.add(file);
    if (!path.startsWith(place) || !files.has(file)) return new Response(null, { status: 404 });
    const type = { ts: "text/typescript", json: "application/json" }[file.split(".").at(-1)!];
    return new Response(await Deno.readFile(new URL(file, folder)), {
      headers: { "content-type": type ?? "application/octet-stream" },
    });
  });
  const host = `127.0.0.1:${server.addr.port}`;
  try {
    const out = await inFolder({
      "a.ts": PROGRAM,
      "deno.json": JSON.stringify({ imports: { "@gpt1/kit": `http://${host}${place}mod.ts` } }),
    }, [
      ...["--allow-read", "--allow-write=.", "--allow-env", "--allow-ffi", "--allow-sys", "--allow-run"],
      ...[`--allow-import=${host}`, `--allow-net=${host}`, "a.ts"],
    ]);
    started(out);
    assertEquals(JSON.parse(out.split("\n")[1]!), { updates: 3, said: true, findings: true });
  } finally {
    await server.shutdown();
  }
  for (
    const file of ["lib/study/worker.ts", "lib/engine/thread.ts", "data/models/mini-learned.safetensors"]
  ) {
    assert(asked.has(file), `${file} was not asked for`);
  }
  assertEquals([...asked].filter((file) => !files.has(file)), []);
});
