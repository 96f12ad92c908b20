import { dropoutFactors, keyOf, normals, permutation, threefry, uniforms } from "../../lib/engine/mod.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import { reference } from "../reference.ts";

Deno.test("Threefry gives the published answers", () => {
  for (const { key, counter: [c0, c1], words } of reference.threefry.knownAnswers) {
    assertEquals([...threefry(key, c0, c1)], words);
  }
});

Deno.test("dropout masks are the reference's, whatever their size", () => {
  for (const { seed, update, site, shape, rate, kept, factor } of reference.threefry.masks) {
    const count = shape.reduce((a, b) => a * b, 1);
    const factors = dropoutFactors(threefry([seed, 0], update, site), count, rate);
    assertClose(factors, kept.map((keep) => keep * factor), "mask", { relative: 1e-6 });
  }
});

Deno.test("streams of different names, numbers and seeds are unrelated", () => {
  const streams = [
    keyOf(1),
    keyOf(2),
    keyOf(1, "a"),
    keyOf(1, "b"),
    keyOf(1, 0),
    keyOf(1, "a", 1),
    keyOf(1, 1, "a"),
  ];
  const draws = streams.map((key) => uniforms(key, 1000));
  draws.forEach((a, i) =>
    draws.slice(i + 1).forEach((b) => {
      const product = a.reduce((sum, x, j) => sum + (x - 0.5) * (b[j]! - 0.5), 0) / 1000 * 12;
      assert(Math.abs(product) < 5 / Math.sqrt(1000), `correlation ${product}`);
    })
  );
});

Deno.test("normal draws have the moments of the normal distribution", () => {
  const n = 100_000;
  const draws = normals(keyOf(3, "moments"), n, 1);
  const moment = (power: number) => draws.reduce((sum, x) => sum + x ** power, 0) / n;
  // Five standard errors each; the variances of x, x², x³, x⁴ are 1, 2, 15, 96.
  [[1, 0, 1], [2, 1, 2], [3, 0, 15], [4, 3, 96]].forEach(([power, mean, variance]) => {
    assert(
      Math.abs(moment(power!) - mean!) < 5 * Math.sqrt(variance! / n),
      `moment ${power} is ${moment(power!)}`,
    );
  });
});

Deno.test("a permutation holds every number once, and every place is as likely", () => {
  const counts = new Float64Array(36);
  for (let i = 0; i < 6000; i++) {
    const order = permutation(keyOf(i, "p"), 6);
    assertEquals([...order].sort(), [0, 1, 2, 3, 4, 5]);
    order.forEach((value, place) => counts[6 * place + value]!++);
  }
  for (const count of counts) {
    assert(Math.abs(count - 1000) < 5 * Math.sqrt(6000 * 5 / 36), `${count} of 1000`);
  }
});
