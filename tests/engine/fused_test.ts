import * as tf from "../../lib/tfjs.ts";
import { evaluate } from "../../lib/engine/cases.ts";
import { findBlas } from "../../lib/engine/blas.ts";
import { type GemmOptions, installGemm } from "../../lib/engine/gemm.ts";
import * as engine from "../../lib/engine/mod.ts";
import {
  backend,
  type BackendName,
  dropoutFactors,
  type DropoutMask,
  keyOf,
  type Linear,
  type Norm,
  normals,
  words,
} from "../../lib/engine/mod.ts";
import { wasmContext } from "../../lib/engine/operation.ts";
import { adamReference } from "../../lib/engine/ops/adam.ts";
import { attentionReference } from "../../lib/engine/ops/attention.ts";
import { tiedCrossEntropyReference } from "../../lib/engine/ops/cross-entropy.ts";
import { dropoutReference, stackedDropoutReference } from "../../lib/engine/ops/dropout.ts";
import { embeddingReference } from "../../lib/engine/ops/embedding.ts";
import { normReference } from "../../lib/engine/ops/global-norm.ts";
import { linearGeluReference } from "../../lib/engine/ops/linear-gelu.ts";
import { linearReference } from "../../lib/engine/ops/linear.ts";
import { lstmReference } from "../../lib/engine/ops/lstm.ts";
import cases from "../../lib/engine/ops/mod.ts";
import { layerNormReference, residualNormReference } from "../../lib/engine/ops/norm.ts";
import { rotaryReference } from "../../lib/engine/ops/rotary.ts";
import type { WasmBackend } from "../../lib/engine/wasm-memory.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";
import { lossesOf } from "./updates.ts";

/** The references, by the names of the operations. */
const reference = {
  adam: adamReference,
  attention: attentionReference,
  dropout: dropoutReference,
  embedding: embeddingReference,
  layerNorm: layerNormReference,
  linear: linearReference,
  linearGelu: linearGeluReference,
  lstm: lstmReference,
  norm: normReference,
  residualNorm: residualNormReference,
  rotary: rotaryReference,
  stackedDropout: stackedDropoutReference,
  tiedCrossEntropy: tiedCrossEntropyReference,
};

type Operations = typeof reference;

/** Every matrix multiplication that works here, which the passes between differ with, too; alone, and divided. */
const uses: Required<GemmOptions>[] = [
  { use: "simd", threads: 1 },
  { use: "simd", threads: 3 },
  { use: "relaxed", threads: 2 },
];
if (await findBlas()) uses.push({ use: "blas", threads: 2 });

/** The operations, which are computed by their fused implementations then. */
async function fusedWith(options: GemmOptions): Promise<Operations> {
  await backend("wasm", { threads: 1 });
  await installGemm(options);
  assert(wasmContext());
  return engine;
}

/** Random numbers of a shape; the same name gives the same numbers. */
function draw(name: string, shape: number[], deviation = 1): tf.Tensor {
  return tf.tensor(normals(keyOf(1, name), tf.util.sizeFromShape(shape), deviation), shape);
}

function ids(name: string, count: number, below: number): Int32Array {
  return Int32Array.from(words(keyOf(1, name), count), (word) => word % below);
}

const masks: (DropoutMask | undefined)[] = [
  undefined,
  { rate: 0, key: [1, 2] },
  { rate: 0.1, key: [7, 2 ** 32 - 1] },
  { rate: 0.5, key: keyOf(3) },
];

type Op = (...inputs: tf.Tensor[]) => tf.Tensor;

/** Values of an operation and of its inputs' gradients, for a random gradient of the result. */
function measure(op: Op, inputs: tf.Tensor[], weigh = (y: tf.Tensor) => draw("dy", y.shape)) {
  return tf.tidy(() => {
    const bare = op(...inputs).dataSync();
    const value = op(...inputs);
    const gradients = tf.grads((...xs: tf.Tensor[]) => op(...xs).mul(weigh(value)).sum())(inputs);
    return {
      bare,
      shape: value.shape,
      gradients: gradients.map((g) => ({ shape: g.shape, data: g.dataSync<"float32">() })),
    };
  });
}

