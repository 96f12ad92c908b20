import { type ColumnTable, table } from "../arquero.ts";
import { InputError, isThenable, quoted } from "../errors.ts";
import { percent, rounded } from "../numbers.ts";
import type { NgramBaselines } from "../train/mod.ts";
import type { Finetuned, Pretrained, TaskResult } from "./rows.ts";
import { hasPositions } from "./settings.ts";
import { crossedMean } from "./crossed.ts";
import {
  clopperPearson,
  detectable,
  equivalenceP,
  type Estimate,
  formatEstimate,
  holm,
  intervalOf,
  type Mean,
  pValue,
  type Scale,
} from "./statistics.ts";

/**
 * The results of a study. 95 % confidence intervals include the noise of seeds and of test examples, or of held-out
 * windows, wherever each run's predictions are known ({@linkcode crossedMean}).
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
  /** N-gram baselines on the held-out text; absent without pre-training. */
  readonly baselines?: NgramBaselines;
  /**
   * A row per run, and one per zero-shot evaluation, with full precision: model, positions, start (how fine-tuning
   * began), λ, seed, task, measure, its score with a 95 % interval over examples, majority baseline, loss in nats, and
   * the training budget. What does not apply is null. `study.runs.toCSV()` is a file for any other program.
   */
  readonly runs: ColumnTable;
  /** Each arm's score on the held-out text, with baselines first, and on each task. */
  readonly scores: readonly ArmScore[];
  /** Paired differences between arms that differ in one setting. */
  readonly effects: readonly ArmDifference[];
  /** Held-out bits per character of baselines and arms; empty without pre-training. */
  readonly language: ColumnTable;
  /** Primary metric of each arm on each task's test examples, in %. */
  readonly table: ColumnTable;
  /** The differences as a table. */
  readonly differences: ColumnTable;
  /** The differences as sentences. */
  readonly findings: readonly string[];
}

/** The n-gram baselines from weakest to strongest, with their labels in tables. */
const baselineNames = [
  ["unigram", "unigram baseline"],
  ["bigram", "bigram baseline"],
  ["kneserNey", "Kneser–Ney baseline"],
] as const;

/** An arm's score, over seeds, for figures. */
export interface ArmScore extends Estimate {
  /** A task's name, or `held-out text`. */
  readonly where: string;
  /** Label of the arm: the settings in which it differs from others. */
  readonly arm: string;
  /** Unit: bits per character, or a metric in percent. */
  readonly unit: string;
  /** One value per seed. */
  readonly values: readonly number[];
  /** Majority baseline of a task. */
  readonly constant?: number;
}

/** A paired difference between two arms, over seeds and test examples, for figures. */
export interface ArmDifference extends Estimate {
  /** A task's name, or `held-out text`, and the settings that both arms share. */
  readonly where: string;
  /** Both arms: `learned − sinusoidal`. */
  readonly difference: string;
  /** Unit. */
  readonly unit: string;
  /** Number of clusters of test examples, or of held-out windows; 1 if only the runs' scores are known. */
  readonly clusters: number;
  /** Its two-sided p-value, corrected for the number of differences in the study (Holm); NaN for one seed. */
  readonly p: number;
  /** The smallest true difference that would be found with 80 % power. */
  readonly detectable: number;
  /** What follows from it: `higher`, `lower`, `equal within ±2`, `not distinguishable`. */
  readonly finding: string;
}

/** Differences below these are as good as none. */
const MARGINS = { points: 2, bits: 0.01 };

/** A study as JSON: its tables as rows, its findings as sentences. */
export function studyJson(
  { complete, language, table, differences, findings }: Study,
): Readonly<Record<string, unknown>> {
  const rows = (table: ColumnTable) => table.objects();
  return { complete, language: rows(language), table: rows(table), differences: rows(differences), findings };
}

