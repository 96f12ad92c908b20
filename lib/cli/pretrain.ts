import { Command, Option } from "commander";
import { atMost, corpus, listCorpora, type Measure, task } from "../data/mod.ts";
import { countParameters, gpt, positionKinds, presets } from "../model/mod.ts";
import { keys, store, stored, summary } from "../study/mod.ts";
import { trainBpe } from "../text/mod.ts";
import {
  type Interval,
  loadModel,
  ngramBaselines,
  pretrain,
  pretrainDefaults,
  type PretrainOptions,
  progressOf,
  saveModel,
  scoreText,
  type TextScore,
  training,
  type TrainingRecord,
  zeroShot,
} from "../train/mod.ts";
import {
  adamOptions,
  checkOut,
  chosenPreset,
  given,
  inPercent,
  interrupted,
  interruptible,
  modelOptions,
  names,
  number,
  type Place,
  placeOptions,
  run,
  start,
} from "./command.ts";
import { duration, watch } from "../show/mod.ts";

const command = new Command("deno task pretrain")
  .description(
    "Pre-trains a GPT on running text and writes the model to a file. Stopped, it goes on when called again.",
  )
  .requiredOption(
    "--out <file>",
    "where the model goes, such as data/results/mini.safetensors, beside it its scores",
  )
  .option(
    "--corpus <name>",
    `${listCorpora().map(({ name }) => name).join(", ")}, a text file or a folder`,
    "books",
  )
  .option("--merges <n>", "BPE merges, learned from the corpus", number, 4000)
  .addOption(
    new Option("--positions <kind>", "how a token knows its place").choices(positionKinds).default("learned"),
  )
  .option(
    "--zero-shot <tasks>",
    "scores these tasks without fine-tuning at updates 1, 2, 4, … (Figure 2), into <file>.zeroshot.json",
    names(),
  )
  .option("--zero-shot-examples <n>", "of each of these tasks' test examples, at the most", number, 500)
  .option("--updates <n>", "updates", number, 2000)
  .option("--batch <n>", "windows of an update", number, 16)
  .option("--seed <n>", "of initialisation, data order and dropout", number, 1)
  .option("--dropout <share>", "dropped at each site, in this training (default: the preset's own)", number)
  .option("--half", "writes the model in half precision")
  .option("--save-every <n>", "updates between checkpoints", number, 100)
  .action(main);
for (const option of [...modelOptions(presets.mini), ...adamOptions(pretrainDefaults), ...placeOptions()]) {
  command.addOption(option);
}

interface Options extends Place {
  out: string;
  corpus: string;
  merges: number;
  positions: typeof positionKinds[number];
  zeroShot?: string[];
  zeroShotExamples: number;
  updates: number;
  batch: number;
  seed: number;
  dropout?: number;
  half?: true;
  saveEvery: number;
}

async function main(options: Options & Record<string, unknown>): Promise<void> {
  const { out, updates, batch, seed, dropout, half, saveEvery } = options;
  const name = out.replace(/\.safetensors$/, "");
  for (const path of [out, `${name}.json`]) await checkOut(path);
  const signal = interruptible();
  const preset = chosenPreset(options, presets.mini);
  await start(options);
  const text = await corpus(options.corpus);
  const tokenizer = trainBpe(text.train, { merges: options.merges });
  const lm = gpt({ ...preset, positions: { ...preset.positions, kind: options.positions } }, {
    tokenizer,
    seed,
  });
  console.error(
    `${countParameters(lm.parameters).toLocaleString("en")} parameters, ${tokenizer.size} tokens`,
  );

  const { rate, schedule, warmup, decay, clip } = options as Record<string, unknown>;
  const checkpoint = `${out}.part`;
  const chosen = given({ rate, schedule, warmup, decay, clip, dropout }) as Partial<PretrainOptions>;
  const whole = await Promise.all((options.zeroShot ?? []).map((name) => task(name)));
  const tasks = whole.map((task) => atMost(task, { test: options.zeroShotExamples }));
  const reads = {
    ...{ run: "pretrain", preset: lm.config, seed, tokenizer, text: text.train },
    options: { ...pretrainDefaults, ...chosen, updates, batch },
  };
  const keyOf = keys();
  const trained = keyOf(reads);
  const settings = { ...summary(reads) as object, corpus: text.name, merges: options.merges };
  const curveFile = `${name}.zeroshot.json`;
  const curveAsked = { key: keyOf({ trained, tasks }), settings: { ...settings, tasks: summary(tasks) } };
  const curve = tasks.length > 0
    ? (await stored<Point[]>(curveFile, curveAsked.key))?.result.slice() ?? []
    : [];
  const records = pretrain(lm, text, { ...chosen, updates, batch, checkpoint, saveEvery, signal });
  await watch(training(scored(records)));
  if (signal.aborted) {
    return interrupted(`Stopped before the end: the same command goes on from ${checkpoint}`);
  }
  await saveModel(out, lm, given({ half }));

  for (const { update, task, measure, ...score } of curve) {
    console.log(`${task} without fine-tuning at update ${update}: ${measure} ${inPercent(score)}`);
  }
  const line = (name: string, { loss, perplexity, bitsPerCharacter, low, high }: TextScore) =>
    console.log(
      `${name.padEnd(10)} ${bitsPerCharacter.toFixed(3)} [${low.bitsPerCharacter.toFixed(3)}, ` +
        `${high.bitsPerCharacter.toFixed(3)}] bits per character, ` +
        `${loss.toFixed(3)} nats and perplexity ${perplexity.toFixed(1)} per token`,
    );
  console.log(`Held-out text of ${text.name}:`);
  const baselines = ngramBaselines(text.train, text.heldout, tokenizer, preset.context);
  line("unigram", baselines.unigram);
  line("bigram", baselines.bigram);
  line("Kneser–Ney", baselines.kneserNey);
  const heldout = await scoreText(half ? await loadModel(out) : lm, text.heldout); // As it was written.
  line("model", heldout);
  const { seconds, batch: used } = (await progressOf(checkpoint))!;
  const asked = { key: keyOf({ trained, heldout: text.heldout, half }), settings };
  await store(`${name}.json`, asked, { heldout, baselines, trained: { updates, batch: used } }, seconds);
  await Deno.remove(checkpoint);
  console.error(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);

  /** The run, in which the model answers the tasks, if any, at updates 1, 2, 4, … and the last. */
  async function* scored(records: AsyncIterable<TrainingRecord>): AsyncGenerator<TrainingRecord, void> {
    for await (const record of records) {
      yield record;
      const { update } = record;
      if (tasks.length === 0 || (!Number.isInteger(Math.log2(update)) && update < updates)) continue;
      if (curve.some((point) => point.update === update)) continue; // Kept by a run that went further than its save.
      for (const task of tasks) {
        const { measure, value, low, high } = await zeroShot(lm, task);
        curve.push({ update, task: task.name, measure, value, low, high });
      }
      await store(curveFile, curveAsked, curve, record.seconds);
    }
  }
}

/** A task's score at an update. */
interface Point extends Interval {
  readonly update: number;
  readonly task: string;
  readonly measure: Measure;
}

await run(command);
