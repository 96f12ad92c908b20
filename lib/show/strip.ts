import type { Data } from "npm:plotly.js-dist@4.1.1";
import { settle } from "../settings.ts";
import { checkLength, checkNamed, checkNumbers, checkSome, type Figure, figure } from "./figure.ts";
import {
  type Arm,
  armStyles,
  type AxisLabels,
  categoryAxis,
  errorBars,
  formatEstimate,
  labelSettings,
  layout,
  type PointEstimate,
  roundTo,
} from "./style.ts";

/** An arm of a {@linkcode strip}: its values, their mean and its confidence interval. */
export interface StripGroup extends Arm, PointEstimate {
  /** One value per seed. */
  readonly values: readonly number[];
  /** Their seeds, by which points are placed. Default: 1, 2, …. */
  readonly seeds?: readonly number[];
}

/**
 * A strip plot: one point per seed, with the mean and its confidence interval beside the points. A seed has the same
 * horizontal offset in each arm, so that pairs are visible.
 *
 * @param groups The arms, from left to right
 * @param labels Title and axis labels, with units
 * @returns The figure
 * @throws {InputError} If there is no arm, an arm has no value, or a value or mean is not a number
 *
 * @example
 * ```ts
 * import { strip } from "./mod.ts";
 *
 * const arm = { name: "learned", values: [2.101, 2.112, 2.11], mean: 2.108, low: 2.092, high: 2.123 };
 * console.log(String(strip([arm], { title: "Held-out text", x: "positions", y: "bits per character" })));
 * ```
 */
export function strip(groups: readonly StripGroup[], labels: AxisLabels): Figure {
  settle("draw a strip", labelSettings, labels);
  checkNamed("arms", groups);
  for (const { name, values, mean } of groups) {
    checkSome(`values of "${name}"`, values);
    checkNumbers(`values of "${name}"`, values);
    checkNumbers(`the mean of "${name}"`, [mean]);
  }
  const styles = armStyles(groups);
  for (const { name, values, seeds } of groups) {
    if (seeds?.length) checkLength(`seeds of "${name}"`, seeds, "values", values.length);
  }
  const seedsOf = ({ values, seeds }: StripGroup) => seeds?.length ? seeds : values.map((_, i) => i + 1);
  const seeds = [...new Set(groups.flatMap(seedsOf))].sort((a, b) => a - b); // One is at the same place in each arm.
  return figure(
    labels.title,
    groups.flatMap((group, at): Data[] => {
      const { name, values, mean } = group;
      const { color, ink, symbol } = styles[at]!;
      const position = (seed: number) =>
        at - 0.12 + (seeds.length > 1 ? 0.24 * (seeds.indexOf(seed) / (seeds.length - 1) - 0.5) : 0);
      return [
        {
          type: "scatter",
          mode: "markers",
          name,
          x: seedsOf(group).map((seed) => roundTo(position(seed))),
          y: values.map((value) => roundTo(value)),
          marker: { color, symbol, size: 15, opacity: 0.85, line: { color: "white", width: 1 } },
        },
        {
          type: "scatter",
          mode: "markers",
          name: `${name}, mean`,
          x: [at + 0.2],
          y: [roundTo(mean)],
          marker: { color: ink, symbol: "line-ew", size: 26, line: { color: ink, width: 5 } },
          error_y: errorBars([group], { color: ink, thickness: 3, width: 8 }),
        },
      ];
    }),
    layout(labels, {
      subtitle: "points: one per seed; bars: mean and confidence interval",
      xaxis: categoryAxis(groups.map(({ name }) => name)),
    }),
    {
      header: ["", labels.y, "n"],
      rows: groups.map((group) => [group.name, formatEstimate(group), String(group.values.length)]),
    },
  );
}
