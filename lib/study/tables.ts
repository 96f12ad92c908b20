import { type ColumnTable, table } from "../arquero.ts";
import { InputError, isThenable, quoted } from "../errors.ts";
import { percent } from "../numbers.ts";
import type { NgramBaselines } from "../train/mod.ts";
import type { Finetuned, Pretrained, TaskResult } from "./rows.ts";
import { hasPositions } from "./settings.ts";
import { difference, type Estimate, estimate, formatEstimate, verdict } from "./statistics.ts";

/** The results of a study. 95 % confidence intervals are over seeds: of training variance, not of the test set. */
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

/** A paired difference between two arms, over seeds, for figures. */
export interface ArmDifference extends Estimate {
  /** A task's name, or `held-out text`, and the settings that both arms share. */
  readonly where: string;
  /** Both arms: `learned − sinusoidal`. */
  readonly difference: string;
  /** Unit. */
  readonly unit: string;
}

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
        "**Differences between arms, paired by seed** (intervals are 95 %, over seeds, not corrected for their number)",
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
  const ofText = factors.slice(0, 2).filter(variesIn(scored));
  const nameOf = (run: Run) => labelOf(run, ofText) || run.positions;
  const models = groups(scored, nameOf);
  const baselineRows = baselines ? baselineNames : [];
  const onText = (arm: string, values: number[]): ArmScore => ({
    ...{ where: TEXT, arm, unit: BITS, values },
    ...estimate(values),
  });
  const texts = [
    ...baselineRows.map(([key, model]) => onText(model, [baselines![key].bitsPerCharacter])),
    ...models.map(([model, runs]) => onText(model, runs.map(bits))),
  ];

  const zeroShotRows = pretrained.flatMap(({ zeroShot = [], model, positions, seed }) =>
    zeroShot.map((answer): TaskRow => ({ ...answer, model, positions, seed }))
  );
  const byTask = groups<TaskRow>([...finetuned, ...zeroShotRows], ({ task }) => task).flatMap(([, runs]) =>
    runs
  );
  const ofTasks = factors.filter(variesIn(byTask));
  const arms = groups(byTask, (run) => `${run.task}, ${labelOf(run, ofTasks)}`).map(([, runs]) => runs);
  const tasks = arms.map((runs): ArmScore => {
    const { task, measure, constant } = runs[0]!;
    const values = runs.map(points);
    const arm = labelOf(runs[0]!, ofTasks);
    return { where: task, arm, unit: `${measure}, %`, values, ...estimate(values), constant: 100 * constant };
  });
  const effects: ArmDifference[] = [
    ...baselineRows.slice(1).flatMap(([key, baseline]) =>
      models.map(([model, runs]) => ({
        ...{ where: TEXT, difference: `${model} − ${baseline}`, unit: BITS },
        ...estimate(runs.map((run) => bits(run) - baselines![key].bitsPerCharacter)),
      }))
    ),
    ...contrasts(scored, ofText, () => TEXT, bits, () => BITS),
    ...contrasts(byTask, ofTasks, ({ task }) => task, points, ({ measure }) => `points of ${measure}`),
  ];
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
      finding: effects.map(verdict),
    }),
    findings: effects.map((row) => {
      const sign = row.mean > 0 ? "+" : "";
      const seeds = row.n === 1 ? "1 seed" : `${row.n} seeds`;
      return `${row.where}: ${row.difference} = ${sign}${formatEstimate(row)} ${row.unit}, ${seeds}: ${
        verdict(row)
      }`;
    }),
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
const bits = ({ heldout }: Pretrained) => heldout!.bitsPerCharacter;
const points = ({ value }: TaskRow) => 100 * value;

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
  where: (run: R) => string,
  value: (run: R) => number,
  unit: (run: R) => string,
): ArmDifference[] {
  return factors.flatMap((factor) => {
    const others = factors.filter((other) => other !== factor);
    const context = (run: R) => [where(run), labelOf(run, others)].filter(Boolean).join(", ");
    return groups(runs, context).flatMap(([context, group]) => {
      const levels = groups(group.filter(factor.level), (run) => factor.label(run).replace(" =", ""));
      if (factor.name === "λ") levels.sort(([, [a]], [, [b]]) => b!.lambda! - a!.lambda!); // The effect of L1: λ − 0.
      const pairs = levels.flatMap((a, i) => levels.slice(i + 1).map((b) => [a, b] as const));
      const selected = factor.pairs === "all" ? pairs : pairs.filter(([a]) => a === levels[0]);
      return selected.flatMap(([[a, first], [b, second]]) => {
        const both = first.flatMap((run) => {
          const partner = second.find(({ seed }) => seed === run.seed);
          return partner ? [[value(run), value(partner)] as const] : [];
        });
        if (both.length === 0) return []; // These arms have no seed in common yet.
        const found = difference(both.map(([x]) => x), both.map(([, y]) => y));
        return [{ where: context, difference: `${a} − ${b}`, unit: unit(first[0]!), ...found }];
      });
    });
  });
}