/** Compares a fused implementation with the reference. */
function compare(what: string, actual: Op, expected: Op, inputs: tf.Tensor[]): void {
  const [a, e] = [measure(actual, inputs), measure(expected, inputs)];
  assertEquals(a.shape, e.shape, what);
  assertClose(a.bare, e.bare, `${what}: value`);
  // The value is another one where a gradient will be asked for.
  tf.tidy(() => {
    const { value } = tf.valueAndGrad((x: tf.Tensor) => actual(x, ...inputs.slice(1)))(inputs[0]!);
    assertEquals(value.dataSync(), a.bare, what);
  });
  e.gradients.forEach(({ shape, data }, i) => {
    assertEquals(a.gradients[i]!.shape, shape, `${what}: gradient ${i}`);
    const size = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
    // Without tokens to attend to, or with one label, gradients are zero but for rounding.
    if (size > 1e-5) assertClose(a.gradients[i]!.data, data, `${what}: gradient ${i}`);
    else assertClose(a.gradients[i]!.data, data, `${what}: gradient ${i}`, { zero: [[0, data.length]] });
  });
}

/** Runs a test with each matrix multiplication, and looks for tensors left behind. */
function withEach(name: string, body: (f: Operations) => void | Promise<void>): void {
  for (const use of uses) {
    Deno.test(`${use.use}, ${use.threads} threads: ${name}`, async () => {
      const operations = await fusedWith(use);
      const before = tf.memory().numTensors;
      tf.engine().startScope();
      await body(operations);
      tf.engine().endScope();
      assertEquals(tf.memory().numTensors, before);
    });
  }
}

withEach("every operation's cases are the reference's, with all gradients", () => {
  for (const [i, each] of cases.entries()) {
    const [actual, expected] = [evaluate(each, "actual"), evaluate(each, "expected")];
    expected.forEach((tensor, j) => {
      const what = `${each.name}, case ${i}: result ${j}`;
      assertEquals(actual[j]!.shape, tensor.shape, what);
      assertClose(actual[j]!.dataSync(), tensor.dataSync(), what);
    });
  }
});

withEach("a linear map and GELU are the reference's, with all gradients", (f) => {
  for (const rows of [1, 3, 65, 200]) {
    for (const [width, out] of [[1, 1], [5, 7], [8, 12], [33, 31], [64, 130]] as const) {
      const inputs = [draw("x", [rows, width]), draw("w", [width, out]), draw("b", [out])];
      for (const name of ["linear", "linearGelu"] as const) {
        const of = (f: Operations): Op => (x, weight, bias) => f[name](x!, { weight, bias } as Linear);
        compare(`${name} ${rows}×${width}×${out}`, of(f), of(reference), inputs);
      }
    }
  }
  const inputs = [draw("x", [2, 3, 8]), draw("w", [8, 5]), draw("b", [5])];
  const of = (f: Operations): Op => (x, weight, bias) => f.linear(x!, { weight, bias } as Linear);
  compare("linear on three dimensions", of(f), of(reference), inputs);
});

withEach("GELU is exact from end to end, and NaN stays NaN", (f) => {
  const xs = [-1e30, -200, -60, -14, -9, -5, -1, -1e-3, -1e-20, 0, 1e-20, 1e-3, 1, 5, 9, 14, 60, 200, 1e18];
  const gelu = (x: number) => {
    const u = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3);
    return x / (1 + Math.exp(-2 * u));
  };
  const one = { weight: tf.ones([1, 1]), bias: tf.zeros([1]) } as Linear;
  const actual = f.linearGelu(tf.tensor2d(xs, [xs.length, 1]), one).dataSync();
  xs.forEach((x, i) => {
    const expected = gelu(Math.fround(x));
    // e^87 is where the exponential ends: what should be 0 is x/e^87 there.
    assert(Math.abs(actual[i]! - expected) <= Math.max(Math.abs(expected) * 2e-7, 1e-7), `GELU(${x})`);
  });
  assert(Number.isNaN(f.linearGelu(tf.tensor2d([NaN], [1, 1]), one).dataSync()[0]));
});

withEach("a residual's norm is the reference's, with all gradients", (f) => {
  for (const shape of [[1, 1], [1, 8], [3, 5], [2, 7, 24], [5, 33], [70, 130], [300, 130]]) {
    const d = shape.at(-1)!;
    const inputs = [draw("x", shape), draw("y", shape), draw("gain", [d]), draw("bias", [d])];
    for (const mask of masks) {
      const of = (f: Operations): Op => (x, y, weight, bias) =>
        f.residualNorm(x!, y!, { weight, bias } as Norm, mask);
      compare(`norm of ${shape}, ${mask?.rate}`, of(f), of(reference), inputs);
    }
    const alone = (f: Operations): Op => (x, weight, bias) => f.layerNorm(x!, { weight, bias } as Norm);
    compare(`norm of ${shape} alone`, alone(f), alone(reference), [inputs[0]!, inputs[2]!, inputs[3]!]);
  }
});

