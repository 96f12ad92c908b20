import { settle } from "../settings.ts";
import { checkNamed, checkNumbers, type Figure, figure } from "./figure.ts";
import {
  armStyle,
  bounded,
  estimated,
  INK,
  layout,
  legendRoom,
  type Mean,
  named,
  seen,
  told,
  whiskers,
  type Words,
  wordsSettings,
  wrapped,
} from "./style.ts";

/** A group of bars that stand together in {@linkcode bars}: a task. */
export interface BarGroup {
  /** What they have in common. */
  readonly name: string;
  /** The bars: an arm each. An arm may be absent from a group. */
  readonly bars: readonly Bar[];
  /** A height to compare them with, such as the score of the best single answer; a dotted line. */
  readonly baseline?: number;
}

/** A bar with the interval of its height. */
export interface Bar extends Mean {
  /** The arm, which gives the bar its look. */
  readonly name: string;
}

/**
 * Bars in groups, with error bars: a score for each task and start. Arms are told by colour and hatching.
 *
 * @param groups The groups, from left to right
 * @param words Title and axes, with units
 * @returns The figure
 * @throws {InputError} If there is no group, a group has no bar, or a height is not a number
 *
 * @example
 * ```ts
 * import { bars } from "./mod.ts";
 *
 * const imdb = [{ name: "pre-trained", mean: 81.2, low: 80.4, high: 82.1 }, { name: "from scratch", mean: 77 }];
 * const figure = bars([{ name: "imdb", bars: imdb, baseline: 50 }], { title: "Scores", x: "task", y: "accuracy, %" });
 * console.log(String(figure));
 * ```
 */
export function bars(groups: readonly BarGroup[], words: Words): Figure {
  settle("draw bars", wordsSettings, words);
  checkNamed("groups", groups);
  for (const { name, bars, baseline } of groups) {
    checkNamed(`bars of "${name}"`, bars);
    if (baseline !== undefined) checkNumbers(`the baseline of "${name}"`, [baseline]);
    checkNumbers(`bars of "${name}"`, bars.map(({ mean }) => mean));
  }
  const names = [...new Set(groups.flatMap(({ bars }) => bars.map(({ name }) => name)))];
  const levels = groups.flatMap(({ baseline }, at) => baseline === undefined ? [] : [{ baseline, at }]);
  return figure(
    words.title,
    [
      ...names.map((name) => {
        const { color, pattern } = armStyle(name);
        const own = groups.flatMap(({ bars }, at) =>
          bars.filter((bar) => bar.name === name).map((bar) => ({ ...bar, at }))
        ).sort((a, b) => Number(bounded(b)) - Number(bounded(a)));
        return {
          type: "bar",
          name: wrapped(name, 40),
          x: own.map(({ at }) => at),
          y: own.map(({ mean }) => seen(mean)),
          marker: {
            color,
            line: { color: INK, width: 1 },
            pattern: { shape: pattern, bgcolor: color, fgcolor: "white", size: 12, solidity: 0.25 },
          },
          error_y: whiskers(own, { color: INK, thickness: 2.5, width: 7 }),
        };
      }),
      ...(levels.length === 0 ? [] : [{
        type: "scatter",
        mode: "lines",
        name: "baseline",
        x: levels.flatMap(({ at }) => [at - 0.46, at + 0.46, null]),
        y: levels.flatMap(({ baseline }) => [seen(baseline), seen(baseline), null]),
        line: { color: "black", width: 3, dash: "dot" },
      }]),
    ],
    layout(words, {
      showlegend: true,
      above: legendRoom([...names, ...(levels.length ? ["baseline"] : [])]),
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal" },
      bargap: names.length === 1 ? 0.5 : 0.2,
      xaxis: named(groups.map(({ name }) => name)),
      yaxis: { rangemode: "tozero", zeroline: true, zerolinecolor: INK },
    }),
    {
      header: ["", "", words.y, ...(levels.length ? ["baseline"] : [])],
      rows: groups.flatMap(({ name, bars, baseline }) => {
        const level = baseline === undefined ? "" : told(baseline);
        return bars.map((bar) => [name, bar.name, estimated(bar), ...(levels.length ? [level] : [])]);
      }),
    },
  );
}
