/** The best epoch by validation, as OpenAI's code keeps it. */
import * as tf from "../../lib/tfjs.ts";
import type { Task } from "../../lib/data/mod.ts";
import { digest } from "../../lib/digest.ts";
import { backend } from "../../lib/engine/mod.ts";
import { dispose, gpt, type LanguageModel, leaves, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import {
  evaluate,
  finetune,
  type FinetuneOptions,
  loadModel,
  progressOf,
  saveModel,
} from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";
import { toy } from "../toy.ts";
import { type Header, partsOf, resigned } from "./resigned.ts";

await backend("wasm", { threads: 1 });

const words = "sun rain wind snow frost cloud storm calm heat mist".split(" ");
const tokenizer = trainBpe(words.join(" ").repeat(20), { merges: 30 });
const lm = gpt({ ...presets.smoke, layers: 1, context: 16 }, { tokenizer, seed: 1 });

/** Examples whose first word decides. */
const rows = (count: number, from: number) =>
  Array.from({ length: count }, (_, i) => ({
    text: `${words[(7 * i + from) % 10]} ${words[(3 * i + from) % 10]} ${words[from]}`,
    label: Number((7 * i + from) % 10 < 5),
  }));
const plain: Task = {
  ...{ name: "sky", kind: "classification", labels: ["cold", "warm"] },
  ...toy,
  ...{ measures: ["pearson", "spearman"], train: rows(16, 0), validation: rows(10, 3), test: rows(8, 5) },
};

/** The rate is so large that each epoch gives other grades. */
const options = {
  ...{ epochs: 3, batch: 4, lambda: 0.5, dropout: 0.1, seed: 2 },
  ...{ rate: 0.1, schedule: "warmup_constant" as const },
};
const PER_EPOCH = 4, UPDATES = 12;

const bits = (lm: LanguageModel) => leaves(lm).map(([name, leaf]) => [name, digest(leaf.dataSync())]);

/** The model after so many updates of a run that keeps the last ones. */
async function after(updates: number): Promise<LanguageModel> {
  const stop = new AbortController();
  const run = finetune(lm, plain, { ...options, signal: stop.signal });
  for await (const { update } of run) if (update === updates) stop.abort();
  return await run;
}

/** The models at the ends of the epochs. */
const epochs = [await after(PER_EPOCH), await after(2 * PER_EPOCH), await after(3 * PER_EPOCH)];

/** A task whose validation examples have the grades that the model of an epoch gives them. */
async function fits(epoch: number): Promise<Task> {
  const { predictions } = await evaluate(epochs[epoch - 1]!, plain, { split: "validation" });
  const validation = plain.validation.map((row, i) => ({ ...row, label: predictions[i]! }));
  return { ...plain, validation } as Task;
}

/** A task that the second of three epochs fits best. */
const task = await fits(2);

/** A run: its model, and the scores in its records by their updates. */
async function made(own: Task, more: FinetuneOptions, each?: (update: number) => unknown) {
  const scores = new Map<number, number>();
  const run = finetune(lm, own, { ...options, ...more });
  for await (const { update, validation } of run) {
    if (validation !== undefined) scores.set(update, validation);
    await each?.(update);
  }
  return { tuned: await run, scores };
}

/** The score of each epoch's model on the validation split. */
async function scoresOf(own: Task): Promise<number[]> {
  const found: number[] = [];
  for (const each of epochs) found.push((await evaluate(each, own, { split: "validation" })).value);
  return found;
}

Deno.test("the epoch that is best on the validation split is the result, and says which it is", async () => {
  for (const epoch of [1, 2, 3]) {
    const own = await fits(epoch), expected = await scoresOf(own), model = epochs[epoch - 1]!;
    assert(expected.every((score, i) => i === epoch - 1 ? score > 0.999 : score < 0.9), `${expected}`);
    const { tuned, scores } = await made(own, { keep: "best" });
    assertEquals([...scores.keys()], [PER_EPOCH, 2 * PER_EPOCH, UPDATES]);
    assertClose([...scores.values()], expected, "scores", { relative: 1e-4 });
    const best = { epoch, validation: scores.get(epoch * PER_EPOCH)! };
    assertEquals(tuned.task, { ...model.task!, best });
    assertEquals(bits(tuned), bits(model));
    assertEquals(
      leaves(tuned).map(([, leaf]) => leaf.trainable),
      leaves(model).map(([, leaf]) => leaf.trainable),
    );
    dispose(tuned);
  }
});

Deno.test("of epochs with equal scores the first is kept", async () => {
  const [row] = plain.validation;
  for (const label of [0, 1]) {
    const own = { ...plain, measures: ["accuracy"], validation: [{ ...row, label }] } as Task;
    const expected = await scoresOf(own), most = Math.max(...expected), epoch = expected.indexOf(most) + 1;
    const { tuned, scores } = await made(own, { keep: "best" });
    assertEquals([...scores.values()], expected);
    assertEquals(tuned.task!.best, { epoch, validation: most });
    assertEquals(bits(tuned), bits(epochs[epoch - 1]!));
    dispose(tuned);
    if (label === 1) assert(new Set(expected).size < 3, `no two of ${expected} are equal`);
  }
});

Deno.test("a run that keeps the last epoch scores none, and its checkpoint is as before there was a choice", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/sky.part`;
  const { tuned, scores } = await made(task, { keep: "last", checkpoint });
  assertEquals([scores.size, tuned.task!.best, bits(tuned)], [0, undefined, bits(epochs[2]!)]);
  const { header: { __metadata__: { settings, ...metadata }, ...tensors } } = partsOf(
    await Deno.readFile(checkpoint),
  );
  assertEquals(Object.keys(metadata), [
    ...["format", "sha256", "config", "seed", "task", "start", "update", "seconds", "losses", "tokenizer"],
  ]);
  assertEquals(Object.keys(JSON.parse(settings!)), [
    ...["run", "rate", "schedule", "warmup", "decay", "clip", "updates", "lambda", "epochs", "batch"],
    ...["dropout", "seed", "transfer", "task", "examples"],
  ]);
  assertEquals(Object.keys(tensors).length, 3 * leaves(tuned).length);
  dispose(tuned);
});

Deno.test("killed after any update and resumed, a run keeps bit for bit the epoch that an unbroken one keeps", async () => {
  const folder = await Deno.makeTempDir();
  const checkpoint = `${folder}/sky.part`;
  for (const epoch of [1, 2]) {
    const own = await fits(epoch);
    const copies: string[] = [];
    const whole = await made(own, { keep: "best", checkpoint, saveEvery: 1 }, async (update) => {
      if (update === 1) return;
      // This update is made, and scored at an epoch's end, but not saved: so a kill leaves it.
      copies.push(`${folder}/${update}.part`);
      await Deno.copyFile(checkpoint, copies.at(-1)!);
    });
    assertEquals(whole.tuned.task!.best!.epoch, epoch);
    for (const [i, copy] of [...copies, checkpoint].entries()) {
      const updates: number[] = [];
      const { tuned, scores } = await made(
        own,
        { keep: "best", checkpoint: copy },
        (update) => updates.push(update),
      );
      assertEquals(updates, Array.from({ length: UPDATES - 1 - i }, (_, n) => i + 2 + n));
      assertEquals([...scores], [...whole.scores].filter(([update]) => update > i + 1));
      assertEquals([tuned.task, bits(tuned)], [whole.tuned.task, bits(whole.tuned)]);
      dispose(tuned);
    }
    dispose(whole.tuned);
    await Deno.remove(checkpoint);
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("stopped by its signal, a run has the best epoch so far, and resumed ends where an unbroken one ends", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/sky.part`;
  const whole = await made(task, { keep: "best" });
  for (const [last, epoch] of [[2, 0], [4, 1], [7, 1], [8, 2], [11, 2], [12, 2]] as const) {
    const stop = new AbortController();
    const more = { keep: "best", checkpoint, saveEvery: 5 } as const;
    const stopped = await made(task, { ...more, signal: stop.signal }, (update) => {
      if (update === last) stop.abort();
    });
    const model = epoch > 0 ? epochs[epoch - 1]! : await after(last);
    assertEquals([stopped.tuned.task!.best?.epoch ?? 0, bits(stopped.tuned)], [epoch, bits(model)]);
    assertEquals((await progressOf(checkpoint))!.update, last);
    const { tuned } = await made(task, more);
    assertEquals([tuned.task, bits(tuned)], [whole.tuned.task, bits(whole.tuned)]);
    for (const each of [stopped.tuned, tuned]) dispose(each);
    if (epoch === 0) dispose(model);
    await Deno.remove(checkpoint);
  }
  dispose(whole.tuned);
});

