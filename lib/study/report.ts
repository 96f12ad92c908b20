import { table } from "../arquero.ts";
import { named } from "../errors.ts";
import { percent } from "../numbers.ts";
import { type Factor, factorLabel, labelOf, type Score, TEXT, varying } from "./effects.ts";
import type { Finetuned, Pretrained, StudyRun, TaskResult } from "./rows.ts";
import type { Level } from "./factors.ts";
import { factorLevels, isCausal, type StudySettings, tunedSettings } from "./settings.ts";
import type { Tried } from "./tuning.ts";

/** A run's score on a task or the held-out text, with the run. */
export interface RunScore extends Score {
  readonly row: StudyRun & Partial<TaskResult> & Partial<Pretrained> & Partial<Finetuned>;
}

/** What was chosen by validation, or that nothing was. */
export function tuningText(
  study: StudySettings,
  tried: readonly Tried[],
  choices: number,
  factors: readonly Factor[],
): string {
  if (!study.tune) {
    return "**No arm was tuned**: settings of training that are no factor are the same for all, and others may change " +
      "the differences.";
  }
  const { seeds } = study.tune, encoder = study.models.find((model) => !isCausal(model));
  const several = Object.entries(tunedSettings(study)).filter(([, levels]) => levels.length > 1);
  const per = study.tunePer ? `each level of ${study.tunePer.map(factorLabel).join(" and ")}` : "each arm";
  const at = Object.entries(study.tuneAt ?? {})
    .map(([name, levels]) => ` at ${factorLabel(name)} ${levels.join(" or ")}`).join("");
  const searches = ["pretrain", "finetune"].flatMap((group) => {
    const own = several.filter(([path]) => path.startsWith(`${group}.`));
    if (own.length === 0) return [];
    const settings = own.map(([path, levels]) => `${path} ${levels.join(", ")}`).join(" × ");
    return group === "pretrain"
      ? [
        `Pre-training: ${settings}, by the part of the held-out text that is not reported${
          encoder ? `; ${encoder} by its masked tokens, which no other model's score compares with` : ""
        }.`,
      ]
      : [
        `Fine-tuning: ${settings}, on the validation examples of each task${
          study.pretrained === undefined ? ", from the arm's own pre-trained models" : ""
        }.`,
      ];
  });
  if (searches.length === 0) return "**No arm was tuned**: each setting to tune has one value only.";
  const made = tried.filter(({ isChosen }) => isChosen).length;
  const by = study.tunedBy === undefined
    ? ""
    : `, by the study in ${named(study.tunedBy)}, on models of its own`;
  return [
    `**Tuning**${by}: ${per} has the same search${at}${at && ", whose choice serves all"}, with ${seeds} ${
      seeds === 1 ? "seed" : "seeds"
    } of its own. ` +
    `Bold is chosen: the first of what is equal within 0.002 bits or half a point. ${searches.join(" ")}` +
    (made < choices ? ` ${made} of ${choices} choices are made.` : ""),
    ...[tried.filter(({ task }) => task === undefined), tried.filter(({ task }) => task !== undefined)]
      .filter(({ length }) => length > 0).map((some) => searchTable(some, factors, study.margins)),
    ...searchNotes(tried, several),
  ].join("\n\n");
}

/** What a reader must know of choices: those of no setting that trains, and those beyond which nothing was tried. */
function searchNotes(
  tried: readonly Tried[],
  several: readonly (readonly [path: string, levels: readonly Level[]])[],
): string[] {
  const chosen = tried.filter(({ isChosen }) => isChosen),
    of = (count: number) => `${count} of ${chosen.length} choices`;
  const without = chosen.filter(({ mean }) => !Number.isFinite(mean)).length;
  const edges = several.flatMap(([path, levels]) => {
    if (levels.length < 3 || !levels.every((level) => typeof level === "number")) return [];
    return [Math.min(...levels), Math.max(...levels)].flatMap((edge) => {
      const count = chosen.filter(({ settings }) => settings[path] === edge).length;
      return count > 0 ? [`${path} ${edge} (${of(count)})`] : [];
    });
  });
  return [
    ...tried.some(({ stuck = 0 }) => stuck > 0)
      ? ["° with runs that did not leave chance on validation."]
      : [],
    ...without > 0 ? [`**With no setting did the runs of ${of(without)} train**: all of them diverged.`] : [],
    ...edges.length > 0
      ? [`At an edge of what was tried, beyond which there may be better: ${edges.join("; ")}.`]
      : [],
  ];
}

/** The validation score of each setting, by arm; what was chosen in bold, and drawn. */
function searchTable(
  tried: readonly Tried[],
  factors: readonly Factor[],
  margins: StudySettings["margins"],
): string {
  const nameOf = ({ settings }: Pick<Tried, "settings">) =>
    Object.entries(settings).map(([path, level]) => `${path.replace(/^\w+\./, "")} ${level}`).join(", ");
  const arms = [...Map.groupBy(tried, ({ task, levels }) => JSON.stringify([task, levels])).values()];
  const scoreOf = ({ task, mean, stuck = 0, isChosen }: Tried) => {
    const text = !Number.isFinite(mean)
      ? "diverged"
      : task === undefined
      ? mean.toFixed(3)
      : (100 * mean).toFixed(1);
    return (isChosen ? `**${text}**` : text) + (stuck > 0 ? "°" : "");
  };
  const own = varying(tried, factors); // Without the task, which stands first.
  const isText = tried[0]!.task === undefined, unit = isText ? "bits per character" : "%";
  const names = [...new Set(tried.map(nameOf))];
  const cells = arms.map((arm) => names.map((name) => arm.find((one) => nameOf(one) === name)));
  // A drawing for each combination of the settings but the one with the most levels.
  const { settings } = tried[0]!,
    levelsOf = (path: string) => new Set(tried.map((one) => one.settings[path])).size;
  const along = Object.keys(settings).reduce((one, path) => levelsOf(path) > levelsOf(one) ? path : one);
  const others = new Map(tried.map((one) => {
    const { [along]: _, ...others } = one.settings;
    return [nameOf(one), nameOf({ settings: others })] as const;
  }));
  const drawings = [...Map.groupBy(names.keys(), (i) => others.get(names[i]!)!)];
  const goodness = (one: Tried | undefined) => (isText ? -1 : 1) * (one?.mean ?? NaN);
  return table({
    [`validation, ${unit}`]: arms.map(([first]) =>
      [first!.task, labelOf(first!.levels, own)].filter(Boolean).join(", ")
    ),
    ...Object.fromEntries(
      names.map((name, i) => [name, cells.map((arm) => arm[i] === undefined ? "" : scoreOf(arm[i]))]),
    ),
    [["taller bar is better", ...drawings.map(([name]) => name).filter(Boolean)].join("; ")]: cells.map(
      (arm) => {
        const bars = barsOf(arm.map(goodness), isText ? margins.bits : margins.points / 100);
        return drawings.map(([, places]) => places.map((i) => bars[i]).join("")).join(" ");
      },
    ),
  }).toMarkdown();
}

/**
 * Numbers as bars, the largest as the highest, and those that differ by less than a margin as hardly different; one that
 * is not finite is a dot.
 */
function barsOf(values: readonly number[], margin: number): string[] {
  const BARS = [..."▁▂▃▄▅▆▇█"];
  const finite = values.filter(Number.isFinite), most = Math.max(...finite);
  const range = Math.max(most - Math.min(...finite), margin);
  return values.map((value) =>
    Number.isFinite(value) ? BARS[Math.round(7 * (1 - (most - value) / range))]! : "·"
  );
}

/** Notes on tasks that have fewer training examples than an arm asked for. */
export function sizeNotes(finetuned: readonly Finetuned[], study: StudySettings): string[] {
  const asked = factorLevels(study)["trainExamples"] ?? [study.trainExamples];
  return [...Map.groupBy(finetuned, ({ task }) => task)].flatMap(([task, runs]) => {
    const most = Math.max(...runs.map(({ trained }) => trained?.examples ?? Infinity));
    const beyond = asked.filter((level) => typeof level === "number" && level > most);
    if (beyond.every((level) => level === Infinity)) return [];
    const number = (level: Level) => level === Infinity ? "all" : level.toLocaleString("en-US");
    const arms = `arms of ${beyond.map(number).join(" and ")}`;
    const which = beyond.length > 1 ? `${arms} are one` : `${arms} have these`;
    return [`Of ${task} there are ${number(most)} training examples: ${which}`];
  });
}

/** Notes on truncated texts and unknown tokens of each task. */
export function truncationNotes(finetuned: readonly Finetuned[]): string[] {
  return [...Map.groupBy(finetuned, ({ task }) => task)].flatMap(([task, runs]) => {
    const known = runs.filter(({ texts }) => texts !== undefined); // Arms may differ in context, words or tokenizer.
    if (!known.some(({ cut, unknown = 0 }) => cut > 0 || unknown >= 5e-4)) return [];
    const rangeOf = (values: readonly number[], format: (value: number) => string) =>
      [...new Set([Math.min(...values), Math.max(...values)].map(format))].join(" to ");
    const whole = known.map(({ texts }) => texts!), unknown = known.map(({ unknown = 0 }) => unknown);
    return [
      `Of ${task}, ${rangeOf(known.map(({ cut }) => cut), String)} of ${
        rangeOf(whole, String)
      } texts were cut to fit the context, and ${rangeOf(unknown, percent)} of tokens are \`<unk>\``,
    ];
  });
}

/** How much the models of each task were trained. */
export function budgetNotes(arms: readonly (readonly RunScore[])[]): string[] {
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
