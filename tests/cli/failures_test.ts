/**
 * What a machine refuses a command: a permission, a disk, a closed pipe. None of it is a bug, so none has a stack.
 *
 * @module
 */
import { gpt, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { saveModel } from "../../lib/train/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { commandOf, endOf, inColour, outputOf, root, startCode, startDeno, startTask } from "../programs.ts";

await backend();

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
await Deno.mkdir(`${folder}/results`);
const text = Array.from({ length: 900 }, (_, i) => ["sun", "rain", "wind"][(i * i + (i >> 4)) % 3]).join(" ");
await Deno.writeTextFile(`${folder}/weather.txt`, text);
const model = `${folder}/model.safetensors`;
await saveModel(gpt({ ...presets.smoke, context: 16 }, { tokenizer: trainBpe(text, { merges: 5 }) }), model);

const short = ["--corpus", `${folder}/weather.txt`, "--preset", "smoke", "--context", "16", "--merges", "5"];
const pretrain = ["--out", `${folder}/results/new.safetensors`, ...short, "--updates", "2", "--batch", "2"];
const inResults = () => [...Deno.readDirSync(`${folder}/results`)].map(({ name }) => name);

const isUnix = Deno.build.os !== "windows";

/** Runs a shell's line. */
async function shell(line: string): Promise<{ code: number; out: string; err: string }> {
  return await endOf(
    new Deno.Command("sh", {
      args: ["-c", line],
      cwd: root,
      env: inColour,
      ...{ stdin: "null", stdout: "piped", stderr: "piped" },
    }).spawn(),
  );
}

/** A task's command, quoted for a shell. */
const line = (name: string, args: readonly string[]) =>
  [commandOf(name).replace(/^deno/, Deno.execPath()), ...args.map((arg) => `'${arg}'`)].join(" ");

const read = "--allow-read", write = "--allow-write";
const withoutPermission: [sentence: RegExp, permissions: string[], program: string, args: string[]][] = [
  [/^Cannot read a model .*: Requires read access to /, [], "generate", ["--model", model, "sun"]],
  [/^Cannot write .*new\.safetensors: Requires write access to /, [read], "pretrain", pretrain],
  [/^Cannot open corpus .*: Requires read access to /, [write], "pretrain", pretrain],
  [
    /^Cannot read results .*: Requires read access to /,
    [write],
    "study",
    ["ablate", "--smoke", "--folder", `${folder}/results`],
  ],
  [
    /^Cannot download .*: Requires net access to /,
    [read, write],
    "data",
    ["rte", "--folder", `${folder}/cache`],
  ],
  [
    /^Cannot run deno task notebooks: Requires run access to "python3"/,
    [read, write],
    "notebooks",
    ["01", "--out", `${folder}/notebooks`],
  ],
  [
    /^Cannot run deno task render: Requires env access to "CI"/,
    [read, write],
    "render",
    ["01", "--out", `${folder}/pages`],
  ],
];
const hasPython = await outputOf("python3", "--version") !== undefined;
for (const [sentence, permissions, program, args] of withoutPermission) {
  const name = `${program} with ${permissions.join(" ") || "no permission"} names the one that is missing`;
  Deno.test({ name, ignore: program === "notebooks" && !hasPython }, async () => {
    const command = ["run", "--no-prompt", ...permissions, `${root}lib/cli/${program}.ts`, ...args];
    const { code, out, err } = await endOf(startDeno(command));
    assertEquals([code, out], [2, ""], err);
    assert(sentence.test(err) && !err.includes("\n"), err);
    assertEquals(inResults(), []);
  });
}

Deno.test({
  name: "a disk that takes nothing is a sentence, and no claim is left to wait for",
  ignore: !isUnix,
  async fn() {
    // Files of at most 0 bytes: each write fails, as on a full disk.
    const { code, out, err } = await shell(`trap "" XFSZ; ulimit -f 0; ${line("pretrain", pretrain)}`);
    assertEquals([code, out], [2, ""], err);
    assert(/^Cannot claim .*new\.json\.claim: File too large \(os error 27\)$/.test(err), err);
    assertEquals(inResults(), []);
  },
});

Deno.test({
  name: "a result that nothing takes is a sentence",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const args = ["--model", model, "sun", "--tokens", "3"];
    const { code, err } = await shell(`${line("generate", args)} > /dev/full`);
    assertEquals([code, err], [2, "Cannot run deno task generate: No space left on device (os error 28)"]);
  },
});

Deno.test({
  name: "a reader that leaves early, and bytes that are not UTF-8, are no errors",
  ignore: !isUnix,
  async fn() {
    const args = ["--model", model, "sun", "--tokens", "3"];
    for (const reader of ["true", "read -r line"]) {
      const { err } = await shell(`{ ${line("generate", args)}; echo "code $?" >&2; } | ${reader}`);
      assertEquals(err, "code 0");
    }
    const odd = await shell(`${line("generate", args.slice(0, 2))} "$(printf 'sun \\377')" --tokens 3`);
    assertEquals([odd.code, odd.err, odd.out.startsWith("sun ")], [0, "", true]);
  },
});

