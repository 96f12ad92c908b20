import { atMost, readTask, type Split, type Task, task } from "../data/mod.ts";
import { benchmarkSettings, limitSetting, readTaskSettings, rowsFile, taskName } from "../data/settings.ts";
import { abbreviated, digest } from "../digest.ts";
import { InputError } from "../errors.ts";
import { exists } from "../files.ts";
import type { LanguageModel } from "../model/mod.ts";
import { seedSetting } from "../model/settings.ts";
import { percent } from "../numbers.ts";
import { or, text } from "../settings.ts";
import { duration } from "../show/mod.ts";
import {
  encodeTask,
  evaluate,
  finetune,
  finetuneDefaults,
  keyedOptions,
  keys,
  loadModel,
  measureLabel,
  modelDigest,
  modelFile,
  paddingShare,
  progressOf,
  store,
  stored,
} from "../train/mod.ts";
import { finetuneSettings } from "../train/settings.ts";
import {
  addSections,
  addSettings,
  checkModelFile,
  checkOut,
  checkReadable,
  claimOut,
  Command,
  computeSettings,
  inPercent,
  interrupted,
  interruptible,
  putModel,
  run,
  start,
} from "./command.ts";
import { chosen, configSetting, recordOf, type Values, warnOfOtherData } from "./config.ts";
import { outputOf, outputSettings } from "./output.ts";

const { checkpoint: _, signal: __, ...finetuning } = finetuneSettings;

const { name: ___, validation, test, measures: { default: ____, ...measures }, ...named } = readTaskSettings;

/** The columns of a file of rows, and the files of other splits. */
const columns = {
  ...named,
  measures: { ...measures, about: "metrics of your task", otherwise: "accuracy" },
  validation: { ...rowsFile, about: validation.about, unit: "file", otherwise: validation.otherwise },
  test: { ...rowsFile, about: test.about, unit: "file", otherwise: test.otherwise },
};

/** The settings of `deno task finetune`. */
export const settings = {
  model: {
    ...text,
    about: "a pre-trained model: mini, mini-sinusoidal, or a file from `deno task pretrain`",
    unit: "model",
  },
  task: { ...or(taskName, rowsFile), about: "name of a task, or a file of your own rows" },
  ...columns,
  ...finetuning,
  seed: { ...seedSetting, about: "seed of new parameters, data order and dropout" },
  words: { ...benchmarkSettings.words, otherwise: "as many as fit the context for imdb, 180 for race" },
  data: benchmarkSettings.folder,
  trainExamples: { ...limitSetting, about: "training examples, at most" },
  testExamples: { ...limitSetting, about: "test examples, at most" },
  out: {
    ...text,
    about: "file of the fine-tuned model; its scores and settings are written next to it",
    unit: "file",
    otherwise: "none",
  },
  ...computeSettings,
  config: configSetting,
  ...outputSettings,
};

/** `deno task finetune`. */
export const command = addSections(
  addSettings(
    new Command("deno task finetune").description(
      "Fine-tunes a pre-trained model on a task with L3 = L2 + λ·L1, and evaluates it.",
    ),
    settings,
    {
      "Model and task": ["model", "task", "out", "words", "data", "trainExamples", "testExamples"],
      "Training": [
        ...["lambda", "lambdaSchedule", "rate", "schedule", "warmup", "decay", "clip"] as const,
        ...["epochs", "adaptEpochs", "batch", "dropout", "transfer", "keep", "seed"] as const,
      ],
      "Columns and splits of a file of rows": Object.keys(columns) as (keyof typeof columns)[],
      "Run": ["config", "quiet", "json", "saveEvery", "backend", "threads"],
    },
  ),
  {
    "Time and disk":
      "On two cores, mini takes some four minutes for kind and half an hour for imdb; its file takes 8 MB, 24 MB while it " +
      "trains. Data, at the first use: 26 MB for imdb, 11 MB for kind.",
    "Settings in a file": [
      "--config repeats what is recorded next to a fine-tuned model (of",
      "tuned.safetensors, in tuned.json), or reads settings of your own by the",
      'options\' names: { "model": "mini", "task": "kind", "trainExamples": 800 }.',
    ],
    "JSON": [
      "{ settings, train, validation, test, file }, and with --keep best",
      "  best: { epoch, validation }",
      "each split: { accuracy: { value, low, high }, baseline, loss, examples, cut,",
      "  unknown }, or with other metrics",
      "low and high bound 95 % intervals over examples; loss is in nats; cut counts",
      "truncated texts; unknown is the share of <unk>.",
    ],
    "Examples": [
      "deno task finetune --model mini --task kind",
      "deno task finetune --model mini --task mine.tsv --text sentence --label grade",
      "deno task finetune --model mini --task imdb --lambda 0 --out tuned.safetensors",
    ],
  },
).action((_, command) => main(command));

/** The settings that a fine-tuned model's file recorded. */
function rename({ run: _, ...recorded }: Values, refuse: (why: string) => never): Values {
  if ("trained" in recorded) refuse("it is one run of a study, whose settings are in its study.json");
  return recorded;
}

const splits = ["train", "validation", "test"] as const;

