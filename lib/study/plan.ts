import type { Corpus, Task } from "../data/mod.ts";
import { abbreviated } from "../digest.ts";
import { architectureOf, PAPER, type Preset, shapes, totalSize } from "../model/mod.ts";
import type { Tokenizer } from "../text/mod.ts";
import {
  type AddedOptions,
  checkModelMemory,
  checkWarmup,
  finetuneUpdates,
  heuristicOf,
  keyedOptions,
  type Keys,
  keys,
  MASKED_SHARE,
  type NgramBaselines,
  ngramBaselines,
  type RunInputs,
  silence,
  stableUpdates,
} from "../train/mod.ts";
import { InputError } from "../errors.ts";
import { combinations, type Level, type Levels, withValues } from "./factors.ts";
import { searchesFor } from "./published.ts";
import {
  factorLevels,
  hasPositions,
  presetsOf,
  pretrainedLayersOf,
  seedsOf,
  type StudyModel,
  type StudySettings,
  tunedSettings,
  variantsOf,
} from "./settings.ts";
import {
  choosingTask,
  countTask,
  type HeldoutText,
  type InitialModel,
  inputsOf,
  memo,
  sourcesOf,
  type TaskCounts,
  type TaskInputs,
  taskInputs,
  tasksFor,
  windowOf,
} from "./inputs.ts";
import type { Tried } from "./tuning.ts";

/** A run of a study: training and evaluation of a model. */
export interface PlannedRun {
  /** Readable name. */
  readonly name: string;
  /** The part of its files' names that says what it is. */
  readonly file: string;
  readonly seed: number;
  /**
   * The levels of the study's factors; null where one makes no difference to this run. Several, if arms coincide at some
   * levels only, as with 4,000 and 8,000 examples of a task that has 3,000.
   */
  readonly arms: readonly Levels[];
  /** Settings that validation chose, or for a run of tuning those that it tries. */
  readonly tuned: Readonly<Record<string, Level>>;
  /** Whether it is a run of tuning, scored on validation. */
  readonly isTuning: boolean;
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
  /** Index of its tokenizer in the plan. */
  readonly tokenizer: number;
  /** The model's configuration. */
  readonly preset: Preset;
  /** Number of tokens of its training. */
  readonly tokens: number;
  /** Multiplications by a parameter in the forward passes of its training. */
  readonly products: number;
  /** Share of its updates that another run makes: the previous one on its trunk. Default: 0. */
  readonly shared?: number;
  /** Number of the model's parameters. */
  readonly parameters: number;
}

/** Inputs of pre-training, without the tokenizer. */
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
  /** Window of the loss by position, if it is not the model's context. */
  readonly context?: number;
  readonly zeroShot: readonly Task[];
}

/** A pre-training run. */
export interface PlannedPretrain extends PlannedRun {
  readonly inputs: PretrainInputs;
  readonly evaluation: PretrainEvaluation;
  /** Start of its trunk's files, if its schedule has one. */
  readonly trunk?: string;
  /** Index of its held-out text in the plan. */
  readonly text: number;
}

/** Inputs of fine-tuning, without the task. */
export interface FinetuneInputs {
  readonly seed: number;
  readonly lambda: number;
  /** Number of pre-trained layers. */
  readonly transfer: number;
  /** Of the newer options those that make a difference, so that keys are those of before them. */
  readonly options: Omit<StudySettings["finetune"], keyof AddedOptions> & AddedOptions;
}

/** A fine-tuning run. */
export interface PlannedFinetune extends PlannedRun, Pick<TaskCounts, "texts" | "cut" | "unknown"> {
  readonly inputs: FinetuneInputs;
  /** The initial model. */
  readonly start: InitialModel;
  /** The task with the run's own examples; of tuning its test examples are those of validation. */
  readonly task: Task;
}

/** A run of a study. */
export type Run = PlannedPretrain | PlannedFinetune;

/** A run that cannot start before validation has chosen its settings. */
export type OpenRun = Pick<PlannedRun, "name" | "products" | "parameters" | "shared">;

