import { InputError, quoted } from "../errors.ts";
import { sha256 } from "../digest.ts";
import { exists, writeAtomic } from "../files.ts";
import { DISPLAY } from "../kernel.ts";
import { started } from "../engine/mod.ts";
import { checkCausal, checkModel, dispose, type LanguageModel, largest } from "../model/mod.ts";
import { bars, bundle, type Figure, pieces } from "../show/mod.ts";
import { settle, value } from "../settings.ts";
import { encodeModel, includedModels, loadModel, pretrainedFile } from "../train/mod.ts";
import {
  FOLDER,
  LIVE,
  type LiveCell,
  type LiveContent,
  type LiveModel,
  MAX_BYTES,
  MOST,
  parseLive,
} from "./cell.ts";
import { answer, kindOf, type LiveExample, nextProbabilities, read, sequencesOf, shown } from "./predict.ts";

/** The options of {@linkcode live}. */
export interface LiveOptions {
  /** The text to begin with. Default: `the`. */
  text?: string;
  /** A task's example, without its label, instead of a text: its sequences are shown, and a fine-tuned model's answer. */
  example?: LiveExample;
  /** A second model, side by side with the first. Default: none. */
  compare?: LanguageModel | string;
}

/** A text to begin with. */
export const liveText = {
  ...value(
    `a text of 1 to ${MOST.text} characters that is not white space`,
    (given): given is string => typeof given === "string" && given.length <= MOST.text && given.trim() !== "",
  ),
  about: "the text to begin with",
};

/** The settings of {@linkcode LiveOptions}. */
export const liveSettings = {
  text: { ...liveText, otherwise: "the" },
  example: {
    ...value(
      "{ text }, { premise, hypothesis }, { first, second } or { context, choices } with " +
        `2 to ${MOST.choices} choices, each text of at most ${MOST.text} characters`,
      (given): given is LiveExample => exampleOf(given) !== undefined,
    ),
    about: "a task's example without its label, instead of a text",
    otherwise: "none",
  },
  compare: {
    ...value(
      "a model, or the name of an included one",
      (given): given is LanguageModel | string => Boolean(given),
    ),
    about: "a second model, beside the first",
    otherwise: "none",
  },
};

/** The fields of an example, without others. */
const exampleOf = (given: unknown): LiveExample | undefined =>
  parseLive({ models: [{ name: "", included: "mini" }], text: "", example: given })?.example;

/** What {@linkcode live} makes: a cell displays it, and a rendered page starts its models. */
export interface Live {
  /** Says where it lives. */
  toString(): string;
}

/**
 * As the last expression of a notebook's cell: a figure of what a model expects after a text, or of the sequences that it
 * is given for a task's example (Figure 1). In the page that `deno task render` makes of the notebook, the model itself
 * computes: a reader types texts, and sees next tokens, attention and continuations, or a fine-tuned model's answers.
 * A model that is not included is kept for that, in 16-bit precision, in the folder `live` beside the notebook.
 *
 * @param model The model, or the name of an included one.
 * @returns What the cell displays
 * @throws {InputError} If there is no such model or option, or a model that is to continue a text is not causal.
 *
 * @example
 * ```ts
 * import { live } from "./mod.ts";
 *
 * const cell = live("mini", { text: "the film was", compare: "mini-sinusoidal" });
 * console.log(String(cell)); // A live cell: mini and mini-sinusoidal compute in the rendered page
 * ```
 */
export function live(model: LanguageModel | string, options: LiveOptions = {}): Live {
  const { text, example, compare } = settle("make a live cell", liveSettings, options);
  if (text !== undefined && example !== undefined) {
    throw new InputError("Cannot make a live cell of both a text and an example: give one of them");
  }
  const models = compare === undefined ? [model] : [model, compare];
  for (const one of models) checkLive(one, example === undefined);
  const named = models.map((model) => ({ name: nameOf(model), model }));
  const content = example ? { text: "", example: exampleOf(example)! } : { text: text ?? "the" };
  const names = named.map(({ name }) => name).join(" and ");
  const says = () =>
    `A live cell: ${names} ${models.length > 1 ? "compute" : "computes"} in the rendered page`;
  return Object.defineProperties({}, {
    toString: { value: says },
    [Symbol.for("Deno.customInspect")]: { value: says },
    [DISPLAY]: { value: () => display(named, content) },
  }) as Live;
}

function checkLive(model: LanguageModel | string, continues: boolean): void {
  const action = "make a live cell";
  if (typeof model === "string") {
    if (includedModels.has(model)) return;
    throw new InputError(
      `Cannot ${action} of ${quoted(model)} as the included models are ${
        [...includedModels.keys()].join(", ")
      }: ` +
        "of a file give await loadModel(file)",
    );
  }
  checkModel(model, action);
  if (continues) checkCausal(model.config, action);
}

function nameOf(model: LanguageModel | string): string {
  if (typeof model === "string") return model;
  const { task, config: { architecture = "gpt1", positions } } = model;
  if (task) return `fine-tuned on ${task.name}`;
  return architecture === "gpt1" ? `${positions.kind} positions` : architecture;
}

/** A live cell's output, and the files of its models that are not included, by their digests. */
export interface LiveOutput {
  /** By media type. */
  readonly data: Readonly<Record<string, unknown>>;
  /** In 16-bit precision. */
  readonly files: ReadonlyMap<string, Uint8Array>;
}

