import * as tf from "../../lib/tfjs.ts";
import type { Task } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, generate, gpt, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import {
  encodeTask,
  evaluate,
  finetune,
  finetuneDefaults,
  type FinetuneOptions,
  pretrain,
  score,
  scoreByPosition,
  scoreText,
  targetOf,
  zeroShot,
} from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";
import { splits, toy } from "../toy.ts";

await backend();

const words = "sun rain wind snow frost cloud storm calm heat mist".split(" ");
const text = words.join(" ").repeat(40).replaceAll("calm", "calm and good").replaceAll(
  "storm",
  "storm and bad",
);
const tokenizer = trainBpe(text, { merges: 60 });

/** A task of each kind that a word decides. */
const rows = Array.from({ length: 24 }, (_, i) => ({ word: words[i % 8]!, label: i % 2 }));
const says = (label: number) => label === 1 ? "good" : "bad";
const tasks: Task[] = [
  {
    name: "sky",
    kind: "classification",
    labels: ["bad", "good"],
    ...toy,
    ...splits(rows.map(({ word, label }) => ({ text: `${word} and ${says(label)}`, label }))),
  },
  {
    name: "follows",
    kind: "entailment",
    labels: ["no", "yes"],
    ...toy,
    ...splits(rows.map(({ word, label }) => ({ premise: word, hypothesis: says(label), label }))),
  },
  {
    name: "alike",
    kind: "similarity",
    labels: ["no", "yes"],
    ...toy,
    ...splits(
      rows.map(({ word, label }) => ({ first: `${word} ${says(label)}`, second: says(label), label })),
    ),
  },
  {
    name: "which",
    kind: "choice",
    labels: ["first", "second"],
    ...toy,
    ...splits(rows.map(({ word, label }) => ({
      context: word,
      choices: label === 1 ? ["bad", "good"] : ["good", "bad"],
      label,
    }))),
  },
];
const fresh = () => gpt({ ...presets.smoke, context: 16, dropout: 0 }, { tokenizer, seed: 1 });

Deno.test("a task of each kind is learned, and the model that it began from stays as it was", async () => {
  const lm = fresh();
  const before = leaves(lm.parameters).map(([, leaf]) => leaf.dataSync().slice());
  for (const task of tasks) {
    const tuned = await finetune(lm, task, { lambda: 0.5, epochs: 12, batch: 8, rate: 5e-3, warmup: 0.1 });
    const { measure, value, examples } = await evaluate(tuned, task);
    assertEquals([task.name, measure, value, examples], [task.name, "accuracy", 1, 24]);
    dispose(tuned.parameters);
  }
  assertEquals(leaves(lm.parameters).map(([, leaf]) => leaf.dataSync()), before);
  dispose(lm.parameters);
});

Deno.test("grades are learned as shares of the two around them, and told as the mean of all (§3.3, STS-B)", async () => {
  const grades = rows.map(({ word, label }, i) => ({
    first: word,
    second: says(label),
    label: label + i % 3 / 2,
  }));
  const task: Task = {
    name: "how alike",
    kind: "similarity",
    labels: ["0", "1", "2"],
    ...toy,
    measures: ["pearson", "spearman"],
    ...splits(grades),
  };
  // A grade of 1.5 is half a 1 and half a 2: entropy is what a perfect model is left with.
  assertEquals(targetOf(1.5, 3), [0, 0.5, 0.5]);
  assertEquals(targetOf(2, 3), [0, 0, 1]);
  assertClose(targetOf(0.2, 3), [0.8, 0.2, 0], "nearness");
  const tuned = await finetune(fresh(), task, { lambda: 0, epochs: 30, batch: 8, rate: 5e-3, warmup: 0.1 });
  const { measure, value, measures, predictions, logits, loss } = await evaluate(tuned, task);
  assertEquals([measure, Object.keys(measures)], ["pearson", ["pearson", "spearman"]]);
  assert(
    value > 0.6 && value === score("pearson", predictions, grades.map(({ label }) => label)),
    `${value}`,
  );
  const probabilities = logits.map((row) => {
    const powers = Array.from(row, Math.exp), sum = powers.reduce((a, b) => a + b);
    return powers.map((power) => power / sum);
  });
  assertClose(predictions, probabilities.map((p) => p[1]! + 2 * p[2]!), "means", { relative: 1e-5 });
  const entropies = grades.map(({ label }, i) =>
    targetOf(label, 3).reduce(
      (sum, share, k) => share > 0 ? sum - share * Math.log(probabilities[i]![k]!) : sum,
      0,
    )
  );
  assertClose([loss], [entropies.reduce((a, b) => a + b) / 24], "cross-entropy", { relative: 1e-5 });
  dispose(tuned.parameters);
});

