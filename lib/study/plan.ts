import { createHash } from "node:crypto";
import { atMost, type Corpus, corpus as loadCorpus, type Task, task as loadTask } from "../data/mod.ts";
import { dispose, type PositionKind, type Preset } from "../model/mod.ts";
import { type Tokenizer, trainBpe } from "../text/mod.ts";
import { encodeTask, heuristicOf, pretrained, pretrainedFile, type PretrainedName } from "../train/mod.ts";
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

/** A pre-training run, if there is to be one, and the fine-tuning runs that begin where it ends. */
export interface Arm {
  readonly model: StudyModel;
  readonly preset: Preset;
  readonly positions: PositionKind;
  readonly seed: number;
  /** The file of the model that fine-tuning begins with. */
  readonly file: string;
  /** How that model comes to be; it is there already where this is absent. */
  readonly pretrain?: Planned;
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
  /** What is pre-trained on, if anything is. */
  readonly books?: Corpus;
  readonly tokenizer: Tokenizer;
  readonly tasks: readonly Task[];
  /** Tasks that are done without fine-tuning. */
  readonly zeroShot: readonly Task[];
  readonly arms: readonly Arm[];
}

/** Reads a study's data and lays out its runs, seed by seed, so that a study cut short has whole seeds. */
export async function planOf(study: StudySettings): Promise<Plan> {
  const { finetune, words } = study;
  const limits = { train: study.trainExamples, test: study.testExamples };
  const named = [study.tasks, study.zeroShot ?? []];
  const loaded = new Map(
    await Promise.all([...new Set(named.flat())].map(async (task) => { // Each once: a task may be in both lists.
      const whole = typeof task === "string" ? await loadTask(task, task === "imdb" ? { words } : {}) : task;
      return [task, atMost(whole, limits)] as const;
    })),
  );
  const [tasks, zeroShot] = named.map((list) => list.map((task) => loaded.get(task)!)) as [Task[], Task[]];
  zeroShot.forEach(heuristicOf);
  const begin = study.pretrained === undefined
    ? await ownModels(study, zeroShot)
    : await givenModels(study, study.pretrained);
  const { tokenizer, modelOf } = begin;

  const armOf = (model: StudyModel, preset: Preset, seed: number): Arm => {
    const { positions: { kind }, layers, context } = preset;
    const arm = model === "gpt1" ? kind : kind === "none" ? model : `${model}-${kind}`;
    const { common, ...made } = modelOf(arm, preset, seed);
    return {
      model,
      preset,
      positions: kind,
      seed,
      ...made,
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
            const settings = { run: "finetune", ...common, ...own };
            const cost = finetune.epochs * tokens * parametersOf(preset, tokenizer.size);
            return { ...planned(study, name, settings, cost), task, lambda, transfer, cut };
          })
        );
      }),
    };
  };
  const seeds = Array.from({ length: study.seeds }, (_, i) => i + 1);
  const presets = begin.preset ? { ...study, preset: begin.preset } : study;
  return {
    ...begin.books && { books: begin.books },
    tokenizer,
    tasks,
    zeroShot,
    arms: seeds.flatMap((seed) =>
      study.models.flatMap((model) => presetsOf(presets, model).map((preset) => armOf(model, preset, seed)))
    ),
  };
}

/** What arms begin with. */
interface Beginning {
  readonly tokenizer: Tokenizer;
  /** The models' size, where it is not the study's. */
  readonly preset?: Preset;
  readonly books?: Corpus;
  /** An arm's model, and what of it all results depend on. */
  modelOf(
    arm: string,
    preset: Preset,
    seed: number,
  ): Pick<Arm, "file" | "pretrain"> & { readonly common: Planned["settings"] };
}

/** Each arm's own model, to be pre-trained, and asked without fine-tuning. */
async function ownModels(study: StudySettings, zeroShot: readonly Task[]): Promise<Beginning> {
  const { merges, pretrain, heldoutWindows } = study;
  const books = typeof study.corpus === "string" ? await loadCorpus(study.corpus) : study.corpus;
  const tokenizer = trainBpe(books.train, { merges });
  const text = createHash("sha256").update(books.train).digest("hex").slice(0, 16);
  return {
    tokenizer,
    books,
    modelOf(arm, preset, seed) {
      const common = { ...preset, seed, merges, corpus: books.name, text, pretrain };
      const asked = zeroShot.map((task) => {
        const examples = encodeTask(task, tokenizer, preset.context).digest;
        return { task: task.name, examples, test: task.test.length };
      });
      const settings = {
        run: "pretrain",
        ...common,
        heldoutWindows,
        ...asked.length > 0 && { zeroShot: asked },
      };
      const cost = pretrain.updates * pretrain.batch * preset.context * parametersOf(preset, tokenizer.size);
      const run = planned(study, `pretrain-${arm}-seed${seed}`, settings, cost);
      return { common, pretrain: run, file: `${run.path}.safetensors` };
    },
  };
}

/** The models that come with the kit. */
async function givenModels({ positions }: StudySettings, name: PretrainedName): Promise<Beginning> {
  const { config: { vocabulary: _, ...preset }, parameters, tokenizer } = await pretrained(name, {
    positions: positions[0]!,
  });
  dispose(parameters);
  const files = positions.map((kind) => [kind, pretrainedFile(name, kind)] as const);
  const sums = new Map(
    await Promise.all(files.map(async ([kind, file]) => {
      const sum = createHash("sha256").update(await Deno.readFile(file)).digest("hex").slice(0, 16);
      return [kind, { file, sum }] as const;
    })),
  );
  return {
    tokenizer,
    preset,
    modelOf(_, preset, seed) {
      const { file, sum } = sums.get(preset.positions.kind)!;
      return { common: { ...preset, seed, pretrained: name, model: sum }, file };
    },
  };
}

function planned(
  { folder }: StudySettings,
  name: string,
  settings: Planned["settings"],
  cost: number,
): Planned {
  return { name, settings, cost, path: runPath(folder, name, settings) };
}

/** About how many parameters take part in reading a token: what it costs. */
function parametersOf({ architecture, width, layers, units = 0 }: Preset, vocabulary: number): number {
  const body = architecture === "lstm" ? units * (4 * (width + units) + width) : 12 * layers * width ** 2;
  return body + vocabulary * width;
}

/** An arm's runs in their order. */
export function runsOf({ pretrain, finetune }: Arm): Planned[] {
  return [...pretrain ? [pretrain] : [], ...finetune];
}
