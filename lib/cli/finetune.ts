import { atMost, readTask, task } from "../data/mod.ts";
import { benchmarkSettings, limitSetting, readTaskSettings, rowsFile, taskName } from "../data/settings.ts";
import { InputError } from "../errors.ts";
import { exists } from "../files.ts";
import { seedSetting } from "../model/settings.ts";
import { percent } from "../numbers.ts";
import { or, settle, text } from "../settings.ts";
import { duration, watch } from "../show/mod.ts";
import {
  encodeTask,
  evaluate,
  finetune,
  finetuneDefaults,
  loadModel,
  modelFile,
  paddingShare,
} from "../train/mod.ts";
import { finetuneSettings } from "../train/settings.ts";
import {
  addSettings,
  checkModelFile,
  checkOut,
  checkReadable,
  claimOut,
  Command,
  computeSettings,
  given,
  inPercent,
  interrupted,
  interruptible,
  putModel,
  run,
  start,
} from "./command.ts";

const { checkpoint: _, signal: __, ...finetuning } = finetuneSettings;

const { name: ___, validation, test, ...named } = readTaskSettings;

/** The columns of a file of rows, and the files of other splits. */
const columns = {
  ...named,
  measures: { ...named.measures, about: "metrics of your task" },
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
  trainExamples: limitSetting,
  testExamples: limitSetting,
  out: { ...text, about: "file of the fine-tuned model", unit: "file", otherwise: "none" },
  ...computeSettings,
};

/** `deno task finetune`. */
export const command = addSettings(
  new Command("deno task finetune").description(
    "Fine-tunes a pre-trained model on a task with L3 = L2 + λ·L1, and evaluates it.",
  ),
  settings,
).action(main);

async function main(options: Record<string, unknown>): Promise<void> {
  const chosen = settle("fine-tune", settings, given(settings, options));
  const { task: name, words: givenWords, data: folder, trainExamples, testExamples, out } = chosen;
  const model = await modelFile(chosen.model), isOwn = rowsFile.accepts(name);
  const rows = Object.fromEntries(
    Object.keys(columns).filter((column) => options[column] !== undefined)
      .map((column) => [column, chosen[column as keyof typeof columns]]),
  );
  if (isOwn) await checkReadable("a task", name);
  else if (Object.keys(rows).length > 0) {
    throw new InputError(
      `Cannot use --${Object.keys(rows)[0]} with task ${name} as it is for a file of rows only`,
    );
  }
  await checkModelFile(model);
  if (folder !== undefined) await checkReadable(`task ${name}`, folder);
  const checkpoint = out === undefined ? undefined : `${out}.part`;
  // The checkpoint is kept until the model is written and evaluated.
  if (out !== undefined) await checkOut(out, await exists(checkpoint!));
  await using claimed = out === undefined ? undefined : await claimOut(out);
  await start(chosen);
  const lm = await loadModel(model);
  // About as many words as fit the context: longer texts would be truncated at the end, where the verdict is.
  const fittingWords = name === "imdb" ? Math.max(10, Math.floor(0.47 * lm.config.context)) : undefined;
  const words = givenWords ?? fittingWords;
  const whole = isOwn
    ? await readTask(name, rows)
    : await task(name, { ...words !== undefined && { words }, ...folder !== undefined && { folder } });
  const isWhole = trainExamples === Infinity && testExamples === Infinity; // Then in its own order, as in a program.
  const data = isWhole ? whole : atMost(whole, { train: trainExamples, test: testExamples });
  const encoded = encodeTask(data, lm.tokenizer, lm.config.context);
  const { rate, batch, dropout } = { ...finetuneDefaults(lm.config), ...chosen };
  const padding = percent(paddingShare(encoded, batch, chosen.seed));
  console.error(
    `${encoded.cut} texts were truncated to the context of ${lm.config.context} tokens; ` +
      `${padding} of an update's tokens are padding`,
  );
  const batchSize = Math.min(batch, data.train.length);
  console.error(`Fine-tuning with learning rate ${rate}, batch size ${batchSize} and dropout ${dropout}`);

  const finetuneOptions = Object.fromEntries(
    Object.keys(finetuning).map((name) => [name, chosen[name as keyof typeof finetuning]]),
  );
  const signal = interruptible();
  try {
    const tuned = await watch(
      finetune(lm, data, { ...finetuneOptions, signal, ...checkpoint !== undefined && { checkpoint } }),
    );
    signal.throwIfAborted();
    for (const split of ["train", "validation", "test"] as const) {
      const { measures, baseline, loss, examples, cut, unknown } = await evaluate(tuned, data, { split });
      const scores = Object.entries(measures).map(([name, score]) => `${name} ${inPercent(score)}`);
      console.log(
        `${split.padEnd(10)} ${scores.join(", ")}, majority baseline ${percent(baseline)}, ` +
          `loss ${loss.toFixed(3)}, ${examples} examples, ${cut} texts truncated, ${percent(unknown)} <unk>`,
      );
    }
    if (out === undefined) return;
    await putModel(out, tuned);
    await claimed!.release(); // Before the checkpoint is removed: it marks an unfinished command.
    await Deno.remove(checkpoint!);
    console.error(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    interrupted(`Stopped before the end${checkpoint ? `: the same command resumes from ${checkpoint}` : ""}`);
  }
}

if (import.meta.main) await run(command);
