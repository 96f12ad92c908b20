import { settle } from "../settings.ts";
import { checkNamed, checkNumbers, checkSome, type Figure, figure } from "./figure.ts";
import {
  armStyle,
  estimated,
  layout,
  type Mean,
  named,
  seen,
  whiskers,
  type Words,
  wordsSettings,
} from "./style.ts";

/** An arm of a {@linkcode strip}: its values, and what they say together. */
export interface StripGroup extends Mean {
  /** The arm, which gives the dots their look. */
  readonly name: string;
  /** One value a seed. */
  readonly values: readonly number[];
}

/**
 * One dot a seed, with mean and interval beside the dots. The same seed has the same place in each arm, so that
 * pairs can be followed with the eye.
 *
 * @param groups The arms, from left to right
 * @param words Title and axes, with units
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
export function strip(groups: readonly StripGroup[], words: Words): Figure {
  settle("draw a strip", wordsSettings, words);
  checkNamed("arms", groups);
  for (const { name, values, mean } of groups) {
    checkSome(`values of "${name}"`, values);
    checkNumbers(`values of "${name}"`, values);
    checkNumbers(`the mean of "${name}"`, [mean]);
  }
  return figure(
    words.title,
    groups.flatMap((group, at) => {
      const { name, values, mean } = group;
      const { color, ink, symbol } = armStyle(name);
      const place = (seed: number) =>
        at - 0.12 + (values.length > 1 ? 0.24 * (seed / (values.length - 1) - 0.5) : 0);
      return [
        {
          type: "scatter",
          mode: "markers",
          name,
          x: values.map((_, seed) => seen(place(seed))),
          y: values.map((value) => seen(value)),
          marker: { color, symbol, size: 15, opacity: 0.85, line: { color: "white", width: 1 } },
        },
        {
          type: "scatter",
          mode: "markers",
          name: `${name}, mean`,
          x: [at + 0.2],
          y: [seen(mean)],
          marker: { color: ink, symbol: "line-ew", size: 26, line: { color: ink, width: 5 } },
          error_y: whiskers([group], { color: ink, thickness: 3, width: 8 }),
        },
      ];
    }),
    layout(words, {
      subtitle: "marks: one a seed; bars: mean and interval",
      xaxis: named(groups.map(({ name }) => name)),
    }),
    {
      header: ["", words.y, "n"],
      rows: groups.map((group) => [group.name, estimated(group), String(group.values.length)]),
    },
  );
}