/** A choice by validation between settings. */
export interface Choice {
  /** Its name among {@linkcode Chosen}. */
  readonly id: string;
  /** A task's name; absent for pre-training. */
  readonly task?: string;
  /** The levels that the arms have in common for which it is made. */
  readonly levels: Levels;
  /** The settings to choose from. */
  readonly candidates: readonly Readonly<Record<string, Level>>[];
  /** The runs of each. */
  readonly runs: readonly (readonly Run[])[];
}

/** The settings that validation has chosen, by {@linkcode Choice.id}. */
export type Chosen = ReadonlyMap<string, Readonly<Record<string, Level>>>;

/** The data and the runs of a study. */
export interface Plan {
  /** The runs that can be made; of an arm that is not tuned yet those of tuning only. */
  readonly runs: readonly Run[];
  readonly open: readonly OpenRun[];
  readonly choices: readonly Choice[];
  /** The searches of another study whose choices are used. */
  readonly tried: readonly Tried[];
  readonly tokenizers: readonly Tokenizer[];
  readonly texts: readonly HeldoutText[];
  /** Indices of test examples in the full test split. */
  readonly orders: ReadonlyMap<Task["test"], Uint32Array>;
  /** The cluster of each test example. */
  readonly clusters: ReadonlyMap<Task["test"], Uint32Array>;
  /** Digests of its texts, tasks and included models, by name. */
  readonly digests: Readonly<Record<string, string>>;
}

/** The seed of tuning's first run; seeds of the arms are left out. */
const FIRST_TUNING_SEED = 1_000_001;

