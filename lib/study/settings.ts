import type { Corpus, Task } from "../data/mod.ts";
import { corpusValue, limitSetting, taskName, wordsSetting } from "../data/settings.ts";
import { InputError, quoted } from "../errors.ts";
import {
  type Architecture,
  architectureOf,
  architectures,
  checkConfig,
  PAPER,
  type PositionKind,
  positionRules,
  type Preset,
  presets,
  withArchitecture,
} from "../model/mod.ts";
import { presetSettings } from "../model/settings.ts";
import {
  checked,
  flag,
  isPlain,
  type Kind,
  list,
  listOrNone,
  number,
  oneOf,
  or,
  type SchemaOf,
  seed,
  type Setting,
  settle,
  signal as signals,
  text,
  unknown,
  value,
  whole,
  withDefaults,
} from "../settings.ts";
import { bpeSettings } from "../text/settings.ts";
import {
  type AdamOptions,
  checkPretrainedLayers,
  type LambdaSchedule,
  pretrainDefaults,
  pretrainedModels,
  type PretrainedName,
} from "../train/mod.ts";
import * as training from "../train/settings.ts";
import { type Factor, TEXT } from "./effects.ts";
import {
  checkedLevels,
  combinations,
  type Level,
  settingAt,
  severalValues,
  singleSettings,
  type Tune,
  type Vary,
  withValues,
} from "./factors.ts";
import { type MainContrasts, mainContrastsKind, settleMainContrasts } from "./main_contrasts.ts";

/**
 * The language models that a study compares, each of a preset's size: GPT-1; pre-LN blocks as in GPT-2; an encoder with
 * BERT's objective; an LSTM with as many parameters, and one with the paper's 2048 units (Table 5).
 */
export const studyModels: Readonly<Record<StudyModel, (preset: Preset) => Preset>> = {
  ...Object.fromEntries(
    architectures.map((name) => [name, (preset: Preset) => withArchitecture(preset, name)]),
  ) as Record<Architecture, (preset: Preset) => Preset>,
  "lstm-2048": (preset) => withArchitecture(preset, "lstm", { units: 2048 }),
};

/** GPT-1, GPT-2's block, BERT, an LSTM with as many parameters, or one with the paper's 2048 units (Table 5). */
export type StudyModel = Architecture | "lstm-2048";

/** Whether a model uses a preset's position kind. */
export function hasPositions(model: StudyModel): boolean {
  return studyModels[model](presets.mini).positions.kind === presets.mini.positions.kind;
}

/** Whether a model is trained to predict the next token. */
export function isCausal(model: StudyModel): boolean {
  return architectureOf(studyModels[model](presets.mini)).causal;
}

