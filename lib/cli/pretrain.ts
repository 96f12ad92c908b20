import { atMost, checkCorpus, corpus, listCorpora, task } from "../data/mod.ts";
import { limitSetting, taskName } from "../data/settings.ts";
import { exists } from "../files.ts";
import { checkConfig, countParameters, gpt, presets } from "../model/mod.ts";
import { presetSettings, seedSetting } from "../model/settings.ts";
import { flag, list, settle, text } from "../settings.ts";
import { stopSignal, yieldToEventLoop } from "../stop.ts";
import { duration, watch } from "../show/mod.ts";
import { trainBpe } from "../text/mod.ts";
import { bpeSettings } from "../text/settings.ts";
import {
  keys,
  loadModel,
  type NgramBaselines,
  ngramBaselines,
  pretrain,
  progressOf,
  scoreText,
  store,
  stored,
  summary,
  type TextScore,
  training,
  warnOfMerges,
  zeroShotCurve,
} from "../train/mod.ts";
import { pretrainSettings } from "../train/settings.ts";
import {
  addSettings,
  checkOut,
  chosenPreset,
  claimOut,
  Command,
  computeSettings,
  given,
  inPercent,
  interrupted,
  interruptible,
  modelSettings,
  putModel,
  removeSignalListeners,
  run,
  start,
} from "./command.ts";

const { checkpoint: _, signal: __, ...pretraining } = pretrainSettings;

/** The settings of `deno task pretrain`. */
export const settings = {
  out: {
    ...text,
    about: "file of the model, such as data/results/mini.safetensors; its scores are written next to it",
    unit: "file",
  },
  corpus: {
    ...text,
    about: `${listCorpora().map(({ name }) => name).join(", ")}, a text file or a folder`,
    unit: "name",
    default: "books",
  },
  merges: { ...bpeSettings.merges, about: "number of BPE merges, learned from the corpus", default: 4000 },
  positions: { ...presetSettings.positions.kind, default: "learned" as const },
  zeroShot: {
    ...list(taskName),
    about: "tasks for zero-shot evaluation at updates 1, 2, 4, … (Figure 2), written to <file>.zeroshot.json",
    unit: "names",
    otherwise: "none",
  },
  zeroShotExamples: {
    ...limitSetting,
    about: "maximum number of test examples of each of these tasks",
    default: 500,
  },
  ...pretraining,
  seed: { ...seedSetting, about: "seed of initialisation, data order and dropout" },
  half: { ...flag, about: "write the model in float16" },
  ...modelSettings(presets.mini),
  ...computeSettings,
};

/** `deno task pretrain`. */
export const command = addSettings(
  new Command("deno task pretrain").description(
    "Pre-trains a GPT on text and writes the model to a file. An interrupted run resumes when called again.",
  ),
  settings,
).action(main);

async function main(options: Record<string, unknown>): Promise<void> {
  const chosen = settle("pre-train", settings, given(settings, options));
  const { out, half, seed, merges, updates, batch, dropout, saveEvery } = chosen;
  const { rate, schedule, warmup, decay, clip } = chosen;
  const name = out.replace(/\.safetensors$/, "");
  await checkCorpus(chosen.corpus);
  const checkpoint = `${out}.part`, file = `${name}.json`;
  const isResumed = await exists(checkpoint); // It is kept until everything is written.
  for (const path of [out, file]) await checkOut(path, isResumed);
  const preset = chosenPreset(chosen, presets.mini);
  checkConfig({ ...preset, vocabulary: 1 });
  await using claimed = await claimOut(out);
  await start(chosen);
  const text = await corpus(chosen.corpus);
  const tokenizer = trainBpe(text.train, { merges });
  warnOfMerges(tokenizer, merges);
  const lm = gpt({ ...preset, positions: { ...preset.positions, kind: chosen.positions } }, {
    tokenizer,
    seed,
  });
  console.error(
    `${countParameters(lm.parameters).toLocaleString("en")} parameters, ${tokenizer.size} tokens`,
  );

  const adam = { rate, schedule, warmup, decay, clip, ...dropout !== undefined && { dropout } };
  const whole = await Promise.all((chosen.zeroShot ?? []).map((name) => task(name)));
  const tasks = whole.map((task) => atMost(task, { test: chosen.zeroShotExamples }));
  const pretrainOptions = { ...adam, updates, batch };
  const inputs = {
    run: "pretrain",
    preset: lm.config,
    seed,
    tokenizer,
    text: text.train,
    options: pretrainOptions,
  };
  const keyOf = keys();
  const trained = keyOf(inputs);
  const about = { ...summary(inputs) as object, corpus: text.name, merges };
  const curve = await zeroShotCurve(tasks, `${name}.zeroshot.json`, {
    key: keyOf({ trained, tasks }),
    settings: { ...about, tasks: summary(tasks) },
  });
  const runKey = { key: keyOf({ trained, heldout: text.heldout, half }), settings: about };
  const previous = await stored<Scores>(file, runKey.key);

  const signal = interruptible();
  try {
    const records = pretrain(lm, text, { ...pretrainOptions, checkpoint, saveEvery, signal });
    await watch(training(curve.during(records, lm, checkpoint)));
    signal.throwIfAborted();
    await putModel(out, lm, { half });
    const { heldout, baselines } = previous?.result ?? await scores();
    for (const { update, task, measure, ...score } of curve.points) {
      console.log(`${task} without fine-tuning at update ${update}: ${measure} ${inPercent(score)}`);
    }
    console.log(`Held-out text of ${text.name}:`);
    printScore("unigram", baselines.unigram);
    printScore("bigram", baselines.bigram);
    printScore("Kneser–Ney", baselines.kneserNey);
    printScore("model", heldout);
  } catch (error) {
    if (!signal.aborted) throw error;
    return interrupted(`Stopped before the end: the same command resumes from ${checkpoint}`);
  }
  await claimed.release(); // Before the checkpoint is removed: it marks an unfinished command.
  await Deno.remove(checkpoint);
  console.error(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);

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

/** Prints a held-out score. */
function printScore(name: string, { loss, perplexity, bitsPerCharacter, low, high }: TextScore): void {
  console.log(
    `${name.padEnd(10)} ${bitsPerCharacter.toFixed(3)} [${low.bitsPerCharacter.toFixed(3)}, ` +
      `${high.bitsPerCharacter.toFixed(3)}] bits per character, ` +
      `${loss.toFixed(3)} nats and perplexity ${perplexity.toFixed(1)} per token`,
  );
}

/** Held-out scores of a model and of baselines. */
interface Scores {
  readonly heldout: TextScore;
  readonly baselines: NgramBaselines;
  readonly trained: { readonly updates: number; readonly batch: number };
}

if (import.meta.main) await run(command);
