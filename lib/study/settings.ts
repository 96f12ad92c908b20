import type { Corpus, Task } from "../data/mod.ts";
import { InputError } from "../errors.ts";
import { checkConfig, type PositionKind, type Preset, presets } from "../model/mod.ts";
import {
  type AdamOptions,
  checkAdam,
  checkLambda,
  checkWhole,
  finetuneDefaults,
  pretrainDefaults,
} from "../train/mod.ts";

/** A study: which arms, how many seeds, how much of everything. */
export interface StudySettings {
  /** The model's size. Its position kind is replaced by each arm's. */
  readonly preset: Preset;
  /** Position kinds to compare. */
  readonly positions: readonly PositionKind[];
  /** Values of λ to compare. */
  readonly lambda: readonly number[];
  /** Tasks, by name or as values of one's own. */
  readonly tasks: readonly (string | Task)[];
  /** How many seeds each arm is run with: 1, 2, …. */
  readonly seeds: number;
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

/** What to change of {@linkcode studyDefaults}. */
export interface StudyOptions extends Partial<StudySettings> {
  /** Arms that run side by side, each in a process of its own; as many as there are cores unless given. */
  readonly workers?: number;
  /** Stops the study after the update under way; called again, it goes on from there. */
  readonly signal?: AbortSignal;
}

/** The study that `deno task ablate` runs: sized for ten minutes on two cores. */
export const studyDefaults: StudySettings = {
  preset: { ...presets.mini, layers: 2, context: 64 },
  positions: ["learned", "sinusoidal"],
  lambda: [0, 0.5],
  tasks: ["imdb", "kind"],
  seeds: 3,
  corpus: "books",
  merges: 600,
  pretrain: { ...pretrainDefaults, rate: 1.5e-3, updates: 3400, batch: 4, dropout: 0 },
  finetune: { ...finetuneDefaults, rate: 1e-3, warmup: 0.1, batch: 16, epochs: 3, dropout: 0.1 },
  words: 32,
  trainExamples: 800,
  testExamples: 800,
  heldoutWindows: 500,
  folder: "data/results/ablate",
  saveEvery: 500,
};

/** A study that shows within a minute that everything works, and finds out nothing. */
export const smokeStudy: StudySettings = {
  ...studyDefaults,
  preset: presets.smoke,
  seeds: 2,
  merges: 200,
  pretrain: { ...studyDefaults.pretrain, updates: 40, batch: 8 },
  finetune: { ...studyDefaults.finetune, batch: 8, epochs: 1 },
  words: 20,
  trainExamples: 32,
  testExamples: 32,
  heldoutWindows: 16,
  folder: "data/results/smoke",
};

/**
 * Checks a study before anything is read.
 *
 * @throws {InputError} If a setting is out of its range.
 */
export function checkStudy(study: StudySettings): void {
  const { preset, positions, lambda, tasks, seeds, merges, pretrain, finetune, saveEvery } = study;
  for (const [name, list] of Object.entries<readonly unknown[]>({ positions, lambda, tasks })) {
    if (list.length === 0) throw new InputError(`Cannot run a study as ${name} is empty`);
    if (new Set(list).size < list.length) {
      throw new InputError(`Cannot run a study as ${name} names one arm twice`);
    }
  }
  if (!Number.isSafeInteger(seeds) || seeds < 1) {
    throw new InputError(
      `Cannot run a study with ${seeds} seeds as their number must be a whole number from 1`,
    );
  }
  lambda.forEach(checkLambda);
  for (const kind of positions) {
    checkConfig({ ...preset, positions: { ...preset.positions, kind }, vocabulary: 1 });
  }
  checkAdam(pretrain);
  checkAdam({ ...finetune, updates: 1 });
  checkWhole({ merges, batch: pretrain.batch, epochs: finetune.epochs, saveEvery });
  checkWhole({ batch: finetune.batch });
}
