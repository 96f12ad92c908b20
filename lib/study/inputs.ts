import {
  atMost,
  checkCorpus,
  clustersOf,
  type Corpus,
  corpus as loadCorpus,
  subset,
  type Task,
  task as loadTask,
} from "../data/mod.ts";
import { abbreviated, digest, sha256 } from "../digest.ts";
import { dispose, positionRules, type Preset } from "../model/mod.ts";
import { type Tokenizer, tokensOf, trainBpe } from "../text/mod.ts";
import {
  encodeTask,
  evaluationWindows,
  pretrained,
  pretrainedFile,
  type PretrainedName,
  type RunInputs,
  silence,
  warnOfMerges,
} from "../train/mod.ts";
import { presetsOf, type StudySettings, variantsOf } from "./settings.ts";

/** The initial model of fine-tuning. */
export interface InitialModel {
  readonly file: string;
  /** Key of the run that trained it; absent for an included model. */
  readonly key?: string;
  /** Its digest, for the keys of fine-tuning runs. */
  readonly digest: string;
}

/** A held-out text as models with one tokenizer and context read it. */
export interface HeldoutText {
  readonly corpus: Corpus;
  readonly tokenizer: Tokenizer;
  readonly context: number;
  readonly windows: number;
}

/** The tasks of a study's variants, with the examples of a seed. */
export async function tasksFor(study: StudySettings): Promise<{
  tasksOf(variant: StudySettings, seed: number): Record<"tasks" | "zeroShot", readonly Task[]>;
  readonly orders: ReadonlyMap<Task["test"], Uint32Array>;
  readonly clusters: ReadonlyMap<Task["test"], Uint32Array>;
  readonly digests: Readonly<Record<string, string>>;
}> {
  const nameOf = (task: string, words: number) => task === "imdb" ? `${task} ${words}` : task;
  const wholes = new Map<string, Task>();
  for (const { study: { tasks, zeroShot = [], words } } of variantsOf(study)) {
    await Promise.all([...new Set([...tasks, ...zeroShot])].map(async (task) => { // A task may be in both lists.
      if (typeof task !== "string" || wholes.has(nameOf(task, words))) return;
      wholes.set(nameOf(task, words), await loadTask(task, task === "imdb" ? { words } : {}));
    }));
  }
  const own = [...study.tasks, ...study.zeroShot ?? []].flatMap((task) =>
    typeof task === "string" ? [] : [[task.name, task] as const]
  );
  const orders = new Map<Task["test"], Uint32Array>(), clusters = new Map<Task["test"], Uint32Array>();
  const scored = memo<Task>(), parts = memo<Task>();
  const partOf = (task: string | Task, variant: StudySettings, seed: number): Task => {
    const { words, trainExamples, testExamples, sample } = variant;
    const whole = typeof task === "string" ? wholes.get(nameOf(task, words))! : task;
    const part = scored([whole, `${testExamples}`], () => {
      const part = atMost(whole, { validation: testExamples, test: testExamples });
      orders.set(part.test, indicesOf(part.test, whole.test));
      for (const split of [part.test, part.validation]) clusters.set(split, clustersOf(split));
      return part;
    });
    const isSampled = sample === "per-seed" && trainExamples < whole.train.length;
    const own = isSampled ? { seed } : {};
    return parts([part, `${trainExamples}`, own.seed], () => {
      const train = Math.min(trainExamples, whole.train.length);
      return { ...part, train: subset(whole, { train, ...own }).train } as Task;
    });
  };
  return {
    ...{ orders, clusters },
    digests: Object.fromEntries(
      Array.from(
        new Map([...wholes, ...own]),
        ([name, whole]) => [`task ${name}`, abbreviated(digest(whole))],
      ),
    ),
    tasksOf: (variant, seed) => {
      const all = (tasks: StudySettings["tasks"] = []) => tasks.map((task) => partOf(task, variant, seed));
      return { tasks: all(variant.tasks), zeroShot: all(variant.zeroShot) };
    },
  };
}

/** The indices of some examples among all. */
function indicesOf(some: readonly unknown[], all: readonly unknown[]): Uint32Array {
  const positions = new Map<unknown, number[]>(); // Examples may be duplicates.
  all.forEach((example, i) => positions.set(example, [...positions.get(example) ?? [], i]));
  return Uint32Array.from(some, (example) => positions.get(example)!.shift()!);
}