withEach("attention is the reference's, with its gradient", (f) => {
  for (const T of [1, 2, 3, 5, 17, 33, 64, 65, 130]) {
    for (const [N, heads, size] of [[1, 1, 1], [1, 1, 8], [2, 3, 5], [3, 2, 32]] as const) {
      const qkv = draw("qkv", [N, T, 3 * heads * size]);
      for (const mask of masks) {
        const of = (f: Operations): Op => (qkv) => f.attention(qkv as tf.Tensor3D, heads, { dropout: mask });
        compare(`attention (${N}, ${T}), ${heads} × ${size}, ${mask?.rate}`, of(f), of(reference), [qkv]);
      }
    }
  }
});

withEach("attention in both directions, to all but padding, is the reference's, with its gradient", (f) => {
  for (const T of [1, 2, 5, 17, 64, 65, 130]) {
    for (const [N, heads, size] of [[1, 1, 1], [2, 3, 5], [3, 2, 32]] as const) {
      const qkv = draw("qkv", [N, T, 3 * heads * size]);
      const lengths = Int32Array.from({ length: N }, (_, n) => Math.max(1, T - 3 * n));
      for (const mask of masks) {
        const of = (f: Operations): Op => (qkv) =>
          f.attention(qkv as tf.Tensor3D, heads, { dropout: mask, lengths });
        compare(`attention (${N}, ${T}), ${heads} × ${size}, ${mask?.rate}`, of(f), of(reference), [qkv]);
      }
    }
  }
});

withEach("a bias by distance is added as in the reference, with its gradient", (f) => {
  for (const T of [1, 2, 5, 17, 64, 65, 130]) {
    for (const [N, heads, size] of [[1, 1, 1], [2, 3, 5], [3, 2, 32]] as const) {
      const inputs = [draw("qkv", [N, T, 3 * heads * size]), draw("bias", [2 * T - 1, heads])];
      for (const lengths of [undefined, Int32Array.from({ length: N }, (_, n) => Math.max(1, T - 3 * n))]) {
        for (const mask of masks) {
          const of = (f: Operations): Op => (qkv, bias) =>
            f.attention(qkv as tf.Tensor3D, heads, { bias: bias as tf.Tensor2D, dropout: mask, lengths });
          const what = `bias (${N}, ${T}), ${heads} × ${size}, ${lengths ?? "causal"}, ${mask?.rate}`;
          compare(what, of(f), of(reference), inputs);
        }
      }
    }
  }
});

withEach(
  "a bias of zeros changes no probability, and one by distance moves attention to near tokens",
  (f) => {
    const qkv = draw("qkv", [2, 9, 24]) as tf.Tensor3D;
    const zeros = f.attention(qkv, 2, { bias: tf.zeros([17, 2]) as tf.Tensor2D });
    assertClose(zeros.dataSync(), f.attention(qkv, 2).dataSync(), "zeros");
    const steep = tf.tensor2d(Array.from({ length: 34 }, (_, i) => -1e4 * Math.abs(8 - (i >> 1))), [17, 2]);
    const values = qkv.slice([0, 0, 16], [2, 9, 8]); // Of each token its own alone.
    assertClose(f.attention(qkv, 2, { bias: steep }).dataSync(), values.dataSync(), "steep");
  },
);

withEach("rotated queries and keys are the reference's, with their gradient", (f) => {
  for (const T of [1, 2, 5, 17, 130]) {
    for (const [N, heads, size] of [[1, 1, 2], [2, 3, 6], [3, 2, 32], [1, 5, 10]] as const) {
      const rotations = draw("rotations", [T, size]) as tf.Tensor2D;
      const of = (f: Operations): Op => (qkv) => f.rotary(qkv as tf.Tensor3D, heads, rotations);
      const qkv = draw("qkv", [N, T, 3 * heads * size]);
      compare(`rotary (${N}, ${T}), ${heads} × ${size}`, of(f), of(reference), [qkv]);
    }
  }
});

