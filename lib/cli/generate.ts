import { Command, Option } from "commander";
import { backend } from "../engine/mod.ts";
import { generate, loadReleased } from "../model/mod.ts";
import { loadBpe } from "../text/mod.ts";
import { loadModel } from "../train/mod.ts";
import { given, interruptible, number, type Place, placeOptions, run } from "./command.ts";

const command = new Command("deno task generate")
  .description("Continues a text.")
  .argument("<prompt>", "the text to continue")
  .requiredOption(
    "--model <path>",
    "a model as `deno task pretrain` writes it, or with --bpe released weights",
  )
  .option("--bpe <folder>", "the released vocabulary: --model is then OpenAI's folder or Hugging Face's file")
  .option("--tokens <n>", "how many tokens to add", number, 40)
  .option("--temperature <number>", "0 takes the likeliest token", number, 1)
  .addOption(
    new Option("--top-k <n>", "samples from the k likeliest only").argParser(number).default(Infinity, "all"),
  )
  .option("--seed <n>", "of the sampling", number, 1)
  .action(main);
for (const option of placeOptions()) command.addOption(option);

interface Options extends Place {
  model: string;
  bpe?: string;
  tokens: number;
  temperature: number;
  topK: number;
  seed: number;
}

async function main(
  prompt: string,
  { model, bpe, backend: name, threads, ...options }: Options,
): Promise<void> {
  const signal = interruptible();
  await backend(name, given({ threads }));
  const lm = bpe ? await loadReleased(model, { tokenizer: await loadBpe(bpe) }) : await loadModel(model);
  console.log(await generate(lm, prompt, { ...options, signal }));
}

await run(command);