/** The settings of a study. */
export interface StudySettings {
  /** Model configuration. Each arm replaces its architecture and position kind. */
  readonly preset: Preset;
  /** Language models to compare. */
  readonly models: readonly StudyModel[];
  /** Position kinds to compare; an LSTM has none. */
  readonly positions: readonly PositionKind[];
  /** Values of λ to compare; an encoder has no L1 and uses λ = 0 only. */
  readonly lambda: readonly number[];
  /** Numbers of pre-trained layers to compare (Figure 2): `all`, 0 for the embeddings only, −1 for training from scratch. */
  readonly transfer: readonly (number | "all")[];
  /** Tasks, as names or objects; with none, arms are pre-trained only. */
  readonly tasks: readonly (string | Task)[];
  /**
   * Tasks for zero-shot evaluation of each pre-trained model, by the paper's heuristics (§5), as names or objects.
   * Default: none.
   */
  readonly zeroShot?: readonly (string | Task)[];
  /**
   * Any other settings to compare, by their path, and the values of each: `{ "preset.heads": [2, 4] }`. `preset.` may be
   * left out. Every combination is an arm. Default: none.
   */
  readonly vary?: Vary;
  /** Seeds of each arm: their number, for 1, 2, …, or a list. */
  readonly seeds: number | readonly number[];
  /**
   * Settings of training that each arm chooses by its validation score, and their values:
   * `{ "finetune.rate": [3e-4, 1e-3], seeds: 2 }`. `seeds` is the number of seeds of each combination, which are not those
   * of the arms. A rate of pre-training is chosen by half of the held-out text, in turns of some pages, and the rest is
   * reported. Of values whose validation scores are equal within 0.002 bits or half a point the first is chosen.
   * Default: none.
   */
  readonly tune?: Tune;
  /** Factors whose levels choose separately, by name; other arms share the choice. Default: each arm chooses. */
  readonly tunePer?: readonly string[];
  /**
   * Levels of other factors at which the search is made, by their name: with `{ "pretrain.updates": [1000] }` arms of any
   * number of updates use what was chosen at 1,000. Default: all levels.
   */
  readonly tuneAt?: Vary;
  /**
   * Folder of a finished study whose choices are used instead of a search: to repeat it, or a part of its arms, with
   * other seeds. All other settings are the same. Default: none.
   */
  readonly tunedBy?: string;
  /** Whether it is a test that everything works, as {@linkcode smoke} makes one: its results say that they mean nothing. */
  readonly smoke?: boolean;
  /**
   * An included pre-trained model from which every arm starts, instead of pre-training its own. Size, merges and corpus
   * are then the model's, and seeds differ in fine-tuning only. Default: none.
   */
  readonly pretrained?: PretrainedName;
  /** The corpus of pre-training, its name, or a path. */
  readonly corpus: string | Corpus;
  /** Number of BPE merges, learned from the corpus. */
  readonly merges: number;
  /** Settings of pre-training. */
  readonly pretrain: AdamOptions & { readonly batch: number; readonly dropout: number };
  /** Settings of fine-tuning. */
  readonly finetune: Omit<AdamOptions, "updates"> & {
    readonly batch: number;
    readonly epochs: number;
    readonly dropout: number;
    readonly keep: "last" | "best";
    readonly lambdaSchedule: LambdaSchedule;
    readonly adaptEpochs: number;
  };
  /** Number of words at the end of a review that `imdb` uses; what does not fit the context is cut at its end. */
  readonly words: number;
  /** Maximum number of training examples of a task. */
  readonly trainExamples: number;
  /** Which training examples an arm gets, if a task has more: others for each seed, or the same for all. */
  readonly sample: "per-seed" | "once";
  /** Maximum number of test examples of a task, and of validation examples. */
  readonly testExamples: number;
  /** Maximum number of held-out windows for the evaluation of a pre-trained model. */
  readonly heldoutWindows: number;
  /**
   * Length of the windows in which the loss by position is measured, in tokens, for models whose positions extrapolate;
   * for others at most their context. Default: their context.
   */
  readonly heldoutContext?: number;
  /** Differences below these do not matter: a finding may be that two arms are equal within ± a margin. */
  readonly margins: {
    /** Of a task's metric, in points. */
    readonly points: number;
    /** Of held-out text, in bits per character. */
    readonly bits: number;
  };
  /**
   * The differences that the study is made to measure, by name: they are tested as one family, also those whose runs are
   * missing or did not leave chance; all others are exploratory. `at` names the levels of all other factors that have
   * several: `{ L1: { factor: "lambda", between: [0.5, 0], at: { task: "imdb", positions: "learned" } } }`. Default: none.
   */
  readonly mainContrasts?: MainContrasts;
  /** Folder of results and checkpoints. */
  readonly folder: string;
  /** Number of updates between checkpoints. */
  readonly saveEvery: number;
}

/**
 * Changes of a study's settings. A list of one may be given as a single value; `preset`, `pretrain`, `finetune` and `margins`
 * may be partial.
 */
export type StudyChanges = {
  readonly [Name in keyof StudySettings]?: Name extends "preset" | "pretrain" | "finetune" | "margins"
    ? Partial<StudySettings[Name]>
    : Name extends "seeds" ? StudySettings[Name]
    : StudySettings[Name] extends readonly (infer Each)[] | undefined ? StudySettings[Name] | Each
    : StudySettings[Name];
};

/** The options of a study: changes of its settings, and how it is executed. */
export interface StudyOptions extends StudyChanges {
  /** The settings that are changed, such as `studies.suite`. Default: `studies.ablate`. */
  readonly base?: StudySettings;
  /**
   * Number of worker processes, which run arms in parallel. Default: the number of cores, or 1 for a small study.
   */
  readonly workers?: number;
  /** Stops the study after the current update; it resumes when called again. Default: none. */
  readonly signal?: AbortSignal;
}

const taskOrName = or(
  taskName,
  value("a task", (value): value is Task => typeof (value as Partial<Task> | null)?.train === "object"),
);

const corpusOrName = or(text, corpusValue);