withEach(
  "rotations by angles keep lengths, depend on distance alone, and are undone by their gradient",
  (f) => {
    const [T, size] = [9, 6];
    const angles = Array.from({ length: T * size / 2 }, (_, i) => Math.floor(i / 3) / 10 ** (i % 3));
    const factors = angles.flatMap((angle) => [Math.cos(angle), Math.sin(angle)]);
    const rotations = tf.tensor2d(factors, [T, size]);
    const token = draw("token", [3 * size]).dataSync();
    const qkv = tf.tile(tf.tensor3d(token, [1, 1, 3 * size]), [1, T, 1]);
    const rotated = f.rotary(qkv as tf.Tensor3D, 1, rotations);
    const [q, k, v] = tf.split(rotated.squeeze([0]), 3, 1) as [tf.Tensor2D, tf.Tensor2D, tf.Tensor2D];
    const scores = (tf.matMul(q, k, false, true) as tf.Tensor2D).arraySync();
    for (let i = 1; i < T; i++) {
      for (let j = 1; j < T; j++) {
        assert(Math.abs(scores[i]![j]! - scores[i - 1]![j - 1]!) < 1e-5, `${i}, ${j}`);
      }
    }
    assertEquals(v.dataSync(), tf.split(qkv.squeeze([0]), 3, 1)[2]!.dataSync());
    const [back] = tf.grads((x: tf.Tensor) => f.rotary(x as tf.Tensor3D, 1, rotations))([qkv], rotated);
    assertClose(back!.dataSync(), qkv.dataSync(), "undone");
  },
);

withEach("a bias or rotations of another shape, and heads that are no pairs, are refused", async (f) => {
  const qkv = tf.zeros([2, 3, 12]) as tf.Tensor3D;
  for (const shape of [[5, 1], [6, 2], [3, 2]] as [number, number][]) {
    await assertRefused(
      () => f.attention(qkv, 2, { bias: tf.zeros(shape) }),
      new RegExp(
        `^Cannot add a bias of shape \\[${shape}\\] to the scores of 3 tokens in 2 heads: expected \\[5,2\\]$`,
      ),
    );
  }
  await assertRefused(
    () => engine.rotary(qkv, 2, tf.zeros([4, 2])),
    /^Cannot rotate 3 tokens with factors of shape \[4,2\]: expected \[3,2\]$/,
  );
  await assertRefused(
    () => engine.rotary(qkv, 4, tf.zeros([3, 1])),
    /^Cannot rotate heads of width 1 as their features must be pairs: expected an even width$/,
  );
});

withEach("lengths that the sequences cannot have are refused", async (f) => {
  const qkv = tf.zeros([2, 3, 6]) as tf.Tensor3D;
  for (const lengths of [[3], [3, 0], [4, 1], [3, -1]]) {
    await assertRefused(
      () => f.attention(qkv, 2, { lengths: Int32Array.from(lengths) }),
      new RegExp(
        `^Cannot attend to \\[${lengths}\\] tokens as each of 2 sequences must have from 1 to 3 of them$`,
      ),
    );
  }
});

withEach("attention to scores of any size stays finite", (f) => {
  const qkv = draw("qkv", [1, 9, 24], 300) as tf.Tensor3D;
  const of = (f: Operations): Op => (qkv) => f.attention(qkv as tf.Tensor3D, 2);
  compare("attention", of(f), of(reference), [qkv]);
});

Deno.test("with our own matrix multiplication no token changes a bit of attention before it, or sees one from after it", async () => {
  for (const use of uses.filter(({ use }) => use !== "blas")) {
    const f = await fusedWith(use);
    for (const mask of masks) {
      tf.tidy(() => {
        const T = 70, width = 3 * 12;
        const values = draw("qkv", [1, T, width]).dataSync();
        const run = (values: Float32Array, T: number) =>
          f.attention(tf.tensor3d(values, [1, T, width]), 3, { dropout: mask }).dataSync();
        const all = run(values as Float32Array, T);
        for (const t of [1, 2, 3, 4, 31, 63, 64, 65, 69]) {
          const changed = values.slice() as Float32Array;
          changed.subarray(t * width).fill(1e9);
          assertEquals(run(changed, T).subarray(0, t * 12), all.subarray(0, t * 12), `before ${t}`);
        }
      });
    }
  }
});