/** Loads a study's data and plans its runs, of those that are tuned what the stored results have chosen so far. */
export async function plannerOf(study: StudySettings): Promise<(chosen: Chosen) => Plan> {
  const seeds = seedsOf(study), runKeys = keys();
  const { seeds: tuningCount = 0 } = study.tune ?? {};
  const tuningSeeds = Array.from(
    { length: 2 * seeds.length + (tuningCount as number) },
    (_, i) => FIRST_TUNING_SEED + i,
  )
    .filter((seed) => !seeds.includes(seed)).slice(0, tuningCount as number);
  const candidatesOf = (group: "pretrain" | "finetune") =>
    combinations(Object.fromEntries(
      Object.entries(tunedSettings(study)).filter(([path]) => path.startsWith(`${group}.`)),
    ));
  const [readers, tuners] = [candidatesOf("pretrain"), candidatesOf("finetune")];
  const optionsOf = <Group extends "pretrain" | "finetune">(
    cell: Cell,
    group: Group,
    values: Readonly<Record<string, Level>>,
  ): StudySettings[Group] => withValues<StudySettings>(cell.study, values)[group];

  const sources = await sourcesOf(study, readers.length > 1);
  const { tokenizers, texts, sourceOf } = sources;
  const { tasksOf, orders, clusters, ...data } = await tasksFor(study);
  const digests = { ...sources.digests, ...data.digests };
  const others = study.tunedBy === undefined ? undefined : await searchesFor(study, digests, study.tunedBy);
  const cells = cellsOf(study, (variant) => sourceOf(variant).preset ?? variant.preset);
  const counted = memo<TaskCounts>(), keyed = memo<TaskInputs>(), swapped = memo<Task>();
  const countsOf = (task: Task, tokenizer: number, { context, variant }: Preset) => {
    // Seeds have examples of their own, as many and much alike: the first's are counted, but where the key has a length.
    const key = variant === "paper" ? [task] : [task.test, task.train.length];
    const counts = counted(
      [...key, tokenizer, context],
      () => countTask(task, tokenizers[tokenizer]!, context),
    );
    silence(task); // Its warnings have been printed, or those of another seed's.
    return counts;
  };

  /** Checks settings of fine-tuning with which a run would fail, before any run is made. */
  const checkTraining = (
    { preset, study: variant }: Cell,
    task: Task,
    options: StudySettings["finetune"],
  ) => {
    checkFinetuning(task, options);
    const { tokenizer } = sourceOf(variant), { longest, sequences } = countsOf(task, tokenizer, preset);
    const config = { ...preset, vocabulary: tokenizers[tokenizer]!.size };
    checkModelMemory(config, Math.min(options.batch, task.train.length), sequences, longest);
  };

  const pretraining = (
    cell: Cell,
    seed: number,
    tuned: PlannedRun["tuned"],
    isTuning: boolean,
  ): PlannedPretrain | undefined => {
    const source = sourceOf(cell.study);
    if (!source.corpus) return undefined;
    const { preset, study: { heldoutWindows: windows } } = cell, { corpus, validation } = source;
    const options = optionsOf(cell, "pretrain", tuned), tokenizer = tokenizers[source.tokenizer]!;
    const answers = !isTuning && architectureOf(preset).causal; // `bert` has no zero-shot evaluation.
    const zeroShot = answers ? tasksOf(cell.study, seeds[0]!).zeroShot : [];
    const evaluation = {
      ...{ heldout: isTuning ? validation : corpus.heldout, windows, zeroShot },
      ...isTuning ? {} : windowOf(preset, cell.study.heldoutContext),
    };
    const zeroShotInputs = zeroShot.map((task) => {
      const { train, ...rest } = taskInputs(task);
      return heuristicOf(task).by === "acceptability" ? { ...rest, train } : rest; // Its threshold depends on training examples.
    });
    checkWarmup("run a study", options, "pretrain.");
    checkModelMemory({ ...preset, vocabulary: tokenizer.size }, options.batch, 1, preset.context);
    const file = `pretrain-${armOf(cell)}-seed${seed}`;
    const trainingInputs = { preset, seed, tokenizer, text: corpus.train, options };
    return {
      ...planned(
        { cell, seed, tuned, isTuning, tokenizer: source.tokenizer },
        tokenizer.size,
        file,
        runKeys,
        trainingInputs,
        { ...evaluation, zeroShot: zeroShotInputs },
        pretrainedTokens(preset, options),
      ),
      arms: [{ ...cell.levels, lambda: null, transfer: null }],
      inputs: { preset, seed, corpus, options },
      evaluation,
      ...trunkOf(`${cell.study.folder}/${file}`, runKeys, trainingInputs),
      text: source.textOf(preset.context),
    };
  };

  const finetuning = (
    cell: Cell,
    task: Task,
    seed: number,
    start: InitialModel,
    tuned: PlannedRun["tuned"],
    isTuning: boolean,
  ): PlannedFinetune => {
    const { preset, lambda, layers } = cell, source = sourceOf(cell.study);
    const tokenizer = tokenizers[source.tokenizer]!;
    const asked = optionsOf(cell, "finetune", tuned);
    const { lambda: _, ...options } = keyedOptions({ ...asked, lambda });
    const { training, keeping, scoring, choosing } = keyed([task], () => inputsOf(task));
    const { tokens, longest, sequences: _sequences, ...counts } = countsOf(task, source.tokenizer, preset);
    checkTraining(cell, task, asked);
    const inputs: FinetuneInputs = { seed, lambda, transfer: layers, options };
    const part = layers === preset.layers ? "" : `-transfer${layers}`;
    return {
      ...planned(
        { cell, seed, tuned, isTuning, tokenizer: source.tokenizer },
        tokenizer.size,
        `${task.name}-${armOf(cell)}-lambda${lambda}${part}-seed${seed}`,
        runKeys,
        {
          // Training from scratch depends on the model's preset and tokenizer only.
          start: layers === -1 ? { preset, tokenizer } : start.digest,
          ...inputs,
          task: options.keep === "best" ? keeping : training,
          width: preset.variant === "paper" ? longest : undefined, // Number of positions in the softmax.
        },
        isTuning ? { task: choosing } : { task: scoring, validation: task.validation },
        finetunedTokens({ ...asked, lambda }, tokens),
      ),
      arms: [cell.levels],
      inputs,
      start,
      task: isTuning ? swapped([task], () => choosingTask(task)) : task,
      ...counts,
    };
  };

  return (chosen) => {
    const found = new Map<string, Run>(), open = new Map<string, OpenRun & Partial<Branch>>();
    const choices = new Map<
      string,
      Omit<Choice, "levels" | "runs"> & { levels: Levels; runs: Map<string, Run>[] }
    >();
    const tried = new Set<Tried>();
    const add = <R extends Run>(run: R): R => {
      found.set(run.key, { ...run, arms: [...found.get(run.key)?.arms ?? [], ...run.arms] });
      return run;
    };
    /** The levels of an arm of which the same have the same choice; undefined if each arm chooses. */
    const sharedBy = (levels: Levels) => study.tunePer?.map((name) => levels[name]);
    /** What an arm's search on validation has chosen; undefined while it has not. */
    const choose = (
      task: string | undefined,
      levels: Levels,
      candidates: Choice["candidates"],
      runOf: (candidate: Choice["candidates"][number], number: number) => Run,
    ) => {
      if (candidates.length === 1) return candidates[0]!;
      if (others) {
        const some = others(task, levels, [task, labelOf({ levels })].filter(Boolean).join(", "));
        for (const one of some) tried.add(one);
        return some.find(({ isChosen }) => isChosen)!.settings;
      }
      const runs = isSearched(levels, study)
        ? candidates.map((candidate) => tuningSeeds.map((_, i) => add(runOf(candidate, i))))
        : [];
      const per = sharedBy(levels) ?? runs[0]![0]!.key;
      const id = JSON.stringify([task, per]);
      const before = choices.get(id);
      const choice = before ?? {
        ...{ id, levels, candidates, runs: candidates.map(() => new Map<string, Run>()) },
        ...task !== undefined && { task },
      };
      choice.levels = shared(choice.levels, levels);
      runs.forEach((some, i) => some.forEach((run) => choice.runs[i]!.set(run.key, run)));
      choices.set(id, choice);
      return chosen.get(id);
    };
    const postpone = (name: string, { preset, study }: Cell, tokens: Tokens, branch?: Branch) => {
      const { tokenizer } = sourceOf(study);
      open.set(name, { name, ...workOf(preset, tokenizers[tokenizer]!.size, tokens), ...branch });
    };

    /** The search on a task of an arm whose pre-training is searched first. */
    const postponeSearch = (cell: Cell, task: Task) => {
      if (tuners.length === 1 || !isSearched(cell.levels, study)) return;
      const { tokens } = countsOf(task, sourceOf(cell.study).tokenizer, cell.preset);
      tuners.forEach((candidate, i) => {
        const options = optionsOf(cell, "finetune", candidate);
        checkTraining(cell, task, options);
        for (const seed of tuningSeeds) {
          postpone(
            `${task.name} ${labelOf(cell)} ${i + 1} of ${tuners.length}, seed ${seed}`,
            cell,
            finetunedTokens({ ...options, lambda: cell.lambda }, tokens),
          );
        }
      });
    };

    const arms = cells.map((cell) => {
      const reader = choose(
        undefined,
        { ...cell.levels, lambda: null, transfer: null },
        readers,
        (candidate, i) => pretraining(cell, tuningSeeds[i]!, candidate, true)!,
      );
      const startOf = (seed: number): InitialModel => {
        const run = pretraining(cell, seed, reader!, false);
        return run
          ? { file: modelOf(run), key: run.trained, digest: run.trained }
          : sourceOf(cell.study).start(cell.preset);
      };
      const tuned = tasksOf(cell.study, seeds[0]!).tasks.map((_, t) => {
        const taskOf = (seed: number) => tasksOf(cell.study, seed).tasks[t]!;
        if (!reader) {
          postponeSearch(cell, taskOf(seeds[0]!));
          return undefined;
        }
        return choose(taskOf(seeds[0]!).name, cell.levels, tuners, (candidate, i) => {
          const start = startOf(seeds[i % seeds.length]!); // The search starts from the arm's own models.
          return finetuning(cell, taskOf(tuningSeeds[i]!), tuningSeeds[i]!, start, {
            ...reader,
            ...candidate,
          }, true);
        });
      });
      return { cell, reader, startOf, tuned };
    });
    for (const seed of seeds) {
      for (const { cell, reader, startOf, tuned } of arms) {
        const run = reader && pretraining(cell, seed, reader, false);
        if (run) add(run);
        const { updates } = cell.study.pretrain;
        if (!reader) {
          const per = sharedBy(cell.levels); // Arms with the same choice have the same trunk, whichever is chosen.
          const trunk = per && pretraining(cell, seed, readers[0]!, false)?.trunk;
          postpone(
            `pretrain ${labelOf(cell, { lambda: null, transfer: null })}, seed ${seed}`,
            cell,
            pretrainedTokens(cell.preset, cell.study.pretrain),
            trunk === undefined ? undefined : { trunk: JSON.stringify([trunk, per]), updates },
          );
        }
        tasksOf(cell.study, seed).tasks.forEach((task, t) => {
          const values = tuned[t];
          if (values) {
            add(finetuning(cell, task, seed, startOf(seed), { ...reader, ...values }, false));
          } else {
            const { tokens } = countsOf(task, sourceOf(cell.study).tokenizer, cell.preset);
            checkTraining(cell, task, cell.study.finetune);
            postpone(
              `${task.name} ${labelOf(cell)}, seed ${seed}`,
              cell,
              finetunedTokens({ ...cell.study.finetune, lambda: cell.lambda }, tokens),
            );
          }
        });
      }
    }
    for (const { task, levels, runs: [some] } of choices.values()) checkSearch(task, levels, some!, study);
    const runs = [...found.values()], later = [...open.values()];
    const [sharedOf, sharedLater] = [sharesOf(runs.map(branchOf)), sharesOf(later)];
    return {
      runs: runs.map((run, i) => {
        const arms = distinct(run.arms, study);
        return { ...run, arms, name: nameOf({ ...run, arms }, study), shared: sharedOf[i]! };
      }),
      open: later.map((run, i) => ({ ...run, shared: sharedLater[i]! })),
      choices: [...choices.values()].map(({ runs, ...choice }) => ({
        ...choice,
        runs: runs.map((some) => [...some.values()]),
      })),
      tried: [...tried],
      ...{ tokenizers, texts, orders, clusters, digests },
    };
  };
}

