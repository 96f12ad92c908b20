import { Command } from "commander";
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
  checkOut,
  checkThere,
  claimOut,
  given,
  inPercent,
  interrupted,
  interruptible,
  placeSettings,
  putModel,
  run,
  start,
} from "./command.ts";

const { checkpoint: _, signal: __, ...tuning } = finetuneSettings;

const { name: ___, validation, test, ...named } = readTaskSettings;

/** Which columns of a file of rows are which, and where further splits are. */
const columns = {
  ...named,
  measures: { ...named.measures, about: "what your task is scored by" },
  validation: { ...rowsFile, about: validation.about, unit: "file", otherwise: validation.otherwise },
  test: { ...rowsFile, about: test.about, unit: "file", otherwise: test.otherwise },
};

/** What `deno task finetune` takes. */
export const settings = {
  model: {
    ...text,
    about: "a pre-trained model: mini, mini-sinusoidal, or a file that `deno task pretrain` wrote",
    unit: "model",
  },
  task: { ...or(taskName, rowsFile), about: "a task by its name, or your own" },
  ...columns,
  ...tuning,
  seed: { ...seedSetting, about: "seed of head, data order and dropout" },
  words: { ...benchmarkSettings.words, otherwise: "of imdb as many as fit the context, of race 180" },
  data: benchmarkSettings.folder,
  trainExamples: limitSetting,
  testExamples: limitSetting,
  out: { ...text, about: "where the tuned model goes", unit: "file", otherwise: "nowhere" },
  ...placeSettings,
};

/** `deno task finetune`. */
export const command = addSettings(
  new Command("deno task finetune").description(
    "Fine-tunes a pre-trained model on a task with L3 = L2 + λ·L1, and says how well it does.",
  ),
  settings,
).action(main);

async function main(options: Record<string, unknown>): Promise<void> {
  const chosen = settle("fine-tune", settings, given(settings, options));
  const { task: name, words: some, data: folder, trainExamples, testExamples, out } = chosen;
  const model = modelFile(chosen.model), isOwn = rowsFile.accepts(name);
  const rows = Object.fromEntries(
    Object.keys(columns).filter((column) => options[column] !== undefined)
      .map((column) => [column, chosen[column as keyof typeof columns]]),
  );
  if (isOwn) await checkThere("a task", name);
  else if (Object.keys(rows).length > 0) {
    throw new InputError(
      `Cannot use --${Object.keys(rows)[0]} with task ${name} as it is for a file of your own rows`,
    );
  }
  await checkThere("a model", model);
  if (folder !== undefined) await checkThere(`task ${name}`, folder);
  const checkpoint = out === undefined ? undefined : `${out}.part`;
  // The checkpoint stays until the model is written and scored.
  if (out !== undefined) await checkOut(out, await exists(checkpoint!));
  await using claimed = out === undefined ? undefined : await claimOut(out);
  await start(chosen);
  const lm = await loadModel(model);
  // About as many words as the context holds: what is too long is cut at its end, where the verdict stands.
  const fitting = name === "imdb" ? Math.max(10, Math.floor(0.47 * lm.config.context)) : undefined;
  const words = some ?? fitting;
  const whole = isOwn
    ? await readTask(name, rows)
    : await task(name, { ...words !== undefined && { words }, ...folder !== undefined && { folder } });
  const data = atMost(whole, { train: trainExamples, test: testExamples });
  const encoded = encodeTask(data, lm.tokenizer, lm.config.context);
  const { rate, batch, dropout } = { ...finetuneDefaults(lm.config), ...chosen };
  const padding = percent(paddingShare(encoded, batch, chosen.seed));
  console.error(
    `${encoded.cut} texts were cut to fit the context of ${lm.config.context} tokens; ` +
      `${padding} of what an update reads is padding`,
  );
  const used = Math.min(batch, data.train.length);
  console.error(`Fine-tuning at rate ${rate} with batches of ${used} and dropout ${dropout}`);

  const own = Object.fromEntries(
    Object.keys(tuning).map((name) => [name, chosen[name as keyof typeof tuning]]),
  );
  const signal = interruptible();
  try {
    const tuned = await watch(
      finetune(lm, data, { ...own, signal, ...checkpoint !== undefined && { checkpoint } }),
    );
    signal.throwIfAborted();
    for (const split of ["train", "validation", "test"] as const) {
      const { measures, baseline, loss, examples, cut, unknown } = await evaluate(tuned, data, { split });
      const scores = Object.entries(measures).map(([name, score]) => `${name} ${inPercent(score)}`);
      console.log(
        `${split.padEnd(10)} ${scores.join(", ")}, majority baseline ${percent(baseline)}, ` +
          `loss ${loss.toFixed(3)}, ${examples} examples, ${cut} texts cut, ${percent(unknown)} <unk>`,
      );
    }
    if (out === undefined) return;
    await putModel(out, tuned);
    await claimed!.release(); // Before that: what is left to do shows that a kill came before the end.
    await Deno.remove(checkpoint!);
    console.error(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);
  } catch (error) {
    if (!signal.aborted) throw error;
    interrupted(`Stopped before the end${checkpoint ? `: the same command goes on from ${checkpoint}` : ""}`);
  }
}

if (import.meta.main) await run(command);