/**
 * Formats a study as Markdown, for a terminal, a README or a notebook.
 *
 * @throws {InputError} If it is not a study.
 *
 * @example
 * ```ts ignore
 * import { ablate, report } from "../mod.ts";
 *
 * console.log(report(await ablate({ seeds: 3 })));
 * ```
 */
export function report(study: Study): string {
  const { language, table, findings, failures } = Object(study) as Study;
  if (typeof language?.numRows !== "function" || !table || !findings) {
    throw new InputError(
      isThenable(study)
        ? "Cannot report on a study that is not awaited: write await before it"
        : `Cannot report on a study: expected a study that ablate returned: current value is ${
          quoted(study)
        }`,
    );
  }
  return [
    ...failures?.length ? [`**Not finished**: ${failures.join("; ")}`] : [],
    ...study.codes
      ? [
        `**Of ${study.codes} versions of the kit's code**: a difference between models may be one of the code.`,
      ]
      : [],
    ...language.numRows() > 0 ? ["**Held-out text, bits per character**", language.toMarkdown()] : [],
    "**Test scores**",
    table.toMarkdown(),
    ...truncationNotes(study.finetuned).map((sentence) => `${sentence}.`),
    ...findings.length > 0
      ? [
        "**Differences between arms, paired by seed** (intervals are 95 %; p-values are corrected for the number of differences by Holm's method)",
        findings.map((finding) => `- ${finding}`).join("\n"),
      ]
      : [],
  ].map((part) => part.trim()).join("\n\n") + "\n";
}

/** Notes on truncated texts and unknown tokens of each task. */
function truncationNotes(finetuned: Study["finetuned"]): string[] {
  return groups(finetuned, ({ task }) => task).flatMap(([task, [run]]) => {
    const { texts, cut, unknown = 0 } = run!;
    if (texts === undefined || (cut === 0 && unknown < 5e-4)) return [];
    return [
      `Of ${task}, ${cut} of ${texts} texts were cut to fit the context, and ${
        percent(unknown)
      } of tokens are \`<unk>\``,
    ];
  });
}

/** A factor of the study's design: a column of the tables. */
interface Factor {
  readonly name: string;
  /** The level of a run; empty if the factor does not apply. */
  level(run: Run): string;
  /** The level's label in sentences. */
  label(run: Run): string;
  /** Which of its levels are compared. */
  readonly pairs: "all" | "with the first";
}

type Run = Pick<Finetuned, "model" | "positions"> & Partial<Finetuned>;

/** A task's result, after fine-tuning or zero-shot, which has neither λ nor a start. */
type TaskRow = TaskResult & Run & Pick<Finetuned, "seed">;

const factors: readonly Factor[] = [
  factor("model", ({ model }) => model, "with the first"),
  factor("positions", ({ model, positions }) => hasPositions(model) ? positions : "", "all"),
  {
    ...factor("λ", ({ lambda }) => `${lambda ?? ""}`, "all"),
    label: ({ lambda }) => lambda === undefined ? "" : `λ = ${lambda}`,
  },
  factor("start", startOf, "with the first"),
];

function factor(name: string, level: Factor["level"], pairs: Factor["pairs"]): Factor {
  return { name, level, label: level, pairs };
}

/** The initial model of fine-tuning (Figure 2). */
function startOf({ transfer, layers }: Run): string {
  if (transfer === undefined) return "without fine-tuning";
  if (transfer === layers) return "pre-trained";
  return transfer === -1 ? "from scratch" : transfer === 0 ? "embeddings alone" : `${transfer} layers`;
}

