/** What was made from one thing is not used for another. */
import type { Task, TaskOf } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, gpt, type LanguageModel, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import {
  encodeTask,
  evaluate,
  finetune,
  loadModel,
  loadTrained,
  pretrain,
  progressOf,
  saveCheckpoint,
  saveModel,
  scoreText,
  zeroShot,
} from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { splits, toy } from "../toy.ts";
import { resigned } from "./resigned.ts";

await backend();

const text = "a cold rain and a warm sun and a cold wind and a warm calm ".repeat(20);
const tokenizer = trainBpe(text, { merges: 30 });
const rows = ["cold rain", "warm sun", "cold wind", "warm calm"].map((text, i) => ({ text, label: i % 2 }));
const task: Task = {
  name: "sky",
  kind: "classification",
  labels: ["cold", "warm"],
  ...toy,
  ...splits(rows),
};
/** The task as a notebook has it: a value that anyone may change. */
type Row = { text: string; label: number };
type Own =
  & Omit<TaskOf<"classification">, "train" | "validation" | "test">
  & Record<"train" | "validation" | "test", Row[]>;
const own = (): Own => JSON.parse(JSON.stringify(task));
const fresh = (seed = 1) => gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed });
const bits = (lm: LanguageModel) => leaves(lm.parameters).map(([, leaf]) => [...leaf.dataSync()]);

/** A run that is stopped after an update, and what it has saved. */
async function stopped(run: (signal: AbortSignal) => AsyncIterable<{ update: number }>): Promise<void> {
  const stop = new AbortController();
  for await (const { update } of run(stop.signal)) if (update === 1) stop.abort();
}

Deno.test("fine-tuning is not resumed with a model that was pre-trained further in between", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/sky.part`;
  const options = { epochs: 2, batch: 2, checkpoint };
  const lm = fresh();
  await finetune(lm, task, options);
  await pretrain(lm, { train: text }, { updates: 3, batch: 2 });
  await assertRefused(
    () => finetune(lm, task, options),
    /^Cannot resume from .*sky\.part as its run started from another model: remove it to start again with this one$/,
  );
  await assertRefused(
    () => finetune(fresh(2), task, { ...options, seed: 1 }),
    /its run started from another model/,
  );
});

Deno.test("pre-training is not resumed with another start of the same settings", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/books.part`;
  const options = { updates: 4, batch: 2, seed: 7, checkpoint };
  await stopped((signal) => pretrain(fresh(1), { train: text }, { ...options, signal }));
  await assertRefused(
    () => pretrain(fresh(2), { train: text }, options),
    /^Cannot resume from .*books\.part as its run started from another model: /,
  );
  const again = await pretrain(fresh(1), { train: text }, options);
  assertEquals(
    bits(again),
    bits(await pretrain(fresh(1), { train: text }, { updates: 4, batch: 2, seed: 7 })),
  );
});

Deno.test("a stopped pre-training goes on with the model that it has left, as a cell that is run again does", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/books.part`;
  const options = { updates: 4, batch: 2, checkpoint };
  const lm = fresh();
  await stopped((signal) => pretrain(lm, { train: text }, { ...options, signal }));
  const updates = [];
  for await (const { update } of pretrain(lm, { train: text }, options)) updates.push(update);
  assertEquals(updates, [2, 3, 4]);
  for await (const _ of pretrain(lm, { train: text }, options)) throw new Error("all updates are made");
});

Deno.test("fine-tuning is not resumed with other labels, their names, or training examples", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/sky.part`;
  const options = { epochs: 2, batch: 2, checkpoint };
  await stopped((signal) => finetune(fresh(), task, { ...options, signal }));
  const flipped = rows.map(({ text, label }) => ({ text, label: 1 - label }));
  for (
    const [other, what] of [
      [{ ...task, train: flipped } as Task, "examples"],
      [{ ...task, train: [...rows].reverse() } as Task, "examples"],
      [{ ...task, labels: ["warm", "cold"] }, "task"],
    ] as const
  ) {
    await assertRefused(
      () => finetune(fresh(), other, options),
      new RegExp(`^Cannot resume from .* as its ${what} is .*: current ${what} is `),
    );
  }
  await finetune(fresh(), { ...task, test: flipped, measures: ["f1"] } as Task, options); // Which it does not read.
});

