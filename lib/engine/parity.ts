import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import * as plain from "./plain.ts";
import type { KeyValues, Linear, LstmState, Norm } from "./plain.ts";
import { keyOf, normals, words } from "./random.ts";

/** The largest difference that is let pass, as a share of the largest magnitude: a GPU's functions are not exact. */
const TOLERANCE = 1e-4;

/** An operation on inputs of these shapes: what it gives, gradients included. */
interface Case {
  readonly name: keyof typeof plain;
  readonly shapes: readonly (readonly number[])[];
  /** Standard deviation of the inputs; 1 unless given. */
  readonly deviation?: number;
  run(...inputs: tf.Tensor[]): tf.Tensor[];
}

/** Random numbers of a shape; the same name gives the same numbers. */
function draw(name: string, shape: readonly number[], deviation = 1): tf.Tensor {
  return tf.tensor(normals(keyOf(1, name), tf.util.sizeFromShape([...shape]), deviation), [...shape]);
}

function ids(shape: number[], below: number): tf.Tensor {
  const found = words(keyOf(1, "ids"), tf.util.sizeFromShape(shape));
  return tf.tensor(Int32Array.from(found, (word) => word % below), shape, "int32");
}

/** An operation's value, and its inputs' gradients for a random gradient of the value. */
function withGradients(op: (...inputs: tf.Tensor[]) => tf.Tensor): Case["run"] {
  return (...inputs) => {
    const bare = op(...inputs);
    const { value, grads } = tf.valueAndGrads(op)(inputs, draw("dy", bare.shape));
    return [bare, value, ...grads];
  };
}

const drop = { rate: 0.3, key: keyOf(2) };

/** Every operation, on sizes that tfjs' kernels treat apart: odd ones, multiples of four, more than a workgroup. */
const cases: readonly Case[] = [
  ...([[3, 5, 7], [36, 100, 12]] as const).flatMap(([rows, width, out]): Case[] => {
    const shapes = [[rows, width], [width, out], [out]];
    const of = (face: "linear" | "linearGelu"): Pick<Case, "name" | "shapes" | "run"> => ({
      name: face,
      shapes,
      run: withGradients((x, weight, bias) => plain[face](x!, { weight, bias } as Linear)),
    });
    return [of("linear"), of("linearGelu"), { ...of("linearGelu"), deviation: 4 }]; // Where tanh may overflow.
  }),
  ...[[3, 5], [2, 7, 24], [5, 130]].map((shape): Case => {
    const d = shape.at(-1)!;
    return {
      name: "residualNorm",
      shapes: [shape, shape, [d], [d]],
      run: withGradients((x, y, weight, bias) => plain.residualNorm(x!, y!, { weight, bias } as Norm, drop)),
    };
  }),
  {
    name: "layerNorm",
    shapes: [[3, 43], [43], [43]],
    run: withGradients((x, weight, bias) => plain.layerNorm(x!, { weight, bias } as Norm)),
  },
  { name: "dropout", shapes: [[3, 43]], run: withGradients((x) => plain.dropout(x!, drop)) },
  {
    name: "stackedDropout",
    shapes: [[5, 7], [3, 7]],
    run: withGradients((a, b) => plain.stackedDropout([a, b] as tf.Tensor2D[], drop)),
  },
  ...([[2, 5, 3, 3], [1, 68, 2, 8]] as const).map(([N, T, heads, size]): Case => ({
    name: "attention",
    shapes: [[N, T, 3 * heads * size]],
    run: withGradients((qkv) => plain.attention(qkv as tf.Tensor3D, heads, { dropout: drop })),
  })),
  {
    name: "attention",
    shapes: [[2, 7, 30], [13, 2]],
    run: withGradients((qkv, bias) =>
      plain.attention(qkv as tf.Tensor3D, 2, {
        bias: bias as tf.Tensor2D,
        dropout: drop,
        lengths: Int32Array.from([7, 4]),
      })
    ),
  },
  {
    name: "rotary",
    shapes: [[2, 7, 36], [7, 6]],
    run: (qkv, turns) =>
      withGradients((qkv) => plain.rotary(qkv as tf.Tensor3D, 2, turns as tf.Tensor2D))(qkv!),
  },
  {
    name: "attentionWithCache",
    shapes: [[1, 2, 30], [1, 2, 4, 5], [1, 2, 4, 5]],
    run(qkv, k, v) {
      const read = plain.attentionWithCache(qkv as tf.Tensor3D, 2, { past: { k, v } as KeyValues });
      return [read.a, read.k, read.v];
    },
  },
  {
    name: "lstm",
    shapes: [[3, 5, 7], [17, 40], [40]],
    run: withGradients((x, weight, bias) => plain.lstm(x as tf.Tensor3D, { weight, bias } as Linear)),
  },
  {
    name: "lstmWithState",
    shapes: [[2, 3, 5], [11, 24], [24], [2, 6], [2, 6]],
    run(x, weight, bias, h, c) {
      const read = plain.lstmWithState(x as tf.Tensor3D, { weight, bias } as Linear, { h, c } as LstmState);
      return [read.a, read.h, read.c];
    },
  },
  ...([[5, 6], [100, 12]] as const).map(([V, d]): Case => ({
    name: "embedding",
    shapes: [[V, d]],
    run: withGradients((table) => plain.embedding(table as tf.Tensor2D, ids([3, 7], V))),
  })),
  ...([[6, 5, 11], [36, 8, 100]] as const).map(([rows, d, V]): Case => ({
    name: "tiedCrossEntropy",
    shapes: [[rows, d], [V, d]],
    run: withGradients((h, table) => {
      const weights = draw("weights", [rows]).relu() as tf.Tensor1D; // About half of them are 0.
      const targets = ids([rows], V) as tf.Tensor1D;
      return plain.tiedCrossEntropy(h as tf.Tensor2D, table as tf.Tensor2D, targets, weights);
    }),
  })),
  {
    name: "norm",
    shapes: [[200, 200], ...Array.from({ length: 20 }, (_, i) => [i + 1])],
    run: (...tensors) => [plain.norm(tensors)],
  },
  {
    name: "adam",
    shapes: [[4, 33], [4, 33], [4, 33], [4, 33]],
    run(p, gradient, m, v) {
      const variables = [p!, m!, v!.square()].map((x) => tf.variable(x)) as Parameters<
        typeof plain.adam
      >[0][];
      const step = { factor: 0.7, rate: 1e-2, decay: 0.01, b1: 0.9, b2: 0.999, epsilon: 1e-8 };
      plain.adam(variables[0]!, gradient!, variables[1]!, variables[2]!, step);
      const results = variables.map((x) => x.clone());
      tf.dispose(variables);
      return results;
    },
  },
];

