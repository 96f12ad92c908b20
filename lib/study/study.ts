import { type ColumnTable, table } from "../arquero.ts";
import { settle } from "../settings.ts";
import type { NgramBaselines } from "../train/mod.ts";
import {
  type ArmEffect,
  armMean,
  type Contrast,
  contrastsOf,
  crossingOf,
  type CrossingOptions,
  crossingSettings,
  type EffectOptions,
  effectSettings,
  effectsOf,
  effectsTable,
  type Factor,
  factorLabel,
  groups,
  labelled,
  labelOf,
  levelLabel,
  type Metric,
  pick,
  type Score,
  stuckShare,
  TEXT,
  varying,
} from "./effects.ts";
import {
  type ArmCurve,
  type ArmCurveOptions,
  armCurveSettings,
  curvesOf,
  lossCurves,
  type LossOptions,
  lossSettings,
  positionCurves,
  type PositionOptions,
  positionSettings,
  tunedCurves,
  tunedCurveSettings,
} from "./curves.ts";
import type { Level, Levels } from "./factors.ts";
import { comparedArms, type MainEffect, mainEffectsOf } from "./main_contrasts.ts";
import type { Finetuned, Pretrained, StudyRun, TaskResult } from "./rows.ts";
import { factorLevels, factorsOf, type StudySettings, tunedSettings } from "./settings.ts";
import { type Estimate, formatEstimate } from "./statistics.ts";
import { budgetNotes, type RunScore, sizeNotes, truncationNotes, tuningText } from "./report.ts";
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
  /** Number of versions of the code that trained the models it compares, if more than one. */
  readonly codes?: number;
  /** Results of the pre-training runs. */
  readonly pretrained: readonly Pretrained[];
  /** Results of the fine-tuning runs. */
  readonly finetuned: readonly Finetuned[];
  /**
   * A row per run, and one per zero-shot evaluation, with full precision: a column for each factor, then seed, task,
   * measure, score with its 95 % interval over examples, validation score (of fine-tuning), majority baseline (of held-out text the
   * unigram baseline), whether it is stuck there, number of training examples (of a zero-shot evaluation of test
   * examples), loss in nats, updates, batch, tokens, FLOPs, seconds, a column for each setting that was tuned, and in a
   * smoke test `smoke`. What does not apply is null. `study.runs.toCSV()` is a file for any other program.
   */
  readonly runs: ColumnTable;
  /** What tuning tried: a row per arm and setting with its mean validation score (null if a run diverged), how many of
   * its runs did not leave chance (null where unknown), and whether it was chosen. */
  readonly tuning: ColumnTable;
  /** Each arm's score on the held-out text, with baselines first, and on each task. */
  readonly scores: readonly ArmScore[];
  /** The differences that the study was made to measure, corrected for the number of all that were planned. */
  readonly mainContrasts: readonly MainEffect[];
  /** The effect of each factor at each level of the others, without main contrasts, corrected for their number. */
  readonly effects: readonly ArmEffect[];
  /** Held-out bits per character of baselines and arms; empty without pre-training. */
  readonly language: ColumnTable;
  /** Primary metric of each arm on each task's test examples, in %. */
  readonly table: ColumnTable;
  /** The effects as a table. */
  readonly differences: ColumnTable;
  /** The main contrasts, by name, and the effects as sentences. */
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
   * Where a difference between two levels of a factor changes sign along another factor, of numbers: where the line
   * through its means over the logarithm of that factor is zero. The interval, of 95 %, is where that of the line includes
   * zero; it has no bound (NaN) towards a side where the difference may not change sign.
   * Differences of arms that did not leave chance are left out; of fewer than two others nothing is known (NaN).
   *
   * @param factor The factor whose levels are compared.
   * @throws {InputError} If there are no differences at two numbers, or several at one.
   */
  crossing(factor: string, options: CrossingOptions): Estimate;
  /**
   * Lines for `curve`: score against the levels of a factor, or against a setting that was tuned, the mean of
   * its validation scores, without an interval.
   *
   * @param factor Its name, or the path of a tuned setting.
   * @param options `by`: the factors of whose levels each combination has a line, by default all; `at`: levels to
   * include; `minus`: a level, whose score is subtracted, seed by seed.
   */
  curves(factor: string, options?: ArmCurveOptions): ArmCurve[];
  /**
   * Lines for `curve`: bits per character of held-out text by position in the window, in groups of positions,
   * as a mean over seeds, without runs that did not leave chance, unless none did.
   *
   * @param factor The factor whose levels are compared.
   * @param options `at`: levels of other factors to include; `minus`: a level, whose loss is subtracted, seed by seed;
   * `bins`: number of groups, by default 16.
   */
  byPosition(factor: string, options?: PositionOptions): ArmCurve[];
  /**
   * Lines for `curve`: training loss by number of updates, in nats per token, or of a task's examples (L2, §3.2), as a
   * mean over blocks of updates and seeds, without runs that did not leave chance, unless none did. Left out are
   * adaptation, encoders' masked tokens, and runs of earlier versions, which did not keep their losses.
   *
   * @param factor The factor whose levels are compared.
   * @param options `at`: levels of other factors to include, such as `{ task: "held-out text" }` for pre-training;
   * `minus`: a level, whose loss is subtracted, seed by seed.
   * @throws {InputError} If a factor or level is unknown, or runs of one line have different lengths.
   */
  losses(factor: string, options?: LossOptions): ArmCurve[];
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
  /** Their seeds; none of a baseline. */
  readonly seeds: readonly number[];
  /** Number of runs that did not leave chance; absent for a baseline. */
  readonly stuck?: number;
  /** Majority baseline of a task. */
  readonly constant?: number;
}

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

