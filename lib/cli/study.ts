import { Command, Option } from "commander";
import { positionKinds } from "../model/mod.ts";
import { ablate, report, smoke, studies, studyModels } from "../study/mod.ts";
import {
  adamOptions,
  chosenPreset,
  given,
  interrupted,
  interruptible,
  modelOptions,
  names,
  number,
  numbers,
  type Place,
  placeOptions,
  run,
  start,
} from "./command.ts";
import { duration, watch } from "../show/mod.ts";
import { pretrainedModels } from "../train/mod.ts";

const about: { readonly [name in keyof typeof studies]: string } = {
  ablate: "Pre-trains GPT-1 and fine-tunes it in every arm, positions × λ, and says what can be told apart.",
  compare: "Pre-trains and fine-tunes GPT-1 and other language models of its size under the same loop.",
  suite: "Fine-tunes GPT-1 on a task of every kind, pre-trained and from scratch.",
};

/** The command of a study: its name, and its settings as options. */
function commandOf(name: keyof typeof studies): Command {
  const usual = studies[name];
  const command = new Command(name)
    .description(
      `${about[name]} Each run's result is kept: a study that was stopped goes on where it stood.`,
    )
    .option("--smoke", "a minute's run that shows that everything works, and finds out nothing")
    .option(
      "--models <names>",
      `of ${Object.keys(studyModels).join(", ")} (default: ${usual.models})`,
      names(Object.keys(studyModels)),
    )
    .option(
      "--positions <kinds>",
      `of ${positionKinds.join(", ")} (default: ${usual.positions})`,
      names(positionKinds),
    )
    .option("--lambda <numbers>", `weights of the auxiliary objective (default: ${usual.lambda})`, numbers)
    .option(
      "--transfer <layers>",
      `layers to begin fine-tuning with, 0 for the embeddings, -1 for nothing (default: ${usual.transfer})`,
      (text) => text.split(",").map((part) => part === "all" ? part : number(part)),
    )
    .option("--tasks <names>", `downstream tasks (default: ${usual.tasks})`, names())
    .option("--zero-shot <names>", "tasks that pre-trained models also do without fine-tuning", names())
    .option("--seeds <n>", `seeds of each arm (default: ${usual.seeds})`, number)
    .addOption(
      new Option("--pretrained <name>", "begin every arm with this model of data/models, and pre-train none")
        .choices(Object.keys(pretrainedModels)),
    )
    .option("--corpus <name>", `corpus, text file or folder to pre-train on (default: ${usual.corpus})`)
    .option("--merges <n>", `BPE merges (default: ${usual.merges})`, number)
    .option("--words <n>", `of a review's end, for imdb (default: ${usual.words})`, number)
    .option("--train-examples <n>", `of a task, at the most (default: ${usual.trainExamples})`, number)
    .option("--test-examples <n>", `of a task, at the most (default: ${usual.testExamples})`, number)
    .option(
      "--heldout-windows <n>",
      `that score a pre-trained model (default: ${usual.heldoutWindows})`,
      number,
    )
    .option("--pretrain-updates <n>", `(default: ${usual.pretrain.updates})`, number)
    .option("--pretrain-batch <n>", `windows of an update (default: ${usual.pretrain.batch})`, number)
    .option(
      "--pretrain-dropout <share>",
      `dropped at each site (default: ${usual.pretrain.dropout})`,
      number,
    )
    .option("--finetune-epochs <n>", `(default: ${usual.finetune.epochs})`, number)
    .option("--finetune-batch <n>", `examples of an update (default: ${usual.finetune.batch})`, number)
    .option(
      "--finetune-dropout <share>",
      `dropped at each site (default: ${usual.finetune.dropout})`,
      number,
    )
    .option("--folder <path>", `where results are kept (default: ${usual.folder})`)
    .option("--workers <n>", "arms that run side by side (default: one a core)", number)
    .option("--save-every <n>", `updates between checkpoints (default: ${usual.saveEvery})`, number)
    .action((options: Record<string, unknown>) => main(name, options));
  const options = [
    ...modelOptions(usual.preset),
    ...adamOptions(usual.pretrain, "pretrain-"),
    ...adamOptions(usual.finetune, "finetune-"),
    ...placeOptions().filter(({ long }) => long === "--backend"), // An arm has one thread: they run side by side.
  ];
  for (const option of options) command.addOption(option);
  return command;
}

async function main(name: keyof typeof studies, options: Record<string, unknown>): Promise<void> {
  const base = options["smoke"] ? smoke(studies[name]) : studies[name];
  /** The settings of these defaults that were given as options, which may have a prefix. */
  const of = (defaults: object, prefix = "") => {
    const option = (name: string) => prefix ? `${prefix}${name[0]!.toUpperCase()}${name.slice(1)}` : name;
    return given(Object.fromEntries(Object.keys(defaults).map((name) => [name, options[option(name)]])));
  };
  const { preset: _, pretrain, finetune, ...own } = base;
  const signal = interruptible();
  const study = ablate({
    ...base,
    ...of({ ...own, workers: 0, pretrained: "", zeroShot: [] }),
    preset: chosenPreset(options, base.preset),
    pretrain: { ...pretrain, ...of(pretrain, "pretrain") },
    finetune: { ...finetune, ...of(finetune, "finetune") },
    signal,
  });
  await start({ threads: 1, ...options as Place });

  const begin = performance.now();
  const found = await watch(study);
  for (const failure of found.failures) console.error(failure);
  if (found.failures.length > 0) {
    console.error("The same command tries these again; the others are kept");
    Deno.exitCode = 1;
  } else if (!found.complete) {
    return interrupted("Stopped before the end: the same command goes on from here");
  }
  console.log(`\n${report(found)}`);
  console.error(`Done in ${duration((performance.now() - begin) / 1e3)}`);
}

const command = new Command("deno task");
for (const name of Object.keys(about)) command.addCommand(commandOf(name as keyof typeof about));
await run(command);