const seedCount = whole({ from: 1, to: 1000 }), seedList = list(seed);
const seedNumbers: Kind<number | readonly number[]> = {
  ...or(seedCount, seedList),
  expected: `${seedCount.expected}, or a list of different seeds`,
  range: `${seedCount.range}, or several`,
  read: (text) => (text.includes(",") ? seedList : seedCount).read(text),
};

/** The settings of {@linkcode StudyOptions}, in the order of stored results; each study has its own defaults. */
export const studySettings = {
  preset: presetSettings,
  models: {
    ...list(oneOf(Object.keys(studyModels) as StudyModel[])),
    about: "language models",
    unit: "name",
  },
  positions: { ...list(presetSettings.positions.kind), about: "position kinds", unit: "kind" },
  lambda: {
    ...list(training.lambda),
    about: "λ, the weight of the auxiliary objective L1",
  },
  transfer: {
    ...list(or(oneOf(["all"]), training.pretrainedLayers)),
    about: "pre-trained layers, 0 for the embeddings only, -1 for none",
    unit: "layers",
  },
  tasks: { ...listOrNone(taskOrName), about: "downstream tasks, or none", unit: "name" },
  vary: {
    ...severalValues<Vary>("vary", () => variable),
    about: "any other setting to compare, such as preset.heads=2,4; may be repeated",
    unit: "setting=value,…",
    otherwise: "none",
  },
  seeds: {
    ...seedNumbers,
    about: "seeds of each arm, their number or a list",
    unit: "seeds",
  },
  tune: {
    ...severalValues<Tune>("tune", () => tunable),
    about:
      "settings that each arm chooses by validation, such as finetune.rate=3e-4,1e-3, and seeds; may be repeated",
    unit: "setting=value,…",
    otherwise: "none",
  },
  tunePer: {
    ...list(text),
    about: "factors whose levels choose separately",
    unit: "factor",
    otherwise: "all, each arm by itself",
  },
  tuneAt: {
    ...severalValues<Vary>("tune at", () => variable),
    about: "levels of other factors at which the search is made; may be repeated",
    unit: "factor=value,…",
    otherwise: "all levels",
  },
  smoke: {
    ...flag,
    about: "a one-minute test that everything works; its results are meaningless",
    otherwise: "no",
  },
  tunedBy: {
    ...text,
    about: "folder of a finished study whose choices are used instead of a search",
    unit: "folder",
    otherwise: "none",
  },
  corpus: { ...corpusOrName, about: "corpus, text file or folder to pre-train on", unit: "name" },
  merges: bpeSettings.merges,
  pretrain: {
    ...training.adamSettings,
    updates: training.updates,
    batch: { ...training.batch, unit: "windows" },
    dropout: training.dropout,
  },
  finetune: {
    ...training.adamSettings,
    batch: training.batch,
    epochs: training.epochs,
    dropout: training.dropout,
    keep: training.keep,
    lambdaSchedule: training.lambdaSchedule,
    adaptEpochs: training.adaptEpochs,
  },
  words: { ...wordsSetting, about: "words kept from the end of a review (imdb)" },
  trainExamples: { ...limitSetting, about: "training examples of a task, at most" },
  sample: {
    ...oneOf(["per-seed", "once"]),
    about: "which training examples, if a task has more: others for each seed, or the same for all",
  },
  testExamples: { ...limitSetting, about: "test and validation examples of a task, at most" },
  heldoutWindows: {
    ...training.windows,
    about: "held-out windows that score a model, at most",
  },
  heldoutContext: {
    ...training.context,
    about:
      "window of the loss by position, which may exceed the model's context if its positions extrapolate",
    otherwise: "the model's context",
  },
  margins: {
    points: {
      ...number({ from: 1e-6, to: 100 }),
      about: "a smaller difference in a task's metric does not matter",
      unit: "points",
    },
    bits: {
      ...number({ from: 1e-6, to: 100 }),
      about: "a smaller difference on held-out text does not matter",
      unit: "bits",
    },
  },
  mainContrasts: {
    ...mainContrastsKind,
    about: "the differences that the study is made to measure, by name",
    otherwise: "none",
  },
  folder: { ...text, about: "folder of results", unit: "folder" },
  saveEvery: training.runSettings.saveEvery,
  pretrained: training.pretrainedSetting,
  zeroShot: {
    ...list(taskOrName),
    about: "tasks for zero-shot evaluation of pre-trained models",
    unit: "name",
    otherwise: "none",
  },
  workers: {
    ...whole({ from: 1, to: 256 }),
    about: "processes that run arms in parallel",
    unit: "processes",
    otherwise: "the cores, or 1 for a small study; with --slurm 1, which is a task's cores",
  },
  signal: { ...signals, about: "stops the study after the current update", otherwise: "none" },
  base: {
    ...value("the settings of a study", isStudySettings),
    about: "the settings that are changed",
    otherwise: "studies.ablate",
  },
} satisfies SchemaOf<StudyOptions>;

