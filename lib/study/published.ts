import { digest, sha256 } from "../digest.ts";
import { InputError, named, quoted } from "../errors.ts";
import { writeAtomic } from "../files.ts";
import { allFinite, isLine, isRecord, parseJson, readWithin } from "../foreign.ts";
import { checked, settle, text } from "../settings.ts";
import {
  decode,
  encode,
  isLossCurve,
  keys,
  type NgramBaselines,
  stored,
  type TextScore,
} from "../train/mod.ts";
import type { Level, Levels, Vary } from "./factors.ts";
import type { Finetuned, Predictions, Pretrained, StudyRun, TaskResult } from "./rows.ts";
import { factorLevels, studies, type StudySettings, studySettings } from "./settings.ts";
import { type Found, type Study, studyOf } from "./study.ts";
import type { Tried } from "./tuning.ts";

/** The runs of a study: beside its tables, all that its statistics, tables and figures are made of. */
const FILE = "runs.json.gz";

/** Most bytes of the runs, compressed and not: some fifty times those of the kit's largest study. */
const MOST = { compressed: 2 ** 26, text: 2 ** 28 };

/**
 * Opens a study that was finished before, from its files `study.json` and `runs.json.gz` alone: it needs neither data nor
 * models, and nothing is trained or written. What the runs say is checked, as the files may come from anyone.
 *
 * @param folder The study's folder, such as `data/studies/crossing`.
 * @throws {InputError} If there is no study, or its files are not as they were written.
 *
 * @example
 * ```ts
 * import { openStudy } from "./mod.ts";
 *
 * const study = await openStudy("data/studies/ablate-tuned");
 * study.table.print();
 * ```
 */
export async function openStudy(folder: string): Promise<Study> {
  return studyOf((await foundIn(folder)).found);
}

/** What {@linkcode openStudy} summarises, and all settings as {@linkcode askedOf} has them. */
async function foundIn(
  folder: string,
): Promise<{ found: Found; settings: Readonly<Record<string, unknown>> }> {
  checked("open a study", "folder", text, folder);
  const refuse = (why: string): never => {
    throw new InputError(`Cannot open a study in ${named(folder)} as ${why}`);
  };
  const file = await stored<{ readonly complete: boolean; readonly runs?: string }>(`${folder}/study.json`);
  if (!file) return refuse("it has no study.json: ablate writes one, and data/studies has the kit's");
  const { settings, result } = file;
  if (!isRecord(settings) || !isRecord(result) || typeof result["runs"] !== "string") {
    return refuse("it was written without its runs: ablate with its settings adds them");
  }
  const bytes = await readWithin(`${folder}/${FILE}`, "the runs of a study", MOST.compressed);
  const content = await unzipped(bytes, () => refuse(`${FILE} is damaged or too large`));
  if (sha256(content) !== result["runs"]) refuse(`${FILE} is of another study than study.json`);
  const parsed = parseJson(content, FILE, (why) => refuse(why));
  const study = { ...studies.ablate, ...settle("open a study", factors, pick(settings)) } as StudySettings;
  const runs = checkedRuns(parsed, Object.keys(factorLevels(study)), (why) => refuse(`${FILE} has ${why}`));
  return { found: { study, complete: result["complete"] === true, failures: [], ...runs }, settings };
}

/** The settings that a study's tables need. */
const factors = Object.fromEntries(
  [
    ...["models", "positions", "lambda", "transfer", "vary", "tune", "tunePer", "tuneAt", "tunedBy"] as const,
    ...["margins", "mainContrasts", "pretrained", "trainExamples", "smoke"] as const,
  ].map((name) => [name, studySettings[name]]),
);

const pick = (settings: Readonly<Record<string, unknown>>): unknown =>
  Object.fromEntries(
    Object.keys(factors).map((name) => [
      name,
      revived(settings[name], (part) => part === "Infinity" ? Infinity : part),
    ]),
  );

