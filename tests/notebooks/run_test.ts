import { findPython, formatNotebook, type Notebook, parseNotebook } from "../../lib/notebook/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { notebookOf } from "./check.ts";
import { endOf, outputOf, processes, root, startTask } from "../programs.ts";
import { until } from "./chromium.ts";

const ignore = !await findPython().then(() => true, () => false);
if (ignore) console.log("There is no Python with nbclient: no notebook is run");

const start = (args: string[], env?: Record<string, string>) => startTask("notebooks", args, env && { env });
const run = (...args: string[]) => endOf(start(args));

const folder = await Deno.makeTempDir();

/** Writes a notebook of these code cells. */
async function write(name: string, ...sources: string[]): Promise<{ path: string; text: string }> {
  const text = formatNotebook(notebookOf(sources));
  const path = `${folder}/${name}.ipynb`;
  await Deno.writeTextFile(path, text);
  return { path, text };
}

const read = async (path: string): Promise<Notebook> => parseNotebook(await Deno.readTextFile(path), path);

/** What each code cell has put out, as text. */
const outputsOf = ({ cells }: Notebook): string[] =>
  cells.filter((cell) => cell.cell_type === "code").map(({ outputs }) =>
    outputs.map((output) =>
      output.output_type === "stream"
        ? output.text
        : "data" in output
        ? Object.values(output.data).join()
        : ""
    ).join("|").trim()
  );

Deno.test({ name: "a notebook outside the checkout starts the kit by its path", ignore }, async () => {
  const { path } = await write(
    "outside",
    `import { backend, pretrained } from "${root}mod.ts";`,
    "(await backend()).name;",
    '(await pretrained("mini")).config.layers;',
  );
  const { code, err } = await run(path);
  assertEquals(code, 0, err);
  assertEquals(outputsOf(await read(path)), ["", '"wasm"', "4"]);
});

Deno.test({ name: "sixty cells keep sixty outputs, whichever way they speak", ignore }, async () => {
  const ways = [
    (i: number) => `console.log("cell ${i}");`,
    (i: number) => `await Deno.jupyter.display({ "text/plain": "cell ${i}" }, { raw: true });`,
    (i: number) =>
      `const said${i} = { toString: () => "cell ${i}", [Symbol.for("Jupyter.display")]: () => ({ "text/html": "cell ${i}" }) };\nsaid${i};`,
  ];
  const sources = Array.from({ length: 60 }, (_, i) => ways[i % 3]!(i));
  const { path } = await write("sixty", ...sources);
  for (let round = 0; round < 2; round++) {
    const { code, out, err } = await run(path);
    assertEquals(code, 0, err);
    assert(/^sixty: [\d.]+ s, written to /.test(out), out);
    assert(err.includes("sixty: cell 60 of 60, "), err);
    const notebook = await read(path);
    assertEquals(outputsOf(notebook), sources.map((_, i) => `cell ${i}`));
    assertEquals(
      notebook.cells.map((cell) => cell.cell_type === "code" && cell.execution_count),
      sources.map((_, i) => i + 1),
    );
    assertEquals(Object.keys(notebook.metadata), ["gpt1", "kernelspec", "language_info"]);
  }
});

