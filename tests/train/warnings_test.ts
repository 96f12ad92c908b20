import type { Task, TaskOf } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, gpt, presets } from "../../lib/model/mod.ts";
import { ablate, smoke, studies } from "../../lib/study/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { encodeTask, evaluate, finetune, ngramBaselines, pretrain, scoreText } from "../../lib/train/mod.ts";
import { likeliest, predictionOf } from "../../lib/train/evaluate.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import { toy } from "../toy.ts";

await backend("wasm", { threads: 1 });

const text = "the sun is warm and the snow is cold and rain is wet and wind is dry ".repeat(30);
const tokenizer = trainBpe(text, { merges: 60 });
const make = () => gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed: 1 });
const row = (text: string, label: number) => ({ text, label });
const good: TaskOf<"classification"> = {
  name: "sky",
  kind: "classification",
  labels: ["bad", "good", "so so"],
  ...toy,
  train: [row("the sun", 1), row("rain", 0), row("wind", 2)],
  validation: [row("snow", 0)],
  test: [row("the warm sun", 1), row("cold rain", 0)],
};

/** What a piece of work warns of on standard error. */
async function warnings(work: () => unknown): Promise<string[]> {
  const { warn } = console, lines: string[] = [];
  console.warn = (...words: unknown[]) => lines.push(words.join(" "));
  try {
    await work();
  } finally {
    console.warn = warn;
  }
  for (const line of lines) assert(line.length < 300 && !/[.\n]$/.test(line), line);
  return lines;
}
const of = (task: Task) => warnings(() => encodeTask(task, tokenizer, 16));

Deno.test("a task with nothing to warn of gives no warning", async () => {
  assertEquals(await of(good), []);
});

Deno.test("examples of the test split that are in train or validation are counted once, by fine-tuning, not by evaluation", async () => {
  const lm = make();
  const task = { ...good, test: [...good.test, row("the sun", 0), row("rain", 1), row("snow", 0)] };
  const tuned = await finetune(lm, good, { epochs: 1 });
  assertEquals(await warnings(() => evaluate(tuned, task)), []);
  const wanted = [
    'Warning: 2 of 5 test examples of task "sky" are also in train: its test score is too high',
    'Warning: 1 of 5 test examples of task "sky" are also in validation: its test score is too high',
  ];
  assertEquals(await warnings(() => finetune(lm, task)), wanted);
  assertEquals(await warnings(() => finetune(lm, task)), []);
  assertEquals(await warnings(() => finetune(lm, { ...task })), wanted, "another task");
  for (const model of [lm, tuned]) dispose(model);
});

Deno.test("a pair in no order is the same the other way round, one in an order is not", async () => {
  const labels = ["no", "yes"], pair = { first: "sun", second: "snow", label: 0 };
  const alike = { ...good, kind: "similarity", labels, train: [pair, { ...pair, first: "rain", label: 1 }] };
  const other = [{ ...pair, first: "wind" }];
  const turned = [{ first: "snow", second: "sun", label: 0 }];
  assertEquals((await of({ ...alike, validation: other, test: turned } as unknown as Task)).length, 1);
  const ordered = (rows: typeof other) =>
    rows.map(({ first, second, label }) => ({ premise: first, hypothesis: second, label }));
  const follows = { ...alike, kind: "entailment", train: ordered(alike.train), validation: ordered(other) };
  assertEquals(await of({ ...follows, test: ordered(turned) } as unknown as Task), []);
});

Deno.test("examples are the same in other case, spaces or order of choices; those about a text of train are counted", async () => {
  assertEquals(await of({ ...good, test: [row("The  Sun", 1), row("cold rain", 0)] }), [
    'Warning: 1 of 2 test examples of task "sky" are also in train: its test score is too high',
  ]);
  const choice = (context: string, choices: string[], label = 0) => ({ context, choices, label });
  const asked = {
    ...good,
    kind: "choice",
    labels: ["0", "1"],
    train: [choice("sun", ["warm", "cold"]), choice("wind", ["dry", "warm"])],
  };
  const validation = [choice("snow", ["wet", "dry"])];
  assertEquals(
    await of({ ...asked, validation, test: [choice("sun", ["cold", "warm"], 1)] } as unknown as Task),
    [
      'Warning: 1 of 1 test examples of task "sky" are also in train: its test score is too high',
    ],
  );
  assertEquals(await of({ ...asked, validation, test: [choice("Sun", ["wet", "dry"])] } as unknown as Task), [
    'Warning: 1 of 1 test examples of task "sky" are about a text that is in train, too: its test score may be too high',
  ]);
  const question = {
    ...asked,
    train: asked.train.map((row) => ({ ...row, context: "the rain" })),
    validation: validation,
  };
  assertEquals(
    await of({ ...question, test: [choice("the rain", ["wet", "dry"])] } as unknown as Task),
    [],
    "asked of most",
  );
});

