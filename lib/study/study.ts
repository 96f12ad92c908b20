import { type ColumnTable, table } from "../arquero.ts";
import { percent } from "../numbers.ts";
import type { NgramBaselines } from "../train/mod.ts";
import {
  type ArmEffect,
  armMean,
  contextsOf,
  type Contrast,
  contrastsOf,
  counted,
  type EffectOptions,
  effectsOf,
  effectsTable,
  type Factor,
  factorLabel,
  factorNamed,
  filtered,
  groups,
  labelled,
  labelOf,
  levelLabel,
  type Metric,
  pick,
  type Score,
  stuckShare,
  varying,
} from "./effects.ts";
import type { Level, Levels, Vary } from "./factors.ts";
import type { Finetuned, Pretrained, StudyRun, TaskResult } from "./rows.ts";
import type { StudySettings } from "./settings.ts";
import { difference, type Estimate, estimate, formatEstimate } from "./statistics.ts";
import type { Tried } from "./tuning.ts";

/**
 * The results of a study. 95 % confidence intervals include the noise of seeds and of test examples, or of held-out
 * windows, wherever each run's predictions are known. Means are over the runs that left chance; how many did not is
 * told beside them.
 */
export interface Study {
  /** Whether all runs are finished. */
  readonly complete: boolean;
  /** Error messages of failed runs; other runs are not affected. */
  readonly failures: readonly string[];
  /** Number of versions of the code that trained its models, if more than one. */
  readonly codes?: number;
  /** Results of the pre-training runs. */
  readonly pretrained: readonly Pretrained[];
  /** Results of the fine-tuning runs. */
  readonly finetuned: readonly Finetuned[];
  /**
   * A row per run, and one per zero-shot evaluation, with full precision: a column for each factor, then seed, task,
   * measure, score with its 95 % interval over examples, validation score, majority baseline (of held-out text the
   * unigram baseline), whether it is stuck there, loss in nats, updates, batch, tokens, FLOPs, seconds, and a column for
   * each setting that was tuned. What does not apply is null. `study.runs.toCSV()` is a file for any other program.
   */
  readonly runs: ColumnTable;
  /** What tuning tried: a row per arm and setting with its mean validation score (null if a run diverged), and whether
   * it was chosen. */
  readonly tuning: ColumnTable;
  /** Each arm's score on the held-out text, with baselines first, and on each task. */
  readonly scores: readonly ArmScore[];
  /** The effect of each factor at each level of the others, corrected for their number. */
  readonly effects: readonly ArmEffect[];
  /** Held-out bits per character of baselines and arms; empty without pre-training. */
  readonly language: ColumnTable;
  /** Primary metric of each arm on each task's test examples, in %. */
  readonly table: ColumnTable;
  /** The effects as a table. */
  readonly differences: ColumnTable;
  /** The effects as sentences. */
  readonly findings: readonly string[];
  /** The study as Markdown: its findings with their evidence. */
  readonly report: string;
  /**
   * The effect of a factor: differences between its levels, paired by seed and test example. By default at each level of
   * all other factors; with `by` averaged over those that it does not name, unless they change the effect's sign: then
   * there is no main effect, and each is returned.
   *
   * @param factor Its name: `task`, `model`, `positions`, `lambda`, `transfer`, or a path that the study varies.
   * @throws {InputError} If a factor or level is unknown, or measures of different units would be averaged.
   */
  effect(factor: string, options?: EffectOptions): ArmEffect[];
  /**
   * Lines for `curve`: score against the levels of a factor, or against a setting that was tuned, its validation score.
   *
   * @param factor Its name, or the path of a tuned setting.
   * @param options `by`: the factors of whose levels each combination has a line, by default all; `at`: levels to
   * include; `minus`: a level, whose score is subtracted, seed by seed.
   */
  curves(factor: string, options?: ArmCurveOptions): ArmCurve[];
  /**
   * Lines for `curve`: bits per character of held-out text by position in the window, in groups of positions.
   *
   * @param factor The factor whose levels are compared.
   * @param options `at`: levels of other factors to include; `minus`: a level, whose loss is subtracted, seed by seed;
   * `bins`: number of groups, by default 16.
   */
  byPosition(
    factor: string,
    options?: Pick<ArmCurveOptions, "at" | "minus"> & { readonly bins?: number },
  ): ArmCurve[];
}