/** Whether an arm is one of those whose runs a search makes. */
function isSearched(levels: Levels, { tuneAt = {} }: StudySettings): boolean {
  return Object.entries(tuneAt).every(([name, values]) =>
    levels[name] === null || values.includes(levels[name]!)
  );
}

/** Checks that a search has runs. */
function checkSearch(
  task: string | undefined,
  levels: Levels,
  runs: ReadonlyMap<string, Run>,
  { tuneAt = {} }: StudySettings,
): void {
  if (runs.size > 0) return;
  const of = Object.entries(levels).filter(([, level]) => level !== null).map((entry) => entry.join(" "));
  throw new InputError(
    `Cannot tune ${of.join(", ")}${task === undefined ? "" : ` on ${task}`} as none of its arms is at ${
      Object.entries(tuneAt).map(([name, values]) => `${name} ${values.join(", ")}`).join(" and ")
    }, where the search is made`,
  );
}

/** Checks that a warm-up fits into fine-tuning, and into what precedes it. */
function checkFinetuning(task: Task, options: StudySettings["finetune"]): void {
  for (const epochs of [options.epochs, options.adaptEpochs]) {
    const updates = finetuneUpdates(task.train.length, { ...options, epochs });
    if (updates > 0) checkWarmup("run a study", { ...options, updates }, "finetune.");
  }
}