Deno.test("labels of validation or test that train lacks are named; grades and choices are no such labels", async () => {
  assertEquals(await of({ ...good, train: [row("the sun", 1), row("wind", 2)] }), [
    'Warning: no training example of task "sky" has label 0 ("bad"), which occurs in validation',
    'Warning: no training example of task "sky" has label 0 ("bad"), which occurs in test',
  ]);
  assertEquals(
    await of({ ...good, labels: ["0", "1", "2"], measures: ["pearson"], test: [row("cold", 1.5)] }),
    [],
  );
  const choice = (context: string, label: number) => ({ context, choices: ["warm", "cold"], label });
  assertEquals(
    await of({
      ...good,
      kind: "choice",
      train: [choice("sun", 0)],
      validation: [choice("wind", 0)],
      test: [choice("snow", 1)],
    }),
    [],
  );
});

Deno.test("cut texts and unknown tokens are counted by split, in task and evaluation, and warned of where they are many", async () => {
  const long = "the sun is warm and the snow is cold and rain is wet and wind is dry and so on";
  const task = {
    ...good,
    train: [row("the sun", 1), row(long, 0), row(`${long} and`, 2)],
    validation: [row(long + " rain", 0), row("sun", 1)],
    test: [row("雨雪", 0), row("the sun", 1)],
  };
  const { counts, cut } = encodeTask(task, tokenizer, 16, true);
  assertEquals([cut, counts.train.cut, counts.validation.cut, counts.test.cut], [3, 2, 1, 0]);
  assertEquals([counts.train.texts, counts.validation.texts, counts.test.texts], [3, 2, 2]);
  const known = tokenizer.encode("the sun").length;
  assertEquals([counts.test.tokens, counts.test.unknown, counts.train.unknown], [2 + known, 2, 0]);
  assertEquals(await of(task), [
    'Warning: 1 of 2 test examples of task "sky" are also in train: its test score is too high',
    'Warning: 66.7 % of the examples in train, 50.0 % of the examples in validation of task "sky" have a text that is truncated to the context',
    `Warning: ${
      (200 / (2 + known)).toFixed(1)
    } % of the tokens in test of task "sky" are <unk> (characters that are not in the vocabulary)`,
  ]);
  const lm = make();
  const tuned = await finetune(lm, task, { epochs: 1 });
  const [train, test] = [await evaluate(tuned, task, { split: "train" }), await evaluate(tuned, task)];
  assertEquals([train.cut, train.unknown, test.cut, test.unknown], [2, 0, 0, 2 / (2 + known)]);
  for (const model of [lm, tuned]) dispose(model);
  const choices = Array.from({ length: 12 }, (_, i) => `rain ${"wind ".repeat(i % 3)}`);
  const many = { ...task, kind: "choice", labels: choices.map((_, i) => `${i}`) };
  const asked = (context: string) => [{ context, choices, label: 1 }];
  const splits = { train: asked(long), validation: asked("snow"), test: asked("sun") };
  assertEquals(await of({ ...many, ...splits } as unknown as Task), [
    'Warning: 100.0 % of the examples in train of task "sky" have a text that is truncated to the context',
  ]);
});

Deno.test("a text with unknown tokens is warned of from 1 % on, by pre-training and by its score", async () => {
  const chinese = "今天下雨了，明天會下雪。";
  const mixed = text + chinese.repeat(20);
  const lm = make();
  const ids = tokenizer.encode(mixed), unknown = ids.filter((id) => id === 0).length;
  const share = (100 * unknown / ids.length).toFixed(1);
  const wanted = (what: string) => [
    `Warning: ${share} % of the tokens of ${what} are <unk> (characters that are not in the ` +
    "vocabulary): loss and bits per character are too low",
  ];
  let seed = 0;
  const train = () => pretrain(lm, { train: mixed }, { updates: 1, batch: 2, seed: seed++ });
  assertEquals(await warnings(train), wanted("the training text"));
  assertEquals(await warnings(train), []);
  let score: { unknown: number } | undefined;
  assertEquals(await warnings(async () => score = await scoreText(lm, mixed)), wanted("the text to score"));
  assertClose([score!.unknown], [unknown / ids.length], "share");
  assertEquals(await warnings(() => scoreText(lm, text)), []);
  assertEquals(ngramBaselines(lm, { train: text, heldout: mixed }).unigram.unknown, score!.unknown);
  const few = text.repeat(3) + chinese;
  assert(tokenizer.encode(few).filter((id) => id === 0).length > 0);
  assertEquals(await warnings(() => scoreText(lm, few)), []);
  dispose(lm);
});

