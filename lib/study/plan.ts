import {
  atMost,
  checkCorpus,
  type Corpus,
  corpus as loadCorpus,
  type Task,
  task as loadTask,
} from "../data/mod.ts";
import { abbreviated, sha256 } from "../digest.ts";
import {
  architectureOf,
  dispose,
  PAPER,
  type PositionKind,
  type Preset,
  shapes,
  sizeOf,
} from "../model/mod.ts";
import { type Tokenizer, tokensOf, trainBpe } from "../text/mod.ts";
import {
  encodeTask,
  evaluationWindows,
  heuristicOf,
  keys,
  type NgramBaselines,
  ngramBaselines,
  pretrained,
  pretrainedFile,
  type PretrainedName,
  type Read,
  summary,
  warnOfMerges,
} from "../train/mod.ts";
import { presetsOf, type StudyModel, type StudySettings, transfersOf } from "./settings.ts";

/** A run of a study: a training, and what is asked of the model that comes of it. */
export interface Planned {
  /** Readable, and of its own in the study. */
  readonly name: string;
  /** Key of all that the training reads. */
  readonly trained: string;
  /** Where the model goes, and its checkpoint while it is trained, less the ending. */
  readonly path: string;
  /** Key of all that the result depends on: the training, and what is asked of its model. */
  readonly key: string;
  /** The result's file. */
  readonly result: string;
  /** What is read, for a person to read. */
  readonly settings: unknown;
  /** Tokens that its updates read, times what a token costs: what progress is measured in. */
  readonly cost: number;
}

/** All that a pre-training reads, beside the study's tokenizer. */
export interface PretrainRead {
  readonly preset: Preset;
  readonly seed: number;
  readonly corpus: Corpus;
  readonly options: StudySettings["pretrain"];
}

/** All that is asked of a pre-trained model. */
export interface PretrainAsked {
  readonly heldout: string;
  readonly windows: number;
  readonly zeroShot: readonly Task[];
}

/** A pre-training run. */
export interface PlannedPretrain extends Planned {
  readonly reads: PretrainRead;
  readonly asked: PretrainAsked;
}

/** How a model is fine-tuned, beside its task. */
export interface FinetuneRead {
  readonly seed: number;
  readonly lambda: number;
  /** Layers that it begins with. */
  readonly transfer: number;
  readonly options: StudySettings["finetune"];
}

/** A fine-tuning run. */
export interface PlannedFinetune extends Planned {
  readonly reads: FinetuneRead;
  readonly task: Task;
  /** Texts of the task. */
  readonly texts: number;
  /** How many of them are cut to fit the context. */
  readonly cut: number;
  /** Share of its tokens that are `<unk>`. */
  readonly unknown: number;
}

/** A pre-training run, if there is to be one, and the fine-tuning runs that begin where it ends. */
export interface Arm {
  readonly model: StudyModel;
  readonly preset: Preset;
  readonly positions: PositionKind;
  readonly seed: number;
  /** The model that fine-tuning begins with. */
  readonly start: Start;
  readonly pretrain?: PlannedPretrain;
  readonly finetune: readonly PlannedFinetune[];
}

/** A model that fine-tuning begins with. */
interface Start {
  readonly file: string;
  /** What its file must say of what made it; a model that comes with the kit says nothing. */
  readonly key?: string;
  /** What stands for it in the keys of what is made of it. */
  readonly digest: string;
}

/** What a study reads, and all its runs. */
export interface Plan {
  /** What is pre-trained on, if anything is. */
  readonly books?: Corpus;
  readonly tokenizer: Tokenizer;
  readonly tasks: readonly Task[];
  /** Tasks that are done without fine-tuning. */
  readonly zeroShot: readonly Task[];
  /** Of each task's test examples, which of the whole task's they are. */
  readonly orders: ReadonlyMap<Task, Uint32Array>;
  readonly arms: readonly Arm[];
}