/** Scores of a split: as a line, and as they are stored. */
async function scoresOf(lm: LanguageModel, task: Task, split: Split) {
  const found = await evaluate(lm, task, { split });
  const { measures, baseline, loss, examples, cut, unknown } = found;
  const scores = Object.entries(measures).map(([name, score]) =>
    `${measureLabel(name, task)} ${inPercent(score)}`
  );
  const line =
    `${split.padEnd(10)} ${scores.join(", ")}, majority baseline ${percent(baseline)}, loss ${
      loss.toFixed(3)
    }, ` + `${examples} examples, ${cut} texts truncated, ${percent(unknown)} <unk>`;
  return { line, scores: { ...measures, baseline, loss, examples, cut, unknown } };
}

async function main(command: Command): Promise<void> {
  const { settled, digests } = await chosen(command, "fine-tune", settings, rename);
  const { task: name, words: givenWords, data: folder, trainExamples, testExamples, out } = settled;
  const { note, print, finish, watch } = outputOf(settled);
  const model = await modelFile(settled.model), isOwn = rowsFile.accepts(name);
  const rows: Values = Object.fromEntries(
    Object.keys(columns).map((column) => [column, settled[column as keyof typeof columns]])
      .filter(([, value]) => value !== undefined),
  );
  if (isOwn) {
    const unused = givenWords !== undefined ? "words" : folder !== undefined ? "data" : undefined;
    if (unused) {
      throw new InputError(`Cannot use --${unused} with rows of one's own as it is for a task by its name`);
    }
    await checkReadable("a task", name);
  } else if (Object.keys(rows).length > 0) {
    throw new InputError(
      `Cannot use --${Object.keys(rows)[0]} with task ${name} as it is for a file of rows only`,
    );
  }
  await checkModelFile(model);
  if (folder !== undefined) await checkReadable(`task ${name}`, folder);
  const checkpoint = out === undefined ? undefined : `${out}.part`;
  const file = out === undefined ? undefined : `${out.replace(/\.safetensors$/, "")}.json`;
  if (out !== undefined) await checkOut([out, file!], await exists(checkpoint!), [checkpoint!]); // Kept until all is there.
  await using claimed = file === undefined ? undefined : await claimOut(file); // Two names of models may share a record.
  await start(settled, note);
  const lm = await loadModel(model);
  // About as many words as fit the context: longer texts would be truncated at the end, where the verdict is.
  const fittingWords = name === "imdb" ? Math.max(10, Math.floor(0.47 * lm.config.context)) : undefined;
  const words = givenWords ?? fittingWords;
  const whole: Task = isOwn
    ? await readTask(name, rows)
    : await task(name, { ...words !== undefined && { words }, ...folder !== undefined && { folder } });
  const isWhole = trainExamples === Infinity && testExamples === Infinity; // Then in its own order, as in a program.
  const data = isWhole ? whole : atMost(whole, { train: trainExamples, test: testExamples });
  const initial = await modelDigest(lm);
  const own = {
    [`model ${settled.model}`]: abbreviated(initial),
    [`task ${name}`]: abbreviated(digest(whole)),
  };
  warnOfOtherData(settled.config, digests, own);
  const encoded = encodeTask(data, lm.tokenizer, lm.config.context);
  const resolved = { ...finetuneDefaults(lm.config), ...settled };
  const { rate, batch, dropout } = resolved;
  const padding = percent(paddingShare(encoded, batch, settled.seed, lm.config));
  note(
    `${encoded.cut} texts were truncated to the context of ${lm.config.context} tokens; ` +
      `${padding} of an update's tokens are padding`,
  );
  const batchSize = Math.min(batch, data.train.length);
  note(`Fine-tuning with learning rate ${rate}, batch size ${batchSize} and dropout ${dropout}`);

  const finetuneOptions = Object.fromEntries(
    Object.keys(finetuning).map((name) => [name, resolved[name as keyof typeof finetuning]]),
  );
  const { out: _out, backend: _backend, threads: _threads, saveEvery: _saveEvery, ...asked } = resolved;
  const { lambda, lambdaSchedule, adaptEpochs, keep } = settled;
  const keyed = keyedOptions({ ...finetuneOptions, lambda, lambdaSchedule, adaptEpochs, keep });
  const inputs = { run: "finetune", model: initial, task: data, ...keyed };
  const runKey = {
    key: keys().keyOf({ ...inputs, saveEvery: undefined }),
    settings: { run: "finetune", ...recordOf(asked), digests: own },
  };
  if (file !== undefined) await stored(file, runKey.key); // It is of this run, or refused.
  const signal = interruptible();
  try {
    const tuned = await watch(
      finetune(lm, data, { ...finetuneOptions, signal, ...checkpoint !== undefined && { checkpoint } }),
    );
    signal.throwIfAborted();
    const best = tuned.task?.best;
    if (best) note(`Kept epoch ${best.epoch} of ${resolved.epochs}, the best on the validation split`);
    const scores: Record<string, unknown> = { ...best && { best } };
    for (const split of splits) {
      const found = await scoresOf(tuned, data, split);
      print(found.line);
      scores[split] = found.scores;
    }
    if (out !== undefined) {
      const { seconds } = (await progressOf(checkpoint!))!;
      await putModel(out, tuned);
      await store(file!, runKey, scores, seconds);
      await claimed!.release(); // Before the checkpoint is removed: it marks an unfinished command.
      await Deno.remove(checkpoint!);
    }
    finish({ settings: recordOf(resolved), ...scores, file: out });
    if (out !== undefined) note(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    interrupted(`Stopped before the end${checkpoint ? `: the same command resumes from ${checkpoint}` : ""}`);
  }
}

if (import.meta.main) await run(command);
