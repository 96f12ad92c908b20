/**
 * The loaders on genuine files, which lie beside a checkout where somebody put them there: they are not the
 * project's to give. Numbers of rows are those that the data sets' own documents state.
 */
import { fileURLToPath } from "node:url";
import * as tf from "../../lib/tfjs.ts";
import { checkTask, subset, type Task, task } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { exists } from "../../lib/files.ts";
import { dispose, gpt, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { evaluate, finetune, zeroShot } from "../../lib/train/mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { unzip } from "./unzip.ts";

await backend();
const genuine = fileURLToPath(new URL("../../../shared/datasets/", import.meta.url));
const ignore = !await exists(genuine);

/** A test that needs the genuine files. */
const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name: `${name} (needs genuine files in ../shared/datasets)`, ignore, fn });

/** Lays files out in a folder of their own: each is one of the genuine files, or several joined. */
async function laid(files: Record<string, readonly string[]>, cut = (text: string) => text): Promise<string> {
  const folder = await Deno.makeTempDir();
  for (const [name, parts] of Object.entries(files)) {
    const texts = await Promise.all(parts.map((part) => Deno.readTextFile(genuine + part)));
    await Deno.writeTextFile(
      `${folder}/${name}`,
      texts.map((text, i) => i === 0 ? text : cut(text)).join(""),
    );
  }
  return folder;
}

/** Checks the numbers of examples, and how many of each split have label 1 where that is known. */
async function sizes(
  name: string,
  folder: string,
  expected: Partial<Record<"train" | "validation" | "test", number>>,
) {
  const loaded = checkTask(await task(name, { folder }));
  const { train, validation, test } = loaded;
  // A twentieth is drawn from the official training set where only two splits have labels.
  const both = expected.validation === undefined;
  assertEquals(both ? train.length + validation.length : train.length, expected.train);
  assertEquals(test.length, expected.test);
  if (both) assert(Math.abs(validation.length - expected.train! / 20) < 6, `${validation.length}`);
  else assertEquals(validation.length, expected.validation);
  await learns(loaded);
  return loaded;
}

/** Fine-tunes a tiny model on a few examples and lets it answer; without fine-tuning, too, where there is a way. */
async function learns(task: Task) {
  const few = subset(task, { train: 16, validation: 16, test: 16 });
  const texts = few.train.map(({ label: _, ...texts }) => Object.values(texts).flat().join(" "));
  const tokenizer = trainBpe(texts.join("\n"), { merges: 100 });
  const lm = gpt({ ...presets.smoke, context: 64 }, { tokenizer, seed: 1 });
  const before = tf.memory().numTensors;
  const losses: number[] = [];
  const run = finetune(lm, few, { lambda: 0.5, epochs: 4, batch: 8, rate: 2e-3, warmup: 0.1 });
  for await (const { L2 } of run) losses.push(L2!);
  const tuned = await run;
  const { measures, predictions } = await evaluate(tuned, few);
  dispose(tuned.parameters);
  const sum = (part: number[]) => part.reduce((a, b) => a + b);
  assert(losses.length === 8 && sum(losses.slice(4)) < sum(losses.slice(0, 4)), `${task.name}: ${losses}`);
  assertEquals([Object.keys(measures), predictions.length], [[...task.measures], 16]);
  if (task.zeroShot) assertEquals((await zeroShot(lm, few)).predictions.length, 16);
  assertEquals(tf.memory().numTensors, before);
  dispose(lm.parameters);
}

test("CoLA has 8,551 sentences to train on and 1,043 in and out of domain", async () => {
  await sizes("cola", `${genuine}cola`, { train: 8551, test: 1043 });
});

test("SST-2 has 67,349 phrases, a tenth of whose sentences validate, and 872 to report, 444 of them positive", async () => {
  const folder = await laid(
    { "train.tsv": ["sst2/train-90.tsv", "sst2/train-10.tsv"], "dev.tsv": ["sst2/dev.tsv"] },
    (text) => text.slice(text.indexOf("\n") + 1),
  );
  const loaded = await task("sst2", { folder });
  const { train, validation, test } = loaded;
  assertEquals([train.length, validation.length, test.length], [61_238, 688, 872]);
  assertEquals(test.filter(({ label }) => label === 1).length, 444);
  const trained = ` \n ${train.map(({ text }) => text).join(" \n ")} \n `;
  for (const { text } of validation) assert(!trained.includes(` ${text} `), text);
  await learns(loaded);
});