/** Reads a study's data and lays out its runs, seed by seed, so that a study cut short has whole seeds. */
export async function planOf(study: StudySettings): Promise<Plan> {
  const { folder, words } = study;
  if (study.pretrained === undefined && typeof study.corpus === "string") await checkCorpus(study.corpus);
  const limits = { train: study.trainExamples, test: study.testExamples };
  const named = [study.tasks, study.zeroShot ?? []];
  const orders = new Map<Task, Uint32Array>();
  const loaded = new Map(
    await Promise.all([...new Set(named.flat())].map(async (task) => { // Each once: a task may be in both lists.
      const whole = typeof task === "string" ? await loadTask(task, task === "imdb" ? { words } : {}) : task;
      const part = atMost(whole, limits);
      const [all, taken]: (readonly unknown[])[] = [whole.test, part.test];
      const places = new Map<unknown, number[]>(); // One example may stand twice.
      all!.forEach((example, i) => places.set(example, [...places.get(example) ?? [], i]));
      orders.set(part, Uint32Array.from(taken!, (example) => places.get(example)!.shift()!));
      return [task, part] as const;
    })),
  );
  const [tasks, zeroShot] = named.map((list) => list.map((task) => loaded.get(task)!)) as [Task[], Task[]];
  zeroShot.forEach(heuristicOf);
  const keyOf = keys();
  const begin = study.pretrained === undefined
    ? await ownModels(study, zeroShot, keyOf)
    : await givenModels(study, study.pretrained);
  const { tokenizer, startOf } = begin;
  const encodings = new Map<string, Encoding>(); // Of a task and a context.

  const armOf = (model: StudyModel, preset: Preset, seed: number): Arm => {
    const { positions: { kind }, layers, context } = preset;
    const arm = model === PAPER ? kind : kind === "none" ? model : `${model}-${kind}`;
    const begun = startOf(arm, preset, seed), transfers = transfersOf(study, preset);
    return {
      model,
      preset,
      positions: kind,
      seed,
      ...begun,
      finetune: tasks.flatMap((task) => {
        const at = `${context} ${task.name}`;
        const encoding = encodings.get(at) ?? encodingOf(task, tokenizer, context);
        encodings.set(at, encoding);
        const { training, scoring, tokens, longest, ...counts } = encoding;
        const weights = architectureOf(preset).causal ? study.lambda : [0];
        return weights.flatMap((lambda) =>
          transfers.map((transfer): PlannedFinetune => {
            const part = transfer === layers ? "" : `-transfer${transfer}`;
            const name = `${task.name}-${arm}-lambda${lambda}${part}-seed${seed}`;
            const reads: FinetuneRead = { seed, lambda, transfer, options: study.finetune };
            const width = preset.variant === "paper" ? longest : undefined; // Of the softmax over positions.
            const all = {
              // From scratch nothing is read of the model but its shape and tokenizer; its digest is of these, too.
              start: transfer === -1 ? { preset, tokenizer } : begun.start.digest,
              ...reads,
              task: training,
              width,
            };
            const cost = study.finetune.epochs * tokens * parametersOf(preset, tokenizer.size);
            return {
              ...planned(folder, keyOf, name, all, { task: scoring }, cost),
              reads,
              task,
              ...counts,
            };
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
    orders,
    arms: seeds.flatMap((seed) =>
      study.models.flatMap((model) => presetsOf(presets, model).map((preset) => armOf(model, preset, seed)))
    ),
  };
}

/** A task as its runs' keys hold it, and what encoding it tells. */
interface Encoding {
  readonly training: Read;
  readonly scoring: Read;
  readonly tokens: number;
  readonly longest: number;
  readonly texts: number;
  readonly cut: number;
  readonly unknown: number;
}

function encodingOf(task: Task, tokenizer: Tokenizer, context: number): Encoding {
  // Training reads neither what is scored nor how; scoring does not read what was learned from, but the model.
  const { test, measures, zeroShot: _, ...training } = read(task);
  const { train: __, ...scoring } = { ...training, test, measures };
  const { tokens, longest, cut, counts } = encodeTask(task, tokenizer, context);
  const all = (of: "texts" | "tokens" | "unknown") =>
    Object.values(counts).reduce((sum, count) => sum + count[of], 0);
  const unknown = all("unknown") / Math.max(1, all("tokens"));
  return { training, scoring, tokens, longest, texts: all("texts"), cut, unknown };
}

/** What a run may read of a task: all that is not taken away here by name. */
function read({ source: _, licence: __, about: ___, validation: ____, ...task }: Task) {
  return task;
}

/** What arms begin with. */
interface Beginning {
  readonly tokenizer: Tokenizer;
  /** The models' size, where it is not the study's. */
  readonly preset?: Preset;
  readonly books?: Corpus;
  /** An arm's model. */
  startOf(arm: string, preset: Preset, seed: number): Pick<Arm, "start" | "pretrain">;
}

/** Each arm's own model, to be pre-trained, and asked without fine-tuning. */
async function ownModels(
  study: StudySettings,
  zeroShot: readonly Task[],
  keyOf: (read: Read) => string,
): Promise<Beginning> {
  const { merges, pretrain: options, heldoutWindows: windows, folder } = study;
  const books = typeof study.corpus === "string" ? await loadCorpus(study.corpus) : study.corpus;
  const tokenizer = trainBpe(books.train, { merges });
  warnOfMerges(tokenizer, merges);
  for (const model of study.models) {
    for (const { context } of presetsOf(study, model)) {
      evaluationWindows(tokensOf(books.heldout, tokenizer), context, windows);
    }
  }
  const asked: PretrainAsked = { heldout: books.heldout, windows, zeroShot };
  const answered = zeroShot.map((task) => {
    const { train, ...rest } = read(task);
    return heuristicOf(task).by === "acceptability" ? { ...rest, train } : rest; // Its threshold is learned.
  });
  const all = { asked, reads: { ...asked, zeroShot: answered } };
  const textAlone = { asked: { ...asked, zeroShot: [] }, reads: { ...asked, zeroShot: [] } };
  return {
    tokenizer,
    books,
    startOf(arm, preset, seed) {
      const reads: PretrainRead = { preset, seed, corpus: books, options };
      const cost = options.updates * options.batch * preset.context * parametersOf(preset, tokenizer.size);
      const name = `pretrain-${arm}-seed${seed}`;
      const { asked, reads: askedReads } = architectureOf(preset).causal ? all : textAlone; // Others answer no task.
      const read = { preset, seed, tokenizer, text: books.train, options };
      const run = planned(folder, keyOf, name, read, askedReads, cost);
      return {
        start: { file: `${run.path}.safetensors`, key: run.trained, digest: run.trained },
        pretrain: { ...run, reads, asked },
      };
    },
  };
}

/** The models that come with the kit. */
async function givenModels({ positions }: StudySettings, name: PretrainedName): Promise<Beginning> {
  const { config: { vocabulary: _, ...preset }, parameters, tokenizer } = await pretrained(name, {
    positions: positions[0]!,
  });
  dispose(parameters);
  const starts = new Map(
    await Promise.all(positions.map(async (kind) => {
      const file = pretrainedFile(name, kind);
      return [kind, { file, digest: sha256(await Deno.readFile(file)) }] as const;
    })),
  );
  return {
    tokenizer,
    preset,
    startOf: (_, preset) => ({ start: starts.get(preset.positions.kind)! }),
  };
}

function planned(
  folder: string,
  keyOf: (read: Read) => string,
  name: string,
  reads: Read,
  asked: Read,
  cost: number,
): Planned {
  const trained = keyOf(reads);
  const key = keyOf({ trained, ...asked });
  return {
    name,
    trained,
    path: `${folder}/${name}-${abbreviated(trained)}`,
    key,
    result: `${folder}/${name}-${abbreviated(key)}.json`,
    settings: { trained, ...summary({ ...reads, asked }) as object },
    cost,
  };
}

/** About how many parameters take part in reading a token: what it costs. */
function parametersOf(preset: Preset, vocabulary: number): number {
  return [...shapes({ ...preset, vocabulary }).values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** A run, and the arm that it is of. */
export interface Run {
  readonly arm: Arm;
  readonly planned: PlannedPretrain | PlannedFinetune;
}

/** A study's runs in their order: two processes that plan the same study have the same. */
export function runsOf({ arms }: Pick<Plan, "arms">): Run[] {
  return arms.flatMap((arm) =>
    [...arm.pretrain ? [arm.pretrain] : [], ...arm.finetune].map((planned) => ({ arm, planned }))
  );
}

/** Whether a run is a pre-training. */
export function isPretraining(planned: Run["planned"]): planned is PlannedPretrain {
  return "asked" in planned;
}

/** What models that count n-grams make of the text that a study's models are scored on. */
export function baselinesOf(
  { books, tokenizer }: Plan,
  { preset, heldoutWindows }: StudySettings,
): NgramBaselines | undefined {
  return books && ngramBaselines({ tokenizer, config: preset }, books, { windows: heldoutWindows });
}
