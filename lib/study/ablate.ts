import { createHash } from "node:crypto";
import { type Corpus, corpus as loadCorpus, subset, type Task, task as loadTask } from "../data/mod.ts";
import { InputError } from "../errors.ts";
import { checkWritable } from "../files.ts";
import { checkConfig, dispose, gpt, type PositionKind, type Preset, presets } from "../model/mod.ts";
import { trainBpe } from "../text/mod.ts";
import {
  type AdamOptions,
  checkAdam,
  checkLambda,
  checkWhole,
  encodeTask,
  evaluate,
  finetune,
  finetuneDefaults,
  loadModel,
  ngramBaselines,
  pretrain,
  pretrainDefaults,
  saveModel,
  scoreText,
  type TaskScore,
  type TextScore,
  type Training,
  training,
  type TrainingRecord,
} from "../train/mod.ts";
import { runPath, store, stored } from "./store.ts";
import { type Study, studyJson, studyOf } from "./tables.ts";

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
  readonly pretrain: AdamOptions & { readonly batch: number };
  /** Fine-tuning of every arm. */
  readonly finetune: Omit<AdamOptions, "updates"> & { readonly batch: number; readonly epochs: number };
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
  /** Stops the study after the update under way; called again, it goes on from there. */
  readonly signal?: AbortSignal;
}

