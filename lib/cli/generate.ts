import { InputError, printable } from "../errors.ts";
import { generate, loadReleased } from "../model/mod.ts";
import { generateSettings } from "../model/settings.ts";
import { backend } from "../engine/mod.ts";
import { settle, text } from "../settings.ts";
import { loadBpe } from "../text/mod.ts";
import { loadModel, modelFile } from "../train/mod.ts";
import {
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

const { signal: _, ...sampling } = generateSettings;

/** The settings of `deno task generate`. */
export const settings = {
  model: {
    ...text,
    about: "a model: mini, mini-sinusoidal, a file from `deno task pretrain`, or with --bpe released weights",
    unit: "path",
  },
  bpe: {
    ...text,
    about: "the released vocabulary: --model is then OpenAI's folder or Hugging Face's file",
    unit: "folder",
    otherwise: "none",
  },
  ...sampling,
  ...computeSettings,
};

/** `deno task generate`. */
export const command = addSettings(
  new Command("deno task generate").description("Continues a text.")
    .addArgument(new Argument("<prompt>", "the text to continue")),
  settings,
).action(main);

async function main(prompt: string, options: Record<string, unknown>): Promise<void> {
  const { model: named, bpe, backend: name, threads, ...sampling } = settle(
    "continue a text",
    settings,
    given(settings, options),
  );
  if (prompt === "") {
    throw new InputError("Cannot continue an empty prompt as the model needs at least one token");
  }
  const model = await modelFile(named);
  await checkModelFile(model);
  if (bpe !== undefined) await checkReadable("a vocabulary", bpe);
  const signal = interruptible(" after this token");
  await backend(name, threads === undefined ? {} : { threads });
  const lm = bpe ? await loadReleased(model, { tokenizer: await loadBpe(bpe) }) : await loadModel(model);
  console.log(printable(await generate(lm, prompt, { ...sampling, signal })));
  if (signal.aborted) interrupted("Stopped before the end");
}

if (import.meta.main) await run(command);