/** Summarises the results of runs in tables and sentences. */
export function studyOf(
  pretrained: readonly Pretrained[],
  finetuned: readonly Finetuned[],
  baselines: NgramBaselines | undefined,
  complete: boolean,
  failures: readonly string[] = [],
): Study {
  const scored = pretrained.filter(({ heldout }) => heldout);
  const onText = factors.slice(0, 2).filter(variesIn(scored));
  const nameOf = (run: Run) => labelOf(run, onText) || run.positions;
  const models = groups(scored, nameOf);
  const baselineRows = baselines ? baselineNames : [];
  const texts = [
    ...baselineRows.map(([key, arm]) => scoreOf(arm, [[baselines![key].bitsPerCharacter]], ofText)),
    ...models.map(([arm, runs]) => scoreOf(arm, runs.map(bitsByWindow), ofText)),
  ];

  const zeroShotRows = pretrained.flatMap(({ zeroShot = [], model, positions, seed }) =>
    zeroShot.map((answer): TaskRow => ({ ...answer, model, positions, seed }))
  );
  const byTask = groups<TaskRow>([...finetuned, ...zeroShotRows], ({ task }) => task).flatMap(([, runs]) =>
    runs
  );
  const ofTasks = factors.filter(variesIn(byTask));
  const arms = groups(byTask, (run) => `${run.task}, ${labelOf(run, ofTasks)}`).map(([, runs]) => runs);
  const tasks = arms.map((runs): ArmScore => ({
    ...scoreOf(labelOf(runs[0]!, ofTasks), runs.map(pointsByCluster), ofTask(runs[0]!)),
    constant: 100 * runs[0]!.constant,
  }));
  const effects = withFindings([
    ...baselineRows.slice(1).flatMap(([key, baseline]) =>
      models.map(([model, runs]) => {
        const rows = runs.map((run) => [run.heldout!.bitsPerCharacter - baselines![key].bitsPerCharacter]);
        return { difference: `${model} − ${baseline}`, rows, ...ofText };
      })
    ),
    ...contrasts(scored, onText, () => ofText, bitsByWindow),
    ...contrasts(byTask, ofTasks, ofTask, pointsByCluster),
  ]);
  return {
    complete,
    failures,
    pretrained,
    finetuned,
    ...baselines && { baselines },
    runs: runsOf(pretrained, finetuned, zeroShotRows),
    scores: [...texts, ...tasks],
    effects,
    language: table({
      model: texts.map(({ arm }) => arm),
      n: texts.map(({ n }) => n),
      "bits per character [95 %]": texts.map((row) => formatEstimate(row)),
    }),
    table: table({
      task: tasks.map(({ where }) => where),
      measure: arms.map(([run]) => run!.measure),
      ...Object.fromEntries(ofTasks.map(({ name, level }) => [name, arms.map(([run]) => level(run!))])),
      n: tasks.map(({ n }) => n),
      "majority baseline, %": tasks.map(({ constant }) => constant!.toFixed(1)),
      "score, % [95 %]": tasks.map((row) => formatEstimate(row)),
    }),
    differences: table({
      where: effects.map(({ where }) => where),
      difference: effects.map(({ difference }) => difference),
      n: effects.map(({ n }) => n),
      "mean [95 %]": effects.map((row) => formatEstimate(row)),
      unit: effects.map(({ unit }) => unit),
      "p (Holm)": effects.map(({ p }) => Number.isNaN(p) ? "" : formatP(p)),
      finding: effects.map(({ finding }) => finding),
    }),
    findings: effects.map(sentenceOf),
  };
}

/** A row of {@linkcode Study.runs} for each run and each zero-shot evaluation. */
function runsOf(
  pretrained: readonly Pretrained[],
  finetuned: readonly Finetuned[],
  zeroShot: readonly TaskRow[],
): ColumnTable {
  const common = ({ model, positions, seed }: TaskRow | Pretrained) => ({
    model,
    positions: hasPositions(model) ? positions : null,
    seed,
  });
  const ofTask = (row: TaskRow | Finetuned) => ({
    ...common(row),
    start: startOf(row),
    lambda: row.lambda,
    ...{ task: row.task, measure: row.measure, score: row.value, low: row.low, high: row.high },
    ...{ baseline: row.constant, examples: row.examples, loss: row.loss },
    ...{ updates: row.trained?.updates, batch: row.trained?.batch },
  });
  const ofText = (row: Pretrained) => ({
    ...common(row),
    ...{ task: TEXT, measure: BITS, score: row.heldout?.bitsPerCharacter, loss: row.heldout?.loss },
    ...{ low: row.heldout?.low.bitsPerCharacter, high: row.heldout?.high.bitsPerCharacter },
    ...{ updates: row.trained?.updates, batch: row.trained?.batch },
  });
  const rows: Readonly<Record<string, unknown>>[] = [
    ...pretrained.map(ofText),
    ...zeroShot.map(ofTask),
    ...finetuned.map(ofTask),
  ];
  return table(Object.fromEntries(runColumns.map((name) => [name, rows.map((row) => row[name] ?? null)])));
}