withEach("an LSTM's layer is the reference's, with all gradients", (f) => {
  for (
    const [N, T, d, u] of [[1, 1, 1, 1], [1, 5, 3, 2], [3, 1, 4, 5], [2, 7, 5, 9], [5, 33, 24, 40]] as const
  ) {
    for (const deviation of [0.02, 0.5]) {
      const inputs = [
        draw("x", [N, T, d]),
        draw("w", [d + u, 4 * u], deviation),
        draw("b", [4 * u], deviation),
      ];
      const of = (f: Operations): Op => (x, weight, bias) =>
        f.lstm(x as tf.Tensor3D, { weight, bias } as Linear);
      compare(`(${N}, ${T}), ${d} × ${u}, ${deviation}`, of(f), of(reference), inputs);
    }
  }
});

withEach("an LSTM's gates are exact from end to end, and NaN stays NaN", (f) => {
  const xs = [
    -1e30,
    -200,
    -60,
    -9,
    -1,
    -0.26,
    -0.24,
    -1e-3,
    -1e-20,
    0,
    1e-20,
    1e-3,
    0.2,
    0.25,
    0.5,
    3,
    9,
    60,
    200,
  ];
  const sigma = (x: number) => 1 / (1 + Math.exp(-x));
  const zeros = { weight: tf.tensor2d([1, 0, 1, 0, 0, 0, 0, 0], [2, 4]), bias: tf.zeros([4]) } as Linear;
  const actual = f.lstm(tf.tensor3d(xs, [xs.length, 1, 1]), zeros).dataSync();
  xs.forEach((x, i) => {
    const single = Math.fround(x), expected = 0.5 * Math.tanh(sigma(single) * Math.tanh(single));
    assert(Math.abs(actual[i]! - expected) <= Math.abs(expected) * 1e-6 + 1e-30, `${x}: ${actual[i]}`);
  });
  assert(Number.isNaN(f.lstm(tf.tensor3d([NaN], [1, 1, 1]), zeros).dataSync()[0]));
});

withEach("rows that a table is asked for, and their gradients, are the reference's", (f) => {
  for (const [V, d] of [[1, 1], [7, 5], [43, 24], [9, 130], [400, 130]] as const) {
    for (const shape of [[1], [50], [3, 7]]) {
      const picked = tf.tensor(ids("ids", tf.util.sizeFromShape(shape), V), shape, "int32");
      const of = (f: Operations): Op => (table) => f.embedding(table as tf.Tensor2D, picked);
      compare(`${shape} of ${V} × ${d}`, of(f), of(reference), [draw("table", [V, d])]);
    }
  }
});

withEach("rows that a table does not have are refused", async (f) => {
  const table = tf.zeros([3, 2]) as tf.Tensor2D;
  for (const id of [-1, 3]) {
    await assertRefused(
      () => f.embedding(table, tf.tensor1d([0, id], "int32")),
      new RegExp(`^Cannot find row ${id} in a table of 3 rows$`),
    );
    await assertRefused(
      () => f.tiedCrossEntropy(tf.zeros([1, 2]), table, tf.tensor1d([id], "int32"), tf.tensor1d([1])),
      new RegExp(`^Cannot find row ${id} in a table of 3 rows$`),
    );
  }
});

withEach("cross-entropy is the reference's, with both gradients, rows without weight left out", (f) => {
  for (const [rows, d, V] of [[1, 1, 2], [1, 8, 5], [6, 5, 43], [40, 24, 101], [300, 12, 7001]] as const) {
    const targets = tf.tensor1d(ids("targets", rows, V), "int32");
    const some = normals(keyOf(1, "weights"), rows, 1).map((x, i) => i % 3 === 1 ? 0 : Math.abs(x));
    for (const weights of [new Float32Array(rows).fill(1 / rows), some, new Float32Array(rows)]) {
      const w = tf.tensor1d(weights);
      const of = (f: Operations): Op => (h, table) =>
        f.tiedCrossEntropy(h as tf.Tensor2D, table as tf.Tensor2D, targets, w);
      const inputs = [draw("h", [rows, d]), draw("table", [V, d], 0.5)];
      compare(`cross-entropy ${rows} × ${d} × ${V}`, of(f), of(reference), inputs);
      const [a, e] = [of(f), of(reference)].map((op) => measure(op, inputs, () => tf.scalar(1)));
      e!.gradients.forEach(({ data }, i) =>
        assertClose(a!.gradients[i]!.data, data, `dy = 1: gradient ${i}`)
      );
    }
  }
});

