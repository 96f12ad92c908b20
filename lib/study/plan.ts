import { createHash } from "node:crypto";
import { atMost, type Corpus, corpus as loadCorpus, type Task, task as loadTask } from "../data/mod.ts";
import type { PositionKind, Preset } from "../model/mod.ts";
import { type Tokenizer, trainBpe } from "../text/mod.ts";
import { encodeTask } from "../train/mod.ts";
import { presetsOf, type StudyModel, type StudySettings } from "./settings.ts";
import { runPath } from "./store.ts";

/** A run of a study. */
export interface Planned {
  /** Readable, and of its own in the study. */
  readonly name: string;
  /** Where its files are, less the ending. */
  readonly path: string;
  /** All that its result depends on. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Tokens that its updates read, times what a token costs: what progress is measured in. */
  readonly cost: number;
}

/** A pre-training run, and the fine-tuning runs that begin where it ends. */
export interface Arm {
  readonly model: StudyModel;
  readonly preset: Preset;
  readonly positions: PositionKind;
  readonly seed: number;
  readonly pretrain: Planned;
  readonly finetune: readonly PlannedFinetune[];
}

/** A fine-tuning run. */
export interface PlannedFinetune extends Planned {
  readonly task: Task;
  readonly lambda: number;
  /** Layers that it begins with. */
  readonly transfer: number;
  /** Texts of the task that are cut to fit the context. */
  readonly cut: number;
}

/** What a study reads, and all its runs. */
export interface Plan {
  readonly books: Corpus;
  readonly tokenizer: Tokenizer;
  readonly tasks: readonly Task[];
  readonly arms: readonly Arm[];
}

/** Reads a study's data and lays out its runs, seed by seed, so that a study cut short has whole seeds. */
export async function planOf(study: StudySettings): Promise<Plan> {
  const { merges, pretrain, finetune, heldoutWindows, folder, words } = study;
  const books = typeof study.corpus === "string" ? await loadCorpus(study.corpus) : study.corpus;
  const limits = { train: study.trainExamples, test: study.testExamples };
  const tasks = await Promise.all(
    study.tasks.map(async (task) =>
      atMost(typeof task === "string" ? await loadTask(task, task === "imdb" ? { words } : {}) : task, limits)
    ),
  );
  const tokenizer = trainBpe(books.train, { merges });
  const text = createHash("sha256").update(books.train).digest("hex").slice(0, 16);

  const armOf = (model: StudyModel, preset: Preset, seed: number): Arm => {
    const { positions: { kind }, layers, context } = preset;
    const common = { ...preset, seed, merges, corpus: books.name, text, pretrain };
    const planned = (name: string, settings: Planned["settings"], tokens: number): Planned => ({
      name,
      settings,
      cost: tokens * parametersOf(preset, tokenizer.size),
      path: runPath(folder, name, settings),
    });
    const arm = model === "gpt1" ? kind : kind === "none" ? model : `${model}-${kind}`;
    return {
      model,
      preset,
      positions: kind,
      seed,
      pretrain: planned(
        `pretrain-${arm}-seed${seed}`,
        { run: "pretrain", ...common, heldoutWindows },
        pretrain.updates * pretrain.batch * context,
      ),
      finetune: tasks.flatMap((task) => {
        const { digest, tokens, cut } = encodeTask(task, tokenizer, context);
        const weights = preset.architecture === "bert" ? [0] : study.lambda;
        return weights.flatMap((lambda) =>
          study.transfer.map((taken) => {
            const transfer = taken === "all" ? layers : taken;
            const part = transfer === layers ? "" : `-transfer${transfer}`;
            const name = `${task.name}-${arm}-lambda${lambda}${part}-seed${seed}`;
            const own = {
              task: task.name,
              examples: digest,
              test: task.test.length,
              lambda,
              transfer,
              finetune,
            };
            return {
              ...planned(name, { run: "finetune", ...common, ...own }, finetune.epochs * tokens),
              task,
              lambda,
              transfer,
              cut,
            };
          })
        );
      }),
    };
  };
  const seeds = Array.from({ length: study.seeds }, (_, i) => i + 1);
  return {
    books,
    tokenizer,
    tasks,
    arms: seeds.flatMap((seed) =>
      study.models.flatMap((model) => presetsOf(study, model).map((preset) => armOf(model, preset, seed)))
    ),
  };
}

/** About how many parameters take part in reading a token: what it costs. */
function parametersOf({ architecture, width, layers, units = 0 }: Preset, vocabulary: number): number {
  const body = architecture === "lstm" ? units * (4 * (width + units) + width) : 12 * layers * width ** 2;
  return body + vocabulary * width;
}

/** An arm's runs in their order. */
export function runsOf({ pretrain, finetune }: Arm): Planned[] {
  return [pretrain, ...finetune];
}