/** The parts of a task that are in its runs' keys. */
export interface TaskInputs {
  readonly training: RunInputs;
  /** Those of a training that keeps the best epoch. */
  readonly keeping: RunInputs;
  readonly scoring: RunInputs;
  /** Those of scoring on validation, where it chooses. */
  readonly choosing: RunInputs;
}

export function inputsOf(task: Task): TaskInputs {
  // Training does not depend on test examples and metrics; evaluation does not depend on training examples.
  const { test, measures, zeroShot: _, ...training } = taskInputs(task);
  const { train: __, ...scoring } = { ...training, test, measures };
  // Which epoch is the best is decided on the validation split by the primary metric.
  const keeping = { ...training, validation: task.validation, measure: measures[0] };
  return { training, keeping, scoring, choosing: { ...scoring, test: task.validation } };
}

/** A task that is scored on validation. */
export function choosingTask(task: Task): Task {
  const choosing = { ...task, test: task.validation } as Task;
  silence(choosing); // Its test examples are in validation.
  return choosing;
}

/** What a task has for a model to read. */
export interface TaskCounts {
  /** Number of texts of the task. */
  readonly texts: number;
  /** Number of texts that are truncated to the context. */
  readonly cut: number;
  /** Share of `<unk>` among its tokens. */
  readonly unknown: number;
  /** Number of tokens of an epoch. */
  readonly tokens: number;
  /** Length of the longest sequence. */
  readonly longest: number;
  /** Most sequences of a training example. */
  readonly sequences: number;
}

export function countTask(task: Task, tokenizer: Tokenizer, context: number): TaskCounts {
  const { train, tokens, longest, cut, counts } = encodeTask(task, tokenizer, context);
  const sumOf = (of: "texts" | "tokens" | "unknown") =>
    Object.values(counts).reduce((sum, count) => sum + count[of], 0);
  return {
    tokens,
    longest,
    sequences: train.reduce((most, { sequences }) => Math.max(most, sequences.length), 1),
    texts: sumOf("texts"),
    cut,
    unknown: sumOf("unknown") / Math.max(1, sumOf("tokens")),
  };
}

/** The inputs that a run may use of a task: all fields but those excluded here. */
export function taskInputs({ source: _, licence: __, about: ___, validation: ____, ...task }: Task) {
  return task;
}

/** Where the models of a study's variants come from. */
interface Source {
  /** Index of its tokenizer in the plan. */
  readonly tokenizer: number;
  /** The configuration of included models; else it is the study's. */
  readonly preset?: Preset;
  /** The corpus of pre-training, of whose held-out text a part chooses where pre-training is tuned. */
  readonly corpus?: Corpus;
  readonly validation: string;
  /** Digests of its text, or of its models, by name. */
  readonly digests: Readonly<Record<string, string>>;
  /** The index in the plan of its held-out text in windows of a context. */
  textOf(context: number): number;
  /** The included model with these positions. */
  start(preset: Preset): InitialModel;
}

/** Loads the corpora and included models of a study's variants. */
export async function sourcesOf(study: StudySettings, isTuned: boolean): Promise<{
  readonly tokenizers: readonly Tokenizer[];
  readonly texts: readonly HeldoutText[];
  readonly digests: Readonly<Record<string, string>>;
  sourceOf(variant: StudySettings): Source;
}> {
  const tokenizers: Tokenizer[] = [], texts: HeldoutText[] = [];
  const sources = new Map<string, Source>();
  const nameOf = ({ pretrained, corpus, merges, heldoutWindows }: StudySettings) =>
    JSON.stringify(pretrained ?? [typeof corpus === "string" ? corpus : null, merges, heldoutWindows]);
  for (const { study: variant } of variantsOf(study)) {
    if (sources.has(nameOf(variant))) continue;
    const { pretrained } = variant;
    const source = pretrained === undefined
      ? await corpusSource(variant, isTuned, tokenizers, texts)
      : await includedSource(variant, pretrained, tokenizers);
    sources.set(nameOf(variant), source);
  }
  // Models of every size read each text, before any is trained.
  for (const { study: variant } of variantsOf(study)) {
    const { textOf, tokenizer, validation } = sources.get(nameOf(variant))!;
    for (const preset of variant.models.flatMap((model) => presetsOf(variant, model))) {
      const text = texts[textOf(preset.context)], { context } = preset;
      if (!text) continue;
      const longest = Math.max(context, windowOf(preset, variant.heldoutContext).context ?? 0);
      const check = (part: string, length: number) =>
        evaluationWindows(tokensOf(part, tokenizers[tokenizer]!), length, variant.heldoutWindows);
      check(text.corpus.heldout, longest);
      if (isTuned) check(validation, context);
    }
  }
  const digests = Object.fromEntries(
    [...sources.values()].flatMap((source) => Object.entries(source.digests)),
  );
  return { tokenizers, texts, digests, sourceOf: (variant) => sources.get(nameOf(variant))! };
}

