import { InputError } from "../errors.ts";
import { generate, loadReleased } from "../model/mod.ts";
import { generateSettings } from "../model/settings.ts";
import { backend } from "../engine/mod.ts";
import { settle, text } from "../settings.ts";
import { loadBpe } from "../text/mod.ts";
import { loadModel, modelFile } from "../train/mod.ts";
import {
  addSections,
  addSettings,
  Argument,
  checkModelFile,
  checkReadable,
  Command,
  computeSettings,
  given,
  interrupted,
  interruptible,
  run,
} from "./command.ts";
import { recordOf } from "./config.ts";
import { outputOf, outputSettings } from "./output.ts";

const { signal: _, ...sampling } = generateSettings;

/** The settings of `deno task generate`. */
export const settings = {
  model: {
    ...text,
    about: "mini, mini-sinusoidal, a file from `deno task pretrain`, or with --bpe released weights",
    unit: "model",
  },
  bpe: {
    ...text,
    about: "released vocabulary; --model is then OpenAI's folder or Hugging Face's file",
    unit: "folder",
    otherwise: "none",
  },
  ...sampling,
  ...computeSettings,
  ...outputSettings,
};

/** `deno task generate`. */
export const command = addSections(
  addSettings(
    new Command("deno task generate").description("Continues a text.")
      .addArgument(new Argument("<prompt>", "the text to continue")),
    settings,
    {
      "Model": ["model", "bpe"],
      "Sampling": ["tokens", "temperature", "topK", "seed"],
      "Run": ["quiet", "json", "backend", "threads"],
    },
  ),
  {
    "Time and disk": "A second or two for mini; nothing is written.",
    "JSON": [
      "{ settings, prompt, texts: [text] }",
      "the text begins with the prompt, in lower case as the vocabulary has it",
    ],
    "Examples": [
      'deno task generate --model mini "the film was"',
      'deno task generate --model mini --tokens 100 --seed 2 "once upon a time"',
      'deno task generate --model weights --bpe vocabulary "to be or not"',
    ],
  },
).action(main);

async function main(prompt: string, options: Record<string, unknown>): Promise<void> {
  const settled = settle("continue a text", settings, given(settings, options));
  const { model: named, bpe, backend: name, threads, quiet, json, ...sampling } = settled;
  const { print, finish } = outputOf({ quiet, json });
  if (prompt === "") {
    throw new InputError("Cannot continue an empty prompt as the model needs at least one token");
  }
  const model = await modelFile(named);
  await checkModelFile(model);
  if (bpe !== undefined) await checkReadable("a vocabulary", bpe);
  const signal = interruptible(" after this token");
  await backend(name, threads === undefined ? {} : { threads });
  const lm = bpe ? await loadReleased(model, { tokenizer: await loadBpe(bpe) }) : await loadModel(model);
  const text = await generate(lm, prompt, { ...sampling, signal });
  print(text);
  finish({ settings: recordOf(settled), prompt, texts: [text] });
  if (signal.aborted) interrupted("Stopped before the end");
}

if (import.meta.main) await run(command);