Deno.test("what is trained again is told of: the same windows, a head that is replaced, an update of rate 0", async () => {
  const lm = make(), updates = { updates: 2, batch: 2 };
  const again = [
    "Warning: pre-training again on the same text with the same seed sees the same windows in the same order: give another " +
    "seed, or make one run and iterate it",
  ];
  const train = (options: object, train = text) =>
    warnings(() => pretrain(lm, { train }, { ...updates, ...options }));
  assertEquals(await train({}), []);
  assertEquals(await train({ seed: 2 }), []);
  assertEquals(await train({}, `${text} and the sun`), [], "another text");
  assertEquals(await train({}, `${text} and the sun`), again);
  const large = { ...good, name: "large", train: Array(9).fill(good.train).flat() };
  const tuned = await finetune(lm, large, { epochs: 1, batch: 4 });
  const replaced = await warnings(() => finetune(tuned, large, { epochs: 1, batch: 4 }));
  assertEquals(replaced.length, 1);
  assert(
    /^Warning: fine-tuning on task "large" replaces the model's head and special tokens/.test(replaced[0]!),
  );
  const few = { ...good, name: "few" }, batch = 999;
  const fewer = [
    await train({ seed: 3, batch }),
    await warnings(() => finetune(lm, few, { epochs: 2, batch })),
  ];
  assertEquals(fewer.map((lines) => lines.join().replace(/\d+ (?=windows)/, "N ")), [
    "Warning: the training text has N windows: an update reads so many, not 999",
    'Warning: task "few" has 3 training examples: an update reads so many, not 999',
  ]);
  const once = { ...good, name: "once" },
    never = /^Warning: the only update on task "once" has rate 0, where/;
  assert(never.test((await warnings(() => finetune(lm, once, { epochs: 1 }))).join()));
  assertEquals(await warnings(() => finetune(lm, { ...once, name: "twice" }, { epochs: 2 })), []);
  const before = await warnings(() =>
    finetune(lm, { ...once, name: "adapted" }, { epochs: 2, adaptEpochs: 1 })
  );
  assert(
    /^Warning: the only update on task "adapted" before fine-tuning has rate 0, where/.test(before.join()),
  );
});

Deno.test("answers of equal probability, a single window and a tail that is not scored are told of", async () => {
  const lm = make(), same = ["rain", "rain"];
  const choice = (context: string, choices: string[]) => ({ context, choices, label: 1 });
  const rows = [choice("sun", same), choice("snow", ["wet", "cold"])];
  const task = {
    ...good,
    kind: "choice",
    labels: ["0", "1"],
    train: rows,
    validation: rows,
    test: rows,
  } as unknown as Task;
  const tuned = await finetune(lm, task, { epochs: 2 });
  assertEquals(await warnings(() => evaluate(tuned, task)), [
    'Warning: 1 of 2 test examples of task "sky" have answers of equal probability: the first of them is used',
  ]);
  const ids = tokenizer.encode(text), short = tokenizer.decode(ids.slice(0, 28));
  assertEquals(await warnings(() => scoreText(lm, short)), [
    "Warning: the text to score has one window of 16 tokens: its score has no interval",
    "Warning: 12 of the 28 tokens of the text to score are after its last whole window, and are not scored",
  ]);
  assertEquals(await warnings(() => scoreText(make(), text, { windows: 2 })), []);
});

Deno.test("scores that differ by rounding alone are equal, on every processor", () => {
  assertEquals(likeliest([-4.0000005, -4.0000001, -9]), [0, 1]);
  assertEquals(likeliest([1e-7, 0, -1e-4]), [0, 1]);
  assertEquals(likeliest([-812.3421, -812.3418]), [0, 1], "a sum over many tokens");
  assertEquals(likeliest([0, 2e-5]), [1]);
  assertEquals(likeliest([-Infinity, -Infinity]), [0, 1]);
  assertEquals(predictionOf(Float32Array.of(0.5, 0.5000001), false), 0);
});

Deno.test("a study warns of its tasks, before its runs begin", async () => {
  const folder = await Deno.makeTempDir();
  const study = {
    ...smoke(studies.ablate),
    corpus: {
      name: "weather",
      train: text,
      heldout: text,
      dropped: 0,
      sources: [],
      licence: "MIT",
      about: "weather",
    },
    merges: 20,
    tasks: [{ ...good, test: good.train }],
    workers: 1,
    folder,
    signal: AbortSignal.abort(),
  };
  assertEquals(await warnings(() => ablate(study)), [
    'Warning: 3 of 3 test examples of task "sky" are also in train: its test score is too high',
  ]);
  await Deno.remove(folder, { recursive: true });
});
