import * as tf from "../../lib/tfjs.ts";
import { type Corpus, type Task, task as load } from "../../lib/data/mod.ts";
import { asRun, backend } from "../../lib/engine/mod.ts";
import {
  attentionMaps,
  countParameters,
  dispose,
  generate,
  gpt,
  type LanguageModel,
  leaves,
  presets,
  saveReleased,
} from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { evaluate, finetune, pretrain, scoreByPosition, scoreText, zeroShot } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { toy } from "../toy.ts";

await backend("wasm", { threads: 1 });

const text = "to be or not to be that is the question ".repeat(40);
const tokenizer = trainBpe(text, { merges: 10 });
const make = () => gpt(presets.smoke, { tokenizer, seed: 1 });
const split = <E>(rows: E[], others: E[]) => ({ train: rows, validation: others, test: others });
const task: Task = {
  name: "days",
  kind: "classification",
  labels: ["fine", "sad"],
  ...toy,
  ...split(
    [{ text: "a fine day", label: 0 }, { text: "a sad day", label: 1 }],
    [{ text: "the fine day", label: 0 }, { text: "the sad day", label: 1 }],
  ),
};
const corpus = { train: text };
const settings = { updates: 3, batch: 2 };

/** All that takes a model, by what its message says of it. */
const takers: [(lm: LanguageModel) => unknown, string][] = [
  [(lm) => generate(lm, "to be"), "continue a text"],
  [(lm) => attentionMaps(lm, "to be"), "draw attention"],
  [(lm) => saveReleased(lm, "never-written"), "save a model"],
  [(lm) => pretrain(lm, corpus), "pre-train"],
  [(lm) => finetune(lm, task), "fine-tune"],
  [(lm) => evaluate(lm, task), "evaluate"],
  [(lm) => scoreText(lm, text), "score a text"],
  [(lm) => scoreByPosition(lm, text), "score a text"],
  [(lm) => zeroShot(lm, task), "answer a task"],
];

Deno.test("what is no model is refused by all that takes one, and a forgotten await is named", async () => {
  const lm = make();
  for (const [take, action] of takers) {
    for (const value of [Promise.resolve(lm), finetune(lm, task)]) {
      await assertRefused(
        () => take(value as never),
        new RegExp(`^Cannot ${action} as the model is not awaited: write await before it$`),
      );
    }
    for (const value of [undefined, null, "mini", presets.smoke, {}, [lm], lm.parameters]) {
      await assertRefused(
        () => take(value as never),
        new RegExp(
          `^Cannot ${action}: expected a model from gpt\\(\\), loadModel\\(\\) or pretrained\\(\\): `,
        ),
      );
    }
  }
  dispose(lm);
});

Deno.test("a model that was disposed is refused by all that takes one", async () => {
  const gone = make();
  const [pretraining, tuning] = [pretrain(gone, corpus), finetune(gone, task)];
  const tensors = tf.memory().numTensors;
  dispose(gone);
  dispose(gone);
  for (const [take, action] of takers) {
    await assertRefused(
      () => take(gone),
      new RegExp(`^Cannot ${action} as the model was disposed: create or load it again$`),
    );
  }
  for (const run of [pretraining, tuning]) await assertRefused(() => run, /as the model was disposed/);
  assert(tf.memory().numTensors < tensors);
});

Deno.test("parameters are counted, listed and freed of a model as of its parameters, and of nothing else", async () => {
  const lm = make();
  assertEquals(countParameters(lm), countParameters(lm.parameters));
  assertEquals(leaves(lm).map(([name]) => name), leaves(lm.parameters).map(([name]) => name));
  for (const use of [countParameters, leaves, dispose]) {
    await assertRefused(
      () => use(Promise.resolve(lm) as never),
      /model that is not awaited: write await before it$/,
    );
    for (const value of [undefined, null, 7, "mini", {}, task, { parameters: 7 }]) {
      await assertRefused(
        () => use(value as never),
        /^Cannot list parameters: expected a model or its parameters: current value is /,
      );
    }
  }
  dispose(lm);
  assert(leaves(lm).every(([, leaf]) => leaf.isDisposed));
});