function isStudySettings(value: unknown): value is StudySettings {
  return isPlain(value) && "preset" in value && "tasks" in value;
}

/** Lists of levels with a setting of their own, by the paths under which `vary` knows them. */
const shortForms: ReadonlyMap<string, "models" | "positions" | "lambda" | "transfer" | "tasks"> = new Map([
  ...(["models", "positions", "lambda", "transfer", "tasks"] as const).map((name) => [name, name] as const),
  ["preset.positions.kind", "positions"],
]);

/** What is no factor: how a study is executed and evaluated, and what `models` determines. */
const noFactors = [
  ...[
    "vary",
    "seeds",
    "tune",
    "tunedBy",
    "smoke",
    "folder",
    "saveEvery",
    "workers",
    "signal",
    "base",
    "mainContrasts",
    "margins.points",
    "margins.bits",
  ],
  ...["preset.architecture", "preset.units", "preset.dropout"],
];

/** The settings that can vary, by path. */
const variable: Map<string, Setting<unknown>> = singleSettings(studySettings);
for (const name of noFactors) variable.delete(name);
for (const [path, name] of shortForms) {
  const { each, about }: Setting<unknown> = studySettings[name];
  variable.set(path, { ...each!, about });
}

/** The settings that can be tuned, by path, and the number of seeds. */
const tunable = new Map([...variable].filter(([path]) => /^(pretrain|finetune)\./.test(path)));
const tuningSeeds = { ...whole({ from: 1, to: 100 }), about: "seeds of each combination" };
tunable.set("seeds", tuningSeeds);

/**
 * Applies changes to a study's settings and checks the result, before any data is loaded.
 *
 * @param base The default settings.
 * @throws {InputError} If a name is unknown, a value is out of its range, or settings are incompatible.
 */
export function settleStudy(
  base: StudySettings,
  options: StudyOptions,
): StudySettings & Pick<StudyOptions, "workers" | "signal"> {
  const { base: _, ...settled } = settle("run a study", withDefaults(studySettings, base), options);
  const study = withFactors(settled, options);
  checkPreset(base.preset, options?.preset ?? {}, study);
  for (const variant of variantsOf(study)) checkStudy(variant.study);
  checkSearches(study);
  const { mainContrasts } = study;
  if (!mainContrasts) return study;
  return { ...study, mainContrasts: settleMainContrasts(mainContrasts, contrastFactors(study), matters) };
}

/** Names of settings, and of groups of them, on which pre-training depends. */
const ofPretraining = (path: string): boolean =>
  /^(model|positions|preset|pretrain|corpus|merges|heldoutWindows|heldoutContext)\b/.test(path);

/** The factors that main contrasts may name, the task first. */
function contrastFactors(study: StudySettings): Factor[] {
  const { tasks, zeroShot, transfer, models, pretrained } = study;
  const named = [...tasks, ...zeroShot ?? []].map((task) => typeof task === "string" ? task : task.name);
  const hasText = pretrained === undefined && models.some(isCausal);
  const starts = [...transfer, ...zeroShot ? ["zero-shot"] : []];
  return factorsOf(study, [...hasText ? [TEXT] : [], ...new Set(named)], starts);
}

/** A study's factors in the order of its settings, the task first. */
export function factorsOf(
  study: Parameters<typeof factorLevels>[0],
  task: readonly string[],
  transfer: readonly Level[],
): Factor[] {
  const known: Vary = { task, ...factorLevels(study), transfer };
  return Object.entries(known).map(([name, levels]) => ({ name, levels }));
}

/** Whether a factor makes a difference to a task, or to the held-out text. */
const matters = (factor: string, task: Level): boolean => task !== TEXT || ofPretraining(factor);