Deno.test({
  name: "interrupted, generation prints what it has, and its exit code says that it was stopped",
  ignore: !isUnix,
  async fn() {
    let code = 0, out = "", err = "";
    for (let delay = 1500; !out.startsWith("sun "); delay *= 2) { // On a busy machine it takes long to start.
      assert(delay < 60e3, `nothing was generated: ${out} ${err}`);
      const child = startTask("generate", ["--model", model, "sun", "--tokens", "1000000"]);
      await new Promise((resume) => setTimeout(resume, delay));
      child.kill("SIGINT");
      ({ code, out, err } = await endOf(child));
      assertEquals(code, 130, err);
    }
    assertEquals(err.split("\n"), [
      "Stopping after this token; press Ctrl-C again to exit immediately",
      "Stopped before the end",
    ]);
  },
});

Deno.test("a trunk needs its schedule, a warm-up that fits, and no scores of the updates that it skips", async () => {
  const schedule = ["--schedule", "warmup_stable_decay"];
  for (
    const [args, message] of [
      [["--trunk", `${folder}/t`], /^Cannot pre-train with trunk ".*" as with schedule warmup_cosine /],
      [[...schedule, "--updates", "100"], /^Cannot pre-train with warmup 0\.1 as .*: at most 0\.04 works$/],
      [
        [...schedule, "--trunk", `${folder}/t`, "--zero-shot", "kind"],
        /^Cannot pre-train with --trunk ".*" and --zero-shot as .*: leave out one of them$/,
      ],
    ] as const
  ) {
    const all = ["--out", `${folder}/branch.safetensors`, ...args];
    const { code, err } = await endOf(startTask("pretrain", all));
    assert(code === 2 && message.test(err), err); // Nothing is said before it, such as where it computes.
  }
});

const weather = `${folder}/weather.txt`, below = `${weather}/x`;
const branch = ["--schedule", "warmup_stable_decay", "--warmup", "0", "--updates", "20"];
const belowFiles: [task: string, args: string[]][] = [
  ["pretrain", [...short, "--out", `${below}.safetensors`]],
  ["pretrain", [...short, "--out", "README.md/x.safetensors"]],
  ["pretrain", [...short, ...branch, "--out", `${folder}/branch.safetensors`, "--trunk", below]],
  ["finetune", ["--model", model, "--task", "kind", "--out", `${below}.safetensors`]],
  ["finetune", ["--model", below, "--task", "kind"]],
  ["generate", ["--model", model, "--bpe", below, "sun"]],
  ["ablate", ["--smoke", "--folder", below]],
  ["ablate", ["--smoke", "--folder", weather, "--list"]],
  ["ablate", ["--smoke", "--folder", below, "--slurm", "2"]],
  ["ablate", ["--smoke", "--folder", `${folder}/study`, "--csv", `${below}.csv`]],
  ["ablate", ["--smoke", "--folder", `${folder}/study`, "--config", `${below}.json`]],
  ["ablate", ["--smoke", "--folder", `${folder}/study`, "--corpus", below]],
  ["data", ["rte", "--folder", weather]],
  ["data", ["rte", "--folder", below]],
  ["render", ["--out", below]],
  ["notebooks", ["01", "02", "--out", weather]],
];
for (const [task, args] of belowFiles) {
  const shown = args.join(" ").replaceAll(`${folder}/`, "");
  Deno.test(`${task} ${shown} is refused in one sentence, before anything is computed`, async () => {
    const { code, out, err } = await endOf(startTask(task, args));
    assertEquals([code, out], [2, ""], err);
    assert(
      /^Cannot [^\n]* as \S*(weather\.txt|README\.md) is a file and not a folder: choose another path$/.test(
        err,
      ),
      err,
    );
  });
}

Deno.test("what a killed command left half written goes, also where all is there", async () => {
  const own = `${folder}/killed`;
  await Deno.mkdir(own);
  await Deno.writeTextFile(`${own}/m.safetensors`, "");
  const halves = ["m.safetensors", "m.json", "m.zeroshot.json", "m.safetensors.part"].map((name) =>
    `${name}.0123abcd.tmp`
  );
  for (const name of halves) {
    await Deno.writeTextFile(`${own}/${name}`, "");
    await Deno.utime(`${own}/${name}`, new Date(0), new Date(0));
  }
  const { code, err } = await endOf(startTask("pretrain", ["--out", `${own}/m.safetensors`, ...short]));
  assert(code === 2 && /exists already/.test(err), err);
  assertEquals([...Deno.readDirSync(own)].map(({ name }) => name), ["m.safetensors"]);
});

Deno.test("a bug keeps its stack and ends with exit code 1; what the machine refuses does not", async () => {
  const command = new URL("../../lib/cli/command.ts", import.meta.url);
  const ends = async (action: string) => {
    const code = `import { Command, run } from "${command}";
      await run(new Command("deno task x").action(async () => { ${action} }));`;
    const { child, err } = await startCode(code, "--allow-read");
    await child.stdout.cancel();
    return [(await child.status).code, await err] as const;
  };
  const [code, err] = await ends("undefined.x");
  assert(code === 1 && /TypeError: .*\n(.*\n)*\s+at /.test(err), err);
  const [argument, wrong] = await ends(`(await import("node:fs")).writeFileSync({})`);
  assert(argument === 1 && /TypeError/.test(wrong) && /\n\s+at /.test(wrong), wrong);
  assertEquals(await ends(`Deno.env.get("SECRET")`), [
    2,
    'Cannot run deno task x: Requires env access to "SECRET", run again with the --allow-env flag\n',
  ]);
  assertEquals((await ends(`await Deno.readTextFile("/nowhere/x")`))[0], 2);
});

if (await outputOf("sh", "-c", "true") === undefined) console.log("no sh here: full disks are not tested");
