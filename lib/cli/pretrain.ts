import { Command } from "commander";
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
  endAtOnce,
  given,
  inPercent,
  interrupted,
  interruptible,
  modelSettings,
  placeSettings,
  putModel,
  run,
  start,
} from "./command.ts";

const { checkpoint: _, signal: __, ...pretraining } = pretrainSettings;

/** What `deno task pretrain` takes. */
export const settings = {
  out: {
    ...text,
    about: "where the model goes, such as data/results/mini.safetensors, beside it its scores",
    unit: "file",
  },
  corpus: {
    ...text,
    about: `${listCorpora().map(({ name }) => name).join(", ")}, a text file or a folder`,
    unit: "name",
    default: "books",
  },
  merges: { ...bpeSettings.merges, about: "BPE merges, learned from the corpus", default: 4000 },
  positions: { ...presetSettings.positions.kind, default: "learned" as const },
  zeroShot: {
    ...list(taskName),
    about:
      "scores these tasks without fine-tuning at updates 1, 2, 4, … (Figure 2), into <file>.zeroshot.json",
    unit: "names",
    otherwise: "none",
  },
  zeroShotExamples: {
    ...limitSetting,
    about: "of each of these tasks' test examples, at the most",
    default: 500,
  },
  ...pretraining,
  seed: { ...seedSetting, about: "seed of initialisation, data order and dropout" },
  half: { ...flag, about: "writes the model in half precision" },
  ...modelSettings(presets.mini),
  ...placeSettings,
};

/** `deno task pretrain`. */
export const command = addSettings(
  new Command("deno task pretrain").description(
    "Pre-trains a GPT on running text and writes the model to a file. Stopped, it goes on when called again.",
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
  const goesOn = await exists(checkpoint); // It stays until everything is written.
  for (const path of [out, file]) await checkOut(path, goesOn);
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
  const how = { ...adam, updates, batch };
  const reads = { run: "pretrain", preset: lm.config, seed, tokenizer, text: text.train, options: how };
  const keyOf = keys();
  const trained = keyOf(reads);
  const about = { ...summary(reads) as object, corpus: text.name, merges };
  const curve = await zeroShotCurve(tasks, `${name}.zeroshot.json`, {
    key: keyOf({ trained, tasks }),
    settings: { ...about, tasks: summary(tasks) },
  });
  const asked = { key: keyOf({ trained, heldout: text.heldout, half }), settings: about };
  const known = await stored<Scores>(file, asked.key);

  const signal = interruptible();
  try {
    const records = pretrain(lm, text, { ...how, checkpoint, saveEvery, signal });
    await watch(training(curve.during(records, lm, checkpoint)));
    signal.throwIfAborted();
    await putModel(out, lm, { half });
    const { heldout, baselines } = known?.result ?? await scores();
    for (const { update, task, measure, ...score } of curve.points) {
      console.log(`${task} without fine-tuning at update ${update}: ${measure} ${inPercent(score)}`);
    }
    console.log(`Held-out text of ${text.name}:`);
    tell("unigram", baselines.unigram);
    tell("bigram", baselines.bigram);
    tell("Kneser–Ney", baselines.kneserNey);
    tell("model", heldout);
  } catch (error) {
    if (!signal.aborted) throw error;
    return interrupted(`Stopped before the end: the same command goes on from ${checkpoint}`);
  }
  await claimed.release(); // Before that: what is left to do shows that a kill came before the end.
  await Deno.remove(checkpoint);
  console.error(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);

  /** The model's scores on the held-out text beside those of models that count. */
  async function scores(): Promise<Scores> {
    const heldout = await scoreText(half ? await loadModel(out) : lm, text.heldout); // As it was written.
    await yieldToEventLoop(stopSignal());
    endAtOnce(); // Counting is one long turn, in which no signal is heard.
    const baselines = ngramBaselines(lm, text);
    const { seconds, batch: used } = (await progressOf(checkpoint))!;
    const found = { heldout, baselines, trained: { updates, batch: used } };
    await store(file, asked, found, seconds);
    return found;
  }
}

/** A line on a score of the held-out text. */
function tell(name: string, { loss, perplexity, bitsPerCharacter, low, high }: TextScore): void {
  console.log(
    `${name.padEnd(10)} ${bitsPerCharacter.toFixed(3)} [${low.bitsPerCharacter.toFixed(3)}, ` +
      `${high.bitsPerCharacter.toFixed(3)}] bits per character, ` +
      `${loss.toFixed(3)} nats and perplexity ${perplexity.toFixed(1)} per token`,
  );
}

/** What is found of a model. */
interface Scores {
  readonly heldout: TextScore;
  readonly baselines: NgramBaselines;
  readonly trained: { readonly updates: number; readonly batch: number };
}

if (import.meta.main) await run(command);