/** Checks for which levels of the factors searches are made. */
function checkSearches({ tune, tunePer = [], tuneAt = {}, tunedBy, ...study }: StudySettings): void {
  const given = { tunePer, tuneAt: Object.keys(tuneAt), tunedBy: tunedBy ?? "" };
  for (const [name, { length }] of Object.entries(given)) {
    if (length > 0 && !tune) {
      throw new InputError(`Cannot use ${name} without tune, which names the settings to choose`);
    }
  }
  const levels = factorLevels(study), names = Object.keys(levels);
  const refuse = (what: string, why: string): never => {
    throw new InputError(`Cannot tune ${what} as ${why}`);
  };
  const unknownFactor = (name: string) =>
    /^tasks?$/.test(name) ? "tasks always choose separately" : unknown("factor", name, names);
  for (const name of tunePer) {
    if (!names.includes(name)) refuse(`per ${quoted(name)}`, unknownFactor(name));
  }
  for (const [name, values] of Object.entries(tuneAt)) {
    if (!names.includes(name)) refuse(`at ${quoted(name)}`, unknownFactor(name));
    const other = values.find((value) => !levels[name]!.includes(value));
    if (other !== undefined && tunedBy === undefined) { // Else the other study has it, which made the search.
      refuse(`at ${name} ${quoted(other)}`, `the study has no such level: current ones are ${levels[name]}`);
    }
    if (levels[name]!.length > values.length && tunePer.length === 0) {
      refuse(`at ${name} ${values}`, "each arm chooses by itself: tunePer names the factors whose levels do");
    }
    if (levels[name]!.length > values.length && tunePer.includes(name)) {
      refuse(`at ${name} ${values}`, "tunePer lets each of its levels choose");
    }
  }
}

const asLists = (values: Readonly<Record<string, unknown>>): Record<string, unknown[]> =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [name, [value].flat()]));

/**
 * The settings of a study from its options, of which `base` may be one.
 *
 * @throws {InputError} As {@linkcode settleStudy} does, of the base, too.
 */
export function settleOptions(options: StudyOptions): ReturnType<typeof settleStudy> {
  const { base }: Partial<StudyOptions> = Object(options);
  if (base === undefined) return settleStudy(studies.ablate, options);
  checked("run a study", "base", studySettings.base, base);
  return settleStudy(settleStudy(studies.ablate, base), options);
}

type Settled = StudySettings & Pick<StudyOptions, "workers" | "signal">;

/** Checks the settings with several values, and gives those with a list of their own their place. */
function withFactors(study: Settled, options: StudyOptions): Settled {
  const vary: Record<string, readonly Level[]> = {}, lists: Record<string, readonly Level[]> = {};
  for (const [name, values] of Object.entries(study.vary ?? {})) {
    const { path, setting } = settingAt("vary", name, variable);
    const levels = checkedLevels("vary", name, setting, values);
    const list = shortForms.get(path);
    const twice = list === undefined ? path in vary : list in lists || options[list] !== undefined;
    if (twice) throw new InputError(`Cannot vary ${name} twice: name all its values in one place`);
    if (list === undefined) vary[path] = levels;
    else lists[list] = levels;
  }
  const { seeds: given = [2], ...tuned } = asLists(study.tune ?? {});
  const seeds = checked("tune", "seeds", tuningSeeds, given.length === 1 ? given[0] : given);
  if (study.tune && Object.keys(tuned).length === 0) {
    throw new InputError(
      "Cannot tune seeds alone: name settings and their values, such as finetune.rate=3e-4,1e-3",
    );
  }
  const tune: Record<string, readonly Level[]> = {};
  for (const [name, values] of Object.entries(tuned)) {
    const { path, setting } = settingAt("tune", name, tunable);
    if (path in vary) throw new InputError(`Cannot tune ${name} as it is varied: it is one or the other`);
    tune[path] = checkedLevels("tune", name, setting, values);
  }
  const { vary: _, tune: __, tunePer, tuneAt, ...others } = study;
  return {
    ...others,
    ...tunePer && { tunePer: tunePer.map((name) => vary[`preset.${name}`] ? `preset.${name}` : name) },
    ...tuneAt && { tuneAt: levelsToTuneAt(tuneAt) },
    ...lists,
    ...Object.keys(vary).length > 0 && { vary },
    ...Object.keys(tune).length > 0 && { tune: { ...tune, seeds } },
  };
}

/** The levels at which searches are made, by the names of factors. */
function levelsToTuneAt(given: Vary): Vary {
  const levels: Record<string, readonly Level[]> = {};
  for (const [name, values] of Object.entries(given)) {
    const { path, setting } = settingAt("tune at", name === "model" ? "models" : name, variable);
    const list = shortForms.get(path), factor = list === "models" ? "model" : list ?? path;
    if (factor in levels) {
      throw new InputError(`Cannot tune at ${name} twice: name all its values in one place`);
    }
    levels[factor] = checkedLevels("tune at", name, setting, values);
  }
  return levels;
}