Deno.test("a run that keeps the best is not resumed with other validation examples, another primary metric or choice", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/sky.part`;
  dispose((await made(task, { keep: "best", checkpoint })).tuned);
  const [row, ...others] = task.validation;
  const changed = { ...task, validation: [{ ...row, label: 0 }, ...others] } as Task;
  for (
    const [own, more, what] of [
      [changed, { keep: "best" }, "validation"],
      [{ ...task, measures: ["spearman", "pearson"] }, { keep: "best" }, "measure"],
      [task, {}, "keep"],
    ] as const
  ) {
    await assertRefused(
      () => made(own as Task, { ...more, checkpoint }),
      new RegExp(`^Cannot resume from .* as its ${what} is .*: current ${what} is `),
    );
  }
  dispose((await made({ ...task, measures: ["pearson"] }, { keep: "best", checkpoint })).tuned);
  await Deno.remove(checkpoint);
  dispose((await made(task, { checkpoint })).tuned);
  await assertRefused(
    () => made(task, { keep: "best", checkpoint }),
    /^Cannot resume from .* as its keep is absent: current keep is "best"$/,
  );
});

Deno.test("a checkpoint whose best epoch cannot be is refused in a sentence", async () => {
  const path = `${await Deno.makeTempDir()}/sky.part`;
  const stop = new AbortController();
  const { tuned } = await made(task, { keep: "best", checkpoint: path, signal: stop.signal }, (update) => {
    if (update === 5) stop.abort(); // The first epoch is scored.
  });
  dispose(tuned);
  const file = await Deno.readFile(path);
  const before = tf.memory().numTensors;
  const set = (name: string, value: string) => (header: Header) => {
    header.__metadata__[name] = value;
  };
  const best = (value: unknown) => set("best", JSON.stringify(value));
  const put = (name: string, number: number) => (header: Header, data: Uint8Array<ArrayBuffer>) => {
    const [at] = header[name]!["data_offsets"] as [number, number];
    new DataView(data.buffer).setFloat32(at, number, true);
  };
  const cannotBe =
    /: its best must be an epoch, a whole number from 1 to 1, and its validation score, a number from -1 to 1: current best is /;
  const cases: [change: Parameters<typeof resigned>[1], why: RegExp][] = [
    ...[
      ...[{ epoch: 2, validation: 0.5 }, { epoch: 0, validation: 0.5 }, { epoch: 0.5, validation: 0.5 }],
      ...[{ epoch: "1", validation: 0.5 }, { validation: 0.5 }, { epoch: 1 }, { epoch: 1, validation: 1.5 }],
      ...[{ epoch: 1, validation: -2 }, { epoch: 1, validation: null }, [1, 0.5], 1, null],
    ].map((value): [Parameters<typeof resigned>[1], RegExp] => [best(value), cannotBe]),
    [(header) => void delete header.__metadata__["best"], /: its best is not JSON$/],
    [set("best", "{"), /: its best is not JSON$/],
    [
      ({ __metadata__: metadata }) => {
        metadata["update"] = "3"; // Before the first epoch's end.
        delete metadata["losses"]; // Of more updates.
      },
      /: tensor "best\..*" is not part of its model$/,
    ],
    [
      ({ __metadata__: metadata }) => {
        const { keep: _, ...settings } = JSON.parse(metadata["settings"]!);
        metadata["settings"] = JSON.stringify(settings);
      },
      /: tensor "best\..*" is not part of its model$/,
    ],
    [
      ({ __metadata__: metadata }) => {
        metadata["settings"] = JSON.stringify({ ...JSON.parse(metadata["settings"]!), epochs: "3" });
      },
      /: its epochs must be a whole number from 1 to 10,000: current epochs is "3"$/,
    ],
    ...[NaN, Infinity].map((number): [Parameters<typeof resigned>[1], RegExp] => [
      put("best.h.0.mlp.c_fc.weight", number),
      /: tensor "best\.h\.0\.mlp\.c_fc\.weight" has numbers that are not finite$/,
    ]),
    [(header) => {
      header["best.clf.bias"]!["shape"] = [1, 2];
    }, /: tensor "best\.clf\.bias" must have shape \[2\]: current shape is \[1,2\]$/],
    [(header) => {
      header["best.other"] = header["best.clf.bias"]!;
      delete header["best.clf.bias"];
    }, /: tensor "best\.clf\.bias" must have shape \[2\]: current shape is absent$/],
  ];
  for (const [change, why] of cases) {
    await Deno.writeFile(path, resigned(file, change));
    await assertRefused(() => made(task, { keep: "best", checkpoint: path }), why);
    await assertRefused(() => loadModel(path), why);
    await assertRefused(() => progressOf(path), /^Cannot use \P{C}{1,290}$/u);
  }
  assertEquals(tf.memory().numTensors, before);
  const other = (header: Header) =>
    best({ ...JSON.parse(header.__metadata__["best"]!), validation: 1 })(header);
  await Deno.writeFile(path, resigned(file, other)); // What can be is believed, as the rest of a checkpoint is.
  const resumed = await made(task, { keep: "best", checkpoint: path });
  assertEquals(resumed.tuned.task!.best, { epoch: 1, validation: 1 });
  dispose(resumed.tuned);
});

Deno.test("a saved model says which epoch it is of, and a file that says what cannot be is refused", async () => {
  const path = `${await Deno.makeTempDir()}/sky.safetensors`;
  const { tuned } = await made(task, { keep: "best" });
  await saveModel(tuned, path);
  const again = await loadModel(path);
  assertEquals([again.task, bits(again)], [tuned.task, bits(tuned)]);
  const file = await Deno.readFile(path);
  for (const best of [{ epoch: 0, validation: 1 }, { epoch: 1, validation: 7 }, 2, null]) {
    const change = ({ __metadata__: metadata }: Header) => {
      metadata["task"] = JSON.stringify({ ...tuned.task, best });
    };
    await Deno.writeFile(path, resigned(file, change));
    await assertRefused(
      () => loadModel(path),
      /with best .* as it must be an epoch, a whole number from 1 to /,
    );
  }
  for (const each of [tuned, again]) dispose(each);
});

Deno.test("keeping the best takes one copy of what is trained, and leaves no tensor, however a run ends", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/sky.part`;
  const before = tf.memory().numTensors;
  const [tensors, bytes]: [number[], number[]] = [[], []];
  for (const keep of ["last", "best"] as const) {
    const { tuned } = await made(task, { keep }, (update) => {
      if (update !== 5) return;
      tensors.push(tf.memory().numTensors);
      bytes.push(tf.memory().numBytes);
    });
    assertEquals(tf.memory().numTensors, before + leaves(tuned).length);
    dispose(tuned);
  }
  const trained = leaves(epochs[0]!).map(([, leaf]) => leaf).filter(({ trainable }) => trainable);
  const size = trained.reduce((sum, { size }) => sum + size, 0);
  assertEquals([tensors[1]! - tensors[0]!, bytes[1]! - bytes[0]!], [trained.length, 4 * size]);

  for await (const { update } of finetune(lm, task, { ...options, keep: "best", checkpoint })) {
    if (update === 5) break;
  }
  assertEquals(tf.memory().numTensors, before, "left early");
  await assertRefused(() => made(task, { keep: "best", checkpoint, rate: 0.2 }), /as its rate is 0\.1/);
  assertEquals(tf.memory().numTensors, before, "refused");
  dispose((await made(task, { keep: "best", checkpoint })).tuned);
  assertEquals(tf.memory().numTensors, before, "resumed");
});