/** Tokens that a training reads, and those of them of which it predicts the next, or the original. */
interface Tokens {
  readonly read: number;
  readonly predicted: number;
}

function pretrainedTokens(preset: Preset, { updates, batch }: StudySettings["pretrain"]): Tokens {
  const read = updates * batch * preset.context;
  return { read, predicted: architectureOf(preset).causal ? read : MASKED_SHARE * read };
}

/** The epochs of fine-tuning and those of L1 alone before it, in which λ has no part. */
function finetunedTokens(
  { epochs, adaptEpochs, lambda }: Pick<StudySettings["finetune"], "epochs" | "adaptEpochs"> & {
    readonly lambda: number;
  },
  epoch: number,
): Tokens {
  return {
    read: (adaptEpochs + epochs) * epoch,
    predicted: (adaptEpochs + (lambda > 0 ? epochs : 0)) * epoch,
  };
}

/** A combination of the levels of all factors. */
interface Cell {
  readonly levels: Levels;
  /** The study's settings at these levels. */
  readonly study: StudySettings;
  readonly model: StudyModel;
  readonly preset: Preset;
  readonly lambda: number;
  /** Number of pre-trained layers. */
  readonly layers: number;
}

/** All combinations of levels, without those that do not exist: an encoder has no L1, and λ = 0 only. */
function cellsOf(study: StudySettings, presetFor: (variant: StudySettings) => Preset): Cell[] {
  return variantsOf(study).flatMap(({ values, study: variant }) =>
    variant.models.flatMap((model) =>
      presetsOf({ ...variant, preset: presetFor(variant) }, model).flatMap((preset) => {
        const positions = hasPositions(model) ? preset.positions.kind : null;
        const counts = pretrainedLayersOf(variant, preset);
        return (architectureOf(preset).causal ? variant.lambda : [0]).flatMap((lambda) =>
          variant.transfer.map((transfer, i): Cell => ({
            levels: { model, positions, lambda, transfer, ...values },
            ...{ study: variant, model, preset, lambda, layers: counts[i]! },
          }))
        );
      })
    )
  );
}

