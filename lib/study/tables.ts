import { type ColumnTable, table } from "arquero";
import { InputError, isThenable, quoted } from "../errors.ts";
import { percent } from "../numbers.ts";
import type { NgramBaselines } from "../train/mod.ts";
import type { Answered, Finetuned, Pretrained } from "./rows.ts";
import { hasPositions } from "./settings.ts";
import { difference, type Estimate, estimate, formatEstimate, verdict } from "./statistics.ts";

/** What a study found. Intervals are 95 %, over seeds: they tell of training's chance, not of the test set's. */
export interface Study {
  /** Whether every run of it is in. */
  readonly complete: boolean;
  /** Why arms could not be finished; the others are not touched by it. */
  readonly failures: readonly string[];
  /** How many versions of the kit's code its models were trained by, where there are several. */
  readonly codes?: number;
  /** Results of the pre-training runs. */
  readonly pretrained: readonly Pretrained[];
  /** Results of the fine-tuning runs. */
  readonly finetuned: readonly Finetuned[];
  /** What models that count n-grams make of the same held-out text; absent where nothing was pre-trained. */
  readonly baselines?: NgramBaselines;
  /** Each arm's score on the held-out text, baselines first, then on each task. */
  readonly scores: readonly ArmScore[];
  /** Paired differences between arms that differ in one setting. */
  readonly effects: readonly ArmDifference[];
  /** Held-out bits per character: baselines, then an arm a row; no row where nothing was pre-trained. */
  readonly language: ColumnTable;
  /** Each task's primary measure on its test examples in %, an arm a row. */
  readonly table: ColumnTable;
  /** The effects as a table. */
  readonly differences: ColumnTable;
  /** The effects in words. */
  readonly findings: readonly string[];
}

/** The baselines in the order of their strength, and what tables call them. */
const baselineNames = [
  ["unigram", "unigram baseline"],
  ["bigram", "bigram baseline"],
  ["kneserNey", "Kneser–Ney baseline"],
] as const;

/** An arm's score, over seeds, as a figure wants it. */
export interface ArmScore extends Estimate {
  /** A task's name, or `held-out text`. */
  readonly where: string;
  /** The arm in words: what it differs in from others. */
  readonly arm: string;
  /** What is measured: bits per character, or a measure in percent. */
  readonly unit: string;
  /** One value a seed. */
  readonly values: readonly number[];
  /** What whoever gives all examples one answer scores, of a task. */
  readonly constant?: number;
}

/** A paired difference between two arms, over seeds, as a figure wants it. */
export interface ArmDifference extends Estimate {
  /** A task's name, or `held-out text`, and what both arms have in common. */
  readonly where: string;
  /** Both arms: `learned − sinusoidal`. */
  readonly difference: string;
  /** What is measured. */
  readonly unit: string;
}

/** A study as JSON, for whoever shows it: its tables as rows, its findings as sentences. */
export function studyJson(
  { complete, language, table, differences, findings }: Study,
): Readonly<Record<string, unknown>> {
  const rows = (table: ColumnTable) => table.objects();
  return { complete, language: rows(language), table: rows(table), differences: rows(differences), findings };
}

