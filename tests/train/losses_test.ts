/** Losses along a run are means over blocks of updates, few however long it is, and know no interruption. */
import { isLossCurve, type LossCurve, noLosses, withLoss } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";

const curveOf = (losses: readonly number[], from: LossCurve = noLosses) => losses.reduce(withLoss, from);
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

Deno.test("a loss curve has the mean of each block of updates, at most 128", () => {
  const losses = Array.from({ length: 1000 }, (_, i) => 5 + Math.sin(i) + 3 / (1 + i));
  for (
    const [updates, every] of [[0, 1], [1, 1], [128, 1], [129, 2], [256, 2], [257, 4], [750, 8], [1000, 8]]
  ) {
    const some = losses.slice(0, updates), curve = curveOf(some);
    assertEquals([curve.updates, curve.every], [updates, every]);
    const blocks = Array.from(
      { length: Math.ceil(updates! / every!) },
      (_, i) => mean(some.slice(i * every!, (i + 1) * every!)),
    );
    assertClose(curve.means, blocks, `${updates} updates`, { relative: 1e-12 });
    assert(isLossCurve(curve, updates!) && !isLossCurve(curve, updates! - 1));
  }
});

Deno.test("a loss curve that was written, read and continued is bit for bit the unbroken one", () => {
  const losses = Array.from({ length: 700 }, (_, i) => Math.fround(9 * Math.abs(Math.cos(i * i))));
  const whole = curveOf(losses);
  for (const at of [0, 1, 127, 128, 129, 300, 511, 512, 513, 700]) {
    const read = JSON.parse(JSON.stringify(curveOf(losses.slice(0, at)))) as LossCurve;
    assertEquals(curveOf(losses.slice(at), read), whole, `interrupted after ${at}`);
  }
});

Deno.test("what cannot be a loss curve is none", () => {
  const curve = curveOf([3, 2, 1]);
  for (
    const wrong of [
      undefined,
      [],
      { ...curve, every: 3 },
      { ...curve, every: 0.5 },
      { ...curve, every: 2 },
      { ...curve, updates: 4 },
      { ...curve, updates: -1 },
      { ...curve, updates: 2.5 },
      { ...curve, means: [3, 2] },
      { ...curve, means: [3, 2, NaN] },
      { ...curve, means: [3, 2, "1"] },
      { ...curve, means: { length: 3 } },
      { every: 1, updates: 129, means: Array(129).fill(1) },
    ]
  ) assert(!isLossCurve(wrong, 1000), JSON.stringify(wrong));
});
