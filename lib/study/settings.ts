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
  type Preset,
  presets,
  withArchitecture,
} from "../model/mod.ts";
import { presetSettings } from "../model/settings.ts";
import {
  list,
  oneOf,
  or,
  type SchemaOf,
  settle,
  signal as signals,
  text,
  value,
  whole,
  withDefaults,
} from "../settings.ts";
import { bpeSettings } from "../text/settings.ts";
import {
  type AdamOptions,
  checkTransfer,
  pretrainDefaults,
  pretrainedModels,
  type PretrainedName,
} from "../train/mod.ts";
import * as training from "../train/settings.ts";

/**
 * The language models that a study compares, each of a preset's size: GPT-1; a block that normalises first, as
 * GPT-2's; an encoder with BERT's objective; an LSTM with as many parameters, and one of the paper's 2048 units
 * (Table 5).
 */
export const studyModels: Readonly<Record<StudyModel, (preset: Preset) => Preset>> = {
  ...Object.fromEntries(
    architectures.map((name) => [name, (preset: Preset) => withArchitecture(preset, name)]),
  ) as Record<Architecture, (preset: Preset) => Preset>,
  "lstm-2048": (preset) => withArchitecture(preset, "lstm", { units: 2048 }),
};

/** One of {@linkcode studyModels}. */
export type StudyModel = Architecture | "lstm-2048";

/** Whether a model has the position kind that a preset asks for, and not its own. */
export function hasPositions(model: StudyModel): boolean {
  return presetsOf({ preset: presets.mini, positions: ["learned", "sinusoidal"] }, model).length > 1;
}

/** Whether a model is trained to predict the next token. */
export function isCausal(model: StudyModel): boolean {
  return architectureOf(studyModels[model](presets.mini)).causal;
}

/** A study: which arms, how many seeds, how much of everything. */
export interface StudySettings {
  /** The model's size. Its architecture and its position kind are replaced by each arm's. */
  readonly preset: Preset;
  /** Language models to compare. */
  readonly models: readonly StudyModel[];
  /** Position kinds to compare; an LSTM has none. */
  readonly positions: readonly PositionKind[];
  /** Values of λ to compare; an encoder has no L1, and is fine-tuned with λ = 0 alone. */
  readonly lambda: readonly number[];
  /** Layers to begin fine-tuning with (Figure 2): `all`, or a number, of which 0 is the embeddings and −1 nothing. */
  readonly transfer: readonly (number | "all")[];
  /** Tasks, by name or as values of one's own. */
  readonly tasks: readonly (string | Task)[];
  /**
   * Tasks that each pre-trained model also does without fine-tuning, by the paper's heuristics (§5), by name or as
   * values of one's own. None unless given.
   */
  readonly zeroShot?: readonly (string | Task)[];
  /** How many seeds each arm is run with: 1, 2, …. */
  readonly seeds: number;
  /**
   * The model that comes with the kit which every arm begins with, instead of one that it pre-trains: size, merges and
   * corpus are then its own, and seeds differ in fine-tuning alone. None unless given.
   */
  readonly pretrained?: PretrainedName;
  /** What to pre-train on: a corpus, its name or a path. */
  readonly corpus: string | Corpus;
  /** BPE merges learned from the corpus. */
  readonly merges: number;
  /** Pre-training of every arm. */
  readonly pretrain: AdamOptions & { readonly batch: number; readonly dropout: number };
  /** Fine-tuning of every arm. */
  readonly finetune: Omit<AdamOptions, "updates"> & {
    readonly batch: number;
    readonly epochs: number;
    readonly dropout: number;
  };
  /** Words of a review's end that `imdb` keeps: about as many as the context holds. */
  readonly words: number;
  /** Training examples of a task, at the most. */
  readonly trainExamples: number;
  /** Test examples of a task, at the most. */
  readonly testExamples: number;
  /** Held-out windows on which a pre-trained model is scored, at the most. */
  readonly heldoutWindows: number;
  /** Where results and checkpoints are kept. */
  readonly folder: string;
  /** Updates from one checkpoint of a run to the next. */
  readonly saveEvery: number;
}

/**
 * What to change of a study's settings: a single value stands for a list of one; of `preset`, `pretrain` and `finetune`
 * what is not given stays as it is.
 */
