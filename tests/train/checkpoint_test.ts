import { backend } from "../../lib/engine/mod.ts";
import * as tf from "../../lib/tfjs.ts";
import {
  addHead,
  architectures,
  countParameters,
  dispose,
  gpt,
  leaves,
  positionKinds,
  presets,
  shapes,
  withArchitecture,
} from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import {
  loadModel,
  loadTrained,
  type LossCurve,
  pretrain,
  progressOf,
  saveModel,
} from "../../lib/train/mod.ts";
import { assertEquals, assertRefused, assertSoon } from "../assert.ts";
import { fileOf, type Header, partsOf, resigned } from "./resigned.ts";

await backend();

const tokenizer = trainBpe("to be or not to be that is the question", { merges: 20 });

Deno.test("a saved model comes back whole: leaves, configuration, seed, tokenizer, task", async () => {
  const path = await Deno.makeTempFile();
  for (const kind of ["learned", "sinusoidal", "none"] as const) {
    const lm = gpt({ ...presets.smoke, positions: { kind, scale: "raw" } }, { tokenizer, seed: 7 });
    addHead(lm.parameters, "entailment", 3, 7);
    const task = { name: "nli", kind: "entailment" as const, labels: ["yes", "no", "maybe"] };
    await saveModel({ ...lm, task }, path);
    // From its bytes where there are no files, as in a page.
    const again = await loadModel(kind === "none" ? await Deno.readFile(path) : path);
    assertEquals([again.config, again.seed, again.task], [lm.config, 7, task]);
    assertEquals(again.tokenizer.encode("to be that"), tokenizer.encode("to be that"));
    assertEquals(
      leaves(again.parameters).map(([name, leaf]) => [name, leaf.trainable, leaf.dataSync()]),
      leaves(lm.parameters).map(([name, leaf]) => [name, leaf.trainable, leaf.dataSync()]),
    );
    dispose(lm.parameters);
    dispose(again.parameters);
  }
  await Deno.remove(path);
});

Deno.test("a checkpoint cut short anywhere, or with any byte changed, is refused", async () => {
  const path = await Deno.makeTempFile();
  await saveModel(gpt({ ...presets.smoke, layers: 1, width: 8, context: 4 }, { tokenizer }), path);
  const whole = await Deno.readFile(path);
  for (let i = 0; i <= 20; i++) {
    await Deno.writeFile(path, whole.subarray(0, Math.floor(i / 21 * whole.length)));
    await assertRefused(() => loadModel(path), /^Cannot (read|use) .*: |^Cannot read .* as its checksum/);
  }
  for (let i = 0; i < 60; i++) {
    const damaged = whole.slice();
    const at = Math.floor(i / 60 * whole.length);
    damaged[at] = damaged[at]! ^ (1 << (i % 8));
    await Deno.writeFile(path, damaged);
    await assertRefused(() => loadModel(path), /^Cannot (read|use) /);
  }
  await Deno.remove(path);
});

Deno.test("a file that is no checkpoint, or not there, is refused in a sentence that names it", async () => {
  const path = await Deno.makeTempFile();
  await Deno.writeTextFile(path, "a poem of more than eight letters");
  await assertRefused(() => loadModel(path), new RegExp(`^Cannot read ${path} as safetensors: `));
  const bytes = await Deno.readFile(path);
  await assertRefused(() => loadModel(bytes), /^Cannot read bytes as safetensors: /);
  assertEquals(bytes, await Deno.readFile(path));
  await assertRefused(() => loadModel(undefined as never), /^Cannot read a checkpoint with path /);
  await assertRefused(() => loadModel(1e9 as never), /^Cannot read a checkpoint with path 1000000000/);
  await Deno.remove(path);
  await assertRefused(() => loadModel(path), new RegExp(`^Cannot read a checkpoint ${path}: `));
});