Deno.test("a run is not resumed with another value of any of its options", async () => {
  const folder = await Deno.makeTempDir();
  const common = { rate: 1e-3, warmup: 0.3, decay: 0.2, clip: 0.5, batch: 2, dropout: 0.3, seed: 5 };
  const other = { ...common, schedule: "warmup_constant" as const, batch: 3 };
  for (const name of ["rate", "warmup", "decay", "clip", "dropout", "seed"] as const) {
    other[name] = common[name] / 2 + (name === "seed" ? 3.5 : 0);
  }
  const pretraining = {
    ...common,
    schedule: "warmup_cosine" as const,
    updates: 4,
    checkpoint: `${folder}/text.part`,
  };
  await stopped((signal) => pretrain(fresh(), { train: text }, { ...pretraining, signal }));
  for (const [name, value] of Object.entries({ ...other, updates: 5 })) {
    await assertRefused(
      () => pretrain(fresh(), { train: text }, { ...pretraining, [name]: value }),
      new RegExp(`^Cannot resume from .*text\\.part as its ${name} is .*: current ${name} is "?${value}"?$`),
    );
  }
  const tuning = {
    ...common,
    schedule: "warmup_linear" as const,
    epochs: 2,
    lambda: 0.5,
    checkpoint: `${folder}/sky.part`,
  };
  await stopped((signal) => finetune(fresh(), task, { ...tuning, signal }));
  for (const [name, value] of Object.entries({ ...other, epochs: 4, lambda: 0.25, transfer: 1 })) {
    await assertRefused(
      () => finetune(fresh(), task, { ...tuning, [name]: value }),
      name === "transfer"
        ? /^Cannot resume from .*sky\.part as (its transfer is 2: current transfer is 1|its run started from another model)/
        : /^Cannot resume from .*sky\.part as its \w+ is .*: current \w+ is /,
    );
  }
});

Deno.test("a checkpoint of version 0.1 is refused with the way out, a model of it loads", async () => {
  const path = `${await Deno.makeTempDir()}/old.safetensors`;
  await stopped((signal) =>
    pretrain(fresh(), { train: text }, { updates: 4, batch: 2, checkpoint: path, signal })
  );
  const file = await Deno.readFile(path);
  await Deno.writeFile(path, resigned(file, (header) => void delete header.__metadata__["start"]));
  await assertRefused(
    () => pretrain(fresh(), { train: text }, { updates: 4, batch: 2, checkpoint: path }),
    /^Cannot resume from .* as it is of version 0\.1, which does not identify the initial model: remove it to start again$/,
  );
  assertEquals((await loadModel(path)).config, fresh().config);
});

