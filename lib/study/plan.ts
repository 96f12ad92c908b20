import { createHash } from "node:crypto";
import { type Corpus, corpus as loadCorpus, subset, type Task, task as loadTask } from "../data/mod.ts";
import type { PositionKind, Preset } from "../model/mod.ts";
import { type Tokenizer, trainBpe } from "../text/mod.ts";
import { encodeTask } from "../train/mod.ts";
import type { StudySettings } from "./settings.ts";
import { runPath } from "./store.ts";

/** A run of a study. */
export interface Planned {
  /** Readable, and of its own in the study. */
  readonly name: string;
  /** Where its files are, less the ending. */
  readonly path: string;
  /** All that its result depends on. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Tokens that its updates read: what progress is measured in. */
  readonly cost: number;
}

/** A pre-training run, and the fine-tuning runs that begin where it ends. */
export interface Arm {
  readonly preset: Preset;
  readonly positions: PositionKind;
  readonly seed: number;
  readonly pretrain: Planned;
  readonly finetune:
    readonly (Planned & { readonly task: Task; readonly lambda: number; readonly cut: number })[];
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
  const { preset, merges, pretrain, finetune, heldoutWindows, folder, words } = study;
  const books = typeof study.corpus === "string" ? await loadCorpus(study.corpus) : study.corpus;
  const limits = { train: study.trainExamples, test: study.testExamples };
  const tasks = await Promise.all(
    study.tasks.map(async (task) =>
      subset(typeof task === "string" ? await loadTask(task, task === "imdb" ? { words } : {}) : task, limits)
    ),
  );
  const tokenizer = trainBpe(books.train, { merges });
  const text = createHash("sha256").update(books.train).digest("hex").slice(0, 16);

  const armOf = (kind: PositionKind, seed: number): Arm => {
    const arm = { ...preset, positions: { ...preset.positions, kind } };
    const common = { ...arm, seed, merges, corpus: books.name, text, pretrain };
    const planned = (name: string, settings: Planned["settings"], cost: number): Planned => ({
      name,
      settings,
      cost,
      path: runPath(folder, name, settings),
    });
    return {
      preset: arm,
      positions: kind,
      seed,
      pretrain: planned(
        `pretrain-${kind}-seed${seed}`,
        { run: "pretrain", ...common, heldoutWindows },
        pretrain.updates * pretrain.batch * preset.context,
      ),
      finetune: tasks.flatMap((task) => {
        const { digest, tokens, cut } = encodeTask(task, tokenizer, preset.context);
        return study.lambda.map((lambda) => {
          const name = `${task.name}-${kind}-lambda${lambda}-seed${seed}`;
          const own = { task: task.name, examples: digest, test: task.test.length, lambda, finetune };
          return {
            ...planned(name, { run: "finetune", ...common, ...own }, finetune.epochs * tokens),
            task,
            lambda,
            cut,
          };
        });
      }),
    };
  };
  const seeds = Array.from({ length: study.seeds }, (_, i) => i + 1);
  return {
    books,
    tokenizer,
    tasks,
    arms: seeds.flatMap((seed) => study.positions.map((kind) => armOf(kind, seed))),
  };
}

/** An arm's runs in their order. */
export function runsOf({ pretrain, finetune }: Arm): Planned[] {
  return [pretrain, ...finetune];
}