/** An arm's score, over seeds and examples, for figures. */
export interface ArmScore extends Estimate {
  /** A task's name, or `held-out text`. */
  readonly where: string;
  /** Its label: the levels in which it differs from others. */
  readonly name: string;
  /** The levels in which it differs from others; empty for a baseline. */
  readonly levels: Levels;
  /** Unit: bits per character, or a metric in percent. */
  readonly unit: string;
  /** One value per seed, stuck runs included. */
  readonly values: readonly number[];
  /** Number of runs that did not leave chance; absent for a baseline. */
  readonly stuck?: number;
  /** Majority baseline of a task. */
  readonly constant?: number;
}

/** Options of {@linkcode Study.curves}. */
export interface ArmCurveOptions extends Pick<EffectOptions, "by" | "at"> {
  /** A level, whose score is subtracted, seed by seed. Default: none. */
  readonly minus?: Level;
}

/** A line of a figure, with 95 % intervals. */
export interface ArmCurve {
  /** Its label: the levels in which it differs from others. */
  readonly name: string;
  /** These levels. */
  readonly levels: Levels;
  /** The factor's levels, or their numbers from 0 if they are names. */
  readonly x: readonly number[];
  /** Scores, or differences. */
  readonly y: readonly Estimate[];
}

/** The name of the held-out text in tables; no task can have it. */
export const TEXT = "held-out text";
const BITS = "bits per character";

/** The n-gram baselines from weakest to strongest, with their labels in tables. */
const baselineNames = [
  ["unigram", "unigram baseline"],
  ["bigram", "bigram baseline"],
  ["kneserNey", "Kneser–Ney baseline"],
] as const;

/** What a study has found. */
export interface Found extends Pick<Study, "complete" | "failures" | "codes" | "pretrained" | "finetuned"> {
  /** The study's settings. */
  readonly study: StudySettings;
  /** What tuning tried. */
  readonly tried: readonly Tried[];
  /** Number of choices that tuning has to make. */
  readonly choices: number;
}

/** A run's score on a task or the held-out text, with the run. */
interface RunScore extends Score {
  readonly row: StudyRun & Partial<TaskResult> & Partial<Pretrained> & Partial<Finetuned>;
}

/** A study as JSON: its tables as rows, its findings as sentences. */
export function studyJson(
  { complete, language, table, tuning, differences, findings }: Study,
): Readonly<Record<string, unknown>> {
  return {
    ...{ complete, language: rowsOf(language), table: rowsOf(table) },
    ...tuning.numRows() > 0 && { tuning: rowsOf(tuning) },
    ...{ differences: rowsOf(differences), findings },
  };
}

/** The rows of a table as JSON has them: without limit is a word. */
export function rowsOf(table: ColumnTable): Readonly<Record<string, unknown>>[] {
  const cell = (value: unknown) => value === Infinity ? "Infinity" : value;
  return table.objects().map((row) =>
    Object.fromEntries(Object.entries(row).map(([name, value]) => [name, cell(value)]))
  );
}