test("RTE has 2,490 pairs to train on and 277 to report, 146 of them entailed", async () => {
  const folder = await laid({
    "train.tsv": ["rte/train-a.tsv", "rte/train-b.tsv"],
    "dev.tsv": ["rte/dev.tsv"],
  });
  const loaded = await sizes("rte", folder, { train: 2490, test: 277 });
  assertEquals(loaded.test.filter(({ label }) => label === 0).length, 146);
});

test("STS-B has 5,749, 1,500 and 1,379 pairs in its original form, and the same grades in GLUE's", async () => {
  const original = await sizes("stsb", `${genuine}stsb`, { train: 5749, validation: 1500, test: 1379 });
  const folder = await laid({ "train.tsv": ["stsb/train.tsv"], "dev.tsv": ["stsb/dev.tsv"] });
  const glue = await sizes("stsb", folder, { train: 5749, test: 1500 });
  assertEquals(glue.test.map(({ label }) => label), original.validation.map(({ label }) => label));
});

test("SICK has 4,500, 500 and 4,927 pairs of SemEval 2014, with classes and with grades", async () => {
  const expected = { train: 4500, validation: 500, test: 4927 };
  const classes = await sizes("sick", `${genuine}sick`, expected);
  const grades = await sizes("sick-relatedness", `${genuine}sick`, expected);
  // As `grep -c` counts them in the file.
  assertEquals([0, 2].map((k) => classes.test.filter(({ label }) => label === k).length), [1414, 720]);
  assert(grades.test.some(({ label }) => label === 4) && grades.test.some(({ label }) => label === 0));
});

