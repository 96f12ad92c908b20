import { Command, Option } from "commander";
import { corpus, listCorpora } from "../data/mod.ts";
import { countParameters, gpt, positionKinds, presets } from "../model/mod.ts";
import { trainBpe } from "../text/mod.ts";
import {
  ngramBaselines,
  pretrain,
  pretrainDefaults,
  saveModel,
  scoreText,
  type TextScore,
} from "../train/mod.ts";
import {
  adamOptions,
  checkOut,
  chosenPreset,
  given,
  interrupted,
  interruptible,
  modelOptions,
  number,
  type Place,
  placeOptions,
  run,
  start,
} from "./command.ts";
import { duration, watch } from "./progress.ts";

const command = new Command("pretrain")
  .description(
    "Pre-trains a GPT on running text and writes the model to a file. Stopped, it goes on when called again.",
  )
  .requiredOption("--out <file>", "where the model goes, such as data/results/mini.safetensors")
  .option(
    "--corpus <name>",
    `${listCorpora().map(({ name }) => name).join(", ")}, a text file or a folder`,
    "books",
  )
  .option("--merges <n>", "BPE merges, learned from the corpus", number, 4000)
  .addOption(
    new Option("--positions <kind>", "how a token knows its place").choices(positionKinds).default("learned"),
  )
  .option("--updates <n>", "updates", number, 2000)
  .option("--batch <n>", "windows of an update", number, 16)
  .option("--seed <n>", "of initialisation, data order and dropout", number, 1)
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
  updates: number;
  batch: number;
  seed: number;
  saveEvery: number;
}

async function main(options: Options & Record<string, unknown>): Promise<void> {
  const { out, updates, batch, seed, saveEvery } = options;
  await checkOut(out);
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
  const optimiser = given({ rate, schedule, warmup, decay, clip }) as Partial<typeof pretrainDefaults>;
  await watch(pretrain(lm, text, { ...optimiser, updates, batch, checkpoint, saveEvery, signal }));
  if (signal.aborted) {
    return interrupted(`Stopped before the end: the same command goes on from ${checkpoint}`);
  }
  await saveModel(out, lm);
  await Deno.remove(checkpoint);

  const line = (name: string, { loss, perplexity, bitsPerCharacter }: TextScore) =>
    console.log(
      `${name.padEnd(10)} ${bitsPerCharacter.toFixed(3)} bits per character, ` +
        `${loss.toFixed(3)} nats and perplexity ${perplexity.toFixed(1)} per token`,
    );
  console.log(`Held-out text of ${text.name}:`);
  const { unigram, bigram, kneserNey } = ngramBaselines(text.train, text.heldout, tokenizer, preset.context);
  line("unigram", unigram);
  line("bigram", bigram);
  line("Kneser–Ney", kneserNey);
  line("model", await scoreText(lm, text.heldout));
  console.error(`Wrote ${out} after ${duration(performance.now() / 1e3)}`);
}

await run(command);