const failures: [name: string, said: RegExp, ...sources: string[]][] = [
  [
    "a cell that hangs meets its time limit",
    /in cell 2 of 3: it took longer than its limit of 2 s/,
    "1;",
    "for (;;);",
    "3;",
  ],
  [
    "a throw from a timer while a cell awaits is told of",
    /in cell 1 of 1: Error: late$/m,
    'setTimeout(() => { throw new Error("late"); }, 10);\nawait new Promise((go) => setTimeout(go, 300));',
  ],
  [
    "a rejection that nobody catches is told of",
    /in cell 2 of 3: TypeError: lost$/m,
    "1;",
    'Promise.reject(new TypeError("lost"));\n2;',
    "3;",
  ],
  [
    "a rejection after the cell's end is told of in the next one",
    /in cell 2 of 2: Error: \[ 7 \]$/m,
    "setTimeout(() => Promise.reject([7]), 200);\n1;",
    "await new Promise((go) => setTimeout(go, 500));",
  ],
  [
    "an error in a worker is told of",
    /in cell 1 of 1: .*in a worker/,
    `new Worker("data:text/javascript,throw new Error('in a worker')", { type: "module" });\nawait new Promise((go) => setTimeout(go, 900));`,
  ],
  [
    "an error that a cell puts out without throwing is told of",
    /in cell 1 of 1: E: put out$/m,
    'await Deno.jupyter.broadcast("error", { ename: "E", evalue: "put out", traceback: [] });',
  ],
  [
    "outputs that are too large are told of",
    /in cell 2 of 2: its outputs (have 30 MB, more than 20 MB|did not arrive.*, as happens to those that are too large)$/m,
    '"1";',
    'await Deno.jupyter.display({ "text/plain": "x".repeat(30e6) }, { raw: true });',
  ],
  [
    "outputs that are too large to arrive in time are told of",
    /in cell 1 of 2: its outputs (have 60 MB, more than 20 MB|did not arrive.*, as happens to those that are too large)$/m,
    'await Deno.jupyter.display({ "text/plain": "x".repeat(60e6) }, { raw: true });',
    "2;",
  ],
  [
    "outputs without end are told of before the time limit",
    /in cell 1 of 1: its outputs have 2\d MB, more than 20 MB$/m,
    'for (;;) {\n  console.log("x".repeat(1e6));\n  await new Promise((go) => setTimeout(go, 10));\n}',
  ],
  [
    "a cell that throws is told of",
    /in cell 2 of 3: TypeError: no such thing/,
    "1;",
    'throw new TypeError("no such thing");',
    "3;",
  ],
  ["a cell that cannot be parsed is told of", /in cell 2 of 2: /, "1;", "const = 3;"],
  ["an import that cannot be resolved is told of", /in cell 1 of 1: .*nothing\.ts/, 'import "./nothing.ts";'],
  ["a kernel that ends is told of", /in cell 1 of 1: the kernel has died/, "Deno.exit(3);"],
];
for (const [i, [name, said, ...sources]] of failures.entries()) {
  Deno.test({ name: `${name}, and its notebook stays as it was`, ignore }, async () => {
    const { path, text } = await write(`fails${i}`, ...sources);
    const { code, err } = await run("--timeout", /too large|without end/.test(name) ? "50" : "2", path);
    assertEquals(code, 1, err);
    assert(said.test(err), err);
    assertEquals(await Deno.readTextFile(path), text);
  });
}

Deno.test({ name: "outputs that no notebook's file could hold are told of", ignore }, async () => {
  const lines = 'console.log("\\n".repeat(6e6));'; // Each is a line of the file, with its quotes and indentation.
  const { path, text } = await write("lines", '"small";', lines);
  const { code, err } = await run(path);
  assertEquals(code, 1, err);
  assert(
    // Deno's kernel does not always get as much across.
    /in cell 2 of 2: its outputs (have 12 MB, and make a notebook of \d+ MB, more than 67 MB|did not arrive, .*)$/m
      .test(err),
    err,
  );
  assertEquals(await Deno.readTextFile(path), text);
});

Deno.test({
  name: "what a notebook deals with itself is no failure, and replaced outputs do not add up",
  ignore,
}, async () => {
  const { path } = await write(
    "deals",
    'await Promise.reject(new Error("caught")).catch(() => "caught");',
    'addEventListener("unhandledrejection", (event) => event.preventDefault());\nPromise.reject(new Error("own"));\n"own";',
    `for (let i = 0; i < 30; i++) {
  await Deno.jupyter.display({ "text/plain": String(i).padStart(1e6, "0") }, { raw: true, display_id: "one", update: i > 0 });
}`,
    "",
    "console.log = () => {};",
  );
  const { code, err } = await run(path);
  assertEquals(code, 0, err);
  const outputs = outputsOf(await read(path));
  assertEquals([outputs[0], outputs[1], outputs[2]!.slice(-3), outputs[3]], ['"caught"', '"own"', "029", ""]);
});

