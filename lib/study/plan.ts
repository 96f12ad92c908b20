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
  totalSize,
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
  type RunInputs,
  summary,
  warnOfMerges,
} from "../train/mod.ts";
import { presetsOf, pretrainedLayersOf, type StudyModel, type StudySettings } from "./settings.ts";

/** A run of a study: training and evaluation of a model. */
export interface PlannedRun {
  /** Readable name, unique in the study. */
  readonly name: string;
  /** Key of the training's inputs. */
  readonly trained: string;
  /** Path of the model and its checkpoint, without extension. */
  readonly path: string;
  /** Key of all inputs of the result: of training and evaluation. */
  readonly key: string;
  /** Path of the result file. */
  readonly result: string;
  /** The inputs in readable form. */
  readonly settings: unknown;
  /** Number of the model's parameters. */
  readonly parameters: number;
  /** Cost, in tokens × parameters: the unit of progress. */
  readonly cost: number;
}

/** Inputs of pre-training, without the study's tokenizer. */
export interface PretrainInputs {
  readonly preset: Preset;
  readonly seed: number;
  readonly corpus: Corpus;
  readonly options: StudySettings["pretrain"];
}

/** Inputs of the evaluation of a pre-trained model. */
export interface PretrainEvaluation {
  readonly heldout: string;
  readonly windows: number;
  readonly zeroShot: readonly Task[];
}

/** A pre-training run. */
export interface PlannedPretrain extends PlannedRun {
  readonly inputs: PretrainInputs;
  readonly evaluation: PretrainEvaluation;
}

/** Inputs of fine-tuning, without the task. */
export interface FinetuneInputs {
  readonly seed: number;
  readonly lambda: number;
  /** Number of pre-trained layers. */
  readonly transfer: number;
  /** Without `keep: "last"`, so that keys are those of before it was a setting. */
  readonly options: Omit<StudySettings["finetune"], "keep"> & { readonly keep?: "best" };
}

/** A fine-tuning run. */
export interface PlannedFinetune extends PlannedRun {
  readonly inputs: FinetuneInputs;
  readonly task: Task;
  /** Number of texts of the task. */
  readonly texts: number;
  /** Number of texts that are truncated to the context. */
  readonly cut: number;
  /** Share of `<unk>` among its tokens. */
  readonly unknown: number;
}

/** A pre-training run, if any, and the fine-tuning runs that start from its model. */
export interface Arm {
  readonly model: StudyModel;
  readonly preset: Preset;
  readonly positions: PositionKind;
  readonly seed: number;
  /** The initial model of fine-tuning. */
  readonly start: InitialModel;
  readonly pretrain?: PlannedPretrain;
  readonly finetune: readonly PlannedFinetune[];
}

/** The initial model of fine-tuning. */
interface InitialModel {
  readonly file: string;
  /** Key of the run that trained it; absent for an included model. */
  readonly key?: string;
  /** Its digest, for the keys of fine-tuning runs. */
  readonly digest: string;
}

/** The data and the runs of a study. */
export interface Plan {
  /** The corpus of pre-training, if any. */
  readonly corpus?: Corpus;
  readonly tokenizer: Tokenizer;
  readonly tasks: readonly Task[];
  /** Tasks for zero-shot evaluation. */
  readonly zeroShot: readonly Task[];
  /** Indices of each task's test examples in the full test split. */
  readonly orders: ReadonlyMap<Task, Uint32Array>;
  readonly arms: readonly Arm[];
}