/** The study that `deno task ablate` runs: sized for ten minutes on two cores. */
export const studyDefaults: StudySettings = {
  preset: { ...presets.mini, layers: 2, width: 64, context: 64 },
  positions: ["learned", "sinusoidal"],
  lambda: [0, 0.5],
  tasks: ["imdb", "kind"],
  seeds: 3,
  corpus: "books",
  merges: 1000,
  pretrain: { ...pretrainDefaults, rate: 2e-3, updates: 600, batch: 16 },
  finetune: { ...finetuneDefaults, rate: 1e-3, warmup: 0.1, batch: 16, epochs: 2 },
  words: 44,
  trainExamples: 600,
  testExamples: 400,
  heldoutWindows: 200,
  folder: "data/results/ablate",
  saveEvery: 200,
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

/** How far a study is. */
export interface StudyRecord {
  /** Which run is under way. */
  readonly run: string;
  /** Runs finished, those found in the folder included. */
  readonly finished: number;
  /** Runs of the study. */
  readonly runs: number;
  /** Share of the study's work that is done, from 0 to 1. */
  readonly done: number;
  /** Seconds that the rest will take at the pace so far; not a number before there is one. */
  readonly left: number;
  /** The update just made. */
  readonly record: TrainingRecord;
}

/** What a pre-training run found. */
export interface Pretrained {
  /** Its arm. */
  readonly positions: PositionKind;
  /** Its seed. */
  readonly seed: number;
  /** On the held-out text. */
  readonly heldout: TextScore;
}

/** What a fine-tuning run found. */
export interface Finetuned extends Omit<TaskScore, "logits"> {
  /** Name of the task. */
  readonly task: string;
  /** Position kind of its arm. */
  readonly positions: PositionKind;
  /** λ of its arm. */
  readonly lambda: number;
  /** Its seed. */
  readonly seed: number;
  /** Texts of the task that were cut to fit the context. */
  readonly cut: number;
}

/**
 * The ablation that the paper left out: every position kind × every λ × every task, each with the same seeds.
 * Arms of one seed share initialisation, data order and dropout masks, so that their differences are paired.
 * Each run's result is a file of its own: a study that was stopped goes on where it stood.
 *
 * Iterate it for its progress, or await it for the study.
 *
 * @throws {InputError} If an option is out of its range or the folder cannot be written to.
 *
 * @example
 * ```ts ignore
 * import { ablate } from "../mod.ts";
 *
 * const study = await ablate({ positions: ["learned", "sinusoidal"], lambda: [0, 0.5], tasks: ["imdb"], seeds: 3 });
 * study.table.print();
 * console.log(study.findings.join("\n"));
 * ```
 */
export function ablate(options: StudyOptions = {}): Training<Study, StudyRecord> {
  const {
    preset,
    positions,
    lambda,
    tasks,
    seeds,
    corpus,
    merges,
    pretrain: pretraining,
    finetune: finetuning,
    words,
    trainExamples,
    testExamples,
    heldoutWindows,
    folder,
    saveEvery,
    signal,
  } = { ...studyDefaults, ...options };
  lambda.forEach(checkLambda);
  if (!Number.isSafeInteger(seeds) || seeds < 1) {
    throw new InputError(
      `Cannot run a study with ${seeds} seeds as their number must be a whole number from 1`,
    );
  }
  for (const [name, list] of Object.entries<readonly unknown[]>({ positions, lambda, tasks })) {
    if (list.length === 0) throw new InputError(`Cannot run a study as ${name} is empty`);
    if (new Set(list).size < list.length) {
      throw new InputError(`Cannot run a study as ${name} names one arm twice`);
    }
  }

  checkConfig({ ...preset, vocabulary: 1 });
  checkAdam(pretraining);
  checkAdam({ ...finetuning, updates: 1 });
  checkWhole({
    merges,
    batch: Math.min(pretraining.batch, finetuning.batch),
    epochs: finetuning.epochs,
    saveEvery,
  });

  return training(async function* (): AsyncGenerator<StudyRecord, Study> {
    await checkWritable(`${folder}/study.json`);
    const books = typeof corpus === "string" ? await loadCorpus(corpus) : corpus;
    const limits = { train: trainExamples, test: testExamples };
    const loaded = await Promise.all(
      tasks.map(async (task) =>
        subset(
          typeof task === "string" ? await loadTask(task, task === "imdb" ? { words } : {}) : task,
          limits,
        )
      ),
    );
    const tokenizer = trainBpe(books.train, { merges });
    const encoded = loaded.map((task) => ({ task, examples: encodeTask(task, tokenizer, preset.context) }));
    const cost = {
      pretrain: pretraining.updates * pretraining.batch * preset.context,
      finetune: encoded.map(({ examples }) => finetuning.epochs * examples.tokens),
    };
    const arms = positions.length * seeds;
    const all = arms * (cost.pretrain + lambda.length * cost.finetune.reduce((a, b) => a + b, 0));
    const runs = arms * (1 + lambda.length * tasks.length);
    const begin = performance.now();
    let [finished, past, worked] = [0, 0, 0];

    /** One run: its result from the folder, or from the job, which is then stored. */
    async function* run<Result>(
      name: string,
      path: string,
      settings: Readonly<Record<string, unknown>>,
      cost: number,
      job: () => AsyncGenerator<TrainingRecord, Result | undefined>,
    ): AsyncGenerator<StudyRecord, Result | undefined> {
      let found = (await stored<Result>(`${path}.json`, settings))?.result;
      if (!found) {
        const start = performance.now();
        const steps = job();
        let [step, first] = [await steps.next(), -1];
        for (; !step.done; step = await steps.next()) {
          const { update, updates } = step.value;
          if (first < 0) first = update - 1; // A resumed run begins later.
          const here = cost * update / updates;
          const pace = (performance.now() - begin) / 1e3 / (worked + cost * (update - first) / updates);
          const left = pace * (all - past - here);
          yield { run: name, finished, runs, done: (past + here) / all, left, record: step.value };
        }
        if (step.value === undefined) return undefined;
        worked += cost;
        found = (await store(`${path}.json`, settings, step.value, (performance.now() - start) / 1e3)).result;
      }
      past += cost;
      finished++;
      return found;
    }

    const pretrained: Pretrained[] = [];
    const finetuned: Finetuned[] = [];
    const text = createHash("sha256").update(books.train).digest("hex").slice(0, 16);
    for (let seed = 1; seed <= seeds; seed++) {
      for (const kind of positions) {
        if (signal?.aborted) break;
        const arm = { ...preset, positions: { ...preset.positions, kind } };
        const common = { ...arm, seed, merges, corpus: books.name, text, pretrain: pretraining };
        const name = `pretrain-${kind}-seed${seed}`;
        const settings = { run: "pretrain", ...common, heldoutWindows };
        const path = runPath(folder, name, settings);
        const keep = { saveEvery, ...(signal && { signal }) };
        let lm = gpt(arm, { tokenizer, seed });
        try {
          const score = yield* run<Pretrained>(name, path, settings, cost.pretrain, async function* () {
            yield* pretrain(lm, books, { ...pretraining, ...keep, checkpoint: `${path}.part` });
            if (signal?.aborted) return undefined;
            const heldout = await scoreText(lm, books.heldout, heldoutWindows);
            await saveModel(`${path}.safetensors`, lm);
            await Deno.remove(`${path}.part`);
            return { positions: kind, seed, heldout };
          });
          if (!score) break;
          pretrained.push(score);
          dispose(lm.parameters);
          lm = { ...await loadModel(`${path}.safetensors`), tokenizer };
          for (const [i, { task, examples }] of encoded.entries()) {
            for (const weight of lambda) {
              const name = `${task.name}-${kind}-lambda${weight}-seed${seed}`;
              const settings = {
                run: "finetune",
                ...common,
                task: task.name,
                examples: examples.digest,
                test: task.test.length,
                lambda: weight,
                finetune: finetuning,
              };
              const path = runPath(folder, name, settings);
              const score = yield* run<Finetuned>(
                name,
                path,
                settings,
                cost.finetune[i]!,
                async function* () {
                  const tuning = finetune(lm, task, {
                    ...finetuning,
                    ...keep,
                    lambda: weight,
                    checkpoint: `${path}.part`,
                  });
                  yield* tuning;
                  const tuned = await tuning;
                  try {
                    if (signal?.aborted) return undefined;
                    const { logits: _, ...score } = await evaluate(tuned, task);
                    await Deno.remove(`${path}.part`);
                    return {
                      task: task.name,
                      positions: kind,
                      lambda: weight,
                      seed,
                      ...score,
                      cut: examples.cut,
                    };
                  } finally {
                    dispose(tuned.parameters);
                  }
                },
              );
              if (score) finetuned.push(score);
            }
          }
        } finally {
          dispose(lm.parameters);
        }
      }
    }
    const baselines = ngramBaselines(books.train, books.heldout, tokenizer, preset.context, heldoutWindows);
    const found = studyOf(pretrained, finetuned, baselines, finished === runs);
    const { signal: _, corpus: __, tasks: ___, ...settings } = { ...studyDefaults, ...options };
    const asked = { ...settings, corpus: books.name, tasks: loaded.map(({ name }) => name) };
    await store(`${folder}/study.json`, asked, studyJson(found), (performance.now() - begin) / 1e3);
    return found;
  }());
}