/** A study with one value of each setting that `vary` names. */
export interface Variant {
  readonly values: Readonly<Record<string, Level>>;
  readonly study: StudySettings;
}

/** The levels of a study's factors, by name: the columns of its results. */
export function factorLevels(
  { models, positions, lambda, transfer, vary }: Pick<
    StudySettings,
    "models" | "positions" | "lambda" | "transfer" | "vary"
  >,
): Vary {
  return { model: models, positions, lambda, transfer, ...vary };
}

/** The settings that a study tunes, and their values. */
export function tunedSettings({ tune = {} }: StudySettings): Vary {
  const { seeds: _, ...tuned } = tune;
  return tuned as Vary;
}

/** A study's seeds. */
export function seedsOf({ seeds }: Pick<StudySettings, "seeds">): readonly number[] {
  return typeof seeds === "number" ? Array.from({ length: seeds }, (_, i) => i + 1) : seeds;
}

/** The variants of a study, without the factors that have lists of their own. */
export function variantsOf(study: StudySettings): Variant[] {
  return combinations(study.vary ?? {}).map((values) => ({ values, study: withValues(study, values) }));
}

/** Checks that a preset does not set what other settings of the study determine. */
function checkPreset(base: Preset, changes: Partial<Preset>, { models, positions }: StudySettings): void {
  const refuse = (name: string, value: unknown, why: string): never => {
    throw new InputError(`Cannot run a study with preset.${name} ${quoted(value)} as ${why}`);
  };
  const { architecture, units, dropout = base.dropout, positions: { kind } = base.positions } = changes;
  if (architecture !== undefined) {
    refuse("architecture", architecture, `models determine it: current ones are ${models}`);
  }
  if (units !== undefined) refuse("units", units, "models determine them: lstm or lstm-2048");
  if (dropout !== base.dropout) {
    refuse("dropout", dropout, "pretrain.dropout and finetune.dropout determine it");
  }
  if (kind !== undefined && kind !== base.positions.kind && !positions.includes(kind)) {
    refuse("positions.kind", kind, `positions determine it: current ones are ${positions}`);
  }
}

/**
 * Both learning rates were chosen on validation (data/studies/ablate-tuned); with dropout no arm of
 * data/studies/auxiliary-dropout was better.
 */
const ablation: StudySettings = {
  preset: { ...presets.mini, layers: 2, context: 64 },
  models: [PAPER],
  positions: ["learned", "sinusoidal"],
  lambda: [0, 0.5],
  transfer: ["all"],
  tasks: ["imdb", "kind"],
  seeds: 3,
  corpus: "books",
  merges: 600,
  pretrain: { ...pretrainDefaults, rate: 1.5e-3, updates: 3400, batch: 4, dropout: 0 },
  finetune: {
    ...{ rate: 1e-3, schedule: "warmup_linear", warmup: 0.1, decay: 0.01, clip: 1 },
    ...{ batch: 16, epochs: 3, dropout: 0, keep: "last", lambdaSchedule: "constant", adaptEpochs: 0 },
  },
  words: 24,
  trainExamples: 2000,
  sample: "per-seed",
  testExamples: 1200,
  heldoutWindows: 500,
  margins: { points: 2, bits: 0.01 },
  folder: "data/results/ablate",
  saveEvery: 500,
};

/**
 * Settings of studies by name, as `deno task` runs them; any setting may be changed.
 *
 * - `ablate`: learned and sinusoidal positions, λ = 0 and 0.5; ten minutes on two cores.
 * - `compare`: GPT-1 and other language models of its size, with the same training loop, tasks, seeds and budget, λ = 0.
 * - `suite`: the effect of pre-training on a task of every kind: `mini`, pre-trained on the included corpora, and trained
 *   from scratch, λ = 0 and 0.5; about two and a half hours on two cores.
 */
export const studies: {
  readonly ablate: StudySettings;
  readonly compare: StudySettings;
  readonly suite: StudySettings;
} = {
  ablate: ablation,
  compare: {
    ...ablation,
    models: architectures,
    positions: ["learned"],
    lambda: [0],
    folder: "data/results/compare",
  },
  suite: {
    ...ablation,
    preset: presets.mini,
    positions: ["learned"],
    lambda: [0, 0.5],
    transfer: ["all", -1],
    tasks: ["imdb", "hypernym", "same-kind", "kind"],
    corpus: "books+reviews+speeches",
    merges: 4000,
    pretrain: { ...ablation.pretrain, rate: 1e-3, updates: 8000, batch: 16 },
    finetune: { ...ablation.finetune, rate: 5e-4 },
    words: 60,
    trainExamples: 6000,
    testExamples: 2000,
    folder: "data/results/suite",
  },
};