/** Summarises the results of runs in tables and sentences. */
export function studyOf(found: Found): Study {
  const { study, pretrained, finetuned, tried } = found;
  const scores = scoresOf(found), factors = factorsOf(study, scores);
  const [onText, onTasks] = [scores.filter(isOnText), scores.filter((score) => !isOnText(score))];
  const [ofText, ofTasks] = [varying(onText, factors), varying(onTasks, factors)];
  const taskFactors = ofTasks.filter(({ name }) => name !== "task");

  const baselines = baselinesOf(onText, ofText);
  const textArms = groups(onText, ofText);
  const [task] = factors;
  const taskArms = groups(onTasks, [task!]).flatMap((some) => groups(some, ofTasks));
  const texts = [
    ...baselines.map(({ arm, bits }): ArmScore => ({
      ...{ where: TEXT, name: arm, levels: {}, unit: BITS, values: [bits], n: 1, mean: bits },
      ...{ low: NaN, high: NaN },
    })),
    ...textArms.map((runs) => armScore(runs, ofText)),
  ];
  const tasks = taskArms.map((runs): ArmScore => ({
    ...armScore(runs, taskFactors),
    constant: 100 * runs[0]!.row.constant!,
  }));
  const all = [...onText, ...onTasks];
  const effects = effectsOf([
    ...baselines.slice(-1).flatMap(() => againstBaselines(textArms, ofText)),
    ...[onText, onTasks].flatMap((some) =>
      varying(some, factors).filter(({ name }) => name !== "task").flatMap(({ name }) =>
        contrastsOf(some, factors, name)
      )
    ),
  ]);
  const anyStuck = (rows: readonly ArmScore[]) => rows.some(({ stuck = 0 }) => stuck > 0);
  const stuckColumn = (rows: readonly ArmScore[]) =>
    anyStuck(rows)
      ? {
        stuck: rows.map(({ stuck, values }) => stuck === undefined ? "" : `${stuck} of ${values.length}`),
      }
      : {};
  const withoutReport: Omit<Study, "report"> = {
    ...{ complete: found.complete, failures: found.failures, pretrained, finetuned },
    ...found.codes !== undefined && { codes: found.codes },
    runs: runsTable(all, found),
    tuning: tuningTable(tried, study),
    scores: [...texts, ...tasks],
    effects,
    language: table({
      model: texts.map(({ name }) => name),
      n: texts.map(({ n }) => n),
      ...stuckColumn(texts),
      "bits per character [95 %]": texts.map((row) => formatEstimate(row)),
    }),
    table: table({
      task: tasks.map(({ where }) => where),
      measure: taskArms.map(([run]) => run!.row.measure!),
      ...Object.fromEntries(taskFactors.map(({ name }) => [
        factorLabel(name),
        taskArms.map(([run]) => levelCell(name, run!.levels[name] ?? null)),
      ])),
      n: tasks.map(({ n }) => n),
      ...stuckColumn(tasks),
      "majority baseline, %": tasks.map(({ constant }) => constant!.toFixed(1)),
      "score, % [95 %]": tasks.map((row) => formatEstimate(row)),
    }),
    differences: effectsTable(effects),
    findings: effects.map(({ sentence }) => sentence),
    effect: (factor, options = {}) => effectsOf(contrastsOf(all, factors, factor, options)),
    curves: (factor, options = {}) =>
      study.tune && factor in study.tune
        ? tunedCurves(tried, factor, factors, options)
        : curvesOf(all, factors, factor, options),
    byPosition: (factor, options = {}) => positionCurves(pretrained, factors, factor, options),
  };
  return { ...withoutReport, report: reportOf(withoutReport, found, [...textArms, ...taskArms], factors) };
}

const isOnText = ({ levels }: Score): boolean => levels["task"] === TEXT;

/** The scores of all runs, as contrasts need them. */
function scoresOf({ pretrained, finetuned, study: { margins } }: Found): RunScore[] {
  const ofText: Metric = {
    ...{ name: BITS, unit: BITS, scale: "amount", whole: 1, margin: margins.bits },
  };
  const onTask = (row: TaskResult & StudyRun, levels: Levels): RunScore => {
    const { task, measure, value, stuck, answers, byCluster = Float64Array.of(value) } = row;
    return {
      metric: {
        ...{ name: `${measure}, %`, unit: `points of ${measure}` },
        scale: measure === "accuracy" || measure === "f1" ? "share" : "correlation",
        ...{ whole: 100, margin: margins.points },
      },
      levels: { task, ...levels },
      seed: row.seed,
      parts: Array.from(byCluster, (score) => 100 * score),
      pairing: answers?.examples ?? task,
      stuck,
      row,
    };
  };
  return [
    ...pretrained.filter(({ heldout }) => heldout).map((row): RunScore => {
      const { bitsPerCharacter, loss, losses } = row.heldout!;
      return {
        ...{ metric: ofText, levels: { task: TEXT, ...row.levels }, seed: row.seed, stuck: row.stuck, row },
        parts: losses ? Array.from(losses, (nats) => nats * bitsPerCharacter / loss) : [bitsPerCharacter],
        pairing: row.baselines ?? TEXT,
      };
    }),
    ...finetuned.map((row) => onTask(row, row.levels)),
    ...pretrained.flatMap(({ zeroShot = [], ...run }) =>
      zeroShot.map((row) => onTask({ ...run, ...row }, { ...run.levels, transfer: "zero-shot" }))
    ),
  ];
}