const runColumns = [
  ...["model", "positions", "start", "lambda", "seed", "task", "measure", "score", "low", "high"],
  ...["baseline", "examples", "loss", "updates", "batch"],
];

/** The name of the held-out text in tables; no task can have it. */
export const TEXT = "held-out text";
const BITS = "bits per character";

/** A measure of a task or of the held-out text. */
interface Measured {
  readonly where: string;
  /** Its name, for an arm. */
  readonly name: string;
  /** The unit of a difference. */
  readonly unit: string;
  readonly scale: Scale;
  /** Largest value of the scale, in this unit. */
  readonly whole: number;
  readonly margin: number;
}

const ofText: Measured = {
  ...{ where: TEXT, name: BITS, unit: BITS },
  ...{ scale: "amount", whole: 1, margin: MARGINS.bits },
};

function ofTask({ task, measure }: TaskRow): Measured {
  return {
    ...{ where: task, name: `${measure}, %`, unit: `points of ${measure}` },
    scale: measure === "accuracy" || measure === "f1" ? "share" : "correlation",
    ...{ whole: 100, margin: MARGINS.points },
  };
}

/** Bits per character of each held-out window, of which the mean is the score. */
function bitsByWindow({ heldout }: Pretrained): readonly number[] {
  const { bitsPerCharacter, loss, losses } = heldout!;
  return losses ? Array.from(losses, (nats) => nats * bitsPerCharacter / loss) : [bitsPerCharacter];
}

/** A task's score by clusters of its examples, in points. */
function pointsByCluster({ value, byCluster = Float64Array.of(value) }: TaskRow): readonly number[] {
  return Array.from(byCluster, (score) => 100 * score);
}

/** An arm's score over seeds and examples; the interval stays within the measure's values. */
function scoreOf(arm: string, rows: readonly (readonly number[])[], measured: Measured): ArmScore {
  const { where, name, scale, whole } = measured;
  const found = crossedMean(rows), share = found.mean / whole;
  const isWhole = scale === "share" && found.error === 0 && (share === 0 || share === 1); // All are right, or wrong.
  const [low, high] = isWhole
    ? clopperPearson(share * found.clusters, found.clusters)
    : intervalOf({ ...found, mean: share, error: found.error / whole }, scale);
  return {
    ...{ where, arm, unit: name, values: rows.map((row) => row.reduce((a, b) => a + b, 0) / row.length) },
    ...{ n: rows.length, mean: found.mean, low: whole * low, high: whole * high },
  };
}

/** A difference between arms, by seed and cluster. */
interface Contrast extends Measured {
  readonly difference: string;
  readonly rows: readonly (readonly number[])[];
}

/** What follows from differences, corrected for their number. */
function withFindings(contrasts: readonly Contrast[]): ArmDifference[] {
  const found = contrasts.map(({ rows }) => crossedMean(rows));
  const corrected = holm(found.map(pValue));
  const equal = holm(found.map((mean, i) => mean.error > 0 ? equivalenceP(mean, contrasts[i]!.margin) : NaN));
  return contrasts.map(({ where, difference, unit, rows, margin, scale, whole }, i): ArmDifference => {
    const { mean, clusters } = found[i]!, p = corrected[i]!;
    const most = scale === "amount" ? Infinity : scale === "share" ? whole : 2 * whole;
    const [low, high] = intervalOf(found[i]!).map((bound) => Math.max(-most, Math.min(most, bound)));
    return {
      ...{ where, difference, unit, n: rows.length, clusters, mean, low: low!, high: high!, p },
      detectable: detectable(found[i]!),
      finding: findingOf(found[i]!, p, equal[i]!, margin),
    };
  });
}