/** A model of a live cell. */
export interface NamedModel {
  /** What the page calls it. */
  readonly name: string;
  /** The model, or the name of an included one. */
  readonly model: LanguageModel | string;
}

/** Makes a live cell's output: a figure of the models as the page will have them, and what the page starts them with. */
export async function liveOutput(models: readonly NamedModel[], content: LiveContent): Promise<LiveOutput> {
  await started();
  const isTwice = new Set(models.map(({ name }) => name)).size < models.length;
  const kept: Kept[] = [], files = new Map<string, Uint8Array>();
  try {
    for (const [i, { name, model }] of models.entries()) {
      const short = name.slice(0, MOST.name - 4).toWellFormed();
      kept.push(await keep(model, isTwice ? `${short} (${i + 1})` : short, files));
    }
    const { text, example } = content;
    const figure = example ? exampleFigure(kept, example) : textFigure(kept, text);
    const cell: LiveCell = { models: kept.map(({ record }) => record), ...content };
    return { data: { ...await bundle(figure), [LIVE]: cell }, files };
  } finally {
    for (const { lm } of kept) dispose(lm.parameters);
  }
}

/** What the cell displays; a model that is not included stays in its folder. */
async function display(models: readonly NamedModel[], content: LiveContent): Promise<LiveOutput["data"]> {
  const { data, files } = await liveOutput(models, content);
  for (const [digest, bytes] of files) {
    const path = `${FOLDER}/${digest}.safetensors`;
    if (!await exists(path)) await writeAtomic(path, [bytes]);
  }
  return data;
}

/** A model as the page has it, and its record. */
interface Kept {
  readonly lm: LanguageModel;
  readonly record: LiveModel;
}

async function keep(
  model: LanguageModel | string,
  name: string,
  files: Map<string, Uint8Array>,
): Promise<Kept> {
  if (typeof model === "string") {
    const [included, positions] = includedModels.get(model)!;
    const lm = await loadModel(await pretrainedFile(included, positions));
    return { lm, record: { name, included: `${included}-${positions}` } };
  }
  checkModel(model, "make a live cell"); // It may have been disposed meanwhile.
  const bytes = new Uint8Array(await new Blob(await encodeModel(model, { half: true })).arrayBuffer());
  if (bytes.length > MAX_BYTES.model) {
    throw new InputError(
      `Cannot make a live cell of a model of ${(bytes.length / 1e6).toFixed(0)} MB in 16-bit precision: ` +
        `a page holds at most ${MAX_BYTES.model / 1e6}`,
    );
  }
  const digest = sha256(bytes);
  files.set(digest, bytes);
  return { lm: await loadModel(bytes), record: { name, sha256: digest } };
}

/** How many next tokens the figure shows. */
const LISTED = 8;

/** The most probable tokens after a text, of each model; a token of one has its bar of the other, too. */
function textFigure(models: readonly Kept[], text: string): Figure {
  const kinds = models.map(({ lm }) => lm.config.positions.kind);
  const differ = new Set(kinds).size === kinds.length; // Then each looks like its positions, as in other figures.
  const arms = models.map(({ lm, record: { name } }, i) => {
    const { pieces } = lm.tokenizer;
    const ids = [...lm.tokenizer.encode(text)].slice(-lm.config.context), last = ids.length - 1;
    if (last < 0) throw new InputError(`Cannot make a live cell of ${quoted(text)} as it has no tokens`);
    const probabilities = nextProbabilities(lm, read(lm, ids, -1), last);
    return {
      name,
      ...differ && { levels: { positions: kinds[i]! } },
      pieces,
      probabilities,
      most: Array.from(largest(probabilities, LISTED), (id) => pieces[id]!),
    };
  });
  const groups = [...new Set(arms.flatMap(({ most }) => most))].map((piece) => ({
    name: shown(piece),
    bars: arms.filter(({ pieces }) => pieces.includes(piece)).map((
      { pieces, probabilities, most: _, ...look },
    ) => ({
      ...look,
      mean: 100 * probabilities[pieces.indexOf(piece)]!,
    })),
  }));
  const letters = [...text.toWellFormed()];
  const end = letters.length > 40 ? `… ${letters.slice(-40).join("")}` : letters.join("");
  return bars(groups, { title: `The most probable tokens after “${end}”`, x: "token", y: "probability, %" });
}

/** The sequences of an example, as each model is given them, with its answer where it has one. */
function exampleFigure(models: readonly Kept[], example: LiveExample): Figure {
  const kind = kindOf(example);
  const rows = models.flatMap(({ lm, record: { name } }) =>
    sequencesOf(lm, example, kind).sequences.map((ids, i) => ({
      name: i === 0 ? name : "",
      pieces: Array.from(ids, (id) => lm.tokenizer.pieces[id] ?? lm.tokenizer.decode([id])),
    }))
  );
  const answers = models.filter(({ lm }) => lm.task?.kind === kind).map(({ lm }) => {
    const shares = answer(lm, example), best = shares.indexOf(Math.max(...shares));
    const labels = "choices" in example ? example.choices : lm.task!.labels;
    return `${labels[best]} (${(100 * shares[best]!).toFixed(1)} %)`;
  });
  const title = answers.length > 0 ? `Most probable: ${answers.join("; ")}` : "What the model is given";
  return pieces(rows, { title });
}