/**
 * A study in Markdown, for a terminal, a README or a notebook.
 *
 * @throws {InputError} If it is none.
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
        : `Cannot report on a study: expected what ablate gives: current value is ${quoted(study)}`,
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
    ...readings(study.finetuned).map((sentence) => `${sentence}.`),
    ...findings.length > 0
      ? [
        "**Differences between arms, paired by seed** (intervals are 95 %, over seeds, not corrected for their number)",
        findings.map((finding) => `- ${finding}`).join("\n"),
      ]
      : [],
  ].map((part) => part.trim()).join("\n\n") + "\n";
}

/** How much of each task's texts its models did not read as it is: scores are of what they read. */
function readings(finetuned: Study["finetuned"]): string[] {
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

/** What arms may differ in: a column of the tables, and words. */
interface Factor {
  readonly name: string;
  /** What a run has of it; nothing where there is no such choice. */
  level(run: Run): string;
  /** The same in a sentence. */
  words(run: Run): string;
  /** Which of its levels are compared with one another. */
  readonly pairs: "all" | "with the first";
}

type Run = Pick<Finetuned, "model" | "positions"> & Partial<Finetuned>;

/** A task done: after fine-tuning, or without, where there is neither λ nor a start. */
type Done = Answered & Run & Pick<Finetuned, "seed">;

const factors: readonly Factor[] = [
  factor("model", ({ model }) => model, "with the first"),
  factor("positions", ({ model, positions }) => hasPositions(model) ? positions : "", "all"),
  {
    ...factor("λ", ({ lambda }) => `${lambda ?? ""}`, "all"),
    words: ({ lambda }) => lambda === undefined ? "" : `λ = ${lambda}`,
  },
  factor("start", startOf, "with the first"),
];

function factor(name: string, level: Factor["level"], pairs: Factor["pairs"]): Factor {
  return { name, level, words: level, pairs };
}

/** Where fine-tuning began (Figure 2). */
function startOf({ transfer, layers }: Run): string {
  if (transfer === undefined) return "without fine-tuning";
  if (transfer === layers) return "pre-trained";
  return transfer === -1 ? "from scratch" : transfer === 0 ? "embeddings alone" : `${transfer} layers`;
}

/** Puts the results of runs into tables and sentences. */
export function studyOf(
  pretrained: readonly Pretrained[],
  finetuned: readonly Finetuned[],
  baselines: NgramBaselines | undefined,
  complete: boolean,
  failures: readonly string[] = [],
): Study {
  const readers = pretrained.filter(({ heldout }) => heldout);
  const ofText = factors.slice(0, 2).filter(variesIn(readers));
  const nameOf = (run: Run) => wordsOf(run, ofText) || run.positions;
  const models = groups(readers, nameOf);
  const counted = baselines ? baselineNames : [];
  const onText = (arm: string, values: number[]): ArmScore => ({
    ...{ where: TEXT, arm, unit: BITS, values },
    ...estimate(values),
  });
  const texts = [
    ...counted.map(([key, model]) => onText(model, [baselines![key].bitsPerCharacter])),
    ...models.map(([model, runs]) => onText(model, runs.map(bits))),
  ];

  const answered = pretrained.flatMap(({ zeroShot = [], model, positions, seed }) =>
    zeroShot.map((answer): Done => ({ ...answer, model, positions, seed }))
  );
  const byTask = groups<Done>([...finetuned, ...answered], ({ task }) => task).flatMap(([, runs]) => runs);
  const ofTasks = factors.filter(variesIn(byTask));
  const arms = groups(byTask, (run) => `${run.task}, ${wordsOf(run, ofTasks)}`).map(([, runs]) => runs);
  const tasks = arms.map((runs): ArmScore => {
    const { task, measure, constant } = runs[0]!;
    const values = runs.map(points);
    const arm = wordsOf(runs[0]!, ofTasks);
    return { where: task, arm, unit: `${measure}, %`, values, ...estimate(values), constant: 100 * constant };
  });
  const effects: ArmDifference[] = [
    ...counted.slice(1).flatMap(([key, baseline]) =>
      models.map(([model, runs]) => ({
        ...{ where: TEXT, difference: `${model} − ${baseline}`, unit: BITS },
        ...estimate(runs.map((run) => bits(run) - baselines![key].bitsPerCharacter)),
      }))
    ),
    ...contrasts(readers, ofText, () => TEXT, bits, () => BITS),
    ...contrasts(byTask, ofTasks, ({ task }) => task, points, ({ measure }) => `points of ${measure}`),
  ];
  return {
    complete,
    failures,
    pretrained,
    finetuned,
    ...baselines && { baselines },
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
      "one answer, %": tasks.map(({ constant }) => constant!.toFixed(1)),
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

/** Where scores of the held-out text stand; no task can have the name. */
export const TEXT = "held-out text";
const BITS = "bits per character";
const bits = ({ heldout }: Pretrained) => heldout!.bitsPerCharacter;
const points = ({ value }: Done) => 100 * value;

/** Whether a factor has several levels in these runs. */
function variesIn(runs: readonly Run[]): (factor: Factor) => boolean {
  return ({ level }) => new Set(runs.map(level).filter(Boolean)).size > 1;
}

function wordsOf(run: Run, factors: readonly Factor[]): string {
  return factors.map(({ words }) => words(run)).filter(Boolean).join(", ");
}

/** Rows by a key, in the order of first appearance. */
function groups<R>(runs: readonly R[], key: (run: R) => string): [string, R[]][] {
  return [...Map.groupBy(runs, key)];
}

/** Pairs of levels of each factor, while the others stay the same; paired by seed. */
function contrasts<R extends Run & { readonly seed: number }>(
  runs: readonly R[],
  factors: readonly Factor[],
  where: (run: R) => string,
  value: (run: R) => number,
  unit: (run: R) => string,
): ArmDifference[] {
  return factors.flatMap((factor) => {
    const others = factors.filter((other) => other !== factor);
    const held = (run: R) => [where(run), wordsOf(run, others)].filter(Boolean).join(", ");
    return groups(runs, held).flatMap(([held, group]) => {
      const levels = groups(group.filter(factor.level), (run) => factor.words(run).replace(" =", ""));
      if (factor.name === "λ") levels.sort(([, [a]], [, [b]]) => b!.lambda! - a!.lambda!); // What L1 adds: λ less 0.
      const pairs = levels.flatMap((a, i) => levels.slice(i + 1).map((b) => [a, b] as const));
      const wanted = factor.pairs === "all" ? pairs : pairs.filter(([a]) => a === levels[0]);
      return wanted.flatMap(([[a, first], [b, second]]) => {
        const both = first.flatMap((run) => {
          const twin = second.find(({ seed }) => seed === run.seed);
          return twin ? [[value(run), value(twin)] as const] : [];
        });
        if (both.length === 0) return []; // The study was stopped before these arms shared a seed.
        const found = difference(both.map(([x]) => x), both.map(([, y]) => y));
        return [{ where: held, difference: `${a} − ${b}`, unit: unit(first[0]!), ...found }];
      });
    });
  });
}