/** The window of the loss by position, if it is not the model's context. */
export function windowOf({ context, positions: { kind } }: Preset, asked = context): { context?: number } {
  const window = positionRules[kind].extrapolates ? asked : Math.min(asked, context);
  return window === context ? {} : { context: window };
}

/** Each arm pre-trains its own model. */
async function corpusSource(
  { corpus: given, merges, heldoutWindows: windows }: StudySettings,
  isTuned: boolean,
  tokenizers: Tokenizer[],
  texts: HeldoutText[],
): Promise<Source> {
  if (typeof given === "string") await checkCorpus(given);
  const whole = typeof given === "string" ? await loadCorpus(given) : given;
  const tokenizer = trainBpe(whole.train, { merges });
  warnOfMerges(tokenizer, merges);
  const [validation, heldout] = isTuned ? halves(whole.heldout) : ["", whole.heldout];
  const corpus = { ...whole, heldout }, byContext = new Map<number, number>();
  return {
    tokenizer: tokenizers.push(tokenizer) - 1,
    ...{ corpus, validation },
    digests: { [`the text of corpus ${whole.name}`]: abbreviated(digest([whole.train, whole.heldout])) },
    textOf(context) {
      const at = byContext.get(context) ?? texts.push({ corpus, tokenizer, context, windows }) - 1;
      byContext.set(context, at);
      return at;
    },
    start: () => {
      throw new TypeError("an arm that pre-trains starts from its own model");
    },
  };
}

/** Characters of a block of held-out text that is for validation, or for the report. */
const BLOCK = 20_000;

/** A text in two, in turns: both have a part of each of its books, reviews or speeches. Cut between lines, or else words. */
function halves(text: string): [string, string] {
  const blocks = Math.max(2, Math.round(text.length / BLOCK)), size = text.length / blocks;
  const cuts = Array.from({ length: blocks + 1 }, (_, i) => {
    if (i === 0 || i === blocks) return i * size;
    const at = Math.floor(i * size), near = text.slice(at, at + size / 5);
    const line = near.indexOf("\n"), word = near.indexOf(" ");
    return at + Math.max(0, line >= 0 ? line : word) + 1;
  });
  const both: [string, string] = ["", ""];
  for (let i = 0; i < blocks; i++) both[i % 2]! += text.slice(cuts[i], cuts[i + 1]);
  return both;
}

/** Arms start from included pre-trained models. */
async function includedSource(
  { positions }: StudySettings,
  name: PretrainedName,
  tokenizers: Tokenizer[],
): Promise<Source> {
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
    tokenizer: tokenizers.push(tokenizer) - 1,
    ...{ preset, validation: "", textOf: () => -1 },
    digests: Object.fromEntries(
      [...starts].map(([kind, { digest }]) => [`model ${name} with ${kind} positions`, abbreviated(digest)]),
    ),
    start: ({ positions: { kind } }) => starts.get(kind)!,
  };
}

/** A function that makes a value once for each key, which distinguishes objects by identity. */
export function memo<T>(): (key: readonly unknown[], make: () => T) => T {
  const made = new Map<string, T>(), numbers = new Map<unknown, number>();
  return (key, make) => {
    const id = JSON.stringify(key.map((part) => {
      if (typeof part !== "object" || part === null) return part ?? null;
      if (!numbers.has(part)) numbers.set(part, numbers.size);
      return { object: numbers.get(part) };
    }));
    if (!made.has(id)) made.set(id, make());
    return made.get(id)!;
  };
}