Deno.test("training, evaluation and generation leave as many tensors as they found", async () => {
  const lm = fresh();
  await pretrain(lm, { train: text }, { updates: 1, batch: 2 });
  const before = tf.memory().numTensors;
  await pretrain(lm, { train: text }, { updates: 3, batch: 2 });
  assertEquals(tf.memory().numTensors, before, "pre-training");
  for (const lambda of [0, 0.5]) {
    for (const task of tasks) {
      const tuned = await finetune(lm, task, { lambda, epochs: 1, batch: 8 });
      await evaluate(tuned, task);
      dispose(tuned.parameters);
      assertEquals(tf.memory().numTensors, before, `${task.name}, λ = ${lambda}`);
    }
  }
  for await (const _ of finetune(lm, tasks[0]!, { batch: 8 })) break;
  assertEquals(tf.memory().numTensors, before, "fine-tuning that was left early");
  await scoreText(lm, text);
  assertEquals(tf.memory().numTensors, before, "score of a text");
  await generate(lm, "sun", { tokens: 20 });
  assertEquals(tf.memory().numTensors, before, "generation");
  dispose(lm.parameters);
});

Deno.test("the same seed gives the same bits, another seed others", async () => {
  const run = async (seed: number) => {
    const lm = gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed });
    await pretrain(lm, { train: text }, { updates: 3, batch: 2 });
    const tuned = await finetune(lm, tasks[0]!, { epochs: 1, batch: 8, seed });
    return tuned.parameters.h[1]!.mlp.c_fc.weight.dataSync().slice();
  };
  const first = await run(1);
  assertEquals(await run(1), first);
  assert((await run(2)).some((x, i) => x !== first[i]));
});

Deno.test("a run may be iterated for its records and then awaited, or only awaited", async () => {
  const lm = fresh();
  const run = finetune(lm, tasks[0]!, { lambda: 0.5, epochs: 1, batch: 8 });
  const seen: number[] = [];
  for await (const { update, loss, L1, L2 } of run) {
    seen.push(update);
    assertClose([loss], [L2! + 0.5 * L1!], "L3 = L2 + λ·L1", { relative: 1e-6 });
  }
  assertEquals(seen, [1, 2, 3]);
  assertEquals((await run).task?.labels, ["bad", "good"]);
  const left = finetune(lm, tasks[0]!, { epochs: 1, batch: 8 });
  for await (const _ of left) break;
  await assertRefused(() => left, /^Cannot return the result of a run whose iteration was left/);
});

Deno.test("of the pre-trained layers as many are taken over as are asked for, the rest starts at random", async () => {
  const lm = gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed: 1 });
  for await (const _ of pretrain(lm, { train: text }, { updates: 3, batch: 2, rate: 1e-2 }));
  const other = gpt({ ...presets.smoke, context: 16 }, { tokenizer, seed: 7 });
  const changed = async (transfer: number) => {
    // Stopped before its first update, a run leaves what it began with.
    const run = finetune(lm, tasks[0]!, { transfer, seed: 7, signal: AbortSignal.abort() });
    const tuned = await run;
    const from = new Map(leaves(lm.parameters)), random = new Map(leaves(other.parameters));
    const kept: string[] = [];
    for (const [name, leaf] of leaves(tuned.parameters)) {
      if (!from.has(name) || leaf.rank < 2) continue;
      const same = (a: tf.Tensor, b: tf.Tensor) => tf.tidy(() => a.equal(b).all().dataSync()[0] === 1);
      const [a, b, c] = [leaf, from.get(name)!, random.get(name)!].map((t) =>
        t.slice([0, 0], [Math.min(t.shape[0]!, tokenizer.size), -1])
      );
      if (same(a!, b!)) kept.push(name);
      else assert(same(a!, c!), `${name} is neither as pre-trained nor as drawn`);
      tf.dispose([a!, b!, c!]);
    }
    dispose(tuned.parameters);
    return kept.map((name) => name.replace(/\.(attn|mlp)\..*|\.weight$/, ""));
  };
  assertEquals(new Set(await changed(-1)), new Set());
  assertEquals(new Set(await changed(0)), new Set(["tokens_embed", "positions_embed"]));
  assertEquals(new Set(await changed(1)), new Set(["tokens_embed", "positions_embed", "h.0"]));
  assertEquals(new Set(await changed(2)), new Set(["tokens_embed", "positions_embed", "h.0", "h.1"]));
  await assertRefused(
    () => finetune(lm, tasks[0]!, { transfer: 3 }),
    /^Cannot transfer 3 layers as .* from -1 \(none\) to 2 \(all\)$/,
  );
  dispose(lm.parameters);
  dispose(other.parameters);
});

Deno.test("a text too long is cut as the paper cuts it, and counted", () => {
  const long = words.join(" ");
  const one = { text: long, label: 0 };
  const task: Task = { ...tasks[0]!, kind: "classification", ...splits([one, { text: "sun", label: 1 }]) };
  const { train, cut, longest } = encodeTask(task, tokenizer, 8);
  assertEquals([cut, longest, train[0]!.sequences[0]!.length], [3, 8, 8]); // once in each split
  assertEquals([...train[0]!.sequences[0]!.subarray(1, 7)], [...tokenizer.encode(long).subarray(0, 6)]);
});