/** Interprets a difference. Equal differences, which a small test set can produce, are no proof. */
function findingOf({ mean, error }: Mean, p: number, equal: number, margin: number): string {
  if (Number.isNaN(error)) return "one seed cannot tell";
  if (p < 0.05) return mean > 0 ? "higher" : "lower";
  return equal < 0.05 ? `equal within ±${margin}` : "not distinguishable";
}

/** A difference, what follows from it, and what it rests on. */
function sentenceOf(effect: ArmDifference): string {
  const { where, difference, mean, unit, n, clusters, p, finding, detectable } = effect;
  const seeds = `${n} seed${n === 1 ? "" : "s"}${
    n > 1 && clusters === 1 ? " without the examples' noise" : ""
  }`;
  const unclear = finding === "not distinguishable" && !Number.isNaN(p);
  const evidence = unclear
    ? `: p = ${formatP(p)}, and 80 % power takes ±${rounded(detectable, detectable / 2)}`
    : finding === "higher" || finding === "lower"
    ? `, p ${p < 0.001 ? "< 0.001" : `= ${formatP(p)}`}`
    : "";
  return `${where}: ${difference} = ${mean > 0 ? "+" : ""}${
    formatEstimate(effect)
  } ${unit}, ${seeds}: ${finding}${evidence}`;
}

/** A p-value with two significant digits. */
function formatP(p: number): string {
  return p < 0.001 ? "<0.001" : String(Number(p.toPrecision(2)));
}

/** Whether a factor has several levels in these runs. */
function variesIn(runs: readonly Run[]): (factor: Factor) => boolean {
  return ({ level }) => new Set(runs.map(level).filter(Boolean)).size > 1;
}

function labelOf(run: Run, factors: readonly Factor[]): string {
  return factors.map(({ label }) => label(run)).filter(Boolean).join(", ");
}

/** Groups rows by a key, in the order of first appearance. */
function groups<R>(runs: readonly R[], key: (run: R) => string): [string, R[]][] {
  return [...Map.groupBy(runs, key)];
}

/** Differences between levels of each factor, with other factors fixed; paired by seed. */
function contrasts<R extends Run & { readonly seed: number }>(
  runs: readonly R[],
  factors: readonly Factor[],
  measuredOf: (run: R) => Measured,
  parts: (run: R) => readonly number[],
): Contrast[] {
  return factors.flatMap((factor) => {
    const others = factors.filter((other) => other !== factor);
    const context = (run: R) => [measuredOf(run).where, labelOf(run, others)].filter(Boolean).join(", ");
    return groups(runs, context).flatMap(([context, group]) => {
      const levels = groups(group.filter(factor.level), (run) => factor.label(run).replace(" =", ""));
      if (factor.name === "λ") levels.sort(([, [a]], [, [b]]) => b!.lambda! - a!.lambda!); // The effect of L1: λ − 0.
      const pairs = levels.flatMap((a, i) => levels.slice(i + 1).map((b) => [a, b] as const));
      const selected = factor.pairs === "all" ? pairs : pairs.filter(([a]) => a === levels[0]);
      return selected.flatMap(([[a, first], [b, second]]) => {
        const rows = first.flatMap((run) => {
          const partner = second.find(({ seed }) => seed === run.seed);
          if (!partner) return [];
          const other = parts(partner);
          return [parts(run).map((part, i) => part - other[i]!)];
        });
        if (rows.length === 0) return []; // These arms have no seed in common yet.
        return [{ ...measuredOf(first[0]!), where: context, difference: `${a} − ${b}`, rows }];
      });
    });
  });
}
