/**
 * Every function of mod.ts with arguments that it accepts, and what each of these may be: odd values are put in
 * place of one argument, or of one option, at a time.
 *
 * @module
 */
import * as tf from "../../lib/tfjs.ts";
import * as kit from "../../mod.ts";
import { benchmarkSettings } from "../../lib/data/benchmarks/load.ts";
import { corpusValue } from "../../lib/data/corpus.ts";
import { readTaskSettings } from "../../lib/data/read-task.ts";
import { subsetSettings } from "../../lib/data/task.ts";
import { taskName } from "../../lib/data/tasks.ts";
import { backendSetting, backendSettings } from "../../lib/engine/backend.ts";
import { liveSettings } from "../../lib/live/live.ts";
import { presetSettings } from "../../lib/model/config.ts";
import { forwardSettings } from "../../lib/model/forward.ts";
import { generateSettings } from "../../lib/model/generate.ts";
import { gptSettings } from "../../lib/model/gpt.ts";
import { releasedSettings, saveReleased } from "../../lib/model/released.ts";
import { isSetting, type Kind, oneOf, type Schema, text, withDefaults } from "../../lib/settings.ts";
import { curveSettings } from "../../lib/show/curve.ts";
import { isFigure } from "../../lib/show/figure.ts";
import { forestSettings } from "../../lib/show/forest.ts";
import { diagramSettings } from "../../lib/show/block.ts";
import { heatmapSettings } from "../../lib/show/heatmap.ts";
import { labelSettings } from "../../lib/show/style.ts";
import { watchSettings } from "../../lib/show/watch.ts";
import { planSettings } from "../../lib/study/planning.ts";
import { studySettings } from "../../lib/study/settings.ts";
import { bpeSettings } from "../../lib/text/bpe.ts";
import { saveBpe } from "../../lib/text/mod.ts";
import { saveSettings } from "../../lib/train/checkpoint.ts";
import { scoreSettings, splitSettings } from "../../lib/train/evaluate.ts";
import { zeroShotSettings } from "../../lib/train/zeroshot.ts";
import { finetuneSettings } from "../../lib/train/finetune.ts";
import { ngramSettings } from "../../lib/train/ngram.ts";
import { pretrainSettings } from "../../lib/train/pretrain.ts";
import { pretrainedSetting, pretrainedSettings } from "../../lib/train/pretrained.ts";
import { splits, toy } from "../toy.ts";

/** What is put in place of an argument or of an option. */
export const odd: readonly unknown[] = [
  ...[0, -1, 0.5, NaN, Infinity, -Infinity, 1e9, 1e308, 1e-320, "", "x", "5", "\u001b[31m\n"],
  ...[null, true, [], [null], {}, () => 1, new Map(), Symbol("x"), 1n],
];

/** What an argument may be: by a kind or a schema; `any` where the call itself must tell. */
interface Argument {
  readonly name: string;
  readonly valid: unknown;
  readonly may: Kind<unknown> | Schema | "any";
}

/** A call with one odd value, which must be refused, or if `may` is set may have a result. */
export interface Case {
  readonly name: string;
  call(): unknown;
  readonly may: boolean;
}

const words = "to be or not to be that is the question whether tis nobler in the mind to suffer";
const running = `${words} `.repeat(20);
const rows = [{ text: "to be", label: 0 }, { text: "not to be", label: 1 }];
const small: kit.Task = {
  ...{ name: "small", kind: "classification", labels: ["no", "yes"] },
  ...toy,
  ...splits(rows),
  zeroShot: { by: "word", prompt: "to", words: ["be", "not"] },
};
const axes = { title: "T", x: "x", y: "y" };