Deno.test("a place that cannot be written to is refused, and nothing half-written stays", async () => {
  const folder = await Deno.makeTempDir();
  const lm = gpt(presets.smoke, { tokenizer });
  await Deno.writeTextFile(`${folder}/file`, "");
  await assertRefused(() => saveModel(lm, `${folder}/file/model.safetensors`), /^Cannot write .*file\/model/);
  await Deno.mkdir(`${folder}/taken`);
  await assertRefused(() => saveModel(lm, `${folder}/taken`), /^Cannot write .*taken/);
  assertEquals([...Deno.readDirSync(folder)].map(({ name }) => name).sort(), ["file", "taken"]);
  await Deno.remove(folder, { recursive: true });
  dispose(lm.parameters);
});

Deno.test("a model saved in half precision is the same model, rounded", async () => {
  const path = await Deno.makeTempFile();
  const lm = gpt(presets.smoke, { tokenizer, seed: 3 });
  await saveModel(lm, path);
  const { size } = await Deno.stat(path);
  await saveModel(lm, path, { half: true });
  const saved = size - (await Deno.stat(path)).size;
  assertEquals(Math.abs(saved - 2 * countParameters(lm.parameters)) <= 8, true); // The header is padded.
  const again = await loadModel(path);
  for (const [i, [name, leaf]] of leaves(lm.parameters).entries()) {
    const [read, rounded] = leaves(again.parameters)[i]!;
    assertEquals([read, rounded.dataSync()], [name, leaf.dataSync().map(Math.f16round)]);
  }
  dispose(lm.parameters);
  dispose(again.parameters);
  await Deno.remove(path);
});

Deno.test("the shapes that a configuration needs are those of its parameters, in their order", () => {
  for (const architecture of architectures) {
    for (const kind of positionKinds) {
      const base = { ...presets.smoke, positions: { kind } };
      const preset = architecture === "lstm" ? presets.smoke : base;
      for (const units of architecture === "lstm" ? [{ units: 32 }, { units: 8 }] : [{}]) {
        const lm = gpt(withArchitecture(preset, architecture, units), { tokenizer });
        addHead(lm.parameters, "entailment", 3, 1);
        assertEquals(
          Array.from(shapes(lm.config, 3), ([name, { shape }]) => [name, [...shape]]),
          leaves(lm).map(([name, leaf]): [string, number[]] => [name, leaf.shape]),
        );
        dispose(lm);
      }
    }
  }
});

/** A run's checkpoint, with a task's head. */
async function ofRun(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const lm = gpt({ ...presets.smoke, layers: 1, width: 8, heads: 2, context: 4 }, { tokenizer });
  addHead(lm.parameters, "entailment", 3, 7);
  const task = { name: "nli", kind: "entailment" as const, labels: ["yes", "no", "maybe"] };
  await pretrain({ ...lm, task }, { train: "to be or not to be ".repeat(9) }, {
    updates: 2,
    batch: 2,
    checkpoint: path,
  });
  dispose(lm);
  return await Deno.readFile(path);
}