Deno.test({ name: "a notebook that was changed while it ran is not written over", ignore }, async () => {
  const { path, text } = await write(
    "edited",
    `Deno.writeTextFileSync("edited.ipynb", Deno.readTextFileSync("edited.ipynb").replace('"c0"', '"c1"'));`,
  );
  const { code, err } = await run(path);
  assertEquals(code, 2, err);
  assert(/^Cannot write .*edited\.ipynb as it was changed during the run$/m.test(err), err);
  assertEquals(await Deno.readTextFile(path), text.replace('"c0"', '"c1"'));
});

Deno.test(
  { name: "a run updates the translation beside the notebook, but not with --out", ignore },
  async () => {
    const { path } = await write("both", '"../x";');
    await Deno.mkdir(`${folder}/zh`);
    const translation = `${folder}/zh/both.ipynb`, before = formatNotebook(notebookOf(["old"]));
    await Deno.writeTextFile(translation, before);
    assertEquals((await run("--out", `${folder}/elsewhere`, path)).code, 0);
    assertEquals(await Deno.readTextFile(translation), before);
    const { code, out, err } = await run(path);
    assertEquals(code, 0, err);
    assert(out.endsWith(`both: translation written to ${translation}`), out);
    const { cells, metadata } = await read(translation);
    assertEquals([cells[0]!.source, metadata["lang"]], ['"../../x";', "zh"]);
    assertEquals(outputsOf(await read(translation)), [`"../../x"`]);
  },
);

/** Seconds that no other program sleeps. */
const sleep = `987.${Deno.pid}`;
const children = `new Deno.Command("sleep", { args: ["${sleep}"], stdin: "null" }).spawn().unref();
new Deno.Command("sleep", { args: ["${sleep}"], stdin: "null", stdout: "null", stderr: "null", detached: true }).spawn().unref();
await Deno.writeTextFile("pid", String(Deno.pid));`;

/** The processes that {@linkcode children} has started, and its kernel. */
async function left(pid: number): Promise<string[]> {
  const text = await outputOf("ps", "-A", "-o", "pid=,stat=,args=");
  return text!.split("\n").filter((line) =>
    !/^ *\d+ +Z/.test(line) && (parseInt(line) === pid || line.endsWith(`sleep ${sleep}`))
  );
}

const ends: [name: string, last: string, stop?: Deno.Signal][] = [
  ["the run ends", '"done";'],
  ["a cell fails", 'throw new Error("failed");'],
  ["a cell hangs", "for (;;);"],
  ["the kernel dies", "Deno.exit(3);"],
  ["Ctrl-C", "for (;;);", "SIGINT"],
  ["the command is killed", "for (;;);", "SIGKILL"],
];
for (const [i, [name, last, stop]] of ends.entries()) {
  Deno.test({
    name: `no process is left after ${name} (needs ps)`,
    ignore: ignore || Deno.build.os !== "linux" || !await processes(), // Elsewhere a child may leave its group.
  }, async () => {
    await Deno.remove(`${folder}/pid`).catch(() => {});
    const { path } = await write(`children${i}`, children, last);
    const child = start(["--timeout", stop ? "60" : "3", path]);
    const pid = Number(await until(() => Deno.readTextFile(`${folder}/pid`).catch(() => "")));
    if (stop) {
      assertEquals((await left(pid)).length, 3);
      child.kill(stop);
    }
    await child.output();
    await until(async () => (await left(pid)).length === 0);
  });
}

Deno.test({ name: "one notebook's failure does not keep the next one from running", ignore }, async () => {
  const bad = await write("bad", "throw new Error();"), good = await write("good", '"done";');
  assertEquals((await run(bad.path, good.path)).code, 1);
  assertEquals(outputsOf(await read(good.path)), ['"done"']);
});

