import * as tf from "../lib/tfjs.ts";
import { assert, assertClose, assertEquals } from "./assert.ts";

await tf.setBackend("cpu");

type Op = (x: tf.Tensor, y: tf.Tensor) => tf.Tensor;

const row = (x: tf.Tensor) => x.slice([0, 0], [1, 3]); // Which is broadcast.

/** Operations with a gradient of their own, by kernel. */
const cases: Readonly<Record<string, Op>> = {
  Add: (x, y) => x.add(row(y)).mul(y),
  Sub: (x, y) => row(x).sub(y).mul(x),
  Multiply: (x, y) => x.mul(row(y)),
  RealDiv: (x, y) => x.div(row(y)),
  Neg: (x) => x.neg().mul(x),
  Square: (x) => x.square(),
  Sqrt: (x) => x.sqrt(),
  Rsqrt: (x) => x.rsqrt(),
  Exp: (x) => x.exp(),
  Log: (x) => x.log(),
  Tanh: (x) => x.tanh(),
  Sigmoid: (x) => x.sigmoid(),
  Relu: (x, y) => x.sub(y).relu(),
  Abs: (x, y) => x.sub(y).abs(),
  Cast: (x, y) => tf.cast(x, "float32").mul(y),
  Sum: (x, y) => x.sum(1, true).mul(y),
  Mean: (x, y) => x.mean(0).mul(y),
  Max: (x, y) => x.max(1).mul(y.sum(1)),
  Softmax: (x, y) => x.softmax().mul(y),
  BatchMatMul: (x, y) =>
    x.matMul(y, false, true).matMul(x).matMul(x.matMul(y, true)).matMul(x.matMul(y.transpose(), true, true)),
  Reshape: (x, y) => x.reshape([3, 2]).mul(y.flatten().reshape([3, 2])),
  ExpandDims: (x, y) => x.expandDims(1).mul(y),
  Transpose: (x, y) => x.transpose().matMul(y),
  Slice: (x, y) => x.slice([0, 1], [2, 2]).mul(y.slice([0, 0], [2, 2])),
  Concat: (x, y) => x.concat(y, 1).mul(y.concat(x, 1).square()),
  SplitV: (x, y) => x.split([1, 2], 1)[1]!.mul(y.split([2, 1], 1)[0]!),
  Pack: (x, y) => x.stack([y], 1).square(),
  Unpack: (x, y) => tf.unstack(x, 1)[1]!.mul(tf.unstack(y, 1)[2]!),
};

Deno.test("each gradient is that of differences", () => {
  const values = [[0.7, 1.3, 0.4, 1.1, 0.6, 0.9], [1.2, 0.5, 0.8, 0.3, 1.4, 1.0]];
  const make = (row: readonly number[]) => tf.tensor2d([...row], [2, 3]);
  for (const [kernel, op] of Object.entries(cases)) {
    assert(tf.getGradient(kernel), kernel);
    const total = (x: readonly number[], y: readonly number[]) => op(make(x), make(y)).sum().dataSync()[0]!;
    const found = tf.grads((x, y) => op(x!, y!).sum().add(x!.mul(0).sum()).add(y!.mul(0).sum()) as tf.Scalar)(
      values.map(make),
    );
    values.forEach((own, which) => {
      const expected = own.map((_, i) => {
        const moved = (by: number) => values.map((row, k) => k === which ? row.with(i, row[i]! + by) : row);
        const [up, down] = [moved(2e-3), moved(-2e-3)];
        return (total(up[0]!, up[1]!) - total(down[0]!, down[1]!)) / 4e-3;
      });
      assertClose(found[which]!.dataSync(), expected, `${kernel}, input ${which}`, { relative: 2e-3 });
    });
  }
});

Deno.test("operations are methods of tensors, and what a tensor has by itself stays", () => {
  const x = tf.tensor1d([3, 1, 2]);
  assertEquals([...x.where(x.greater(1), tf.zerosLike(x)).dataSync()], [3, 0, 2]);
  assertEquals(x.argMax().dataSync()[0], 0);
  assertEquals([...x.clone().dataSync()], [3, 1, 2]);
});

Deno.test("packages that require modules load beside tfjs, whichever comes first", async () => {
  const code = `import "${new URL(
    "../lib/tfjs.ts",
    import.meta.url,
  )}"; import { JSDOM } from "npm:jsdom@31.0.1"; new JSDOM();`;
  const { success } = await new Deno.Command(Deno.execPath(), { args: ["eval", code] }).output();
  assert(success);
});