/** A study's factors, with the levels that its runs have, in the order of its settings. */
function factorsOf(study: StudySettings, scores: readonly Score[]): Factor[] {
  const { models, positions, lambda, transfer, vary = {} } = study;
  const tasks = [...new Set(scores.map(({ levels }) => levels["task"] as string))];
  const known: Vary = {
    task: tasks,
    model: models,
    positions: [...positions],
    lambda,
    transfer: [...transfer, "zero-shot"],
    ...vary,
  };
  return Object.entries(known).map(([name, levels]) => ({ name, levels }));
}

/** N-gram baselines of each held-out text, with the levels that it belongs to. */
function baselinesOf(
  scores: readonly RunScore[],
  factors: readonly Factor[],
): { arm: string; bits: number }[] {
  const byText = Map.groupBy(scores.filter(({ row }) => row.baselines), ({ row }) => row.baselines!);
  return [...byText].flatMap(([baselines, runs]) => {
    const own = factors.filter(({ name }) => new Set(runs.map(({ levels }) => levels[name])).size === 1);
    const label = byText.size > 1 ? labelOf(runs[0]!.levels, own) : "";
    return baselineNames.map(([key, name]) => ({
      arm: [name, label].filter(Boolean).join(", "),
      bits: baselines[key].bitsPerCharacter,
    }));
  });
}

/** Each arm's held-out text against the n-gram baselines but the weakest. */
function againstBaselines(arms: readonly (readonly RunScore[])[], factors: readonly Factor[]): Contrast[] {
  return baselineNames.slice(1).flatMap(([key, name]) =>
    arms.map((runs): Contrast => {
      const { levels } = runs[0]!,
        arm = armLabel(levels, factors);
      const minus = runs.map((run): Score => ({
        ...run,
        parts: [(run.row.baselines as NgramBaselines)[key].bitsPerCharacter],
        stuck: false,
      }));
      return {
        ...{ where: TEXT, difference: `${arm} − ${name}`, levels },
        terms: [{ scores: runs, weight: 1 }, { scores: minus, weight: -1 }],
      };
    })
  );
}

/** The score of an arm, named by the factors in which it differs from others. */
function armScore(runs: readonly RunScore[], factors: readonly Factor[]): ArmScore {
  const { levels, metric } = runs[0]!;
  return {
    ...{ where: levels["task"] as string, name: armLabel(levels, factors), levels: pick(levels, factors) },
    unit: metric.name,
    values: runs.map(({ parts }) => parts.reduce((a, b) => a + b, 0) / parts.length),
    stuck: runs.filter(({ stuck }) => stuck).length,
    ...armMean(runs),
  };
}

/** The name of an arm, which may be the only one. */
function armLabel(levels: Levels, factors: readonly Factor[]): string {
  return labelOf(levels, factors) || `${levels["positions"] ?? levels["model"]}`;
}

/** A level in a table's column, which has the factor's name. */
function levelCell(name: string, level: Level | null): string {
  if (level === null) return "";
  return name === "transfer" ? levelLabel(name, level) : `${level}`;
}

