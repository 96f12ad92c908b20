import { basename } from "node:path";
import { checkWritable, fileError, writeAtomic } from "../files.ts";
import { InputError, named } from "../errors.ts";
import { liveOutput, liveText } from "../live/mod.ts";
import { architectureOf } from "../model/mod.ts";
import { includedModel, livePage } from "../notebook/mod.ts";
import { settle, text } from "../settings.ts";
import type { Kind } from "../text/mod.ts";
import { includedModels, loadModel, modelFile } from "../train/mod.ts";
import { addSections, addSettings, checkModelFile, Command, given, run } from "./command.ts";

/** The settings of `deno task page`. */
export const settings = {
  model: {
    ...text,
    about: "mini, mini-sinusoidal, or a file from `deno task pretrain` or `finetune`",
    unit: "model",
  },
  compare: { ...text, about: "a second model, side by side", unit: "model", otherwise: "none" },
  text: { ...text, ...liveText, form: text.form, unit: "text", otherwise: "the film was" },
  out: { ...text, about: "the page", unit: "file", default: "data/results/page.html" },
};

/** `deno task page`. */
export const command = addSections(
  addSettings(
    new Command("deno task page").description(
      "Makes an HTML page in which models compute, without Deno or a network: a reader types texts, and sees next " +
        "tokens, attention, continuations, and a fine-tuned model's answers.",
    ),
    settings,
  ),
  {
    "Time and disk": "Seconds, and 5 MB a model of mini's size, in 16-bit precision.",
    "Examples": [
      "deno task page --model mini --compare mini-sinusoidal",
      "deno task page --model tuned.safetensors --out page.html",
    ],
  },
).action(main);

/** Examples to begin with. */
const examples = {
  classification: { text: "An unforgettable film!" },
  entailment: { premise: "A dog is asleep.", hypothesis: "An animal is awake." },
  similarity: { first: "a small dog", second: "a puppy" },
  choice: { context: "an animal that gives milk", choices: ["a cow", "a spoon"] },
} satisfies Record<Kind, object>;

async function main(options: Record<string, unknown>): Promise<void> {
  const { model, compare, text, out } = settle("make a page", settings, given(settings, options));
  const names = compare === undefined ? [model] : [model, compare];
  for (const name of names.filter((name) => !includedModels.has(name))) {
    await checkModelFile(name);
    if (await isSame(name, out)) {
      throw new InputError(`Cannot write the page to ${named(out)} as it is the model: choose another --out`);
    }
  }
  const head = await readHead(out);
  if (head !== "" && !/^<!doctype html>/i.test(head)) {
    throw new InputError(
      `Cannot write the page to ${named(out)} as another file is there: choose another --out`,
    );
  }
  await checkWritable(out);
  const models = [];
  for (const name of names) {
    const isIncluded = includedModels.has(name);
    const lm = await loadModel(isIncluded ? await modelFile(name) : name);
    models.push({
      name: isIncluded ? name : basename(name).replace(/\.safetensors$/, ""),
      model: isIncluded ? name : lm,
      lm,
    });
  }
  const causal = models.filter(({ lm }) => architectureOf(lm.config).causal);
  if (text !== undefined && causal.length === 0) {
    throw new InputError("Cannot make a page of --text as no model of it continues a text");
  }
  const kind = models.find(({ lm }) => lm.task)?.lm.task?.kind ?? "classification";
  const example = examples[kind];
  const fits = models.every(({ lm }) => lm.config.context >= 3 * Object.keys(example).length);
  const sections = [];
  if (causal.length > 0) {
    sections.push({
      heading: "What comes next",
      ...await liveOutput(causal, { text: text ?? "the film was" }),
    });
  }
  if (fits) sections.push({ heading: "Tasks", ...await liveOutput(models, { text: "", example }) });
  const files = new Map(sections.flatMap(({ files }) => [...files]));
  const page = await livePage({
    title: models.map(({ name }) => name).join(" and "),
    about: "What is typed here stays on this page: the model computes in it.",
    sections,
    model({ included, sha256 }) {
      const found = included === undefined ? files.get(sha256!) : includedModel(included);
      return typeof found === "string" ? undefined : found;
    },
  });
  await writeAtomic(out, [page]);
  console.log(`${out}: ${(page.length / 1e6).toFixed(2)} MB`);
}

/** The beginning of a file; empty if there is none. */
async function readHead(path: string): Promise<string> {
  try {
    using file = await Deno.open(path);
    const head = new Uint8Array(64);
    return new TextDecoder().decode(head.subarray(0, await file.read(head) ?? 0)).trimStart();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return "";
    throw fileError("write the page to", named(path), error);
  }
}

/** Whether two paths are one file. */
async function isSame(a: string, b: string): Promise<boolean> {
  const [one, other] = await Promise.all([a, b].map((path) => Deno.realPath(path).catch(() => undefined)));
  return one !== undefined && one === other;
}

if (import.meta.main) await run(command);