Deno.test("seconds and batch of a run are those of all its parts, and of the batch that was used", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/books.part`;
  const options = { updates: 3, batch: 5000, checkpoint };
  await stopped(async function* (signal) {
    for await (const record of pretrain(fresh(), { train: text }, { ...options, signal })) {
      await new Promise((resume) => setTimeout(resume, 300));
      yield record;
    }
  });
  let seconds = 0;
  for await (const record of pretrain(fresh(), { train: text }, options)) seconds = record.seconds;
  const so = (await progressOf(checkpoint))!;
  assertEquals([so.update, so.updates, so.seconds], [3, 3, seconds]);
  assert(seconds > 0 && so.batch < 100 && so.batch > 1, `${so.batch}`);
});

Deno.test("a model says which run made it, to the one that asks", async () => {
  const path = `${await Deno.makeTempDir()}/made.safetensors`;
  const lm = fresh();
  await saveCheckpoint(lm, path, { made: { key: "abc", updates: 4, batch: 2, seconds: 1.5 } });
  const { run } = await loadTrained(path, "abc");
  assertEquals(run, { updates: 4, batch: 2, seconds: 1.5 });
  await assertRefused(
    () => loadTrained(path, "abd"),
    /^Cannot use .* as another run trained it: remove it to train it again$/,
  );
  await saveModel(lm, path);
  await assertRefused(() => loadTrained(path, "abc"), /as another run trained it/);
});

Deno.test("a task that is changed in place is read as it is now", async () => {
  const lm = fresh();
  const mine = own();
  const tuned = await finetune(lm, mine, { epochs: 1, batch: 2 });
  const { value, predictions } = await evaluate(tuned, mine);
  for (const example of mine.test) example.label = 1 - example.label;
  assertEquals((await evaluate(tuned, mine)).value, 1 - value);
  mine.test[0]!.text = "calm";
  const other = structuredClone(mine);
  assertEquals((await evaluate(tuned, mine)).logits, (await evaluate(tuned, other)).logits);
  mine.test = mine.test.slice(0, 3);
  const three = await evaluate(tuned, mine);
  assertEquals([three.examples, three.predictions.slice(1)], [3, predictions.slice(1, 3)]);
  mine.train = mine.train.slice(0, 2);
  let updates = 0;
  for await (const _ of finetune(lm, mine, { epochs: 1, batch: 1 })) updates++;
  assertEquals(updates, 2);
  mine.train[0]!.label = 5;
  await assertRefused(() => finetune(lm, mine), /^Cannot use label 5 of train example 0 in task "sky"/);
  mine.train[0]!.label = 0;
  mine.test[1]!.text = " ";
  await assertRefused(() => evaluate(tuned, mine), /^Cannot use test example 1 in task "sky"/);
});

Deno.test("what was encoded is kept while nothing in the task changes", () => {
  const mine = own();
  const first = encodeTask(mine, tokenizer, 16);
  assert(encodeTask(mine, tokenizer, 16) === first);
  assert(encodeTask(mine, tokenizer, 12) !== first);
  mine.validation[3]!.text = "warm rain";
  assert(encodeTask(mine, tokenizer, 16) !== first);
});

Deno.test("a task that is changed while a model is asked scores what was asked", async () => {
  const lm = fresh();
  const mine = own();
  const tuned = await finetune(lm, mine, { epochs: 1, batch: 2 });
  const { value } = await evaluate(tuned, mine);
  const asked = evaluate(tuned, mine);
  for (const example of mine.test) example.label = 0;
  assertEquals((await asked).value, value);
  const choices = rows.map(({ text, label }) => ({
    context: text,
    choices: ["rain sun", "sun calm"],
    label,
  }));
  const choice = { ...task, kind: "choice", train: choices, validation: choices, test: choices } as Task;
  const right = (await zeroShot(lm, choice)).value;
  const answer = zeroShot(lm, choice);
  for (const example of choices) example.label = 1 - example.label;
  assertEquals((await answer).value, right);
  assertEquals((await zeroShot(lm, choice)).value, 1 - right);
});

Deno.test("a text is learned that was given, though the corpus is changed before the run begins", async () => {
  const own = { train: text };
  const [a, b] = [fresh(), fresh()];
  const run = pretrain(a, own, { updates: 2, batch: 2 });
  own.train = text.toUpperCase().slice(40) + " sun sun sun";
  assertEquals(bits(await run), bits(await pretrain(b, { train: text }, { updates: 2, batch: 2 })));
});

Deno.test("a score and a file are of one state of the model, though it is trained on meanwhile", async () => {
  const lm = fresh(), path = `${await Deno.makeTempDir()}/model.safetensors`;
  const long = text.repeat(40), before = (await scoreText(lm, long)).loss, start = bits(lm);
  const [scored, saved] = [scoreText(lm, long), saveModel(lm, path)];
  await pretrain(lm, { train: text }, { updates: 6, batch: 2, rate: 1e-2 });
  assertEquals((await scored).loss, before);
  await saved;
  assertEquals(bits(await loadModel(path)), start);
  assert((await scoreText(lm, long)).loss < before);
});

Deno.test("a model without finite numbers is refused by what scores it, and by half precision", async () => {
  const lm = fresh(), path = `${await Deno.makeTempDir()}/never.safetensors`;
  const tuned = await finetune(lm, task, { epochs: 1, batch: 2 });
  const [, weight] = leaves(tuned).at(-1)!;
  weight.assign(weight.mul(NaN) as typeof weight);
  await assertRefused(
    () => evaluate(tuned, task),
    /^Cannot evaluate on task "sky" as the model's logits are not finite numbers$/,
  );
  const [, tokens] = leaves(lm)[0]!;
  tokens.assign(tokens.add(1e5) as typeof tokens);
  await assertRefused(
    () => saveModel(lm, path, { half: true }),
    /^Cannot save a model in float16 as tokens_embed\.weight has numbers beyond 65504$/,
  );
  tokens.assign(tokens.mul(NaN) as typeof tokens);
  await assertRefused(
    () => scoreText(lm, text),
    /^Cannot score a text as the model's losses on it are not finite numbers$/,
  );
  const choices = [{ context: "a cold", choices: ["rain", "sun"], label: 0 }];
  const choice = { ...task, kind: "choice", train: choices, validation: choices, test: choices } as Task;
  await assertRefused(
    () => zeroShot(lm, choice),
    /^Cannot answer task "sky" as the model's logits are not finite numbers$/,
  );
});

Deno.test("words that are the same tokens are refused, and equally likely answers are told", async () => {
  const lm = fresh();
  const words = { ...task, zeroShot: { by: "word", prompt: "very", words: ["日本", "中国"] } } as Task;
  await assertRefused(
    () => zeroShot(lm, words),
    /^Cannot answer task "sky" without fine-tuning as its words "日本" and "中国" are the same tokens$/,
  );
  const choices = [{ context: "a cold", choices: ["cold", "cold"], label: 0 }];
  const choice = { ...task, kind: "choice", train: choices, validation: choices, test: choices } as Task;
  const warned: string[] = [], { warn } = console;
  console.warn = (text: string) => warned.push(text);
  try {
    await zeroShot(lm, choice);
  } finally {
    console.warn = warn;
  }
  assertEquals(warned, [
    'Warning: 1 of 1 test examples of task "sky" have answers of equal probability: the first of them is used',
  ]);
});

Deno.test("a checkpoint that cannot be written, a folder or a device is refused before an update is made", async () => {
  const folder = await Deno.makeTempDir();
  // Deno itself keeps a program without all permissions from devices.
  const refused = /^Cannot write .*(as it is not a file name: name a file|Requires all access to "\/dev".*)$/;
  for (const checkpoint of [`${folder}/`, folder, "/dev/full"]) {
    let updates = 0;
    await assertRefused(async () => {
      for await (const _ of pretrain(fresh(), { train: text }, { updates: 2, batch: 2, checkpoint })) {
        updates++;
      }
    }, refused);
    await assertRefused(() => saveModel(fresh(), checkpoint), refused);
    assertEquals(updates, 0);
  }
  await assertRefused(
    () => loadModel("/dev/zero"),
    /^Cannot read .*\/dev\/zero(: Requires all access.*| as it is not a file)$/,
  );
});

Deno.test("a model is evaluated with its own labels, by name and order", async () => {
  const lm = fresh();
  const tuned = await finetune(lm, task, { epochs: 1, batch: 2 });
  await assertRefused(
    () => evaluate(tuned, { ...task, labels: ["warm", "cold"] }),
    /^Cannot evaluate on task "sky" as it is classification with labels \["warm","cold"\]: the model has a head for classification with labels \["cold","warm"\]$/,
  );
  await assertRefused(
    () => evaluate(tuned, { ...task, labels: ["cold", "hot"] }),
    /with labels \["cold","hot"\]: /,
  );
  await assertRefused(
    () => evaluate(tuned, { ...task, labels: ["cold", "warm", "mild"] }),
    /\["cold","warm","mild"\]: /,
  );
  await assertRefused(() => evaluate(lm, task), /the model has no head, which fine-tuning adds$/);
  assertEquals((await evaluate(tuned, { ...task, name: "weather", about: "another" })).examples, 4);
  dispose(tuned.parameters);
});