/** A row of {@linkcode Study.runs} for each run and each zero-shot evaluation. */
function runsTable(scores: readonly RunScore[], { study, pretrained }: Found): ColumnTable {
  const encoders = pretrained.filter(({ heldout }) => !heldout).map((row): RunScore => ({
    ...{
      levels: { task: TEXT, ...row.levels },
      seed: row.seed,
      stuck: row.stuck,
      parts: [],
      pairing: row,
      row,
    },
    metric: { name: BITS, unit: BITS, scale: "amount", whole: 1, margin: 0 },
  }));
  const rows = [...scores, ...encoders].map(({ levels: { task, ...levels }, seed, row }) => {
    const { heldout, trained, validation, tuned } = row;
    const bits = (text = heldout) => text?.bitsPerCharacter;
    const isText = task === TEXT, isZeroShot = levels["transfer"] === "zero-shot";
    return {
      ...levels,
      ...{ seed, task, measure: isText ? BITS : row.measure, score: isText ? bits() : row.value },
      ...isText
        ? { low: heldout?.low.bitsPerCharacter, high: heldout?.high.bitsPerCharacter }
        : { low: row.low, high: row.high },
      validation: validation?.value,
      baseline: isText ? row.baselines?.unigram.bitsPerCharacter : row.constant,
      stuck: isText && !heldout ? undefined : row.stuck,
      ...{ examples: row.examples, loss: isText ? heldout?.loss : row.loss },
      ...!isZeroShot && trained,
      ...tuned,
    } as Readonly<Record<string, unknown>>;
  });
  const { seeds: _, ...tuned } = study.tune ?? {};
  const columns = [
    ...["model", "positions", "lambda", "transfer", ...Object.keys(study.vary ?? {})],
    ...[
      "seed",
      "task",
      "measure",
      "score",
      "low",
      "high",
      "validation",
      "baseline",
      "stuck",
      "examples",
      "loss",
    ],
    ...["updates", "batch", "tokens", "flops", "seconds", ...Object.keys(tuned)],
  ];
  return table(Object.fromEntries(columns.map((name) => [name, rows.map((row) => row[name] ?? null)])));
}

/** What tuning tried, as {@linkcode Study.tuning}. */
function tuningTable(tried: readonly Tried[], study: StudySettings): ColumnTable {
  const { seeds: _, ...tuned } = study.tune ?? {};
  const names = factorsOf(study, []).map(({ name }) => name).slice(1)
    .filter((name) => new Set(tried.map(({ levels }) => levels[name] ?? null)).size > 1);
  return table({
    task: tried.map(({ task }) => task ?? TEXT),
    ...Object.fromEntries(names.map((name) => [name, tried.map(({ levels }) => levels[name] ?? null)])),
    ...Object.fromEntries(
      Object.keys(tuned).map((path) => [path, tried.map(({ settings }) => settings[path] ?? null)]),
    ),
    runs: tried.map(({ scores }) => scores.length),
    validation: tried.map(({ scores }) => {
      const mean = scores.reduce((a, b) => a + b, 0) / scores.length;
      return Number.isFinite(mean) ? mean : null; // A run diverged.
    }),
    chosen: tried.map(({ isChosen }) => isChosen),
  });
}

/** Score against a factor's levels, or its difference from that of one level. */
function curvesOf(
  scores: readonly Score[],
  factors: readonly Factor[],
  name: string,
  { by, at = {}, minus }: ArmCurveOptions,
): ArmCurve[] {
  const factor = factorNamed(name, factors);
  by?.forEach((one) => factorNamed(one, factors));
  const included = filtered(scores, factors, at).filter(({ levels }) => (levels[name] ?? null) !== null);
  const others = varying(included, factors).filter((other) => other.name !== name);
  const own = others.filter((other) => by?.includes(other.name) ?? true);
  const averaged = others.filter((other) => !own.includes(other));
  return contextsOf(included, own).map(({ levels: fixed, scores: group }): ArmCurve => {
    const points = factor.levels.filter((level) => level !== minus).flatMap((level, i) => {
      const runs = group.filter(({ levels }) => levels[name] === level);
      if (runs.length === 0) return [];
      const y = minus === undefined
        ? armMean(runs, averaged)
        : effectsOf(contrastsOf(group, factors, name, { between: [level, minus], by: [], isMean: true }))[0];
      return y === undefined || Number.isNaN(y.mean) ? [] : [{ x: xOf(level, i), y }];
    });
    return {
      name: labelOf(fixed, own) || factorLabel(name),
      levels: fixed,
      x: points.map(({ x }) => x),
      y: points.map(({ y }) => y),
    };
  });
}

/** A level on a horizontal axis: itself, or its place among others. */
const xOf = (level: Level, place: number): number => typeof level === "number" ? level : place;