/** The settings that take time, by path, in a test of a minute. */
const smallCounts: Readonly<Record<string, number>> = {
  merges: 200,
  "pretrain.updates": 40,
  "pretrain.batch": 8,
  "finetune.batch": 8,
  "finetune.epochs": 1,
  "finetune.adaptEpochs": 1,
  words: 20,
  trainExamples: 32,
  testExamples: 32,
  heldoutWindows: 16,
};

/** Seeds of a test of a minute, and at most of each combination that it tunes; and values of a setting that it tries. */
const FEW = 2;

/**
 * A study reduced to a one-minute test that everything works; its results are meaningless. Of a setting with several
 * values that takes time the values become small ones, as many and in the same order; of those to choose from two stay.
 *
 * @example
 * ```ts
 * import { smoke, studies } from "./mod.ts";
 *
 * const { pretrain, seeds } = smoke({ ...studies.ablate, seeds: 5 });
 * console.log(pretrain.updates, seeds); // 40 2
 * ```
 */
export function smoke(study: StudyChanges): StudySettings {
  const { mainContrasts: _, tunedBy: __, ...asked } = settle(
    "make a study small",
    withDefaults(studySettings, ablation),
    study,
  );
  const settled = withFactors(asked, {});
  const { adaptEpochs } = settled.finetune;
  const tried = Object.entries(tunedSettings(settled)).map(([path, values]) => [path, values.slice(0, FEW)]);
  const fewLayers = settled.transfer.filter((count) => count === "all" || count < presets.smoke.layers);
  return withSmallValues({
    ...withValues(settled, {
      ...smallCounts,
      "finetune.adaptEpochs": Math.min(adaptEpochs, smallCounts["finetune.adaptEpochs"]!),
    }),
    preset: presets.smoke,
    transfer: fewLayers.length > 0 ? fewLayers : ["all"],
    ...settled.tune && { tune: { ...settled.tune, ...Object.fromEntries(tried) } },
    corpus: ablation.corpus,
    seeds: FEW,
    smoke: true,
    folder: `${settled.folder.replace(/studies(?=\/[^/]*$)/, "results")}-smoke`, // Not among published studies.
  });
}

/**
 * A study of few updates of which the values of `vary` and `tune` that take time are small ones, too, as many and in the
 * same order; without a warm-up that does not get shorter with the run.
 */
export function withSmallValues<Study extends StudySettings>(study: Study): Study {
  const { vary = {}, tune, tuneAt } = study;
  const smallOf = (levels: Vary, known: Vary = levels): Vary =>
    Object.fromEntries(
      Object.entries(levels).map(([path, values]) => {
        const small = smallLevels(path, known[path] ?? values);
        return [path, values.map((value) => small.get(value) ?? value)];
      }),
    );
  return {
    ...withValues(study, {
      ...withoutFixedWarmup("pretrain", study),
      ...withoutFixedWarmup("finetune", study),
    }),
    ...study.vary && { vary: smallOf(vary) },
    ...tune && {
      tune: { ...smallOf(tunedSettings(study)), seeds: Math.min(tune["seeds"] as number, FEW) },
    },
    ...tuneAt && { tuneAt: smallOf(tuneAt, vary) },
  };
}

/** Small values of a setting by its values, if one of them is larger than a test of a minute has; 0 stays. */
function smallLevels(path: string, levels: readonly Level[]): ReadonlyMap<Level, Level> {
  const most = smallCounts[path];
  const counts = levels.filter((level) => typeof level === "number" && level > 0) as number[];
  if (most === undefined || counts.every((count) => count <= most)) return new Map();
  return new Map(
    counts.toSorted((a, b) => a - b).map((count, i) => {
      const small = Math.round(most * (i + 1) / counts.length);
      return [count, Math.min(count, Math.max(i + 1, small))];
    }),
  );
}