/** Digests of a study's texts, tasks and included models, by name. */
type Digests = Readonly<Record<string, string>>;

/**
 * A study's settings as its file has them: without what results do not depend on, tasks and corpus by name and digest.
 */
export function askedOf({ folder: _, saveEvery: __, ...study }: StudySettings, digests: Digests): unknown {
  const names = (tasks: StudySettings["tasks"]) =>
    tasks.map((task) => typeof task === "string" ? task : task.name);
  const corpus = typeof study.corpus === "string" ? study.corpus : study.corpus.name;
  const zeroShot = study.zeroShot && { zeroShot: names(study.zeroShot) };
  return keys().summaryOf(usedOf({ ...study, corpus, tasks: names(study.tasks), ...zeroShot, digests }));
}

/** Settings of the models that a study trains, which those that are pre-trained already do not have. */
const ofPretraining = ["preset", "corpus", "merges", "pretrain", "heldoutWindows", "heldoutContext"];

/** A study's settings without those that its runs do not read. */
export function usedOf<Settings extends Pick<StudySettings, "pretrained">>(
  settings: Settings,
): Partial<Settings> {
  if (settings.pretrained === undefined) return settings;
  return Object.fromEntries(
    Object.entries(settings).filter(([name]) => !ofPretraining.includes(name)),
  ) as Partial<Settings>;
}

/** Settings in which a study may differ from the one that tunes it: of the arms its levels must be a part. */
const free = [
  ...["models", "positions", "lambda", "transfer", "tasks", "vary"],
  ...["seeds", "mainContrasts", "margins", "zeroShot", "heldoutContext", "tunedBy"],
];

/** Settings of tasks, which a study without any does not read. */
const ofTasks = ["words", "trainExamples", "testExamples", "sample", "finetune"];

/** Names of the settings in which a study may differ, or which its runs do not read. */
function unusedIn(settings: Readonly<Record<string, unknown>>): readonly string[] {
  const tasks = [settings["tasks"], settings["zeroShot"] ?? []].flat();
  return [
    ...free,
    ...settings["pretrained"] === undefined ? [] : ofPretraining,
    ...tasks.length === 0 ? ofTasks : tasks.includes("imdb") ? [] : ["words"],
  ];
}

/** The other settings, by path. */
function fixedIn(
  settings: Readonly<Record<string, unknown>>,
  unused: readonly string[],
): Map<string, unknown> {
  const fixed = Object.entries(settings).filter(([name]) => !unused.includes(name));
  return new Map(
    fixed.flatMap(([name, value]): (readonly [string, unknown])[] =>
      isRecord(value) ? Object.entries(value).map(([key, part]) => [`${name}.${key}`, part]) : [[name, value]]
    ),
  );
}

