import { atMost, checkCorpus, corpus, listCorpora, task } from "../data/mod.ts";
import { limitSetting, taskName } from "../data/settings.ts";
import { asRun } from "../engine/mod.ts";
import { abbreviated, digest } from "../digest.ts";
import { InputError, quoted } from "../errors.ts";
import { checkWritable, exists } from "../files.ts";
import { isRecord } from "../foreign.ts";
import { checkConfig, countParameters, gpt, presets } from "../model/mod.ts";
import { presetSettings, seedSetting } from "../model/settings.ts";
import { flag, list, text } from "../settings.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { duration } from "../show/mod.ts";
import { trainBpe } from "../text/mod.ts";
import { bpeSettings } from "../text/settings.ts";
import {
  checkTrunk,
  checkWarmup,
  keys,
  loadModel,
  type NgramBaselines,
  ngramBaselines,
  pretrain,
  progressOf,
  scoreText,
  store,
  stored,
  type TextScore,
  warnOfMerges,
  zeroShotCurve,
} from "../train/mod.ts";
import { pretrainSettings } from "../train/settings.ts";
import {
  addSections,
  addSettings,
  checkOut,
  chosenPreset,
  claimOut,
  Command,
  computeSettings,
  inPercent,
  interrupted,
  interruptible,
  modelSettings,
  putModel,
  removeSignalListeners,
  run,
  start,
} from "./command.ts";
import { chosen, configSetting, recordOf, type Values, warnOfOtherData } from "./config.ts";
import { outputOf, outputSettings } from "./output.ts";

const { checkpoint: _, signal: __, ...pretraining } = pretrainSettings;

/** The settings of `deno task pretrain`. */
export const settings = {
  out: {
    ...text,
    about: "file of the model; its scores and settings are written next to it",
    unit: "file",
  },
  corpus: {
    ...text,
    about: `${listCorpora().map(({ name }) => name).join(", ")}, some joined by +, a text file or a folder`,
    unit: "name",
    default: "books",
  },
  merges: { ...bpeSettings.merges, default: 4000 },
  positions: { ...presetSettings.positions.kind, default: "learned" as const },
  zeroShot: {
    ...list(taskName),
    about: "tasks for zero-shot evaluation at updates 1, 2, 4, … (Figure 2), stored in <file>.zeroshot.json",
    unit: "name",
    otherwise: "none",
  },
  zeroShotExamples: {
    ...limitSetting,
    about: "test examples of each of these, at most",
    default: 500,
  },
  ...pretraining,
  seed: { ...seedSetting, about: "seed of initialisation, data order and dropout" },
  half: { ...flag, about: "write the model in float16", default: false },
  ...modelSettings(presets.mini),
  ...computeSettings,
  config: configSetting,
  ...outputSettings,
};

/** `deno task pretrain`. */
export const command = addSections(
  addSettings(
    new Command("deno task pretrain").description(
      "Pre-trains a GPT on text and writes the model to a file. An interrupted run resumes when called again.",
    ),
    settings,
    {
      "Model": ["out", "half", "preset", "size", "positions"],
      "Text": ["corpus", "merges"],
      "Training": ["updates", "batch", "rate", "schedule", "warmup", "decay", "clip", "dropout", "seed"],
      "Zero-shot evaluation": ["zeroShot", "zeroShotExamples"],
      "Run": ["config", "quiet", "json", "saveEvery", "trunk", "backend", "threads"],
    },
  ),
  {
    "Time and disk":
      "Some ten minutes on two cores, and 6 MB for the model, 16 MB while it trains; a file of --trunk takes 16 MB, and stays. Data, at the first use: 4 MB of books.",
    "Settings in a file": [
      "--config repeats what is recorded next to a model (of mini.safetensors, in",
      "mini.json), or reads settings of your own by the options' names, such as",
      '{ "layers": 2, "zeroShot": ["kind"] }.',
    ],
    "JSON": [
      "{ settings, parameters, tokens, heldout, file,",
      "  baselines: { unigram, bigram, kneserNey },",
      "  zeroShot: [{ update, task, measure, value, low, high }] }",
      "heldout and each baseline: { loss, perplexity, bitsPerCharacter, tokens,",
      "  unknown, low: { loss, … }, high: { loss, … } }",
      "loss is in nats per token; low and high bound 95 % intervals.",
    ],
    "Examples": [
      "deno task pretrain --out data/results/mini.safetensors",
      "deno task pretrain --out novel.safetensors --corpus novel.txt --updates 500",
      "deno task pretrain --out m.safetensors --config data/models/mini-learned.json",
    ],
  },
).action((_, command) => main(command));

/** The settings of a file; those next to a model, in this format or that of version 0.1, have other names. */
function rename(settings: Values, refuse: (why: string) => never): Values {
  if ("trained" in settings) refuse("it is one run of a study, whose settings are in its study.json");
  const { run: _, tokenizer: __, text, preset, options, ...others } = settings;
  const size = isRecord(preset) ? preset : { preset }; // A recorded one has all sizes, one of your own a name.
  const training = isRecord(options) ? options : { options };
  const { vocabulary: ____, positions, ...all } = { ...size, ...others, ...training };
  const { kind, scale } = isRecord(positions) ? positions : { kind: positions };
  const recorded = / sha256 (\w+)$/.exec(`${text}`)?.[1] ?? abbreviated(digest(text)); // A short text is there itself.
  const digests = { [textOf(others["corpus"])]: recorded };
  return {
    ...all,
    positions: kind,
    ...scale !== undefined && { scale },
    ...text !== undefined && { digests },
  };
}

/** The name of a training text among the digests of data. */
const textOf = (corpus: unknown) => `the text of corpus ${corpus}`;