withEach("what is dropped is what the generator says, to the bit, with the gradient to match", (f) => {
  for (const count of [1, 3, 4, 15, 16, 17, 1023, 1024, 1025, 5000, 70001]) {
    for (const rate of [0.1, 0.5, 0.9, 1e-6, 0.999999]) {
      const mask = { rate, key: keyOf(count, "drop") };
      const factors = dropoutFactors(mask.key, count, rate).slice();
      const ones = tf.ones([count]);
      assertEquals(f.dropout(ones, mask).dataSync(), factors, `${count} at ${rate}`);
      const slope = tf.grad((x: tf.Tensor) => f.dropout(x, mask).sum())(ones);
      assertEquals(slope.dataSync(), factors, `${count} at ${rate}`);
    }
  }
});

withEach("tables of which something is dropped together are as one, with their gradients", (f) => {
  for (const [first, second, d] of [[1, 1, 1], [5, 3, 7], [300, 40, 130]] as const) {
    for (const mask of masks) {
      const of = (f: Operations): Op => (...tables) => f.stackedDropout(tables as tf.Tensor2D[], mask);
      const inputs = [draw("a", [first, d]), draw("b", [second, d])];
      compare(`${first} and ${second} × ${d}, ${mask?.rate}`, of(f), of(reference), inputs);
      compare(`${first} × ${d}, ${mask?.rate}`, of(f), of(reference), inputs.slice(0, 1));
    }
  }
});

withEach("sums of tensors are those of the definition, divided or not", () => {
  for (const shape of [[1], [7, 5], [300, 130]]) {
    const [a, b] = [draw("a", shape), draw("b", shape)];
    const [x, y] = [a.dataSync(), b.dataSync()];
    assertEquals(a.add(b).dataSync(), x.map((value, i) => value + y[i]!) as Float32Array);
    assertClose(a.add(1).dataSync(), x.map((value) => value + 1), "of a number");
    assertEquals(a.cast("int32").add(b.cast("int32")).dtype, "int32");
  }
});

withEach("gradients are the slopes of the values", (f) => {
  const mask: DropoutMask = { rate: 0.3, key: [5, 6] };
  const targets = tf.tensor1d([3, 0, 6, 2, 2], "int32"), w = tf.tensor1d([0.5, 0, 1, 2, 0.1]);
  const cases: [string, Op, tf.Tensor[]][] = [
    ["linear", (x, weight, bias) => f.linear(x!, { weight, bias } as Linear), [
      draw("x", [5, 6]),
      draw("w", [6, 7]),
      draw("b", [7]),
    ]],
    ["linearGelu", (x, weight, bias) => f.linearGelu(x!, { weight, bias } as Linear), [
      draw("x", [5, 6], 0.5),
      draw("w", [6, 7], 0.5),
      draw("b", [7]),
    ]],
    ["residualNorm", (x, y, weight, bias) => f.residualNorm(x!, y!, { weight, bias } as Norm, mask), [
      draw("x", [5, 6]),
      draw("y", [5, 6]),
      draw("g", [6]),
      draw("b", [6]),
    ]],
    ["attention", (qkv) => f.attention(qkv as tf.Tensor3D, 2, { dropout: mask }), [draw("qkv", [1, 5, 18])]],
    ["lstm", (x, weight, bias) => f.lstm(x as tf.Tensor3D, { weight, bias } as Linear), [
      draw("x", [2, 4, 3]),
      draw("w", [8, 20], 0.5),
      draw("b", [20]),
    ]],
    ["cross-entropy", (h, t) => f.tiedCrossEntropy(h as tf.Tensor2D, t as tf.Tensor2D, targets, w), [
      draw("h", [5, 6]),
      draw("t", [7, 6]),
    ]],
  ];
  for (const [name, op, inputs] of cases) {
    const { gradients } = measure(op, inputs);
    inputs.forEach((input, i) => {
      for (const at of new Set([0, Math.floor(input.size / 2), input.size - 1])) {
        const value = (step: number) =>
          tf.tidy(() => {
            const values = input.dataSync();
            values[at]! += step;
            const xs = inputs.map((x, j) => j === i ? tf.tensor(values, x.shape) : x);
            const y = op(...xs);
            const [a, b] = [y.dataSync<"float32">(), draw("dy", y.shape).dataSync()];
            return a.reduce((sum, x, j) => sum + x * b[j]!, 0);
          });
        const slope = (value(0.01) - value(-0.01)) / 0.02;
        const found = gradients[i]!.data[at]!;
        assert(
          Math.abs(slope - found) < 2e-3 * (1 + Math.abs(found)),
          `${name} ${i}[${at}]: ${slope}, ${found}`,
        );
      }
    });
  }
});