/** Returns a function that finds, for an arm of a study, what another study tried, in the order of its candidates. */
export async function searchesFor(
  study: StudySettings,
  digests: Digests,
  folder: string,
): Promise<(task: string | undefined, levels: Levels, arm: string) => readonly Tried[]> {
  const { found: { tried, choices, study: theirStudy }, settings } = await foundIn(folder);
  const refuse = (why: string): never => {
    throw new InputError(`Cannot use what the study in ${named(folder)} chose as ${why}`);
  };
  if (tried.length === 0) return refuse("it tuned nothing");
  if (tried.filter(({ isChosen }) => isChosen).length < choices) return refuse("its tuning is not finished");
  const asked = askedOf(study, digests) as Readonly<Record<string, unknown>>;
  const unused = unusedIn(asked), fixed = fixedIn(settings, unused), own = fixedIn(asked, unused);
  for (const path of new Set([...fixed.keys(), ...own.keys()])) {
    const [theirs, ours] = [fixed.get(path), own.get(path)];
    if (path.startsWith("digests.")) {
      if (theirs === undefined || ours === undefined || theirs === ours) continue; // Older studies have none.
      return refuse(
        `${path.slice("digests.".length)} is not what it was: its SHA-256 is ${ours}, not ${theirs}`,
      );
    }
    if (digest(theirs) !== digest(ours)) {
      return refuse(`its ${path} is ${quoted(theirs)}, not ${quoted(ours)}`);
    }
  }
  const levelsIn = (one: StudySettings, tasks: unknown) => ({
    ...factorLevels(one),
    tasks: [tasks].flat() as Level[], // Of a file that anyone may have written.
  });
  const [theirs, ours]: Vary[] = [levelsIn(theirStudy, settings["tasks"]), levelsIn(study, asked["tasks"])];
  const [known, varied] = [theirStudy, study].map(({ vary = {} }) => Object.keys(vary).sort());
  if (digest(known) !== digest(varied)) return refuse(`it varies ${quoted(known)}, not ${quoted(varied)}`);
  for (const [name, levels] of Object.entries(ours!)) {
    const other = levels.find((level) => !theirs![name]!.includes(level));
    if (other !== undefined) {
      return refuse(`its ${name} are ${quoted(theirs![name])}, without ${quoted(other)}`);
    }
  }
  return (task, levels, arm) => {
    const search = tried.filter((one) =>
      one.task === task &&
      // One search serves several levels, or does not depend on the factor; not where its levels choose separately.
      Object.entries(one.levels).every(([name, level]) =>
        level === levels[name] || level === null && !theirStudy.tunePer?.includes(name)
      )
    );
    const chosen = search.filter(({ isChosen }) => isChosen).length;
    return chosen === 1 ? search : refuse(`it has ${chosen || "no"} choices for ${arm}`);
  };
}

/** What is kept of a study's runs. */
type Runs = Pick<Found, "pretrained" | "finetuned" | "tried" | "choices" | "codes">;

/**
 * Writes the runs of a study beside its tables. Their logits stay in the files of the runs themselves.
 *
 * @returns The digest by which `study.json` knows them.
 */
export async function writeRuns(folder: string, runs: Runs): Promise<string> {
  const { pretrained, finetuned, tried, choices, codes } = runs;
  const texts: NgramBaselines[] = [], orders: Uint32Array[] = []; // Shared by many runs.
  const indexIn = <T>(all: T[], one: T) => all.includes(one) ? all.indexOf(one) : all.push(one) - 1;
  const taskRow = <Row extends TaskResult>({ answers, ...row }: Row) => ({
    ...row,
    ...answers && { predictions: answers.predictions, order: indexIn(orders, answers.examples) },
  });
  const rows = {
    pretrained: pretrained.map(({ baselines, zeroShot, ...row }) => ({
      ...row,
      ...baselines && { text: indexIn(texts, baselines) },
      ...zeroShot && { zeroShot: zeroShot.map(taskRow) },
    })),
    finetuned: finetuned.map(taskRow),
    tried: tried.map(({ mean: _, ...one }) => one),
  };
  const all = { ...rows, texts, orders: orders.map((order) => [...order]), choices, ...codes && { codes } };
  const content = JSON.stringify(
    all,
    (name, value) =>
      typeof value === "number" && !Number.isFinite(value) ? { number: `${value}` } : encode(name, value),
  );
  const zip = new Blob([content]).stream().pipeThrough(new CompressionStream("gzip"));
  await writeAtomic(`${folder}/${FILE}`, [await new Response(zip).bytes()]);
  return sha256(content);
}

/** Unpacks a text, up to its limit. */
async function unzipped(bytes: Uint8Array<ArrayBuffer>, refuse: () => never): Promise<string> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    for await (const part of new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))) {
      size += part.length;
      if (size > MOST.text) break;
      parts.push(part);
    }
    if (size <= MOST.text) return await new Blob(parts).text();
  } catch { /* Refused below. */ }
  return refuse();
}

type Check = (value: unknown) => boolean;
type Fields = Readonly<Record<string, Check>>;