/** No warm-up, by its path, if with one of the schedules it does not get shorter with the run. */
function withoutFixedWarmup(
  group: "pretrain" | "finetune",
  { [group]: { schedule }, vary, tune }: StudySettings,
): Readonly<Record<string, number>> {
  const path = `${group}.schedule`;
  const schedules = [schedule, vary?.[path] ?? [], tune?.[path] ?? []].flat();
  return schedules.includes("warmup_stable_decay") ? { [`${group}.warmup`]: 0 } : {};
}

/** Checks that settings are compatible. */
function checkStudy(study: StudySettings): void {
  if (study.tasks.length === 0) checkPretrainingOnly(study);
  if (study.pretrained !== undefined) checkPretrained(study, study.pretrained);
  const encoder = study.models.find((model) => !isCausal(model));
  if (encoder && !study.lambda.includes(0)) {
    throw new InputError(
      `Cannot run a study of ${encoder} with lambda ${
        quoted(study.lambda)
      } as it has no L1 and needs λ = 0: ` +
        "add 0",
    );
  }
  const adapted = [study.finetune.adaptEpochs, ...tunedSettings(study)["finetune.adaptEpochs"] ?? []];
  const epochs = adapted.find((epochs) => epochs !== 0);
  if (encoder && epochs !== undefined) {
    throw new InputError(
      `Cannot run a study of ${encoder} with finetune.adaptEpochs ${epochs} as it has no L1: leave either out`,
    );
  }
  for (const model of study.models) {
    for (const arm of presetsOf(study, model)) {
      checkConfig({ ...arm, vocabulary: 1 });
      if (study.pretrained === undefined) pretrainedLayersOf(study, arm); // An included model has its own layers.
    }
  }
}

/** Checks that a study without tasks asks for nothing of fine-tuning. */
function checkPretrainingOnly({ pretrained, vary = {}, tune = {} }: StudySettings): void {
  const path = [...Object.keys(vary), ...Object.keys(tune)].find((path) => path.startsWith("finetune."));
  if (path === undefined && pretrained === undefined) return;
  throw new InputError(
    `Cannot run a study without tasks with ${
      path ?? `pretrained "${pretrained}"`
    } as nothing is fine-tuned: name tasks, or leave it out`,
  );
}

/** Checks that the included models support the study's models and position kinds. */
function checkPretrained(
  { models, positions, zeroShot, vary = {}, tune = {} }: StudySettings,
  name: PretrainedName,
): void {
  for (const [action, settings] of [["vary", vary], ["tune", tune]] as const) {
    const path = Object.keys(settings).find(ofPretraining);
    if (path === undefined) continue;
    throw new InputError(
      `Cannot ${action} ${path} in a study of "${name}" as it is pre-trained already: leave it out`,
    );
  }
  if (zeroShot) {
    throw new InputError(
      `Cannot use zeroShot in a study of "${name}" as it is evaluated after pre-training: call the function zeroShot`,
    );
  }
  const kinds = Object.keys(pretrainedModels[name]);
  const other = positions.find((kind) => !kinds.includes(kind)) ?? models.find((model) => model !== PAPER);
  if (other !== undefined) {
    throw new InputError(
      `Cannot run a study of ${other} with pre-trained model "${name}" as the included models are ${PAPER}: ` +
        Object.entries(pretrainedModels).map(([name, kinds]) =>
          `${name} with positions ${Object.keys(kinds).join(" or ")}`
        ).join(", "),
    );
  }
}

/**
 * The numbers of pre-trained layers to compare for a model.
 *
 * @throws {InputError} If the model has fewer layers, or two are the same.
 */
export function pretrainedLayersOf({ transfer }: StudySettings, { layers }: Preset): number[] {
  const counts = transfer.map((count) => count === "all" ? layers : count);
  counts.forEach((count) => checkPretrainedLayers(count, layers));
  if (new Set(counts).size === counts.length) return counts;
  throw new InputError(
    `Cannot run a study with transfer ${quoted(transfer)} as all is ${layers} layers: each may occur once`,
  );
}

/** A model's presets: one for each position kind, if it has positions. */
export function presetsOf(
  { preset, positions }: Pick<StudySettings, "preset" | "positions">,
  model: StudyModel,
): Preset[] {
  const arms = positions.map((kind) => {
    const { scale } = preset.positions; // What makes no difference is left out: the default, and of no table any.
    const isScaled = scale === "sqrt-width" || scale === "raw" && positionRules[kind].table !== undefined;
    return studyModels[model]({ ...preset, positions: isScaled ? { ...preset.positions, kind } : { kind } });
  });
  return [...new Map(arms.map((arm) => [JSON.stringify(arm), arm])).values()];
}
