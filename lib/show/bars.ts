import type { Data } from "npm:plotly.js-dist@4.1.1";
import { InputError, quoted } from "../errors.ts";
import { settle } from "../settings.ts";
import { checkNamed, checkNumbers, type Figure, figure } from "./figure.ts";
import {
  type Arm,
  armStyles,
  type AxisLabels,
  categoryAxis,
  checkIntervals,
  errorBars,
  formatEstimate,
  hasInterval,
  INK,
  labelSettings,
  layout,
  legendHeight,
  type PointEstimate,
  roundTo,
  wrapText,
} from "./style.ts";

/** A group of adjacent bars in {@linkcode bars}, such as those of one task. */
export interface BarGroup {
  /** Label of the group. */
  readonly name: string;
  /** One bar per arm. An arm may be missing from a group. */
  readonly bars: readonly Bar[];
  /** A reference value, such as the score of the majority baseline, drawn as a dotted line. */
  readonly baseline?: number;
}

/** A bar with its error bar; its arm determines its style. */
export interface Bar extends Arm, PointEstimate {}

/**
 * A grouped bar chart with error bars: a score for each task and arm. Arms differ in colour and hatching.
 *
 * @param groups The groups, from left to right
 * @param labels Title and axis labels, with units
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
export function bars(groups: readonly BarGroup[], labels: AxisLabels): Figure {
  settle("draw bars", labelSettings, labels);
  checkNamed("groups", groups);
  for (const { name, bars, baseline } of groups) {
    checkNamed(`bars of "${name}"`, bars);
    if (baseline !== undefined) checkNumbers(`the baseline of "${name}"`, [baseline]);
    checkNumbers(`bars of "${name}"`, bars.map(({ mean }) => mean));
    checkIntervals(`bars of "${name}"`, bars);
    const twice = bars.find((bar, i) => bars.findIndex((other) => other.name === bar.name) < i);
    if (twice) {
      throw new InputError(
        `Cannot draw bars of "${name}" as two are called ${
          quoted(twice.name)
        }: each arm needs a name of its own`,
      );
    }
  }
  const arms = groups.flatMap(({ bars }) => bars), names = [...new Set(arms.map(({ name }) => name))];
  const styles = armStyles(names.map((name) => arms.find((arm) => arm.name === name)!));
  const levels = groups.flatMap(({ baseline }, at) => baseline === undefined ? [] : [{ baseline, at }]);
  return figure(
    labels.title,
    [
      ...names.map((name, i): Data => {
        const { color, pattern } = styles[i]!;
        const own = groups.flatMap(({ bars }, at) =>
          bars.filter((bar) => bar.name === name).map((bar) => ({ ...bar, at }))
        ).sort((a, b) => Number(hasInterval(b)) - Number(hasInterval(a)));
        return {
          type: "bar",
          name: wrapText(name, 40),
          x: own.map(({ at }) => at),
          y: own.map(({ mean }) => roundTo(mean)),
          marker: {
            color,
            line: { color: INK, width: 1 },
            pattern: { shape: pattern, bgcolor: color, fgcolor: "white", size: 12, solidity: 0.25 },
          },
          error_y: errorBars(own, { color: INK, thickness: 2.5, width: 7 }),
        };
      }),
      ...(levels.length === 0 ? [] : [
        {
          type: "scatter",
          mode: "lines",
          name: "baseline",
          x: levels.flatMap(({ at }) => [at - 0.46, at + 0.46, null]),
          y: levels.flatMap(({ baseline }) => [roundTo(baseline), roundTo(baseline), null]),
          line: { color: "black", width: 3, dash: "dot" },
        } satisfies Data,
      ]),
    ],
    layout(labels, {
      showlegend: true,
      above: legendHeight([...names, ...(levels.length ? ["baseline"] : [])]),
      legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", traceorder: "normal" },
      bargap: names.length === 1 ? 0.5 : 0.2,
      xaxis: categoryAxis(groups.map(({ name }) => name)),
      yaxis: { rangemode: "tozero", zeroline: true, zerolinecolor: INK },
    }),
    {
      header: ["", "", labels.y, ...(levels.length ? ["baseline"] : [])],
      rows: groups.flatMap(({ name, bars, baseline }) => {
        const level = baseline === undefined ? "" : formatEstimate({ mean: baseline });
        return bars.map((bar) => [name, bar.name, formatEstimate(bar), ...(levels.length ? [level] : [])]);
      }),
    },
  );
}