const isNumber: Check = (value) => typeof value === "number" && !Number.isNaN(value);
const isAmount: Check = (value) => typeof value === "number" && value >= 0 && value < Infinity;
const isCount: Check = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isShare: Check = (value) => typeof value === "number" && Math.abs(value) <= 1;
const isFlag: Check = (value) => typeof value === "boolean";
const isLevel: Check = (value) => value === null || isLine(value) || isFlag(value) || isNumber(value);
const isList = (each: Check): Check => (value) => Array.isArray(value) && value.every(each);
const isFloats: Check = (value) =>
  (value instanceof Float32Array || value instanceof Float64Array) && allFinite(value);
const isMap = (each: Check): Check => (value) =>
  isRecord(value) && Object.entries(value).every(([name, one]) => isLine(name) && each(one));
const has = (fields: Fields, optional: Fields = {}): Check => (value) =>
  isRecord(value) && Object.entries(fields).every(([name, check]) => check(value[name])) &&
  Object.entries(optional).every(([name, check]) => value[name] === undefined || check(value[name]));

const isInterval = has({ value: isShare, low: isShare, high: isShare });
const amounts = { loss: isAmount, perplexity: isAmount, bitsPerCharacter: isAmount };
/** A check that is several, of which each may rely on those before it. */
const both = (...checks: readonly Check[]): Check => (value) => checks.every((check) => check(value));
const isText = both(
  has({ ...amounts, tokens: isCount, low: has(amounts), high: has(amounts) }, {
    ...{ losses: isFloats, unknown: isShare },
  }),
  (value) => {
    const { bitsPerCharacter, low, high } = value as TextScore;
    return low.bitsPerCharacter <= bitsPerCharacter && bitsPerCharacter <= high.bitsPerCharacter;
  },
);
const run: [Fields, Fields] = [
  { levels: isMap(isLevel), seed: isCount, tuned: isMap(isLevel) },
  { trained: isMap(isAmount), losses: (value) => isLossCurve(value, Infinity) },
];
const isNear = (one: number, other: number) => Math.abs(one - other) <= 1e-6;

/** Whether a task's score, interval, scores by cluster and what follows from them agree. */
const agrees: Check = (value) => {
  const { value: score, low, high, constant, stuck, byCluster } = value as TaskResult;
  const mean = byCluster && byCluster.reduce((sum, one) => sum + one, 0) / byCluster.length;
  return low <= score && score <= high && stuck === low <= constant &&
    (mean === undefined || isNear(mean, score));
};

const answer: [Fields, Fields] = [
  {
    ...{ task: isLine, measure: isLine, value: isShare, low: isShare, high: isShare },
    ...{ measures: isMap(isInterval), examples: isCount, constant: isShare, stuck: isFlag },
  },
  { predictions: isFloats, order: isCount, byCluster: isFloats },
];
const shapes = {
  texts: has({ unigram: isText, bigram: isText, kneserNey: isText }),
  orders: isList(isCount),
  pretrained: has({ ...run[0], stuck: isFlag }, {
    ...run[1],
    ...{
      heldout: isText,
      masked: isAmount,
      text: isCount,
      byPosition: isList(isAmount),
      zeroShot: isList(both(has(...answer), agrees)),
    },
  }),
  finetuned: both(
    has({ ...run[0], ...answer[0], loss: isAmount, cut: isCount }, {
      ...{ ...run[1], ...answer[1], validation: isInterval, texts: isCount, unknown: isShare },
    }),
    agrees,
  ),
  tried: has({
    ...{ levels: isMap(isLevel), settings: isMap(isLevel), scores: isList(isNumber), isChosen: isFlag },
  }, { task: isLine, stuck: isCount }),
};

/** A row on a task with the index of its test examples in the list of all. */
interface WithAnswers {
  readonly predictions?: Predictions["predictions"];
  readonly order?: number;
}

/** A pre-training run with the index of its held-out text's baselines. */
type WithTexts = Omit<Pretrained, "baselines" | "zeroShot"> & {
  readonly text?: number;
  readonly zeroShot?: readonly WithAnswers[];
};