Deno.test("a header that says what cannot be is refused in a sentence, before memory is taken", async () => {
  const path = `${await Deno.makeTempDir()}/run.part`;
  const file = await ofRun(path);
  assertEquals((await progressOf(path))!.update, 2);
  const before = [tf.memory().numTensors, tf.memory().numBytes];
  const json = (name: string, change: object) => (header: Header) => {
    header.__metadata__[name] = JSON.stringify({
      ...JSON.parse(header.__metadata__[name] ?? "{}"),
      ...change,
    });
  };
  const set = (name: string, value: string) => (header: Header) => {
    header.__metadata__[name] = value;
  };
  const made = { key: "k", updates: 1, batch: 1, seconds: 1 };
  const deep = `${'{"a":'.repeat(100_000)}1${"}".repeat(100_000)}`;
  const cases: [change: (header: Header) => void, why: RegExp][] = [
    [json("config", { layers: 80000 }), /layers 80000 as it must be a whole number from 1 to 1,000$/],
    [
      json("config", { layers: 1000 }),
      /tensor "h\.1\.attn\.c_attn\.weight" must have shape \[8,24\]: current shape is absent$/,
    ],
    [
      json("config", { context: 65536 }),
      /"positions_embed\.weight" must have shape \[65536,8\]: current shape is \[4,8\]$/,
    ],
    [json("config", { width: "8" }), /with width "8" as it must be/],
    [
      json("config", { positions: { kind: "none" } }),
      /tensor "positions_embed\.weight" is not part of its model$/,
    ],
    [json("config", { "\u001b[31m": 1 }), /with "\\u001b\[31m" as there is no such option/],
    [set("config", "[1]"), /with options \[1\] as they must be an object/],
    [set("config", deep), /its config nests more than 24 levels deep$/],
    [set("config", `{"a":${"x".repeat(200_000)}`), /its config is not JSON$/],
    [json("task", { labels: { length: 3e8 } }), /with labels \{"length":300000000\} as it must be a list/],
    [
      json("task", { labels: ["a", "a"] }),
      /with labels \["a","a"\] as it must be a list of different names$/,
    ],
    [
      json("task", { labels: ["a", "b"] }),
      /tensor "clf\.weight" must have shape \[8,2\]: current shape is \[8,3\]$/,
    ],
    [json("task", { kind: "toString" }), /with kind "toString" as/],
    [(header) => void delete header.__metadata__["task"], /tensor "clf\.weight" is not part of its model$/],
    [set("seed", "-1"), /its seed must be a whole number from 0 to 4,294,967,295: current seed is -1$/],
    [set("seed", "\u0007"), /its seed must be .*: current seed is "\\u0007"$/],
    [set("update", "3"), /its update must be a whole number from 0 to 2: current update is 3$/],
    [set("update", ""), /its update must be a whole number from 0 to 2: current update is ""$/],
    [set("seconds", "NaN"), /its seconds must be a number from 0 to .*: current seconds is "NaN"$/],
    [set("seconds", "-1"), /its seconds must be .*: current seconds is -1$/],
    [json("losses", { updates: 3 }), /its losses must be means of at most 2 losses: current losses is \{/],
    [json("losses", { means: [1, null] }), /its losses must be means of at most 2 losses/],
    [set("made", JSON.stringify({ ...made, losses: [1] })), /with losses \[1\] as it must be means of/],
    [set("start", "\u0007"), /its start must be a digest: current start is "\\u0007"$/],
    [json("settings", { updates: 0.5 }), /its updates must be a whole number/],
    [json("settings", { batch: null }), /its batch must be a whole number .*: current batch is null$/],
    [set("made", JSON.stringify({ ...made, seconds: "1" })), /with seconds "1" as it must be a number/],
    [
      set("made", JSON.stringify({ ...made, provenance: { machine: "x86_64" } })),
      /as it must be versions, backend and machine, in short texts$/,
    ],
    [json("tokenizer", { pieces: { length: 3e8 } }), /its pieces must be a list/],
    [
      json("tokenizer", { pieces: ["<unk>"], merges: [] }),
      /its vocabulary is \d+ and its tokenizer has 1 pieces$/,
    ],
  ];
  for (const [change, why] of cases) {
    await Deno.writeFile(path, resigned(file, change));
    await assertSoon(2000, `${why}`, async () => {
      await assertRefused(() => loadModel(path), new RegExp(`^Cannot use ${path} as a checkpoint: `));
      await assertRefused(() => loadModel(path), why);
      await assertRefused(() => loadModel(path), /^\P{C}{1,290}$/u);
      if (why.source.includes("tokenizer") || why.source.includes("pieces")) return;
      await assertRefused(() => progressOf(path), why);
      await assertRefused(() => loadTrained(path, "k"), why);
    });
  }
  for (const sum of ["", "0", "0".repeat(64), "A".repeat(64), "0".repeat(200)]) {
    const { header, data } = partsOf(file);
    header.__metadata__["sha256"] = sum;
    await Deno.writeFile(path, fileOf(JSON.stringify(header), data));
    await assertRefused(() => loadModel(path), /^Cannot read .* as its checksum does not match: /);
  }
  const bare = { __metadata__: { format: "gpt1-checkpoint-1", sha256: "" } };
  await Deno.writeFile(path, fileOf(JSON.stringify(bare), new Uint8Array()));
  await assertRefused(() => loadModel(path), /^Cannot read .* as its checksum does not match: /);
  assertEquals([tf.memory().numTensors, tf.memory().numBytes], before);
  await Deno.remove(path);
});

Deno.test("a run has its losses after it was resumed, and none where an earlier version kept none", async () => {
  const folder = await Deno.makeTempDir(), text = { train: "to be or not to be ".repeat(9) };
  const progress: { losses: number[]; found: LossCurve | undefined }[] = [];
  for (const change of [() => {}, ({ __metadata__ }: Header) => void delete __metadata__["losses"]]) {
    const checkpoint = `${folder}/run${progress.length}.part`, options = { updates: 3, batch: 2, checkpoint };
    const size = { ...presets.smoke, layers: 1, width: 8, heads: 2, context: 4 };
    const [first, second] = [gpt(size, { tokenizer }), gpt(size, { tokenizer })], losses: number[] = [];
    for await (const { loss } of pretrain(first, text, options)) {
      losses.push(loss);
      break;
    }
    await Deno.writeFile(checkpoint, resigned(await Deno.readFile(checkpoint), change));
    for await (const { loss } of pretrain(second, text, options)) losses.push(loss);
    progress.push({ losses, found: (await progressOf(checkpoint))!.losses });
    for (const lm of [first, second]) dispose(lm);
  }
  const { losses } = progress[0]!;
  assertEquals(progress, [
    { losses, found: { every: 1, updates: 3, means: losses } },
    { losses, found: undefined },
  ]);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("a tensor too many, numbers that are not finite and squares below zero are refused", async () => {
  const path = `${await Deno.makeTempDir()}/run.part`;
  const file = await ofRun(path);
  const refused = async (change: Parameters<typeof resigned>[1], why: RegExp) => {
    await Deno.writeFile(path, resigned(file, change));
    await assertRefused(() => loadModel(path), why);
    await assertRefused(() => progressOf(path), why);
  };
  await refused(
    (header, data) => void (header["\u001b[2J"] = entry([0], data.length, 0)),
    /tensor "\\u001b\[2J" is not part of its model$/,
  );
  const put = (name: string, number: number) => (header: Header, data: Uint8Array<ArrayBuffer>) => {
    const [at] = header[name]!["data_offsets"] as [number, number];
    new DataView(data.buffer).setFloat32(at, number, true);
  };
  for (
    const name of [
      "h.0.mlp.c_fc.weight",
      "clf.bias",
      "adam.m.h.0.ln_1.bias",
      "adam.v.clf.bias",
    ]
  ) {
    for (const number of [NaN, Infinity, -Infinity]) {
      await refused(put(name, number), new RegExp(`: tensor "${name}" has numbers that are not finite$`));
    }
  }
  await refused(
    put("adam.v.clf.weight", -1e-9),
    /: tensor "adam\.v\.clf\.weight" has numbers below 0, which must be squares$/,
  );
  await refused((header, data) => {
    delete header["adam.v.clf.bias"];
    return data.slice(0, -12);
  }, /tensor "adam\.v\.clf\.bias" must have shape \[3\]: current shape is absent$/);
  await Deno.remove(path);
});

function entry(shape: number[], begin: number, size: number) {
  return { dtype: "F32", shape, data_offsets: [begin, begin + size] };
}

Deno.test("a model with numbers that are not finite, or that is none of its configuration, is not written", async () => {
  const path = `${await Deno.makeTempDir()}/model.safetensors`;
  const lm = gpt(presets.smoke, { tokenizer });
  const task = { name: "nli", kind: "entailment" as const, labels: ["yes", "no"] };
  await assertRefused(
    () => saveModel({ ...lm, task }, path),
    /^Cannot save a model that could not be read again: clf\.weight \[32,2\] is in either /,
  );
  await assertRefused(
    () => saveModel({ ...lm, config: { ...lm.config, dropout: 1 } }, path),
    /^Cannot save a model that could not be read again: Cannot build a model with dropout 1 as/,
  );
  const [, leaf] = leaves(lm)[5]!;
  for (const number of [NaN, Infinity]) {
    leaf.assign(tf.fill(leaf.shape, number) as typeof leaf);
    for (const half of [true, false]) {
      await assertRefused(
        () => saveModel(lm, path, { half }),
        /^Cannot save a model as h\.0\.attn\.c_proj\.bias has numbers that are not finite$/,
      );
    }
  }
  assertEquals([...Deno.readDirSync(path.replace(/[^/]*$/, ""))], []);
  dispose(lm);
});