/** What every case gives on a backend, which is the current one then. */
async function measure(backend: string): Promise<Float32Array[][]> {
  await tf.setBackend(backend);
  const results = tf.tidy(() =>
    cases.map(({ shapes, deviation, run }) =>
      run(...shapes.map((shape, i) => draw(`input ${i}`, shape, deviation)))
    )
  );
  try {
    return await Promise.all(results.map((tensors) => Promise.all(tensors.map((x) => x.data<"float32">()))));
  } finally {
    tf.dispose(results);
  }
}

/** The largest difference, as a share of the largest expected magnitude; NaN if one is. */
export function difference(actual: Float32Array, expected: Float32Array): number {
  let [worst, scale] = [0, 0];
  expected.forEach((wanted, i) => {
    scale = Math.max(scale, Math.abs(wanted));
    worst = Math.max(worst, Math.abs(actual[i]! - wanted)); // Which NaN stays in.
  });
  return scale > 0 ? worst / scale : worst;
}

/**
 * Holds every plain operation on the current backend, values and gradients, against the same one on tfjs'
 * `cpu`: drivers and the kernels for them are where a backend may be wrong without a word.
 *
 * @throws {InputError} If one differs; it names the first that does.
 *
 * @example
 * ```ts
 * import { backend } from "./backend.ts";
 * import { checkParity } from "./parity.ts";
 *
 * await backend("wasm");
 * await checkParity();
 * ```
 */
export async function checkParity(): Promise<void> {
  const name = tf.getBackend();
  try {
    const expected = await measure("cpu");
    const actual = await measure(name);
    cases.forEach(({ name: operation }, i) => {
      const off = Math.max(...actual[i]!.map((x, j) => difference(x, expected[i]![j]!)));
      if (off <= TOLERANCE) return;
      throw new InputError(
        `Cannot compute on backend "${name}" as its ${operation} is off by ${
          off.toExponential(1)
        } of the largest ` +
          `value, ${TOLERANCE} is allowed: another backend works`,
      );
    });
  } finally {
    await tf.setBackend(name);
  }
}
