import { fileURLToPath } from "node:url";
import { searchesFor } from "../../lib/study/published.ts";
import type { StudyOptions } from "../../lib/study/mod.ts";
import { settleOptions } from "../../lib/study/settings.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import { compared, type Contrast, repeated, repetition, repetitionReport } from "./repetition.ts";

const folder = fileURLToPath(new URL("../../data/studies", import.meta.url));

/** A contrast whose interval has this half. */
const contrast = (mean: number, half: number, finding = "higher", p = 0.01): Contrast => ({
  ...{ name: "L1", unit: "points of accuracy", mean, low: mean - half, high: mean + half, p, finding },
});

Deno.test("a repeated contrast agrees if zero is in the interval of the change; what reverses or leaves its margin is told", () => {
  const verdict = (first: Contrast, again: Contrast) => {
    const { agrees, reverses, leaves } = compared(first, again);
    return [agrees, reverses, leaves];
  };
  const { change, half } = compared(contrast(5, 3), contrast(1, 4));
  assertClose([change, half], [-4, 5], "change");
  assertEquals(verdict(contrast(5, 3), contrast(0.5, 4)), [true, false, false]);
  assertEquals(verdict(contrast(5, 3), contrast(-0.5, 4)), [false, true, false]);
  assertEquals(verdict(contrast(5, 9, "not significant", 0.2), contrast(-0.5, 4)), [true, false, false]);
  const equal = contrast(0.5, 1, "equal within ±2", 1);
  assertEquals(verdict(equal, contrast(-1.9, 2.3)), [true, false, false]);
  assertEquals(verdict(equal, contrast(2.1, 1.3)), [true, false, true]);
  const within = contrast(0.9, 0.5, "higher, within ±2");
  const stays = (first: Contrast, again: Contrast) => {
    const { isEqual, leaves, staysEqual } = compared(first, again);
    return [isEqual, leaves, staysEqual];
  };
  assertEquals(stays(within, equal), [true, false, true]);
  assertEquals(stays(within, contrast(0.5, 9, "not significant", 0.9)), [true, false, false]);
  assertEquals(stays(contrast(5, 3), equal), [false, false, false]);
  const report = repetitionReport([compared(equal, contrast(2.1, 1.3))]);
  assertEquals(
    report.split("\n").find((line) => line.startsWith("| L1")),
    "| L1 | points of accuracy | 0.5 [−0.5, 1.5] | equal within ±2 | 2.1 [0.8, 3.4] | higher | 1.6 ± 1.6 | yes |",
  );
  assertEquals(report.split("\n").slice(-8, -1), [
    "- Agreeing: 1 of 1.",
    "- Of one seed again, as the others' runs did not leave chance: none.",
    "- Significant first, of the other sign again: none.",
    "- Significant first, not again: none.",
    "- Significant again, not first: L1.",
    "- Equal within the margin first: L1; with a mean outside of it again: L1; equal within it again: none.",
    "- Not made again yet: P1, P4, P5, L2, L3, L4, T2, T3, T4.",
  ]);
  const single = repetitionReport([compared(contrast(5, 3), contrast(5.04, NaN))]);
  assert(
    single.includes("| 5.0 [2.0, 8.0] | higher | 5.0, no interval | higher | 0.0 | **no interval** |"),
    single,
  );
  assert(
    single.includes(
      "- Agreeing: 0 of 1.\n- Of one seed again, as the others' runs did not leave chance: L1.",
    ),
    single,
  );
});

Deno.test("the plan names the contrasts that are repeated, and the report is made from their studies", async () => {
  const plan = await Deno.readTextFile(`${folder}/PLAN.md`);
  const [, section = ""] = /^## Repetition$(.*?)^## /ms.exec(plan) ?? [];
  assertEquals(section.match(/\b[A-Z]\d+\b/g), Object.values(repeated).flat());
  const report = await Deno.readTextFile(`${folder}/repetition.md`).catch(() => undefined);
  if (report !== undefined) assertEquals(report, repetitionReport(await repetition(folder)));
});

Deno.test("plans that repeat a study still have its settings, whatever defaults have changed since", async () => {
  const plans = new URL("../../data/plans/", import.meta.url);
  let repeated = 0;
  for (const { name } of Deno.readDirSync(plans)) {
    const plan = JSON.parse(Deno.readTextFileSync(new URL(name, plans))) as StudyOptions;
    if (plan.tunedBy === undefined) continue;
    const first = fileURLToPath(new URL(`../../${plan.tunedBy}`, import.meta.url));
    await searchesFor(settleOptions(plan), {}, first); // It refuses what was set otherwise.
    repeated++;
  }
  assert(repeated >= 3, `only ${repeated}`);
});