export type StudyChanges = {
  readonly [Name in keyof StudySettings]?: Name extends "preset" | "pretrain" | "finetune"
    ? Partial<StudySettings[Name]>
    : StudySettings[Name] extends readonly (infer Each)[] | undefined ? StudySettings[Name] | Each
    : StudySettings[Name];
};

/** What to change of a study's settings, and how it is carried out. */
export interface StudyOptions extends StudyChanges {
  /**
   * Arms that run side by side, each in a process of its own; as many as there are cores unless given, one where there
   * is little to do.
   */
  readonly workers?: number;
  /** Stops the study after the update under way; called again, it goes on from there. */
  readonly signal?: AbortSignal;
}

const taskOrName = or(
  taskName,
  value("a task", (value): value is Task => typeof (value as Partial<Task> | null)?.train === "object"),
);

const corpusOrName = or(text, corpusValue);

/** The settings of {@linkcode StudyOptions}, in the order in which results hold them; each study has its defaults. */
export const studySettings = {
  preset: presetSettings,
  models: {
    ...list(oneOf(Object.keys(studyModels) as StudyModel[])),
    about: "language models to compare",
    unit: "names",
  },
  positions: { ...list(presetSettings.positions.kind), about: "position kinds to compare", unit: "kinds" },
  lambda: {
    ...list(training.lambda),
    about: "weights of the auxiliary objective to compare",
    unit: "numbers",
  },
  transfer: {
    ...list(or(oneOf(["all"]), training.transfer)),
    about: "layers to begin fine-tuning with, 0 for the embeddings, -1 for nothing",
    unit: "layers",
  },
  tasks: { ...list(taskOrName), about: "downstream tasks", unit: "names" },
  seeds: { ...whole({ from: 1, to: 1000 }), about: "seeds of each arm" },
  corpus: { ...corpusOrName, about: "corpus, text file or folder to pre-train on", unit: "name" },
  merges: bpeSettings.merges,
  pretrain: {
    ...training.adamSettings,
    updates: training.updates,
    batch: { ...training.batch, about: "windows of an update" },
    dropout: training.dropout,
  },
  finetune: {
    ...training.adamSettings,
    batch: training.batch,
    epochs: training.epochs,
    dropout: training.dropout,
  },
  words: wordsSetting,
  trainExamples: { ...limitSetting, about: "training examples of a task, at the most" },
  testExamples: { ...limitSetting, about: "test examples of a task, at the most" },
  heldoutWindows: {
    ...training.windows,
    about: "held-out windows that score a pre-trained model, at the most",
  },
  folder: { ...text, about: "where results are kept", unit: "folder" },
  saveEvery: training.runSettings.saveEvery,
  pretrained: training.pretrainedSetting,
  zeroShot: {
    ...list(taskOrName),
    about: "tasks that pre-trained models also do without fine-tuning",
    unit: "names",
    otherwise: "none",
  },
  workers: {
    ...whole({ from: 1, to: 256 }),
    about: "arms that run side by side",
    otherwise: "one a core, or one where there is little to do",
  },
  signal: { ...signals, about: "stops the study after the update under way", otherwise: "nothing stops it" },
} satisfies SchemaOf<StudyOptions>;

/**
 * A study's settings with what is to be changed of them, checked before anything is read.
 *
 * @param base Whose settings hold where none are given.
 * @throws {InputError} If a name is unknown, a value out of its range, or settings do not go together.
 */
export function settleStudy(
  base: StudySettings,
  options: StudyOptions,
): StudySettings & Pick<StudyOptions, "workers" | "signal"> {
  const study = settle("run a study", withDefaults(studySettings, base), options);
  checkPreset(base.preset, options?.preset ?? {}, study);
  checkStudy(study);
  return study;
}

/** Refuses what a study takes from its other settings, where it would be passed over. */
function checkPreset(base: Preset, given: Partial<Preset>, { models, positions }: StudySettings): void {
  const refuse = (name: string, value: unknown, why: string): never => {
    throw new InputError(`Cannot run a study with preset.${name} ${quoted(value)} as ${why}`);
  };
  const { architecture, units, dropout = base.dropout, positions: { kind } = base.positions } = given;
  if (architecture !== undefined) {
    refuse("architecture", architecture, `models name it: current ones are ${models}`);
  }
  if (units !== undefined) refuse("units", units, "an LSTM has those of its model: lstm or lstm-2048");
  if (dropout !== base.dropout) {
    refuse("dropout", dropout, "pretrain.dropout and finetune.dropout say what is dropped");
  }
  if (kind !== undefined && kind !== base.positions.kind && !positions.includes(kind)) {
    refuse("positions.kind", kind, `positions name it: current ones are ${positions}`);
  }
}

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
    ...{ batch: 16, epochs: 3, dropout: 0.1 },
  },
  words: 32,
  trainExamples: 800,
  testExamples: 800,
  heldoutWindows: 500,
  folder: "data/results/ablate",
  saveEvery: 500,
};

