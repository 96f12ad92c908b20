import * as tf from "../../lib/tfjs.ts";
import type { Task, TaskOf } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, forward, gpt, type LanguageModel, presets, tokenLogits } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { pretrain, score, zeroShot } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { splits, toy } from "../toy.ts";

await backend();

const text = Array.from(
  { length: 300 },
  (_, i) => (i * i + (i >> 3)) % 3 ? "the sun is very warm ." : "the snow is very cold .",
).join("\n");
const tokenizer = trainBpe(text + " the rain because it was wet dry", { merges: 60 });
const lm = gpt({ ...presets.smoke, context: 24, dropout: 0 }, { tokenizer, seed: 1 });
await pretrain(lm, { train: text }, { updates: 60, batch: 8, rate: 5e-3 });

/** Log-probability of each token of a text but the first, one text at a time and with no help of zeroShot's. */
function logProbabilities(lm: LanguageModel, ids: number[]): number[] {
  return tf.tidy(() => {
    const { h } = forward(lm, tf.tensor2d([ids], undefined, "int32"));
    const logits = tokenLogits(lm.parameters, h.squeeze([0]) as tf.Tensor2D);
    const logs = logits.logSoftmax().arraySync() as number[][];
    return ids.slice(1).map((id, t) => logs[t]![id]!);
  });
}
const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
const mean = (values: number[]) => sum(values) / values.length;
const ids = (text: string) => [...tokenizer.encode(text)];
const newline = tokenizer.encoder.get("\n</w>")!;

Deno.test("a sentiment is the word that is likelier after very (§5)", async () => {
  const task: TaskOf<"classification"> = {
    name: "weather",
    kind: "classification",
    labels: ["cold", "warm"],
    ...toy,
    zeroShot: { by: "word", prompt: "very", words: ["cold", "warm"] },
    ...splits(["the snow is", "the sun is", "the sun is", "the snow is"].map((text, i) => ({
      text,
      label: [0, 1, 1, 0][i]!,
    }))),
  };
  const found = await zeroShot(lm, task);
  const expected = task.test.map(({ text }) => {
    const [cold, warm] = ["cold", "warm"].map((word) =>
      logProbabilities(lm, [newline, ...ids(`${text} very ${word}`)]).at(-1)!
    );
    return Number(warm! > cold!);
  });
  assertEquals([found.predictions, found.measure, found.examples], [expected, "accuracy", 4]);
  assertEquals(found.value, score("accuracy", expected, task.test.map(({ label }) => label)));
});

Deno.test("calibrated, a word is compared with its mean over the validation texts, whatever their labels", async () => {
  const rows = (texts: string[], label: number) => texts.map((text) => ({ text, label }));
  const validation = rows(["the snow is", "the snow", "it was wet and the snow is"], 0);
  const task: TaskOf<"classification"> = {
    ...{ name: "weather", kind: "classification", labels: ["cold", "warm"], ...toy },
    zeroShot: { by: "word", prompt: "very", words: ["cold", "warm"] },
    ...{ train: rows(["the sun is"], 1), validation },
    test: [...rows(["the snow is", "rain"], 0), ...rows(["the sun is", "the rain because the sun is"], 1)],
  };
  const logs = (text: string) =>
    ["cold", "warm"].map((word) => logProbabilities(lm, [newline, ...ids(`${text} very ${word}`)]).at(-1)!);
  const usual = [0, 1].map((label) => mean(validation.map(({ text }) => logs(text)[label]!)));
  const expected = task.test.map(({ text }) => logs(text).map((log, label) => log - usual[label]!));
  const { scores, predictions } = await zeroShot(lm, task, { calibrate: true });
  scores.forEach((some, i) =>
    some.forEach((score, label) => assert(Math.abs(score - expected[i]![label]!) < 1e-4))
  );
  assertEquals(predictions, expected.map(([cold, warm]) => Number(warm! > cold!)));
  const plain = await zeroShot(lm, task);
  assert(Math.abs(plain.scores[0]![0]! - logs("the snow is")[0]!) < 1e-4);
  const other = { ...task, validation: validation.map(({ text }) => ({ text, label: 1 })) };
  assertEquals((await zeroShot(lm, other, { calibrate: true })).predictions, predictions);
  await assertRefused(
    () => zeroShot(lm, { ...task, zeroShot: { by: "acceptability" } }, { calibrate: true }),
    /^Cannot calibrate answers of task "weather" as they are not words that stand for labels: leave calibrate out$/,
  );
});