/** Validation score against a setting that was tuned, the best over the others. */
function tunedCurves(
  tried: readonly Tried[],
  path: string,
  factors: readonly Factor[],
  { at = {} }: ArmCurveOptions,
): ArmCurve[] {
  const known = tried.filter(({ settings }) => path in settings)
    .map((one) => ({ ...one, levels: { task: one.task ?? TEXT, ...one.levels } as Levels }));
  const scored = filtered(known, factors, at);
  const own = varying(scored, factors);
  return groups(scored, own).map((group): ArmCurve => {
    const isText = group[0]!.levels["task"] === TEXT, unit = isText ? 1 : 100;
    const values = [...new Set(group.map(({ settings }) => settings[path]!))];
    const best = (value: Level) =>
      group.filter(({ settings }) => settings[path] === value)
        .map(({ scores }) => scores.filter(Number.isFinite)).filter((scores) => scores.length > 0)
        .map((scores) => estimate(scores.map((score) => unit * score)))
        .reduce((one, other) => (other.mean > one.mean) === isText ? one : other);
    return {
      name: labelOf(group[0]!.levels, own) || (isText ? TEXT : group[0]!.task!),
      levels: pick(group[0]!.levels, own),
      x: values.map(xOf),
      y: values.map(best),
    };
  });
}

/** Loss by position in the window. */
function positionCurves(
  pretrained: readonly Pretrained[],
  factors: readonly Factor[],
  name: string,
  { at = {}, minus, bins = 16 }: NonNullable<Parameters<Study["byPosition"]>[1]>,
): ArmCurve[] {
  const { levels } = factorNamed(name, factors);
  const runs = filtered(pretrained, factors, at).filter(({ byPosition }) => byPosition);
  const others = varying(runs, factors).filter((other) => other.name !== name);
  const width = Math.ceil(Math.max(1, ...runs.map(({ byPosition }) => byPosition!.length)) / bins);
  const binned = (values: readonly number[]) =>
    Array.from(
      { length: Math.ceil(values.length / width) },
      (_, i) => estimate(values.slice(i * width, (i + 1) * width)).mean,
    );
  return contextsOf(runs, others).flatMap(({ levels: fixed, scores: group }) => {
    const bySeed = (level: Level) => {
      const own = counted(group.filter((run) => run.levels[name] === level));
      return new Map(own.map((run) => [run.seed, binned(run.byPosition!)]));
    };
    const reference = minus === undefined ? undefined : bySeed(minus);
    return levels.filter((level) => level !== minus).flatMap((level): ArmCurve[] => {
      const own = bySeed(level), seeds = [...own.keys()].filter((seed) => reference?.has(seed) ?? true);
      if (seeds.length === 0) return [];
      const values = (of: ReadonlyMap<number, number[]>, i: number) => seeds.map((seed) => of.get(seed)![i]!);
      const places = [...own.get(seeds[0]!)!.keys()];
      return [{
        name: [levelLabel(name, level), labelOf(fixed, others)].filter(Boolean).join(", "),
        levels: { [name]: level, ...fixed },
        x: places.map((i) => (i + 0.5) * width),
        y: places.map((i) =>
          reference ? difference(values(own, i), values(reference, i)) : estimate(values(own, i))
        ),
      }];
    });
  });
}

/** The report of a study as Markdown. */
function reportOf(
  { complete, language, table, findings, failures, codes, finetuned }: Omit<Study, "report">,
  { study, tried, choices }: Found,
  arms: readonly (readonly RunScore[])[],
  factors: readonly Factor[],
): string {
  const varied = labelled(arms.flat(), factors);
  const stuck = arms.filter((runs) => runs.some(({ stuck }) => stuck)).map((runs) =>
    `- ${labelOf(runs[0]!.levels, varied)}: ${stuckShare(runs)}`
  );
  return [
    ...failures.length
      ? [`**Not finished**: ${failures.join("; ")}`]
      : complete
      ? []
      : ["**Not finished**: runs are missing, and with them parts of what follows."],
    ...codes
      ? [`**Of ${codes} versions of the kit's code**: a difference between models may be one of the code.`]
      : [],
    ...stuck.length > 0
      ? [
        "**Runs that did not leave chance**: the interval of their score reaches the majority baseline, or that of " +
        "their loss the unigram baseline. Means below are of the other runs, if there are any.",
        stuck.join("\n"),
      ]
      : [],
    tuningText(study, tried, choices),
    ...language.numRows() > 0 ? ["**Held-out text, bits per character**", language.toMarkdown()] : [],
    ...table.numRows() > 0 ? ["**Test scores**", table.toMarkdown()] : [],
    ...truncationNotes(finetuned).map((sentence) => `${sentence}.`),
    ...budgetNotes(arms),
    ...findings.length > 0
      ? [
        "**Differences between arms, paired by seed** (intervals are 95 %; p-values are corrected for the number of " +
        "differences by Holm's method)",
        findings.map((finding) => `- ${finding}`).join("\n"),
      ]
      : [],
  ].map((part) => part.trim()).join("\n\n") + "\n";
}

