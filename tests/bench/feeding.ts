/**
 * What feeding the model costs: encoding a text or a task, laying out an epoch and making a batch, beside an update of
 * `mini` on one thread. `deno run --allow-all tests/bench/feeding.ts` measures it and writes feeding.json and feeding.md.
 *
 * @module
 */
import * as tf from "../../lib/tfjs.ts";
import { Command } from "commander";
import { cpus } from "node:os";
import { addSettings, given, run } from "../../lib/cli/command.ts";
import { corpus, type Task, task } from "../../lib/data/mod.ts";
import { backend } from "../../lib/engine/mod.ts";
import { checkWritable, writeAtomic } from "../../lib/files.ts";
import { dispose, gpt, presets } from "../../lib/model/mod.ts";
import { settle, text } from "../../lib/settings.ts";
import { provenance } from "../../lib/engine/mod.ts";
import { tokenizerFrom, tokensOf, trainBpe } from "../../lib/text/mod.ts";
import { updates as updateSetting } from "../../lib/train/options.ts";
import { exampleBatch } from "../../lib/train/batches.ts";
import {
  type Batch,
  encodeTask,
  finetune,
  paddingShare,
  pretrain,
  shuffledByLength,
  type Training,
  windowBatches,
} from "../../lib/train/mod.ts";
import { type Feeding, feedingReport, type FeedingRun } from "./report.ts";

const settings = {
  updates: { ...updateSetting, about: "updates of each run", default: 30 },
  out: { ...text, about: "where feeding.json and feeding.md go", unit: "folder", default: "data/bench" },
};

const command = addSettings(
  new Command("feeding").description("Times batches and encoding beside the updates of mini, on one thread."),
  settings,
).action(main);

const MERGES = 4000, WINDOWS = 16, EXAMPLES = 32, SEED = 1;
/** Updates of each run before those that count. */
const WARM_UP = 3;

async function main(options: Record<string, unknown>): Promise<void> {
  const { updates, out } = settle("measure", settings, given(settings, options));
  await checkWritable(`${out}/feeding.json`);
  const { matmul } = await backend("wasm", { threads: 1 });
  const books = await corpus("books");
  const learned = trainBpe(books.train, { merges: MERGES });
  const { context } = presets.mini;

  const pretraining = async (): Promise<FeedingRun> => {
    const lm = gpt(presets.mini, { tokenizer: tokenizerFrom(learned), seed: SEED }); // It has read nothing yet.
    const [encoding, ids] = timed(() => tokensOf(books.train, lm.tokenizer));
    const perEpoch = Math.floor((Math.floor(ids.length / context) - 1) / WINDOWS);
    const batches = () => windowBatches(ids, context, WINDOWS, SEED);
    const steps = pretrain(lm, books, { batch: WINDOWS, updates: perEpoch });
    const measured = await race(batches, steps, updates);
    dispose(lm.parameters);
    return { run: `pre-training on ${books.name}`, encoding, perEpoch, ...measured };
  };

  const finetuning = async (task: Task): Promise<FeedingRun> => {
    const lm = gpt(presets.mini, { tokenizer: tokenizerFrom(learned), seed: SEED });
    const [encoding, encoded] = timed(() => encodeTask(task, lm.tokenizer, context));
    const { train } = encoded;
    const batches = () => {
      const pick = shuffledByLength(SEED, train.map(({ length }) => length), EXAMPLES);
      return (update: number) => exampleBatch(Array.from(pick(update), (i) => train[i]!), encoded, lm);
    };
    const measured = await race(batches, finetune(lm, task, { batch: EXAMPLES }), updates);
    dispose(lm.parameters);
    const alike = { ...encoded, train: train.map((example) => ({ ...example, length: 1 })) };
    const padding = {
      byLength: paddingShare(encoded, EXAMPLES, SEED, lm.config),
      shuffled: paddingShare(alike, EXAMPLES, SEED, lm.config), // Of one length, as far as the order can tell.
    };
    const perEpoch = Math.floor(train.length / EXAMPLES);
    return { run: `fine-tuning on ${task.name}`, encoding, perEpoch, padding, ...measured };
  };

  const runs = [
    await pretraining(),
    await finetuning(await task("imdb", { words: 60 })),
    await finetuning(await task("kind")),
  ];
  const { revision } = await provenance();
  const made: Feeding = {
    settings: { preset: presets.mini, merges: MERGES, windows: WINDOWS, examples: EXAMPLES, updates },
    machine: `${cpus()[0]?.model ?? Deno.build.arch}, ${Deno.build.os}; ${matmul}`,
    versions: { deno: Deno.version.deno, v8: Deno.version.v8, tfjs: tf.version_core },
    ...(revision && { revision }),
    ended: new Date().toISOString(),
    runs,
  };
  await writeAtomic(`${out}/feeding.json`, [JSON.stringify(made, null, 2) + "\n"]);
  await writeAtomic(`${out}/feeding.md`, [feedingReport(made)]);
  console.log(feedingReport(made));
}

/** Milliseconds of a call, and what it gave. */
function timed<Result>(call: () => Result): [ms: number, result: Result] {
  const begin = performance.now();
  const result = call();
  return [performance.now() - begin, result];
}

/** Milliseconds of each batch and of the update that is made on it, in turns; and of an epoch's layout. */
async function race(
  batches: () => (update: number) => Batch,
  steps: Training<unknown>,
  updates: number,
): Promise<Pick<FeedingRun, "layout" | "batches" | "updates">> {
  batches()(0); // What was compiled for it is no part of it.
  const [layout, batchAt] = timed(() => {
    const batchAt = batches();
    batchAt(0);
    return batchAt;
  });
  const measured = { layout, batches: [] as number[], updates: [] as number[] };
  const records = steps[Symbol.asyncIterator]();
  for (let update = 0; update < WARM_UP + updates; update++) {
    const [batch] = timed(() => batchAt(update));
    const begin = performance.now();
    await records.next();
    if (update < WARM_UP) continue;
    measured.batches.push(batch);
    measured.updates.push(performance.now() - begin);
  }
  await records.return?.();
  return measured;
}

await run(command);
