import { type ColumnTable, table } from "arquero";
import type { NgramBaselines } from "../train/mod.ts";
import type { Finetuned, Pretrained } from "./arm.ts";
import { difference, type Estimate, estimate, shown, verdict } from "./statistics.ts";

/** What a study found. Intervals are 95 %, over seeds: they tell of training's chance, not of the test set's. */
export interface Study {
  /** Whether every run of it is in. */
  readonly complete: boolean;
  /** Why arms could not be finished; the others are not touched by it. */
  readonly failures: readonly string[];
  /** Results of the pre-training runs. */
  readonly pretrained: readonly Pretrained[];
  /** Results of the fine-tuning runs. */
  readonly finetuned: readonly Finetuned[];
  /** What models that count n-grams make of the same held-out text. */
  readonly baselines: NgramBaselines;
  /** Held-out bits per character: baselines, then an arm a row. */
  readonly language: ColumnTable;
  /** Test accuracy in %, an arm a row. */
  readonly table: ColumnTable;
  /** Paired differences between arms that differ in one setting. */
  readonly differences: ColumnTable;
  /** The differences in words. */
  readonly findings: readonly string[];
}

/** The baselines in the order of their strength, and what tables call them. */
const baselineNames = [
  ["unigram", "unigram baseline"],
  ["bigram", "bigram baseline"],
  ["kneserNey", "Kneser–Ney baseline"],
] as const;

interface Row extends Estimate {
  readonly held: string;
  readonly comparison: string;
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
 * @example
 * ```ts ignore
 * import { ablate, report } from "../mod.ts";
 *
 * console.log(report(await ablate({ seeds: 3 })));
 * ```
 */
export function report({ language, table, findings }: Study): string {
  return [
    "**Held-out text, bits per character**",
    language.toMarkdown(),
    "**Test accuracy**",
    table.toMarkdown(),
    "**Differences between arms, paired by seed** (intervals are 95 %, over seeds, not corrected for their number)",
    findings.map((finding) => `- ${finding}`).join("\n"),
  ].map((part) => part.trim()).join("\n\n") + "\n";
}

/** Puts the results of runs into tables and sentences. */
export function studyOf(
  pretrained: readonly Pretrained[],
  finetuned: readonly Finetuned[],
  baselines: Study["baselines"],
  complete: boolean,
  failures: readonly string[] = [],
): Study {
  const language = [
    ...baselineNames.map(([key, model]) => ({ model, ...estimate([baselines[key].bitsPerCharacter]) })),
    ...groups(pretrained, ({ positions }) => positions)
      .map(([positions, runs]) => ({ model: positions, ...estimate(runs.map(bits)) })),
  ];
  const byTask = groups(finetuned, ({ task }) => task).flatMap(([, runs]) => runs);
  const arms = groups(byTask, ({ task, positions, lambda }) => `${task}|${positions}|${lambda}`)
    .map(([, runs]) => ({ arm: runs[0]!, ...estimate(runs.map(accuracy)) }));
  const rows: Row[] = [
    ...baselineNames.slice(1).flatMap(([key, model]) =>
      groups(pretrained, ({ positions }) => positions).map(([positions, runs]) => ({
        held: "held-out text",
        comparison: `${positions} − ${model}`,
        unit: "bits per character",
        ...estimate(runs.map((run) => bits(run) - baselines[key].bitsPerCharacter)),
      }))
    ),
    ...contrasts(pretrained, () => "held-out text", ({ positions }) => positions, bits, "bits per character"),
    ...contrasts(
      byTask,
      ({ task, lambda }) => `${task}, λ = ${lambda}`,
      ({ positions }) => positions,
      accuracy,
      "points of accuracy",
    ),
    ...contrasts(
      byTask.toSorted((a, b) => b.lambda - a.lambda), // What the auxiliary objective adds: λ less 0.
      ({ task, positions }) => `${task}, ${positions}`,
      ({ lambda }) => `λ ${lambda}`,
      accuracy,
      "points of accuracy",
    ),
  ];
  return {
    complete,
    failures,
    pretrained,
    finetuned,
    baselines,
    language: table({
      model: language.map(({ model }) => model),
      n: language.map(({ n }) => n),
      "bits per character [95 %]": language.map((row) => shown(row)),
    }),
    table: table({
      task: arms.map(({ arm }) => arm.task),
      positions: arms.map(({ arm }) => arm.positions),
      λ: arms.map(({ arm }) => String(arm.lambda)),
      n: arms.map(({ n }) => n),
      "majority, %": arms.map(({ arm }) => (100 * arm.majority).toFixed(1)),
      "accuracy, % [95 %]": arms.map((row) => shown(row)),
    }),
    differences: table({
      where: rows.map(({ held }) => held),
      difference: rows.map(({ comparison }) => comparison),
      n: rows.map(({ n }) => n),
      "mean [95 %]": rows.map((row) => shown(row)),
      unit: rows.map(({ unit }) => unit),
      finding: rows.map(verdict),
    }),
    findings: rows.map((row) => {
      const sign = row.mean > 0 ? "+" : "";
      const seeds = row.n === 1 ? "1 seed" : `${row.n} seeds`;
      return `${row.held}: ${row.comparison} = ${sign}${shown(row)} ${row.unit}, ${seeds}: ${verdict(row)}`;
    }),
  };
}

const bits = ({ heldout }: Pretrained) => heldout.bitsPerCharacter;
const accuracy = ({ accuracy }: Finetuned) => 100 * accuracy;

/** Rows by a key, in the order of first appearance. */
function groups<R>(runs: readonly R[], key: (run: R) => string): [string, R[]][] {
  return [...Map.groupBy(runs, key)];
}

/** Every pair of levels of one setting, while `held` tells what stays the same; paired by seed. */
function contrasts<R extends { readonly seed: number }>(
  runs: readonly R[],
  held: (run: R) => string,
  level: (run: R) => string,
  value: (run: R) => number,
  unit: string,
): Row[] {
  return groups(runs, held).flatMap(([where, group]) => {
    const levels = groups(group, level);
    return levels.flatMap(([a, first], i) =>
      levels.slice(i + 1).flatMap(([b, second]) => {
        const pairs = first.flatMap((run) => {
          const twin = second.find(({ seed }) => seed === run.seed);
          return twin ? [[value(run), value(twin)] as const] : [];
        });
        if (pairs.length === 0) return []; // The study was stopped before these arms shared a seed.
        const both = difference(pairs.map(([x]) => x), pairs.map(([, y]) => y));
        return [{ held: where, comparison: `${a} − ${b}`, unit, ...both }];
      })
    );
  });
}