/** What was chosen by validation, or that nothing was. */
function tuningText(study: StudySettings, tried: readonly Tried[], choices: number): string {
  if (!study.tune) {
    return "**No arm was tuned**: settings of training that are no factor are the same for all, and others may change " +
      "the differences.";
  }
  const { seeds, ...tuned } = study.tune;
  const several = Object.entries(tuned as Vary).filter(([, levels]) => levels.length > 1);
  const per = study.tunePer ? `each level of ${study.tunePer.map(factorLabel).join(" and ")}` : "each arm";
  const searches = ["pretrain", "finetune"].flatMap((group) => {
    const own = several.filter(([path]) => path.startsWith(`${group}.`));
    if (own.length === 0) return [];
    const settings = own.map(([path, levels]) => `${path} ${levels.join(", ")}`).join(" × ");
    return group === "pretrain"
      ? [`Pre-training: ${settings}, by the part of the held-out text that is not reported.`]
      : [
        `Fine-tuning: ${settings}, on the validation examples of each task${
          study.pretrained === undefined ? ", from the arm's own pre-trained models" : ""
        }.`,
      ];
  });
  if (searches.length === 0) return "**No arm was tuned**: each setting to tune has one value only.";
  const chosen = tried.filter(({ isChosen }) => isChosen);
  const shown = table({
    task: chosen.map(({ task }) => task ?? TEXT),
    arm: chosen.map(({ levels }) => labelOf(levels, factorsOf(study, []))),
    chosen: chosen.map(({ settings }) =>
      Object.entries(settings).map(([path, level]) => `${path} = ${level}`).join(", ")
    ),
  });
  return [
    `**Tuning**: ${per} has the same search, with ${seeds} seeds of its own. ${searches.join(" ")}` +
    (chosen.length < choices ? ` ${chosen.length} of ${choices} choices are made.` : ""),
    ...chosen.length > 0 ? [shown.toMarkdown()] : [],
  ].join("\n\n");
}

/** Notes on truncated texts and unknown tokens of each task. */
function truncationNotes(finetuned: Study["finetuned"]): string[] {
  return [...Map.groupBy(finetuned, ({ task }) => task)].flatMap(([task, [run]]) => {
    const { texts, cut, unknown = 0 } = run!;
    if (texts === undefined || (cut === 0 && unknown < 5e-4)) return [];
    return [
      `Of ${task}, ${cut} of ${texts} texts were cut to fit the context, and ${
        percent(unknown)
      } of tokens are \`<unk>\``,
    ];
  });
}

/** How much the models of each task were trained. */
function budgetNotes(arms: readonly (readonly RunScore[])[]): string[] {
  const trained = arms.flat().filter(({ levels, row }) =>
    row.trained?.tokens !== undefined && levels["transfer"] !== "zero-shot"
  );
  const range = (values: readonly number[]) => {
    const format = (value: number) =>
      Number(value.toPrecision(2)).toLocaleString("en", { notation: "compact" });
    const [low, high] = [Math.min(...values), Math.max(...values)].map(format);
    return low === high ? low : `${low} to ${high}`;
  };
  const lines = [...Map.groupBy(trained, ({ levels }) => levels["task"])].map(([task, runs]) => {
    const of = (name: "updates" | "tokens" | "flops") =>
      // Seconds differ from machine to machine.
      range(runs.map(({ row }) => row.trained![name]!));
    return `- ${task === TEXT ? "pre-training" : task}: ${of("updates")} updates, ${of("tokens")} tokens, ` +
      `${of("flops")} FLOPs`;
  });
  return lines.length > 0 ? ["**Training of each run**", lines.join("\n")] : [];
}