/** The arguments of every function of mod.ts. */
export async function argumentsOf(folder: string): Promise<Record<string, readonly Argument[]>> {
  const tokenizer = kit.trainBpe(running, { merges: 10 });
  const lm = kit.gpt(kit.presets.smoke, { tokenizer });
  const tuned = await kit.finetune(lm, small, { epochs: 1 });
  await saveReleased(lm, `${folder}/released`);
  await saveBpe(tokenizer, `${folder}/released`);
  await kit.saveModel(lm, `${folder}/model.safetensors`);
  const study = { preset: kit.presets.smoke, folder: `${folder}/study` };
  const mean = kit.estimate([1, 2, 3]);
  const effect = { error: 1, seedShare: 0.5, n: 3, clusters: 5, levels: {}, where: "a" };
  const pilot = { effects: [effect], finetuned: [] };
  const line = { name: "a", x: [1, 2], y: [1, 2] };

  const argument = (name: string, valid: unknown, may: Argument["may"]): Argument => ({ name, valid, may });
  const listed = (name: string, valid: unknown) => argument(name, valid, "any");
  const model = listed("lm", lm), task = listed("task", small);
  const path = (valid: string) => argument("path", valid, text);
  const split = argument("options", { split: "test" }, splitSettings),
    prose = argument("text", running, "any");
  const studyOptions = argument("options", study, withDefaults(studySettings, kit.studies.ablate));

  return {
    backend: [
      argument("name", "wasm", backendSetting),
      argument("options", { threads: 1 }, backendSettings),
    ],
    trainBpe: [prose, argument("options", { merges: 5 }, bpeSettings)],
    transform: [
      model,
      listed("example", rows[0]),
      argument("kind", "classification", oneOf(["classification", "entailment", "similarity", "choice"])),
    ],
    corpus: [path("moby-dick")],
    listTasks: [],
    readTask: [
      listed("rows", [...rows, { text: "that is", label: 1 }]),
      argument("options", {}, readTaskSettings),
    ],
    subset: [task, argument("options", { train: 1 }, subsetSettings)],
    task: [argument("name", "kind", taskName), argument("options", {}, benchmarkSettings)],
    attentionMaps: [model, argument("text", "to be", "any")],
    leaves: [listed("parameters", lm.parameters)],
    forward: [
      model,
      listed("ids", tf.tensor2d([[1, 2]], undefined, "int32")),
      argument("options", {}, forwardSettings),
    ],
    generate: [
      model,
      argument("prompt", "to be", "any"),
      argument("options", { tokens: 1 }, generateSettings),
    ],
    gpt: [
      argument("preset", kit.presets.smoke, presetSettings),
      argument("options", { tokenizer }, gptSettings),
    ],
    loadReleased: [
      path(`${folder}/released`),
      argument("options", { tokenizer, heads: kit.presets.smoke.heads }, releasedSettings),
    ],
    evaluate: [listed("lm", tuned), task, split],
    finetune: [model, task, argument("options", { epochs: 1 }, finetuneSettings)],
    loadModel: [path(`${folder}/model.safetensors`)],
    ngramBaselines: [
      model,
      listed("corpus", { train: running, heldout: running }),
      argument("options", { order: 2 }, ngramSettings),
    ],
    pretrain: [
      model,
      argument("corpus", { train: running }, corpusValue),
      argument("options", { updates: 1, batch: 1 }, pretrainSettings),
    ],
    pretrained: [argument("name", "mini", pretrainedSetting), argument("options", {}, pretrainedSettings)],
    saveModel: [model, path(`${folder}/again.safetensors`), argument("options", {}, saveSettings)],
    scoreByPosition: [model, prose, argument("options", {}, scoreSettings)],
    scoreText: [model, prose, argument("options", {}, scoreSettings)],
    zeroShot: [model, task, argument("options", { split: "test", calibrate: true }, zeroShotSettings)],
    ablate: [studyOptions],
    openStudy: [path(`${folder}/study`)],
    planStudy: [listed("pilot", pilot), argument("options", { detect: 1 }, planSettings)],
    smoke: [argument("study", kit.studies.ablate, studySettings)],
    live: [listed("model", "mini"), argument("options", { text: "to be" }, liveSettings)],
    difference: [listed("a", [1, 2]), listed("b", [2, 1])],
    estimate: [listed("values", [1, 2])],
    provenance: [],
    formatEstimate: [listed("estimate", mean)],
    verdict: [listed("estimate", mean)],
    bars: [
      listed("groups", [{ name: "a", bars: [{ name: "b", mean: 1 }] }]),
      argument("words", axes, labelSettings),
    ],
    curve: [listed("lines", [line]), argument("options", axes, curveSettings)],
    forest: [
      listed("rows", [{ label: "a", ...mean }]),
      argument("words", { title: "T", x: "x" }, forestSettings),
    ],
    heatmap: [
      listed("matrix", [[1, 2]]),
      argument("options", { ...axes, z: "z", scale: "diverging" }, heatmapSettings),
    ],
    heatmaps: [
      listed("panels", [{ name: "a", matrix: [[1, 2]] }]),
      argument("options", { ...axes, z: "z", scale: "diverging" }, heatmapSettings),
    ],
    pieces: [
      listed("rows", [{ name: "a", pieces: ["b</w>"] }]),
      argument("options", { title: "T" }, { title: labelSettings.title }),
    ],
    blockDiagram: [
      argument("sizes", { layers: 1, width: 8, heads: 2, context: 4, vocabulary: 9 }, diagramSettings),
    ],
    png: [argument("figure", kit.curve([line], axes), isFigure)],
    svg: [argument("figure", kit.curve([line], axes), isFigure)],
    show: [listed("value", kit.curve([line], axes))],
    strip: [listed("groups", [{ name: "a", values: [1], mean: 1 }]), argument("words", axes, labelSettings)],
    watch: [
      listed("run", kit.pretrain(lm, { train: running }, { updates: 1 })),
      argument("options", {}, watchSettings),
    ],
  };
}