/** A study as JSON: its tables as rows, its findings as sentences. */
export function studyJson(
  { complete, language, table, tuning, mainContrasts, differences, findings }: Study,
): Readonly<Record<string, unknown>> {
  return {
    ...{ complete, language: rowsOf(language), table: rowsOf(table) },
    ...tuning.numRows() > 0 && { tuning: rowsOf(tuning) },
    ...mainContrasts.length > 0 && { mainContrasts: rowsOf(effectsTable(mainContrasts)) },
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
  const scores = scoresOf(found), scored = [...new Set(scores.map(({ levels }) => levels["task"] as string))];
  const factors = factorsOf(study, scored, [...study.transfer, "zero-shot"]);
  const [onText, onTasks] = [scores.filter(isOnText), scores.filter((score) => !isOnText(score))];
  const [ofText, ofTasks] = [varying(onText, factors), varying(onTasks, factors)];
  const taskFactors = ofTasks.filter(({ name }) => name !== "task");

  const baselines = baselinesOf(onText, ofText);
  const textArms = groups(onText, ofText);
  const [task] = factors;
  const taskArms = groups(onTasks, [task!]).flatMap((some) => groups(some, ofTasks));
  const texts = [
    ...baselines.map(({ arm, bits }): ArmScore => ({
      ...{ where: TEXT, name: arm, levels: {}, unit: BITS, values: [bits], seeds: [], n: 1, mean: bits },
      ...{ low: NaN, high: NaN },
    })),
    ...textArms.map((runs) => armScore(runs, ofText)),
  ];
  const tasks = taskArms.map((runs): ArmScore => ({
    ...armScore(runs, taskFactors),
    constant: 100 * runs[0]!.row.constant!,
  }));
  const all = [...onText, ...onTasks];
  const main = mainEffectsOf(study.mainContrasts ?? {}, all, factors);
  const planned = new Set(main.contrasts.map(comparedArms));
  const effects = effectsOf([
    ...baselines.slice(-1).flatMap(() => againstBaselines(textArms, ofText)),
    ...[onText, onTasks].flatMap((some) =>
      varying(some, factors).filter(({ name }) => name !== "task").flatMap(({ name }) =>
        contrastsOf(some, factors, name)
      )
    ),
  ].filter((contrast) => !planned.has(comparedArms(contrast))));
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
    ...{ mainContrasts: main.effects, effects },
    language: table({
      model: texts.map(({ name }) => name),
      n: texts.map(({ n, stuck }) => stuck === undefined ? "" : n), // Baselines have no seeds.
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
    findings: study.smoke ? [SMOKE] : [
      ...main.effects.map(({ name, sentence }) => `${name}: ${sentence}`),
      ...effects.map(({ sentence }) => sentence),
    ],
    effect: (factor, options = {}) =>
      effectsOf(contrastsOf(all, factors, factor, settle("find an effect", effectSettings, options))),
    crossing: (factor, options) =>
      crossingOf(all, factors, factor, settle("find a crossing", crossingSettings, options)),
    curves: (factor, options = {}) =>
      Object.hasOwn(tunedSettings(study), factor)
        ? tunedCurves(tried, factor, factors, settle("draw a search", tunedCurveSettings, options))
        : curvesOf(all, factors, factor, settle("draw curves", armCurveSettings, options)),
    byPosition: (factor, options = {}) =>
      positionCurves(pretrained, factors, factor, settle("draw losses", positionSettings, options)),
    losses: (factor, options = {}) => {
      const runs = [ // An encoder's masked tokens are another task than predicting the next one.
        ...pretrained.filter(({ masked }) => masked === undefined).map((row) => ({
          ...row,
          levels: { task: TEXT, ...row.levels },
        })),
        ...finetuned.map((row) => ({ ...row, levels: { task: row.task, ...row.levels } })),
      ];
      return lossCurves(runs, factors, factor, settle("draw losses", lossSettings, options));
    },
  };
  const report = study.smoke
    ? smokeReport(withoutReport)
    : reportOf(withoutReport, found, [...textArms, ...taskArms], factors);
  return { ...withoutReport, report };
}

/** What a test that everything works says instead of findings. */
const SMOKE =
  "**A test that everything works**: models of this size, after a few updates, have scores that mean nothing.";

/** The report of such a test: scores without intervals, which would look like findings. */
function smokeReport({ scores }: Pick<Study, "scores">): string {
  const mean = ({ values }: ArmScore) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const rows = table({
    task: scores.map(({ where }) => where),
    arm: scores.map(({ name }) => name),
    unit: scores.map(({ unit }) => unit),
    score: scores.map((score) => mean(score).toFixed(2)),
  });
  return `${SMOKE}\n\n${rows.toMarkdown()}`;
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
        ...{ whole: 100, margin: margins.points, isProportion: measure === "accuracy" },
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
      return {
        ...{ metric: ofText, levels: { task: TEXT, ...row.levels }, seed: row.seed, stuck: row.stuck, row },
        parts: bitsOf(row.heldout!),
        pairing: row.baselines ?? TEXT,
      };
    }),
    ...finetuned.map((row) => onTask(row, row.levels)),
    ...pretrained.flatMap(({ zeroShot = [], ...run }) =>
      zeroShot.map((row) => onTask({ ...run, ...row }, { ...run.levels, transfer: "zero-shot" }))
    ),
  ];
}