Deno.test("defaults of fine-tuning are the paper's at GPT-1's width and above, and fit small models below", async () => {
  const common = { schedule: "warmup_linear", decay: 0.01, clip: 1, epochs: 3 } as const;
  const paper = { ...common, rate: 6.25e-5, warmup: 0.002, batch: 32, dropout: 0.1 };
  assertEquals(finetuneDefaults(presets.gpt1), paper);
  assertEquals(finetuneDefaults({ width: 1024, dropout: 0.2 }), { ...paper, dropout: 0.2 });
  const small = { ...common, rate: 5e-4, warmup: 0.1, batch: 16, dropout: 0 };
  assertEquals(finetuneDefaults(presets.mini), small);
  assertEquals(finetuneDefaults(presets.smoke), { ...small, rate: 1e-3 });
  assertEquals(finetuneDefaults({ width: 767, dropout: 0.1 }).rate < 1e-4, true);

  const lm = fresh();
  const [task] = tasks as [Task & { kind: "classification" }];
  const losses = async (options: FinetuneOptions) => {
    const found: number[] = [];
    const run = finetune(lm, task, { seed: 3, ...options });
    for await (const { loss, rate } of run) found.push(loss, rate);
    dispose((await run).parameters);
    return found;
  };
  const usual = finetuneDefaults(lm.config);
  const told = await losses({ ...usual, lambda: 0.5, transfer: lm.config.layers });
  assertEquals(await losses({}), told);
  assertEquals(await losses({ rate: undefined, dropout: undefined } as object), told);
  assert(
    (await losses({ dropout: 0.5 })).some((x, i) => x !== told[i]),
    "an option that is given takes part",
  );
  dispose(lm.parameters);
});

Deno.test("misspelt options of training are refused, before anything is computed", async () => {
  const lm = fresh();
  const [task] = tasks as [Task & { kind: "classification" }];
  for (
    const [call, message] of [
      [
        () => finetune(lm, task, { lamda: 0 } as object),
        /lamda as there is no such option: did you mean lambda\?$/,
      ],
      [
        () => finetune(lm, task, { epoch: 1 } as object),
        /epoch as there is no such option: did you mean epochs\?$/,
      ],
      [
        () => pretrain(lm, { train: text }, { steps: 2 } as object),
        /^Cannot pre-train with steps as there is no such option: there are rate, .*updates, batch, .*$/,
      ],
      [
        () => pretrain(lm, { train: text }, 5 as never),
        /^Cannot pre-train with options 5 as they must be an object$/,
      ],
      [
        () => scoreText(lm, text, { windows: 0 }),
        /^Cannot score a text with windows 0 as it must be a whole number from 1, or all/,
      ],
      [() => scoreByPosition(lm, text, { windows: NaN }), /^Cannot score a text with windows NaN as /],
      [
        () => evaluate(lm, task, { split: "tset" as "test" }),
        /^Cannot evaluate with split "tset" as .*: did you mean test\?$/,
      ],
      [
        () => zeroShot(lm, task, { split: "" as "test" }),
        /^Cannot answer a task with split "" as it must be one of train, /,
      ],
    ] as const
  ) await assertRefused(call, message);
  dispose(lm.parameters);
});

Deno.test("bad input to training is refused in one sentence", async () => {
  const lm = fresh();
  const [task] = tasks as [Task & { kind: "classification" }];
  await assertRefused(
    () => finetune(lm, task, { lambda: -1 }),
    /with lambda -1 as it must be 0 or a number from 1e-6 to 1,000$/,
  );
  await assertRefused(() => finetune(lm, task, { lambda: NaN }), /with lambda NaN as /);
  await assertRefused(() => finetune(lm, task, { epochs: 0 }), /^Cannot fine-tune with epochs 0 as /);
  await assertRefused(
    () => pretrain(lm, { train: text }, { updates: 0 }),
    /^Cannot pre-train with updates 0 as /,
  );
  await assertRefused(
    () => pretrain(lm, { train: text }, { rate: NaN }),
    /^Cannot pre-train with rate NaN as /,
  );
  await assertRefused(
    () => pretrain(lm, { train: text }, { warmup: 2 }),
    /^Cannot pre-train with warmup 2 as /,
  );
  await assertRefused(
    () => pretrain(lm, { train: text }, { seed: 1.5 }),
    /^Cannot pre-train with seed 1.5 as /,
  );
  await assertRefused(
    () => pretrain(lm, { train: "" }, {}),
    /^Cannot cut windows of 16 tokens from a text of 0/,
  );
  const stray = { ...task, train: [{ text: "sun", label: 2 }] };
  await assertRefused(() => finetune(lm, stray), /label 2 .*sky.* 0 \(bad\) and 1 \(good\)/);
  await assertRefused(
    () => evaluate(lm, task),
    /^Cannot evaluate on task "sky" .* the model has no head, which fine-tuning adds$/,
  );
  dispose(lm.parameters);
});