/** All calls with one odd value, but those that it makes no odd ones. */
export function casesOf(all: Readonly<Record<string, readonly Argument[]>>): Case[] {
  return Object.entries(all).flatMap(([name, args]) => {
    const call = kit[name as keyof typeof kit] as (...args: unknown[]) => unknown;
    const valid = args.map((argument) => argument.valid);
    return args.flatMap(({ name: own, may }, i) => {
      const odds = may === "any"
        ? odd.map((value) => ({ value, at: "", may: true }))
        : oddValues(may, valid[i]);
      return odds.map(({ value, at, may }) => ({
        name: `${name}, ${own}${at}: ${Deno.inspect(at ? reach(value, at) : value)}`,
        call: () => call(...valid.with(i, value)),
        may,
      }));
    });
  });
}

/** What stands at a path such as `.positions.kind`. */
function reach(value: unknown, path: string): unknown {
  return path.slice(1).split(".").reduce(
    (inner, name) => (inner as Record<string, unknown> | undefined)?.[name],
    value,
  );
}

interface Odd {
  readonly value: unknown;
  readonly at: string;
  readonly may: boolean;
}

/** The odd values that a kind does not accept; of a schema the options of which one is such, or misspelt. */
function oddValues(may: Kind<unknown> | Schema, valid: unknown): Odd[] {
  if (isKind(may)) return refusedBy(may).map((value) => ({ value, at: "", may: false }));
  const given = valid as Record<string, unknown>;
  const whole = odd.filter((value) => !isPlain(value)).map((value) => ({ value, at: "", may: false }));
  return [
    ...whole,
    ...Object.entries(may).flatMap(([name, entry]): Odd[] => [
      { value: { ...given, [misspelt(name)]: 1 }, at: `.${misspelt(name)}`, may: false },
      ...(isSetting(entry) ? refusedBy(entry) : []).map((value) => ({
        value: { ...given, [name]: value },
        at: `.${name}`,
        may: false,
      })),
      ...(isSetting(entry) ? [] : oddValues(entry, given[name] ?? {})).map(({ value, at, may }) => ({
        value: { ...given, [name]: value },
        at: `.${name}${at}`,
        may,
      })),
    ]),
  ];
}

function isKind(may: Kind<unknown> | Schema): may is Kind<unknown> {
  return typeof may["accepts"] === "function";
}

function isPlain(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}

function refusedBy(kind: Kind<unknown>): unknown[] {
  return odd.filter((value) => !kind.accepts(kind.each && !Array.isArray(value) ? [value] : value));
}

/** A name with one letter twice, which no schema has. */
export function misspelt(name: string): string {
  return name[0] + name;
}

/** The sentence in which a call was refused, or what is wrong with it. */
export async function outcomeOf({ call, may }: Case): Promise<{ refused?: string; wrong?: string }> {
  try {
    await call();
    return may ? {} : { wrong: "it was accepted" };
  } catch (error) {
    if (!(error instanceof kit.InputError)) return { wrong: `it threw ${Deno.inspect(error)}` };
    const wrong = faultOf(error.message);
    return { refused: error.message, ...wrong !== undefined && { wrong } };
  }
}

/** What is wrong with a refusal as a sentence. */
export function faultOf(message: string): string | undefined {
  return /^Cannot \P{Cc}{1,290}[^.\p{Cc}]$/u.test(message) ? undefined : `not one short sentence: ${message}`;
}