async function main(command: Command): Promise<void> {
  const { settled, digests } = await chosen(command, "pre-train", settings, rename);
  const { out, half, seed, merges, updates, batch, dropout, saveEvery } = settled;
  const { note, print, finish, watch } = outputOf(settled);
  const { rate, schedule, warmup, decay, clip, trunk } = settled;
  checkWarmup("pre-train", settled);
  checkTrunk(trunk, schedule);
  if (trunk !== undefined && settled.zeroShot !== undefined) {
    throw new InputError(
      `Cannot pre-train with --trunk ${quoted(trunk)} and --zero-shot as the updates of a trunk ` +
        "are not made again to be scored: leave out one of them",
    );
  }
  const name = out.replace(/\.safetensors$/, "");
  await checkCorpus(settled.corpus);
  const checkpoint = `${out}.part`, file = `${name}.json`;
  const isResumed = await exists(checkpoint); // It is kept until everything is written.
  const curveFile = `${name}.zeroshot.json`;
  await checkOut([out, file], isResumed, [checkpoint, curveFile]);
  if (trunk !== undefined) await checkWritable(`${trunk}-${updates}.part`);
  const preset = chosenPreset(settled, presets.mini);
  checkConfig({ ...preset, vocabulary: 1 });
  await using claimed = await claimOut(file); // Two names of models may share a record.
  await start(settled, note);
  const text = await corpus(settled.corpus);
  if (settled.config !== undefined) {
    warnOfOtherData(settled.config, digests, { [textOf(text.name)]: abbreviated(digest(text.train)) });
  }
  const tokenizer = trainBpe(text.train, { merges });
  warnOfMerges(tokenizer, merges);
  const lm = gpt({ ...preset, positions: { ...preset.positions, kind: settled.positions } }, {
    tokenizer,
    seed,
  });
  const parameters = countParameters(lm.parameters);
  note(`${parameters.toLocaleString("en")} parameters, ${tokenizer.size} tokens`);

  const adam = { rate, schedule, warmup, decay, clip, ...dropout !== undefined && { dropout } };
  const whole = await Promise.all((settled.zeroShot ?? []).map((name) => task(name)));
  const tasks = whole.map((task) => atMost(task, { test: settled.zeroShotExamples }));
  const pretrainOptions = { ...adam, updates, batch };
  const inputs = {
    run: "pretrain",
    preset: lm.config,
    seed,
    tokenizer,
    text: text.train,
    options: pretrainOptions,
  };
  const { keyOf, summaryOf } = keys();
  const trained = keyOf(inputs);
  const { zeroShot, zeroShotExamples } = settled;
  const asked = { corpus: text.name, merges, half, ...zeroShot && { zeroShot, zeroShotExamples } };
  const about = { ...summaryOf({ ...inputs, ...asked }) as object };
  const curve = await zeroShotCurve(tasks, curveFile, {
    key: keyOf({ trained, tasks }),
    settings: { ...about, tasks: summaryOf(tasks) },
  });
  const runKey = { key: keyOf({ trained, heldout: text.heldout, half }), settings: about };
  const previous = await stored<Scores>(file, runKey.key);

  const signal = interruptible();
  try {
    const files = { checkpoint, ...trunk !== undefined && { trunk } };
    const records = pretrain(lm, text, { ...pretrainOptions, ...files, saveEvery, signal });
    await watch(asRun(curve.during(records, lm, checkpoint)));
    signal.throwIfAborted();
    await putModel(out, lm, { half });
    const { heldout, baselines } = previous?.result ?? await scores();
    for (const { update, task, measure, calibrated, ...score } of curve.points) {
      const how = calibrated ? ", calibrated," : "";
      print(`${task} without fine-tuning${how} at update ${update}: ${measure} ${inPercent(score)}`);
    }
    print(`Held-out text of ${text.name}:`);
    print(scoreLine("unigram", baselines.unigram));
    print(scoreLine("bigram", baselines.bigram));
    print(scoreLine("Kneser–Ney", baselines.kneserNey));
    print(scoreLine("model", heldout));
    const result = {
      parameters,
      tokens: tokenizer.size,
      heldout,
      baselines,
      zeroShot: curve.points,
      file: out,
    };
    await claimed.release(); // Before the checkpoint is removed: it marks an unfinished command.
    await Deno.remove(checkpoint);
    finish({ settings: recordOf(settled), ...result });
    note(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    interrupted(`Stopped before the end: the same command resumes from ${checkpoint}`);
  }

  /** Held-out scores of the model and of n-gram baselines. */
  async function scores(): Promise<Scores> {
    const heldout = await scoreText(half ? await loadModel(out) : lm, text.heldout); // The model as saved.
    await yieldToEventLoop(stopSignal());
    removeSignalListeners(); // Counting is synchronous: signals would not be handled.
    const baselines = ngramBaselines(lm, text);
    const { seconds, batch: batchSize } = (await progressOf(checkpoint))!;
    const found = { heldout, baselines, trained: { updates, batch: batchSize } };
    await store(file, runKey, found, seconds);
    return found;
  }
}

/** A held-out score, in a line. */
function scoreLine(name: string, { loss, perplexity, bitsPerCharacter, low, high }: TextScore): string {
  return `${name.padEnd(10)} ${bitsPerCharacter.toFixed(3)} [${low.bitsPerCharacter.toFixed(3)}, ` +
    `${high.bitsPerCharacter.toFixed(3)}] bits per character, ` +
    `${loss.toFixed(3)} nats and perplexity ${perplexity.toFixed(1)} per token`;
}

/** Held-out scores of a model and of baselines. */
interface Scores {
  readonly heldout: TextScore;
  readonly baselines: NgramBaselines;
  readonly trained: { readonly updates: number; readonly batch: number };
}

if (import.meta.main) await run(command);