/**
 * Studies by name, as `deno task` runs them; any setting may be replaced.
 *
 * - `ablate`: learned and sinusoidal positions, λ = 0 and 0.5; sized for ten minutes on two cores.
 * - `compare`: GPT-1 and other language models of its size, under the same loop, tasks, seeds and budget, λ = 0.
 * - `suite`: what pre-training buys on a task of every kind: `mini`, pre-trained on all that npm gives, and from
 *   scratch, λ = 0 and 0.5; some two and a half hours on two cores.
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
    tasks: ["imdb", "hypernym", "verses", "gloss-similarity", "kind"],
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

/** A study made so small that it shows within a minute that everything works, and finds out nothing. */
export function smoke(study: StudySettings): StudySettings {
  const settled = settle("make a study small", withDefaults(studySettings, ablation), study);
  return {
    ...settled,
    preset: presets.smoke,
    corpus: ablation.corpus,
    seeds: 2,
    merges: 200,
    pretrain: { ...settled.pretrain, updates: 40, batch: 8 },
    finetune: { ...settled.finetune, batch: 8, epochs: 1 },
    words: 20,
    trainExamples: 32,
    testExamples: 32,
    heldoutWindows: 16,
    folder: `${settled.folder.replace(/studies(?=\/[^/]*$)/, "results")}-smoke`, // Not among those that are published.
  };
}

/** Refuses settings that do not go together. */
function checkStudy(study: StudySettings): void {
  if (study.pretrained !== undefined) checkPretrained(study, study.pretrained);
  const encoder = study.models.find((model) => !isCausal(model));
  if (encoder && !study.lambda.includes(0)) {
    throw new InputError(
      `Cannot run a study of ${encoder} with lambda ${
        quoted(study.lambda)
      } as it has no L1 and is fine-tuned with λ = 0: ` +
        "name 0, too",
    );
  }
  for (const model of study.models) {
    for (const arm of presetsOf(study, model)) {
      checkConfig({ ...arm, vocabulary: 1 });
      if (study.pretrained === undefined) transfersOf(study, arm); // Its layers are its own.
    }
  }
}

/** The models that come with the kit are GPT-1s of some position kinds. */
function checkPretrained({ models, positions, zeroShot }: StudySettings, name: PretrainedName): void {
  if (zeroShot) {
    throw new InputError(
      `Cannot ask "${name}" without fine-tuning in a study as that is done where pre-training ends: call zeroShot`,
    );
  }
  const kinds: readonly PositionKind[] = pretrainedModels[name] ?? [];
  const other = positions.find((kind) => !kinds.includes(kind)) ?? models.find((model) => model !== PAPER);
  if (other !== undefined) {
    throw new InputError(
      `Cannot begin a study of ${other} with "${name}" as the models that come with the kit are ${PAPER}: ` +
        Object.entries(pretrainedModels).map(([name, kinds]) =>
          `${name} with positions ${kinds.join(" or ")}`
        ).join(", "),
    );
  }
}

/**
 * The numbers of layers that fine-tuning of a model begins with.
 *
 * @throws {InputError} If the model has not as many, or two are the same.
 */
export function transfersOf({ transfer }: StudySettings, { layers }: Preset): number[] {
  const taken = transfer.map((taken) => taken === "all" ? layers : taken);
  taken.forEach((taken) => checkTransfer(taken, layers));
  if (new Set(taken).size === taken.length) return taken;
  throw new InputError(
    `Cannot run a study with transfer ${quoted(transfer)} as all is ${layers} layers: each may be named once`,
  );
}

/** A model's presets: one for each position kind, if it has positions. */
export function presetsOf(
  { preset, positions }: Pick<StudySettings, "preset" | "positions">,
  model: StudyModel,
): Preset[] {
  const arms = positions.map((kind) =>
    studyModels[model]({ ...preset, positions: { ...preset.positions, kind } })
  );
  return [...new Map(arms.map((arm) => [JSON.stringify(arm), arm])).values()];
}
