import { Command, Option } from "commander";
import { atMost, listTasks, task } from "../data/mod.ts";
import {
  encodeTask,
  evaluate,
  finetune,
  finetuneDefaults,
  loadModel,
  paddingShare,
  saveModel,
} from "../train/mod.ts";
import {
  adamOptions,
  checkOut,
  given,
  inPercent,
  interrupted,
  interruptible,
  number,
  type Place,
  placeOptions,
  run,
  start,
} from "./command.ts";
import { duration, watch } from "../show/mod.ts";

const command = new Command("deno task finetune")
  .description("Fine-tunes a pre-trained model on a task with L3 = L2 + λ·L1, and says how well it does.")
  .requiredOption("--model <file>", "a pre-trained model, as `deno task pretrain` writes it")
  .requiredOption("--task <name>", listTasks().map(({ name }) => name).join(", "))
  .option("--lambda <number>", "weight of the auxiliary objective; 0 trains on the task alone", number, 0.5)
  .option(
    "--transfer <n>",
    "layers taken over from pre-training, 0 for the embeddings, -1 for nothing (default: all)",
    number,
  )
  .option("--epochs <n>", "passes over the training examples", number, 3)
  .option("--batch <n>", "examples of an update", number, 32)
  .option("--dropout <share>", "dropped at each site (default: the model's own)", number)
  .option("--seed <n>", "of head, data order and dropout", number, 1)
  .option(
    "--words <n>",
    "of a review's or passage's end, for imdb and race; as many as fit unless given",
    number,
  )
  .option("--data <folder>", "where a benchmark's files are (default: data/cache/<name>)")
  .addOption(new Option("--train-examples <n>", "at the most").argParser(number).default(Infinity, "all"))
  .addOption(new Option("--test-examples <n>", "at the most").argParser(number).default(Infinity, "all"))
  .option("--out <file>", "where the tuned model goes; nowhere unless given")
  .option("--save-every <n>", "updates between checkpoints, where there is --out", number, 100)
  .action(main);
for (const option of [...adamOptions(finetuneDefaults), ...placeOptions()]) command.addOption(option);

interface Options extends Place {
  model: string;
  task: string;
  lambda: number;
  transfer?: number;
  dropout?: number;
  epochs: number;
  batch: number;
  seed: number;
  words?: number;
  data?: string;
  trainExamples: number;
  testExamples: number;
  out?: string;
  saveEvery: number;
}

async function main(options: Options & Record<string, unknown>): Promise<void> {
  const { lambda, transfer, dropout, epochs, batch, seed, out, saveEvery } = options;
  if (out) await checkOut(out);
  const signal = interruptible();
  await start(options);
  const lm = await loadModel(options.model);
  // About as many words as the context holds: what is too long is cut at its end, where the verdict stands.
  const fitting = options.task === "imdb" ? Math.floor(0.47 * lm.config.context) : undefined;
  const { words = fitting, data: folder } = options;
  const limits = { train: options.trainExamples, test: options.testExamples };
  const data = atMost(await task(options.task, given({ words, folder })), limits);
  const encoded = encodeTask(data, lm.tokenizer, lm.config.context);
  const padding = (100 * paddingShare(encoded, batch, seed)).toFixed(1);
  console.error(
    `${encoded.cut} texts were cut to fit the context of ${lm.config.context} tokens; ` +
      `${padding} % of what an update reads is padding`,
  );

  const { rate, schedule, warmup, decay, clip } = options as Record<string, unknown>;
  const optimiser = given({ rate, schedule, warmup, decay, clip }) as Partial<typeof finetuneDefaults>;
  const checkpoint = out && `${out}.part`;
  const tuning = finetune(lm, data, {
    ...optimiser,
    ...given({ transfer, dropout }),
    lambda,
    epochs,
    batch,
    seed,
    saveEvery,
    signal,
    ...(checkpoint && { checkpoint }),
  });
  await watch(tuning);
  if (signal.aborted) {
    return interrupted(
      `Stopped before the end${checkpoint ? `: the same command goes on from ${checkpoint}` : ""}`,
    );
  }
  const tuned = await tuning;
  for (const split of ["train", "validation", "test"] as const) {
    const { measures, baseline, loss, examples, cut, unknown } = await evaluate(tuned, data, split);
    const scores = Object.entries(measures).map(([name, score]) => `${name} ${inPercent(score)}`);
    console.log(
      `${split.padEnd(10)} ${scores.join(", ")}, majority baseline ${(100 * baseline).toFixed(1)} %, ` +
        `loss ${loss.toFixed(3)}, ${examples} examples, ${cut} texts cut, ${
          (100 * unknown).toFixed(1)
        } % <unk>`,
    );
  }
  if (out && checkpoint) {
    await saveModel(out, tuned);
    await Deno.remove(checkpoint);
    console.error(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);
  }
}

await run(command);