/** The model and its positions, in names of files. */
function armOf({ model, preset: { positions: { kind } } }: Cell): string {
  return model === PAPER ? kind : kind === "none" ? model : `${model}-${kind}`;
}

/**
 * The arms of a run: a factor of which all levels coincide makes no difference; numbers of training examples of which a
 * task has fewer are one arm, the first of them.
 */
function distinct(arms: readonly Levels[], study: StudySettings): Levels[] {
  const all = factorLevels(study);
  const without = Object.keys(arms[0]!).filter((name) => {
    const levels = new Set(arms.map((arm) => arm[name]));
    return all[name]!.length > 1 && levels.size === all[name]!.length;
  });
  const levels = arms.map((arm) => ({ ...arm, ...Object.fromEntries(without.map((name) => [name, null])) }));
  const groups = Map.groupBy(levels, ({ trainExamples: _, ...others }) => JSON.stringify(others));
  return [...groups.values()].map(([first]) => first!);
}

/** The levels that arms have in common. */
function shared(one: Levels, other: Levels): Levels {
  return Object.fromEntries(
    Object.entries(one).map(([name, level]) => [name, level === other[name] ? level : null]),
  );
}

/** A run's name in progress and messages: its file's, and the levels that files leave to their key. */
function nameOf({ file, arms, tuned, isTuning }: Run, { vary = {} }: StudySettings): string {
  const others = Object.entries({ ...arms[0], ...isTuning && tuned }).filter(([path, level]) =>
    level !== null && (path in vary || path in tuned)
  );
  return [file, ...others.map(([path, level]) => `${path}=${level}`), ...isTuning ? ["tuning"] : []].join(
    " ",
  );
}

/** The levels of an arm that has no runs yet. */
function labelOf({ levels }: Pick<Cell, "levels">, without: Levels = {}): string {
  return Object.entries({ ...levels, ...without }).filter(([, level]) => level !== null)
    .map(([path, level]) => `${path}=${level}`).join(" ");
}

/** What the study knows of a run before its keys. */
interface RunOf {
  readonly cell: Cell;
  readonly seed: number;
  readonly tuned: PlannedRun["tuned"];
  readonly isTuning: boolean;
  readonly tokenizer: number;
}

function planned(
  { cell: { study: { folder }, preset }, ...run }: RunOf,
  vocabulary: number,
  file: string,
  { keyOf, summaryOf }: Keys,
  trainingInputs: RunInputs,
  evaluationInputs: RunInputs,
  tokens: Tokens,
): Omit<PlannedRun, "arms"> {
  const trained = keyOf(trainingInputs);
  const key = keyOf({ trained, ...evaluationInputs });
  return {
    ...run,
    ...{ name: file, file, trained, key, preset, tokens: tokens.read },
    path: `${folder}/${file}-${abbreviated(trained)}`,
    result: `${folder}/${file}-${abbreviated(key)}.json`,
    settings: { trained, ...summaryOf({ ...trainingInputs, asked: evaluationInputs }) as object },
    ...workOf(preset, vocabulary, tokens),
  };
}