Deno.test("an epoch that leaves no finite logits ends the run, and its save is that of before", async () => {
  const checkpoint = `${await Deno.makeTempDir()}/sky.part`, before = tf.memory().numTensors;
  const wild = { keep: "best", checkpoint, saveEvery: 1, rate: 10, decay: 100, clip: 0, batch: 16 } as const;
  let last = 0;
  await assertRefused(
    () => made(task, { ...wild, epochs: 60, lambda: 0 }, (update) => last = update),
    /^Cannot evaluate on task "sky" as the model's logits are not finite numbers$/,
  );
  assert(last > 0 && (await progressOf(checkpoint))!.update === last, `${last}`);
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("what a run that keeps the best cannot use is refused before anything is computed", async () => {
  await assertRefused(
    () => finetune(lm, { ...task, validation: [] } as Task, { keep: "best" }),
    /^Cannot use task "sky" as its validation split is empty: cut one from train, as in /,
  );
  const { validation: _, ...none } = task;
  await assertRefused(() => finetune(lm, none as Task, { keep: "best" }), /validation split is missing: /);
  await assertRefused(
    () => finetune(lm, task, { keep: "first" as "last" }),
    /^Cannot fine-tune with keep "first" as it must be one of last, best$/,
  );
});

Deno.test("a task that is changed while a run that keeps the best is under way is scored as it was", async () => {
  const own = structuredClone(task);
  const expected = await made(task, { keep: "best" });
  const { tuned, scores } = await made(own, { keep: "best" }, () => {
    Object.assign(own, { measures: ["accuracy"] });
    own.validation.forEach((row) => Object.assign(row, { label: 0 }));
  });
  assertEquals([[...scores], tuned.task], [[...expected.scores], expected.tuned.task]);
  for (const each of [tuned, expected.tuned]) dispose(each);
});