Deno.test(
  { name: "a smoke run says so to the notebook, and writes nowhere but to --out", ignore },
  async () => {
    const { path, text } = await write("smoke", 'Deno.env.get("GPT1_SMOKE");');
    assertEquals((await run("--smoke", path)).code, 0);
    assertEquals(await Deno.readTextFile(path), text);
    assertEquals((await run("--smoke", "--out", `${folder}/out`, path)).code, 0);
    const smoke = await read(`${folder}/out/smoke.ipynb`);
    assertEquals(outputsOf(smoke), ['"1"']);
    assertEquals((smoke.metadata["gpt1"] as { smoke: boolean }).smoke, true);
    // A full run is one, whatever is in the environment.
    const { code } = await start([path], { GPT1_SMOKE: "1" }).output();
    assertEquals(code, 0);
    assertEquals(outputsOf(await read(path)), [""]);
  },
);

Deno.test({
  name: "at Ctrl-C the kernel ends, and what it has started (needs ps)",
  ignore: ignore || !await processes(),
}, async () => {
  const { path, text } = await write(
    "long",
    `new Deno.Command("sleep", { args: ["1000"], stdin: "null" }).spawn().pid;`,
    `await Deno.writeTextFile("group", String(Deno.pid));`,
    "for (;;);",
  );
  const child = start([path]);
  await until(() => Deno.stat(`${folder}/group`).then(({ size }) => size > 0, () => false));
  const pid = await Deno.readTextFile(`${folder}/group`);
  child.kill("SIGINT");
  const { code, stderr } = await child.output();
  assertEquals(code, 130);
  assert(new TextDecoder().decode(stderr).includes("long: stopped, and not changed"));
  assertEquals(await Deno.readTextFile(path), text);
  const left = (await processes())!.filter(({ group, state }) => group === Number(pid) && state !== "Z");
  assertEquals(left, []);
});

Deno.test("what cannot be run is refused in a sentence, and exit code 2", async () => {
  await Deno.writeTextFile(`${folder}/old.ipynb`, '{ "worksheets": [], "nbformat": 3, "nbformat_minor": 0 }');
  await Deno.writeTextFile(`${folder}/text.ipynb`, "# no JSON");
  const { path } = await write("fine", "1;");
  for (
    const [said, ...args] of [
      [
        /^Cannot run notebooks as nothing-here does not have nbclient: install it with .*apt-get install/,
        "--python",
        "nothing-here",
        path,
      ],
      [/^Cannot find notebook "99" in notebooks as there is no such notebook: there are .*01_tokens/, "99"],
      [
        /^Cannot read .*old\.ipynb as a notebook: its nbformat must be 4: current nbformat is 3$/,
        `${folder}/old.ipynb`,
      ],
      [/^Cannot read .*text\.ipynb as a notebook: /, `${folder}/text.ipynb`],
      [/^Cannot read .*gone\.ipynb: No such file/, `${folder}/gone.ipynb`],
      [/^Cannot use --timeout 0 as it must be a number from 1 to 1,000,000$/, "--timeout", "0", path],
    ] as [RegExp, ...string[]][]
  ) {
    const { code, err } = await run(...args);
    assertEquals(code, 2, err);
    assert(said.test(err), err);
    assertEquals(err.split("\n").length, 1, err);
  }
});

Deno.test({ name: "a notebook that violates Jupyter's schema is not run", ignore }, async () => {
  const { path, text } = await write("schema", 'Deno.writeTextFileSync("ran", "");');
  await Deno.writeTextFile(path, text.replace('"metadata": {}', '"metadata": { "tags": 3 }'));
  const { code, err } = await run(path);
  assertEquals(code, 2, err);
  assert(/^Cannot run a notebook that violates Jupyter's schema: /.test(err), err);
  assertEquals(await Deno.stat(`${folder}/ran`).catch(() => "not run"), "not run");
});