/** The trunk of a pre-training run, if its schedule has one: all runs have it that differ in `updates` only. */
function trunkOf(
  path: string,
  { keyOf }: Keys,
  { options, ...inputs }: RunInputs & Pick<PretrainInputs, "options">,
): Pick<PlannedPretrain, "trunk"> {
  if (options.schedule !== "warmup_stable_decay") return {};
  const { updates: _, ...shared } = options;
  return { trunk: `${path}-trunk-${abbreviated(keyOf({ ...inputs, options: shared }))}` };
}

/** A run as a branch of its trunk. */
interface Branch {
  readonly trunk: string;
  readonly updates: number;
}

const branchOf = (run: Run): Partial<Branch> =>
  isPretraining(run) && run.trunk !== undefined
    ? { trunk: run.trunk, updates: run.inputs.options.updates }
    : {};

/** For each run the index of the one before it on its trunk, whose state it starts from; −1 if there is none. */
function previousOf(runs: readonly Partial<Branch>[]): number[] {
  const found = runs.map(() => -1);
  const branches = [...runs.keys()].filter((i) => runs[i]!.trunk !== undefined);
  for (const ofTrunk of Map.groupBy(branches, (i) => runs[i]!.trunk).values()) {
    ofTrunk.sort((a, b) => runs[a]!.updates! - runs[b]!.updates!);
    ofTrunk.forEach((i, at) => found[i] = ofTrunk[at - 1] ?? -1);
  }
  return found;
}

/** For each run the share of its updates that the one before it on its trunk makes. */
function sharesOf(runs: readonly Partial<Branch>[]): number[] {
  return previousOf(runs).map((previous, i) =>
    previous < 0 ? 0 : stableUpdates(runs[previous]!.updates!) / runs[i]!.updates!
  );
}

/** The runs that a run waits for, as indices; −1 if there is none. */
export interface Dependencies {
  /** The one that pre-trains its model. */
  readonly start: number;
  /** The one before it on its trunk. */
  readonly previous: number;
}

/** For each run of a plan those that it waits for. */
export function dependenciesOf(runs: Plan["runs"]): Dependencies[] {
  const trainedBy = new Map(runs.map(({ trained }, i) => [trained, i]));
  const previous = previousOf(runs.map(branchOf));
  return runs.map((run, i) => ({
    start: isPretraining(run) ? -1 : trainedBy.get(run.start.key ?? "") ?? -1,
    previous: previous[i]!,
  }));
}

/**
 * A model's parameters, and how many multiplications by them a training takes. Positions are looked up and added, and so
 * is the token embedding, which multiplies where tokens are predicted only.
 */
function workOf(preset: Preset, vocabulary: number, { read, predicted }: Tokens) {
  const all = shapes({ ...preset, vocabulary }), parameters = totalSize(all.values());
  const [embedding, positions] = ["tokens_embed.weight", "positions_embed.weight"].map((name) =>
    totalSize([all.get(name)].filter((leaf) => leaf !== undefined))
  ) as [number, number];
  return { parameters, products: (parameters - embedding - positions) * read + embedding * predicted };
}

/**
 * Cost of what a run makes itself, in multiplications by a parameter: the unit of progress.
 *
 * @param until Completed share of its updates. Default: all.
 */
export const costOf = ({ products, shared = 0 }: OpenRun, until = 1): number =>
  products * Math.max(0, until - shared);

/** The file of a run's model. */
export const modelOf = ({ path }: PlannedRun): string => `${path}.safetensors`;

/** Whether a run is a pre-training. */
export function isPretraining(planned: Run): planned is PlannedPretrain {
  return "evaluation" in planned;
}

/** The n-gram baselines of a study's held-out texts. */
export function baselinesOf({ texts }: Plan): NgramBaselines[] {
  return texts.map(({ tokenizer, context, corpus, windows }) =>
    ngramBaselines({ tokenizer, config: { context } }, corpus, { windows })
  );
}