/**
 * The runs of a file, each checked and with what it shares with others.
 *
 * @param factors Names of the study's factors, of which each run has a level.
 */
function checkedRuns(value: unknown, factors: readonly string[], refuse: (why: string) => never): Runs {
  const all = decode(revived(value, numberOf), () => refuse("values that are not of a study"));
  if (!isRecord(all) || !isCount(all["choices"]) || !(all["codes"] === undefined || isCount(all["codes"]))) {
    return refuse("no runs of a study");
  }
  const listOf = <T>(name: keyof typeof shapes): T[] => {
    const list = all[name];
    if (!Array.isArray(list)) return refuse(`no list ${name}`);
    const wrong = list.findIndex((one) => !shapes[name](one));
    return wrong < 0 ? list : refuse(`a value that cannot be in ${name}, entry ${wrong + 1}`);
  };
  /** Rows of which each is of another seed or arm: seeds are what the statistics count. */
  const rowsOf = <Row extends StudyRun & { readonly task?: string }>(
    name: "pretrained" | "finetuned",
  ): Row[] => {
    const seen = new Set<string>();
    return listOf<Row>(name).map((row, i) => {
      const { task, seed, levels } = row,
        missing = factors.find((name) => !Object.hasOwn(levels, name));
      if (missing !== undefined) refuse(`a run without a level of ${missing} in ${name}, entry ${i + 1}`);
      const key = JSON.stringify([task, seed, ...Object.entries(levels).map(String).sort()]);
      if (seen.has(key)) refuse(`a run twice in ${name}, entry ${i + 1}`);
      seen.add(key);
      return row;
    });
  };
  const texts = listOf<NgramBaselines>("texts"),
    orders = listOf<number[]>("orders").map((order) => Uint32Array.from(order));
  const clusters = new Map<string, number>(); // Of the test examples that a task's runs share.
  const taskRow = <Row>({ predictions, order, ...row }: WithAnswers): Row => {
    const examples = orders[order!], { task, byCluster } = row as unknown as TaskResult;
    if (predictions && examples && predictions.length !== examples.length) {
      refuse(`${predictions.length} predictions of ${examples.length} examples of ${task}`);
    }
    const key = JSON.stringify([task, order]), count = byCluster?.length ?? 0;
    if (count !== (clusters.get(key) ?? count)) refuse(`scores by cluster of different lengths of ${task}`);
    clusters.set(key, count);
    return { ...row, ...predictions && examples && { answers: { examples, predictions } } } as Row;
  };
  return {
    pretrained: rowsOf<WithTexts>("pretrained").map(({ text, zeroShot, ...row }) => {
      const baselines = texts[text!], answers = zeroShot?.map(taskRow<TaskResult>);
      return { ...row, ...baselines && { baselines }, ...answers && { zeroShot: answers } };
    }),
    finetuned: rowsOf<StudyRun & WithAnswers>("finetuned").map(taskRow<Finetuned>),
    tried: listOf<Omit<Tried, "mean">>("tried").map((one) => ({
      ...one,
      mean: one.scores.reduce((sum, score) => sum + score, 0) / one.scores.length,
    })),
    choices: all["choices"] as number,
    ...all["codes"] !== undefined && { codes: all["codes"] as number },
  };
}

/** A number that JSON has no form for, as {@linkcode writeRuns} writes it. */
function numberOf(value: unknown): unknown {
  return isRecord(value) && Object.keys(value).length === 1 && typeof value["number"] === "string"
    ? Number(value["number"])
    : value;
}

/** A copy of a value of JSON with each of its parts replaced, inner ones first. */
function revived(value: unknown, replace: (part: unknown) => unknown): unknown {
  if (Array.isArray(value)) return replace(value.map((part) => revived(part, replace)));
  if (!isRecord(value)) return replace(value);
  return replace(
    Object.fromEntries(Object.entries(value).map(([name, part]) => [name, revived(part, replace)])),
  );
}