/** Loads a study's data and plans its runs, seed by seed, so that an interrupted study has complete seeds. */
export async function planOf(study: StudySettings): Promise<Plan> {
  const { folder, words } = study;
  if (study.pretrained === undefined && typeof study.corpus === "string") await checkCorpus(study.corpus);
  const limits = { train: study.trainExamples, test: study.testExamples };
  const named = [study.tasks, study.zeroShot ?? []];
  const orders = new Map<Task, Uint32Array>();
  const loaded = new Map(
    await Promise.all([...new Set(named.flat())].map(async (task) => { // A task may be in both lists.
      const whole = typeof task === "string" ? await loadTask(task, task === "imdb" ? { words } : {}) : task;
      const part = atMost(whole, limits);
      const [all, taken]: (readonly unknown[])[] = [whole.test, part.test];
      const positions = new Map<unknown, number[]>(); // Examples may be duplicates.
      all!.forEach((example, i) => positions.set(example, [...positions.get(example) ?? [], i]));
      orders.set(part, Uint32Array.from(taken!, (example) => positions.get(example)!.shift()!));
      return [task, part] as const;
    })),
  );
  const [tasks, zeroShot] = named.map((list) => list.map((task) => loaded.get(task)!)) as [Task[], Task[]];
  zeroShot.forEach(heuristicOf);
  const keyOf = keys();
  const source = study.pretrained === undefined
    ? await modelsToPretrain(study, zeroShot, keyOf)
    : await includedModels(study, study.pretrained);
  const { tokenizer, startOf } = source;
  const encodings = new Map<string, Encoding>(); // By task and context.
  const { keep, ...others } = study.finetune;
  const options = keep === "best" ? { ...others, keep } : others;

  const armOf = (model: StudyModel, preset: Preset, seed: number): Arm => {
    const { positions: { kind }, layers, context } = preset;
    const arm = model === PAPER ? kind : kind === "none" ? model : `${model}-${kind}`;
    const initial = startOf(arm, preset, seed), layerCounts = pretrainedLayersOf(study, preset);
    return {
      model,
      preset,
      positions: kind,
      seed,
      ...initial,
      finetune: tasks.flatMap((task) => {
        const cacheKey = `${context} ${task.name}`;
        const encoding = encodings.get(cacheKey) ?? encodingOf(task, tokenizer, context, keep);
        encodings.set(cacheKey, encoding);
        const { training, scoring, tokens, longest, ...counts } = encoding;
        const lambdas = architectureOf(preset).causal ? study.lambda : [0];
        return lambdas.flatMap((lambda) =>
          layerCounts.map((transfer): PlannedFinetune => {
            const part = transfer === layers ? "" : `-transfer${transfer}`;
            const name = `${task.name}-${arm}-lambda${lambda}${part}-seed${seed}`;
            const inputs: FinetuneInputs = { seed, lambda, transfer, options };
            const width = preset.variant === "paper" ? longest : undefined; // Number of positions in the softmax.
            const all = {
              // Training from scratch depends on the model's preset and tokenizer only.
              start: transfer === -1 ? { preset, tokenizer } : initial.start.digest,
              ...inputs,
              task: training,
              width,
            };
            const size = {
              tokens: study.finetune.epochs * tokens,
              parameters: sizeOf(preset, tokenizer.size),
            };
            return {
              ...planned(folder, keyOf, name, all, { task: scoring }, size),
              inputs,
              task,
              ...counts,
            };
          })
        );
      }),
    };
  };
  const seeds = Array.from({ length: study.seeds }, (_, i) => i + 1);
  const presets = source.preset ? { ...study, preset: source.preset } : study;
  return {
    ...source.corpus && { corpus: source.corpus },
    tokenizer,
    tasks,
    zeroShot,
    orders,
    arms: seeds.flatMap((seed) =>
      study.models.flatMap((model) => presetsOf(presets, model).map((preset) => armOf(model, preset, seed)))
    ),
  };
}

/** The parts of a task that are in its runs' keys, and its token counts. */
interface Encoding {
  readonly training: RunInputs;
  readonly scoring: RunInputs;
  readonly tokens: number;
  readonly longest: number;
  readonly texts: number;
  readonly cut: number;
  readonly unknown: number;
}

function encodingOf(
  task: Task,
  tokenizer: Tokenizer,
  context: number,
  keep: "last" | "best",
): Encoding {
  // Training does not depend on test examples and metrics; evaluation does not depend on training examples.
  const { test, measures, zeroShot: _, ...inputs } = taskInputs(task);
  const { train: __, ...scoring } = { ...inputs, test, measures };
  const { longest, cut, counts, ...encoded } = encodeTask(task, tokenizer, context);
  const isScored = keep === "best"; // On the validation split by the primary metric, after each epoch.
  const training = isScored ? { ...inputs, validation: task.validation, measure: measures[0] } : inputs;
  const tokens = encoded.tokens + (isScored ? counts.validation.tokens / 3 : 0); // A forward pass is a third of an update.
  const sumOf = (of: "texts" | "tokens" | "unknown") =>
    Object.values(counts).reduce((sum, count) => sum + count[of], 0);
  const unknown = sumOf("unknown") / Math.max(1, sumOf("tokens"));
  return { training, scoring, tokens, longest, texts: sumOf("texts"), cut, unknown };
}

/** The inputs that a run may use of a task: all fields but those excluded here. */
function taskInputs({ source: _, licence: __, about: ___, validation: ____, ...task }: Task) {
  return task;
}