test("SNLI's first lines are read, and pairs without an agreed label left out", async () => {
  const dev = "snli/snli_1.0_dev.head.jsonl";
  const folder = await laid({
    "snli_1.0_train.jsonl": [dev],
    "snli_1.0_dev.jsonl": [dev],
    "snli_1.0_test.jsonl": ["snli/snli_1.0_test.head.jsonl"],
  });
  const agreed = async (file: string) =>
    (await Deno.readTextFile(genuine + file)).split("\n").filter((line) => /"gold_label": "[^-]/.test(line))
      .length;
  const expected = await agreed(dev);
  assert(expected > 1200 && expected < 1288, `${expected}`);
  await sizes("snli", folder, {
    train: expected,
    validation: expected,
    test: await agreed("snli/snli_1.0_test.head.jsonl"),
  });
});

test("SNLI's table form gives the same pairs as its JSON lines", async () => {
  const [txt, jsonl] = ["snli/snli_1.0_dev.10rows.txt", "snli/snli_1.0_dev.head.jsonl"];
  const three = (extension: string, file: string) =>
    laid(
      Object.fromEntries(["train", "dev", "test"].map((split) => [`snli_1.0_${split}.${extension}`, [file]])),
    );
  const table = await task("snli", { folder: await three("txt", txt) });
  const lines = await task("snli", { folder: await three("jsonl", jsonl) });
  assertEquals(table.test, lines.test.slice(0, table.test.length));
  assert(table.test.length >= 8, `${table.test.length}`);
});

test("COPA has 400, 100 and 500 questions, and the first alternative is right in 250 of the last", async () => {
  const { test } = await sizes("copa", `${genuine}copa`, { train: 400, validation: 100, test: 500 });
  assertEquals(test.filter(({ label }) => label === 0).length, 250);
});

test("COPA has a mirrored question in the split of its original", async () => {
  const folder = await Deno.makeTempDir();
  for (const split of ["dev", "test"]) {
    const text = await Deno.readTextFile(`${genuine}copa/copa-${split}.xml`);
    const items = text.match(/<item[^]*?<\/item>/g) ?? [];
    const mirrored = items.map((item) =>
      item.replace(/id="(\d+)"/, (_, id) => `id="${+id + 1000}"`).replace(/<p>/, "<p>Again: ")
        .replace(/<a1>([^]*?)<\/a1>\s*<a2>([^]*?)<\/a2>/, "<a1>$2</a1><a2>$1</a2>")
    );
    await Deno.writeTextFile(`${folder}/copa-${split}.xml`, `<x>${[...items, ...mirrored].join("\n")}</x>`);
  }
  const { train, validation, test } = await task("copa", { folder });
  assertEquals([train, validation, test].map((part) => part.length), [800, 200, 1000]);
  const [a, b, c] = [train, validation, test].map((part) =>
    new Set(part.map(({ choices }) => choices.toSorted().join()))
  );
  assert(a!.isDisjointFrom(b!) && a!.isDisjointFrom(c!) && b!.isDisjointFrom(c!));
});

test("the Winograd collection has 285 schemas, and no beginning is in two splits", async () => {
  const all = await task("winograd", { folder: `${genuine}winograd` });
  const parts = [all.train, all.validation, all.test];
  assertEquals(parts.reduce((sum, part) => sum + part.length, 0), 285);
  assert(all.test.length > 200, `${all.test.length}`);
  const keys = parts.map((part) => new Set(part.map(({ context }) => context)));
  assert(
    keys[0]!.isDisjointFrom(keys[1]!) && keys[0]!.isDisjointFrom(keys[2]!) &&
      keys[1]!.isDisjointFrom(keys[2]!),
  );
  await learns(all);
});

/** Archives with a few genuine rows, what some of their files are called officially, and how many rows they have. */
const ARCHIVES: readonly [zip: string, name: string, rows: number[], official?: Record<string, string>][] = [
  ["glue-cola", "cola", [3, 2]],
  ["glue-sst2", "sst2", [3, 2]],
  ["glue-mrpc", "mrpc", [10, 8, 15], {
    train: "msr_paraphrase_train.txt",
    test: "msr_paraphrase_test.txt",
    dev_ids: "mrpc_dev_ids.tsv",
  }],
  ["glue-stsb", "stsb", [3, 2]],
  ["glue-qqp", "qqp", [3, 2]],
  ["glue-mnli", "mnli", [3, 2]],
  ["glue-mnli", "mnli-mismatched", [3, 2]],
  ["multi_nli", "mnli", [5, 5]],
  ["multi_nli", "mnli-mismatched", [5, 5]],
  ["glue-qnli", "qnli", [3, 2]],
  ["glue-rte", "rte", [3, 2]],
  ["glue-wnli", "wnli", [3, 2]],
  ["scitail-tsv", "scitail", [6, 6, 6]],
  ["scitail-snli", "scitail", [4, 4, 4]],
  ["sick", "sick", [4, 1, 2]],
  ["race", "race", [22, 17, 22]],
  ["superglue-copa", "copa", [3, 2]],
];

for (const [zip, name, rows, official = {}] of ARCHIVES) {
  test(`the rows of ${name} are read from the layout of its archive: ${zip}`, async () => {
    const folder = await Deno.makeTempDir();
    for (const [path, bytes] of await unzip(await Deno.readFile(`${genuine}hf_dummy/${zip}.zip`))) {
      // Some archives lie in a folder that was named after their address.
      const parts = path.split("/").filter((part) => !/^dummy_data$|\.zip|^SST-B$/.test(part));
      const last = parts.pop() ?? "";
      // The three letters stand for the three bytes of the mark.
      if (new TextDecoder().decode(bytes.subarray(0, 3)) === "BOM") bytes.set([0xef, 0xbb, 0xbf]);
      await Deno.mkdir([folder, ...parts].join("/"), { recursive: true });
      await Deno.writeFile([folder, ...parts, official[last] ?? last].join("/"), bytes);
    }
    const { train, validation, test } = checkTask(await task(name, { folder }));
    const [first, ...rest] = [train.length, validation.length, test.length];
    assertEquals(rows.length === 3 ? [first, ...rest] : [first! + rest[0]!, rest[1]], rows);
  });
}