Deno.test("many unknown tokens and truncated texts are warned of, once", async () => {
  const rows = [{ context: "雨雪 the sun", choices: ["warm", "cold"], label: 0 }, {
    context: "the snow is very cold . ".repeat(30),
    choices: ["warm", "cold"],
    label: 1,
  }];
  const task: Task = { name: "what", kind: "choice", labels: ["first", "second"], ...toy, ...splits(rows) };
  const { warn } = console, lines: string[] = [];
  console.warn = (line: string) => lines.push(line);
  try {
    for (const split of ["test", "test"] as const) await zeroShot(lm, task, { split });
  } finally {
    console.warn = warn;
  }
  assertEquals(lines.map((line) => line.replace(/[\d.]+ %/g, "N %")), [
    'Warning: N % of the examples in test of task "what" have a text that is truncated to the context',
    'Warning: N % of the tokens in test of task "what" are <unk> (characters that are not in the vocabulary)',
  ]);
});

Deno.test("a choice is the one of the highest mean log-probability after the context (§5)", async () => {
  const rows = [
    { context: "the sun is", choices: ["very cold .", "very warm ."], label: 1 },
    { context: "the snow", choices: ["is very cold .", "wet dry rain because it was"], label: 0 },
    { context: "the snow is very", choices: ["dry", "cold"], label: 1 },
  ];
  const task: Task = { name: "what", kind: "choice", labels: ["first", "second"], ...toy, ...splits(rows) };
  const { predictions } = await zeroShot(lm, task);
  const expected = rows.map(({ context, choices }) => {
    const worth = choices.map((choice) => {
      const whole = [newline, ...ids(context), ...ids(choice)];
      return mean(logProbabilities(lm, whole).slice(ids(context).length));
    });
    return worth.indexOf(Math.max(...worth));
  });
  assertEquals(predictions, expected);
});

Deno.test("a longer choice is not the less likely for its length: means are compared, not sums", async () => {
  const short = ["very", "the", "snow", "is", "."];
  const long = ["very warm .", "very cold .", "is very warm .", "sun is very warm . the sun is very warm ."];
  const rows = ["the sun is", "the snow is", "the"].flatMap((context) =>
    short.flatMap((short) => long.map((long) => ({ context, choices: [short, long], label: 0 })))
  );
  const best = (worth: (values: number[]) => number) =>
    rows.map(({ context, choices }) => {
      const [short, long] = choices.map((choice) => {
        const whole = [newline, ...ids(context), ...ids(choice)];
        return worth(logProbabilities(lm, whole).slice(ids(context).length));
      });
      return Number(long! > short!);
    });
  const [means, sums] = [best(mean), best(sum)];
  assert(means.some((label, i) => label !== sums[i]), "sums would answer alike");
  const task: Task = { name: "what", kind: "choice", labels: ["short", "long"], ...toy, ...splits(rows) };
  assertEquals((await zeroShot(lm, task)).predictions, means);
});

Deno.test("a pronoun is the referent after which the shared ending has the highest mean log-probability (§5)", async () => {
  const rows = [
    { context: "the rain was wet because", choices: ["the sun is very warm .", "the snow is very warm ."] },
    { context: "it was", choices: ["sun is very cold .", "snow is very cold ."] },
  ].map((row, label) => ({ ...row, label }));
  const task: Task = {
    name: "who",
    kind: "choice",
    labels: ["first", "second"],
    zeroShot: { by: "ending" },
    ...toy,
    ...splits(rows),
  };
  const { predictions } = await zeroShot(lm, task);
  const expected = rows.map(({ context, choices }) => {
    const shared = ids(choices[0]!.replace(/^.*?(?=is)/, "")).length; // "is very …", the same in both
    const worth = choices.map((choice) =>
      mean(logProbabilities(lm, [newline, ...ids(context), ...ids(choice)]).slice(-shared))
    );
    return worth.indexOf(Math.max(...worth));
  });
  assertEquals(predictions, expected);
});