Deno.test("a name or a promise in the place of a task or a corpus is refused with what to write", async () => {
  const lm = make();
  for (const take of [finetune, evaluate, zeroShot]) {
    await assertRefused(
      () => take(lm, "kind" as never),
      /^Cannot use the name "kind" as a task: write await task\("kind"\)$/,
    );
    const promise = load("no such task");
    promise.catch(() => {});
    await assertRefused(
      () => take(lm, promise as never),
      /^Cannot use a task that is not awaited: write await/,
    );
    await assertRefused(() => take(lm, undefined as never), /^Cannot use a task as it must be an object/);
  }
  const refuse = (value: unknown, message: RegExp) =>
    assertRefused(() => pretrain(lm, value as Corpus), message);
  await refuse("books", /^Cannot pre-train on the name "books": write await corpus\("books"\)$/);
  await refuse(text, /^Cannot pre-train on a string as a corpus is an object: write \{ train: text \}$/);
  await refuse(
    Promise.resolve(corpus),
    /^Cannot pre-train as the corpus is not awaited: write await before it$/,
  );
  for (const value of [undefined, null, 7, {}, { train: 7 }, [text]]) {
    await refuse(
      value,
      /^Cannot pre-train: expected a corpus from corpus\(\), or \{ train: text \}: /,
    );
  }
  dispose(lm);
});

Deno.test("a run is carried out once: iterated again it is refused, awaited again it gives the same", async () => {
  const lm = make();
  const run = pretrain(lm, corpus, settings);
  let updates = 0;
  for await (const _ of run) updates++;
  assertEquals(updates, 3);
  const again = async (run: AsyncIterable<unknown>) => {
    for await (const _ of run) updates++;
  };
  await assertRefused(() => again(run), /^Cannot iterate a run again as it is executed once: await it/);
  assertEquals([await run === lm, await run === lm, updates], [true, true, 3]);
  const awaited = pretrain(lm, corpus, settings);
  await awaited;
  await assertRefused(() => again(awaited), /^Cannot iterate a run again/);
  const left = pretrain(lm, corpus, settings);
  for await (const _ of left) break;
  await assertRefused(() => again(left), /^Cannot iterate a run again/);
  dispose(lm);
});

Deno.test("a run that is shown says whether it has begun and what to write", async () => {
  const run = asRun(async function* (): AsyncGenerator<number, string> {
    yield 1;
    return "result";
  }());
  assertEquals(
    Deno.inspect(run),
    "a run that has not started: write await before it, or watch it, as in await watch(run), or iterate it, as in " +
      "for await (const record of run)",
  );
  const display = (run as unknown as Record<symbol, () => unknown>)[Symbol.for("Jupyter.display")]!;
  assertEquals(display(), { "text/plain": Deno.inspect(run) });
  assertEquals(await run, "result");
  assertEquals(Deno.inspect(run), "a run that has started: await it for its result");
});

Deno.test("a model is pre-trained by one run at a time; fine-tuning copies it, and is not kept waiting", async () => {
  const lm = make();
  const first = pretrain(lm, corpus, settings), second = pretrain(lm, corpus, settings);
  const [one, two] = await Promise.allSettled([first, second]);
  assertEquals([one.status, two.status], ["fulfilled", "rejected"]);
  await assertRefused(
    () => second,
    /^Cannot pre-train a model that another run is pre-training: await that run first$/,
  );
  await pretrain(lm, corpus, settings); // After the end of one.
  for await (const _ of pretrain(lm, corpus, settings)) {
    await assertRefused(() => pretrain({ ...lm }, corpus, settings), /another run is pre-training/); // The same parameters.
    break;
  }
  await pretrain(lm, corpus, settings); // After one was left.
  for await (const _ of pretrain(lm, corpus, settings)) {
    const weight = lm.parameters.h[0]!.ln_1.weight.dataSync();
    const tuned = await finetune(lm, task, { signal: AbortSignal.abort() });
    assertEquals(tuned.parameters.h[0]!.ln_1.weight.dataSync(), weight); // As the model is between two updates.
    dispose(tuned);
  }
  const tuned = await Promise.all([1, 1].map((seed) => finetune(lm, task, { seed, epochs: 2 })));
  const [a, b] = tuned.map((tuned) => tuned.parameters.clf!.weight.dataSync());
  assertEquals(a, b);
  for (const model of [...tuned, lm]) dispose(model);
});