/** Bits per character of each window, or of the text where they are not known. */
function bitsOf({ bitsPerCharacter, loss, losses }: NonNullable<Pretrained["heldout"]>): number[] {
  return losses ? Array.from(losses, (nats) => nats * bitsPerCharacter / loss) : [bitsPerCharacter];
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
      const minus = runs.map((run): Score => {
        const baseline = (run.row.baselines as NgramBaselines)[key];
        const isOfSameWindows = run.row.heldout!.tokens === baseline.tokens; // Not those of another context.
        return {
          ...run,
          parts: isOfSameWindows ? bitsOf(baseline) : [baseline.bitsPerCharacter],
          stuck: false,
        };
      });
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
    seeds: runs.map(({ seed }) => seed),
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
      smoke: study.smoke,
    } as Readonly<Record<string, unknown>>;
  });
  const columns = [
    ...Object.keys(factorLevels(study)),
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
    ...["updates", "batch", "tokens", "flops", "seconds", ...Object.keys(tunedSettings(study))],
    ...study.smoke ? ["smoke"] : [],
  ];
  return table(Object.fromEntries(columns.map((name) => [name, rows.map((row) => row[name] ?? null)])));
}

/** What tuning tried, as {@linkcode Study.tuning}. */
function tuningTable(tried: readonly Tried[], study: StudySettings): ColumnTable {
  const names = Object.keys(factorLevels(study))
    .filter((name) => new Set(tried.map(({ levels }) => levels[name] ?? null)).size > 1);
  return table({
    task: tried.map(({ task }) => task ?? TEXT),
    ...Object.fromEntries(names.map((name) => [name, tried.map(({ levels }) => levels[name] ?? null)])),
    ...Object.fromEntries(
      Object.keys(tunedSettings(study)).map((
        path,
      ) => [path, tried.map(({ settings }) => settings[path] ?? null)]),
    ),
    runs: tried.map(({ scores }) => scores.length),
    stuck: tried.map(({ stuck = null }) => stuck),
    validation: tried.map(({ mean }) => Number.isFinite(mean) ? mean : null),
    chosen: tried.map(({ isChosen }) => isChosen),
  });
}

/** The report of a study as Markdown. */
function reportOf(
  { complete, language, table, mainContrasts, effects, failures, codes, finetuned }: Omit<Study, "report">,
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
    tuningText(study, tried, choices, factors),
    ...language.numRows() > 0
      ? ["**Held-out text, bits per character** (fewer are better; n: seeds)", language.toMarkdown()]
      : [],
    ...table.numRows() > 0 ? ["**Test scores** (n: seeds)", table.toMarkdown()] : [],
    ...[...sizeNotes(finetuned, study), ...truncationNotes(finetuned)].map((sentence) => `${sentence}.`),
    ...budgetNotes(arms),
    ...mainContrastsText(mainContrasts, Object.keys(study.mainContrasts ?? {})),
    ...effects.length > 0
      ? [
        `**${
          study.mainContrasts ? "Exploratory: other differences" : "Exploratory: differences"
        } between arms, paired by seed** (intervals are 95 %, over seeds and what each sentence names beside ` +
        "them; p-values are corrected for the number of differences by Holm's method, power is of a test at 5 % divided " +
        "by that number)",
        effects.map(({ sentence }) => `- ${sentence}`).join("\n"),
      ]
      : [],
  ].map((part) => part.trim()).join("\n\n") + "\n";
}

/** The differences that a study was made to measure, and those of them that are missing. */
function mainContrastsText(effects: readonly MainEffect[], names: readonly string[]): string[] {
  if (names.length === 0) return []; // Those that are missing count, too.
  const made = new Map(effects.map(({ name, sentence }) => [name, sentence]));
  return [
    "**Main contrasts, paired by seed** (those of the study's settings; intervals are 95 %, over seeds and what each " +
    `sentence names beside them; p-values and equalities are corrected for all ${names.length} by Holm's method, power is ` +
    `of a test at 5 % divided by ${names.length})`,
    names.map((name) => `- ${name}: ${made.get(name) ?? "runs are missing"}`).join("\n"),
  ];
}