/** The source of the arms' initial models. */
interface ModelSource {
  readonly tokenizer: Tokenizer;
  /** The models' configuration, if it is not the study's. */
  readonly preset?: Preset;
  readonly corpus?: Corpus;
  /** The initial model of an arm. */
  startOf(arm: string, preset: Preset, seed: number): Pick<Arm, "start" | "pretrain">;
}

/** Each arm pre-trains its own model. */
async function modelsToPretrain(
  study: StudySettings,
  zeroShot: readonly Task[],
  keyOf: (inputs: RunInputs) => string,
): Promise<ModelSource> {
  const { merges, pretrain: options, heldoutWindows: windows, folder } = study;
  const corpus = typeof study.corpus === "string" ? await loadCorpus(study.corpus) : study.corpus;
  const tokenizer = trainBpe(corpus.train, { merges });
  warnOfMerges(tokenizer, merges);
  for (const model of study.models) {
    for (const { context } of presetsOf(study, model)) {
      evaluationWindows(tokensOf(corpus.heldout, tokenizer), context, windows);
    }
  }
  const evaluation: PretrainEvaluation = { heldout: corpus.heldout, windows, zeroShot };
  const zeroShotInputs = zeroShot.map((task) => {
    const { train, ...rest } = taskInputs(task);
    return heuristicOf(task).by === "acceptability" ? { ...rest, train } : rest; // Its threshold depends on training examples.
  });
  const all = { evaluation, inputs: { ...evaluation, zeroShot: zeroShotInputs } };
  const textOnly = { evaluation: { ...evaluation, zeroShot: [] }, inputs: { ...evaluation, zeroShot: [] } };
  return {
    tokenizer,
    corpus,
    startOf(arm, preset, seed) {
      const inputs: PretrainInputs = { preset, seed, corpus, options };
      const size = {
        tokens: options.updates * options.batch * preset.context,
        parameters: sizeOf(preset, tokenizer.size),
      };
      const name = `pretrain-${arm}-seed${seed}`;
      const { evaluation, inputs: evaluationInputs } = architectureOf(preset).causal ? all : textOnly; // `bert` has no zero-shot evaluation.
      const trainingInputs = { preset, seed, tokenizer, text: corpus.train, options };
      const run = planned(folder, keyOf, name, trainingInputs, evaluationInputs, size);
      return {
        start: { file: `${run.path}.safetensors`, key: run.trained, digest: run.trained },
        pretrain: { ...run, inputs, evaluation },
      };
    },
  };
}

/** Arms start from included pre-trained models. */
async function includedModels({ positions }: StudySettings, name: PretrainedName): Promise<ModelSource> {
  const { config: { vocabulary: _, ...preset }, parameters, tokenizer } = await pretrained(name, {
    positions: positions[0]!,
  });
  dispose(parameters);
  const starts = new Map(
    await Promise.all(positions.map(async (kind) => {
      const file = await pretrainedFile(name, kind);
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
  keyOf: (inputs: RunInputs) => string,
  name: string,
  trainingInputs: RunInputs,
  evaluationInputs: RunInputs,
  { tokens, parameters }: { readonly tokens: number; readonly parameters: number },
): PlannedRun {
  const trained = keyOf(trainingInputs);
  const key = keyOf({ trained, ...evaluationInputs });
  return {
    name,
    trained,
    path: `${folder}/${name}-${abbreviated(trained)}`,
    key,
    result: `${folder}/${name}-${abbreviated(key)}.json`,
    settings: { trained, ...summary({ ...trainingInputs, asked: evaluationInputs }) as object },
    parameters,
    cost: tokens * parameters,
  };
}

/** Number of a model's parameters. */
function sizeOf(preset: Preset, vocabulary: number): number {
  return totalSize(shapes({ ...preset, vocabulary }).values());
}

/** A run and its arm. */
export interface Run {
  readonly arm: Arm;
  readonly planned: PlannedPretrain | PlannedFinetune;
}

/** All runs of a study; the order is the same in all processes. */
export function runsOf({ arms }: Pick<Plan, "arms">): Run[] {
  return arms.flatMap((arm) =>
    [...arm.pretrain ? [arm.pretrain] : [], ...arm.finetune].map((planned) => ({ arm, planned }))
  );
}

/** Whether a run is a pre-training. */
export function isPretraining(planned: Run["planned"]): planned is PlannedPretrain {
  return "evaluation" in planned;
}

/** The n-gram baselines of a study's held-out text. */
export function baselinesOf(
  { corpus, tokenizer }: Plan,
  { preset, heldoutWindows }: StudySettings,
): NgramBaselines | undefined {
  return corpus && ngramBaselines({ tokenizer, config: preset }, corpus, { windows: heldoutWindows });
}