withEach("Adam and the norm are the reference's, and change no clone", (f) => {
  for (const shape of [[1], [7], [4, 33], [2000], [270, 260]]) {
    const step = { factor: 0.7, rate: 1e-2, decay: 0.01, b1: 0.9, b2: 0.999, epsilon: 1e-8 };
    const run = (f: Operations) => {
      const start = draw("p", shape);
      const p = tf.variable(start), kept = p.clone();
      const [m, v] = [tf.variable(tf.zeros(shape)), tf.variable(tf.zeros(shape))];
      for (let i = 0; i < 5; i++) f.adam(p, draw(`g${i}`, shape), m, v, step);
      assertEquals(kept.dataSync(), start.dataSync());
      assertEquals(start.dataSync(), draw("p", shape).dataSync());
      const values = [p, m, v].map((x) => x.dataSync());
      tf.dispose([p, m, v]);
      return values;
    };
    const [a, e] = [run(f), run(reference)];
    e.forEach((values, i) => assertClose(a[i]!, values, `${["p", "m", "v"][i]} of ${shape}`));
    const gradients = [draw("a", shape), draw("b", shape), draw("c", [3])];
    assertClose(f.norm(gradients).dataSync(), reference.norm(gradients).dataSync(), "norm");
  }
});

Deno.test("neither tensors nor memory grow with use, and the bits are the same each time", async () => {
  for (const use of uses) {
    const f = await fusedWith(use);
    const { memory } = (tf.backend() as WasmBackend).wasm.asm;
    const mask: DropoutMask = { rate: 0.1, key: [1, 2] };
    const [N, T, d] = [2, 21, 24];
    const table = draw("table", [43, d], 0.3);
    const inputs = [table, draw("w3", [d, 3 * d], 0.3), draw("b3", [3 * d]), draw("g", [d]), draw("b", [d])];
    const tokens = tf.tensor2d(ids("ids", N * T, 43), [N, T], "int32");
    const [targets, weights] = [tokens.flatten() as tf.Tensor1D, tf.ones([N * T]) as tf.Tensor1D];
    const loss: Op = (table, w3, b3, weight, bias) => {
      const x = f.dropout(f.embedding(table as tf.Tensor2D, tokens), mask);
      const wide = f.linear(x, { weight: w3, bias: b3 } as Linear) as tf.Tensor3D;
      const y = f.residualNorm(x, f.attention(wide, 3, { dropout: mask }), { weight, bias } as Norm, mask);
      const z = f.linearGelu(y, { weight: w3, bias: b3 } as Linear).slice([0, 0, 0], [N, T, d]);
      return f.tiedCrossEntropy(z.reshape([N * T, d]), table as tf.Tensor2D, targets, weights);
    };
    const run = () => JSON.stringify(measure(loss, inputs).gradients.map(({ data }) => [...data]));
    const first = run();
    const [tensors, bytes] = [tf.memory().numTensors, memory.buffer.byteLength];
    for (let i = 0; i < 200; i++) {
      const again = run();
      if (i % 50 === 0) assertEquals(again, first);
    }
    assertEquals([tf.memory().numTensors, memory.buffer.byteLength], [tensors, bytes]);
    tf.dispose([...inputs, tokens, targets, weights]);
  }
});

Deno.test("50 updates of a small model have the same losses with fused implementations and with references", async () => {
  const run = async (name: BackendName) => {
    await backend(name);
    assertEquals(wasmContext() !== undefined, name === "wasm");
    return await lossesOf(50);
  };
  try {
    const expected = await run("cpu");
    assertClose(await run("wasm"), expected, "losses", { relative: 1e-4 });
  } finally {
    await backend();
  }
});

Deno.test("on another backend there are no fused implementations", async () => {
  await backend("cpu");
  try {
    assertEquals(wasmContext(), undefined);
  } finally {
    await backend();
  }
});