Deno.test("a text is acceptable above the threshold that is best on training examples (§5)", async () => {
  const texts = [
    "the sun is very warm .",
    "warm very the . sun is",
    "the snow is very cold .",
    "cold . the very is snow",
  ];
  const rows = texts.map((text, i) => ({ text, label: 1 - i % 2 }));
  const task: TaskOf<"classification"> = {
    name: "grammar",
    kind: "classification",
    labels: ["no", "yes"],
    ...toy,
    measures: ["matthews"],
    zeroShot: { by: "acceptability" },
    ...splits(rows),
  };
  const means = texts.map((text) => mean(logProbabilities(lm, [newline, ...ids(text)])));
  assert(Math.min(means[0]!, means[2]!) > Math.max(means[1]!, means[3]!), `${means}`);
  const found = await zeroShot(lm, task);
  assertEquals([found.value, found.predictions], [1, [1, 0, 1, 0]]);
  assertEquals(score("matthews", found.predictions, rows.map(({ label }) => label)), 1);
});

Deno.test("rows that are sorted by label have the threshold of mixed ones, and a warning where they calibrate", async () => {
  const texts = ["the sun is very warm .", "warm very the . sun is"];
  const rows = Array.from({ length: 1200 }, (_, i) => ({ text: texts[i % 2]!, label: 1 - i % 2 }));
  const task: TaskOf<"classification"> = {
    ...{ name: "grammar", kind: "classification", labels: ["no", "yes"], ...toy },
    ...{
      zeroShot: { by: "acceptability" },
      train: rows,
      validation: rows.slice(0, 4),
      test: rows.slice(0, 4),
    },
  };
  for (
    const train of [
      rows,
      rows.toSorted((a, b) => a.label - b.label),
      rows.toSorted((a, b) => b.label - a.label),
    ]
  ) {
    assertEquals((await zeroShot(lm, { ...task, train })).predictions, [1, 0, 1, 0]);
  }
  const { warn } = console, lines: string[] = [];
  console.warn = (line: string) => lines.push(line);
  try {
    const words: Task = {
      ...task,
      zeroShot: { by: "word", prompt: "very", words: ["cold", "warm"] },
      validation: rows,
    };
    await zeroShot(lm, words, { calibrate: true });
    assertEquals(lines, []);
    const validation = rows.toSorted((a, b) => a.label - b.label);
    await zeroShot(lm, { ...words, validation }, { calibrate: true });
    await zeroShot(lm, { ...words, validation });
  } finally {
    console.warn = warn;
  }
  assertEquals(lines, [
    'Warning: the first 1000 validation texts of task "grammar", which calibrate the answers, have other labels than all ' +
    "of them: shuffle the split",
  ]);
});

Deno.test("a text longer than the context is read from behind; nothing leaks; other tasks are refused", async () => {
  const long = "the snow is very cold . ".repeat(20);
  const rows = [{ context: long + "the sun is", choices: ["very cold .", "very warm ."], label: 1 }];
  const task: Task = { name: "long", kind: "choice", labels: ["first", "second"], ...toy, ...splits(rows) };
  const before = tf.memory().numTensors;
  const { predictions } = await zeroShot(lm, task);
  assertEquals(tf.memory().numTensors, before);
  const worth = rows[0]!.choices.map((choice) => {
    const whole = [...ids(rows[0]!.context), ...ids(choice)].slice(-24);
    return mean(logProbabilities(lm, whole).slice(-ids(choice).length));
  });
  assertEquals(predictions, [worth.indexOf(Math.max(...worth))]);
  const pair: Task = {
    name: "pair",
    kind: "similarity",
    labels: ["no", "yes"],
    ...toy,
    ...splits([{ first: "sun", second: "warm", label: 1 }]),
  };
  await assertRefused(
    () => zeroShot(lm, pair),
    /^Cannot answer task "pair" without fine-tuning as there is no heuristic/,
  );
});

globalThis.addEventListener("unload", () => dispose(lm.parameters));
