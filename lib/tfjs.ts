/**
 * tfjs: its core and its backend "cpu", with what package `@tensorflow/tfjs` adds for models: operations as methods of
 * tensors (`x.add(y)`), and gradients, of the operations that the kit's models are made of. That package also has
 * layers, a converter and WebGL, 240 MB that nothing here uses. Imported beside this module it has the same tensors
 * and backends, and the gradients of all operations.
 *
 * @module
 */
import * as core from "npm:@tensorflow/tfjs-core@4.22.0";
import type {} from "npm:@tensorflow/tfjs-core@4.22.0/dist/public/chained_ops/register_all_chained_ops.js";
import "npm:@tensorflow/tfjs-backend-cpu@4.22.0";

export * from "npm:@tensorflow/tfjs-core@4.22.0";

type Tensor = core.Tensor;
type Operation = (...args: unknown[]) => unknown;

/** Methods whose arguments are not those of the operation after its first. */
const methods: Readonly<Record<string, (this: Tensor, ...args: never[]) => Tensor>> = {
  concat(others: Tensor | Tensor[], axis?: number) {
    return core.concat([this, ...[others].flat()], axis);
  },
  flatten() {
    return core.reshape(this, [this.size]);
  },
  stack(others: Tensor | Tensor[], axis?: number) {
    return core.stack([this, ...[others].flat()], axis);
  },
  where(condition: Tensor, other: Tensor) {
    return core.where(condition, this, other);
  },
};

const prototype = core.Tensor.prototype as unknown as Record<string, Operation>;
const operations = Object.entries(core).filter(([name, operation]) =>
  typeof operation === "function" && operation.name.endsWith("__op") && !(name in methods)
) as [string, Operation][];
for (const [name, operation] of operations) {
  prototype[name] ??= function (this: Tensor, ...args) {
    return operation(this, ...args);
  };
}
for (const [name, method] of Object.entries(methods)) prototype[name] ??= method as Operation;

/** The gradient of an input of a given shape that was broadcast. */
function unbroadcast(dy: Tensor, { shape }: Tensor): Tensor {
  const axes = core.broadcast_util.getReductionAxes(shape, dy.shape);
  return core.reshape(axes.length > 0 ? core.sum(dy, axes) : dy, shape);
}

/** A gradient in the shape that it had before the axes of a reduction were dropped. */
function kept(dy: Tensor, { shape }: Tensor, axis: number | number[]): Tensor {
  const axes = core.util.parseAxisParam(axis, shape);
  return core.reshape(dy, shape.map((size, i) => axes.includes(i) ? 1 : size));
}

const float = (x: Tensor) => core.cast(x, "float32");
const like = ({ shape }: Tensor) => core.ones(shape, "float32");

/** Gradients by kernel: of one tensor, from the gradient of the output, the saved tensors and the kernel's attributes. */
interface Gradient {
  /** Names of the inputs that it needs, or all of a list. */
  readonly saves?: readonly string[] | "all";
  readonly savesOutput?: boolean;
  // deno-lint-ignore no-explicit-any
  readonly of: (dy: any, saved: Tensor[], attributes: any) => Record<string, () => Tensor> | (() => Tensor)[];
}

const one = ["x"], both = ["a", "b"];
const gradients: Readonly<Record<string, Gradient>> = {
  Add: { saves: both, of: (dy, [a, b]) => ({ a: () => unbroadcast(dy, a!), b: () => unbroadcast(dy, b!) }) },
  Sub: {
    saves: both,
    of: (dy, [a, b]) => ({ a: () => unbroadcast(dy, a!), b: () => core.neg(unbroadcast(dy, b!)) }),
  },
  Multiply: {
    saves: both,
    of: (dy, [a, b]) => ({
      a: () => unbroadcast(core.mul(dy, float(b!)), a!),
      b: () => unbroadcast(core.mul(dy, float(a!)), b!),
    }),
  },
  RealDiv: {
    saves: both,
    of: (dy, [a, b]) => ({
      a: () => unbroadcast(core.div(dy, float(b!)), a!),
      b: () => core.neg(core.div(unbroadcast(core.mul(dy, float(a!)), b!), float(core.square(b!)))),
    }),
  },
  Neg: { of: (dy) => ({ x: () => core.neg(dy) }) },
  Square: { saves: one, of: (dy, [x]) => ({ x: () => core.mul(dy, core.mul(float(x!), 2)) }) },
  Sqrt: { saves: one, of: (dy, [x]) => ({ x: () => core.div(dy, core.mul(core.sqrt(float(x!)), 2)) }) },
  Rsqrt: {
    saves: one,
    of: (dy, [x]) => ({ x: () => core.neg(core.div(dy, core.mul(core.pow(x!, 1.5), 2))) }),
  },
  Exp: { savesOutput: true, of: (dy, [y]) => ({ x: () => core.mul(dy, y!) }) },
  Log: { saves: one, of: (dy, [x]) => ({ x: () => core.div(dy, float(x!)) }) },
  Tanh: {
    savesOutput: true,
    of: (dy, [y]) => ({ x: () => core.mul(core.sub(core.scalar(1), core.square(y!)), dy) }),
  },
  Sigmoid: {
    savesOutput: true,
    of: (dy, [y]) => ({ x: () => core.mul(dy, core.mul(y!, core.sub(core.scalar(1), y!))) }),
  },
  Relu: { saves: one, of: (dy, [x]) => ({ x: () => core.mul(dy, float(core.step(x!))) }) },
  Abs: { saves: one, of: (dy, [x]) => ({ x: () => core.mul(dy, core.step(float(x!), -1)) }) },
  Cast: { of: (dy) => ({ x: () => core.clone(dy) }) },
  Identity: { of: (dy) => ({ x: () => float(dy) }) },
  Sum: { saves: one, of: (dy, [x], { axis }) => ({ x: () => core.mul(kept(dy, x!, axis), like(x!)) }) },
  Mean: {
    saves: one,
    of: (dy, [x], { axis }) => ({
      x: () => core.div(core.mul(kept(dy, x!, axis), like(x!)), x!.size / dy.size),
    }),
  },
  Max: {
    saves: one,
    savesOutput: true,
    of: (dy, [x, y], { reductionIndices: axes }) => ({
      x: () => core.mul(kept(dy, x!, axes), core.cast(core.equal(x!, kept(y!, x!, axes)), dy.dtype)),
    }),
  },
  Softmax: {
    savesOutput: true,
    of: (dy, [y], { dim }) => ({
      logits: () => {
        const product = core.mul(dy, y!);
        return core.sub(product, core.mul(core.sum(product, [dim], true), y!));
      },
    }),
  },
  BatchMatMul: {
    saves: both,
    of: (dy, [a, b], { transposeA, transposeB }) => ({
      a: () => transposeA ? core.matMul(b!, dy, transposeB, true) : core.matMul(dy, b!, false, !transposeB),
      b: () => transposeB ? core.matMul(dy, a!, true, transposeA) : core.matMul(a!, dy, !transposeA, false),
    }),
  },
  Reshape: { saves: one, of: (dy, [x]) => ({ x: () => core.reshape(dy, x!.shape) }) },
  ExpandDims: { saves: ["input"], of: (dy, [x]) => ({ input: () => core.reshape(dy, x!.shape) }) },
  Transpose: {
    of: (dy, _, { perm }) => ({
      x: () => core.transpose(dy, core.backend_util.getUndoAxesPermutation(perm)),
    }),
  },
  Slice: {
    saves: one,
    of: (dy, [x], { begin, size }) => ({
      x: () => {
        const [from, sizes] = core.slice_util.parseSliceParams(x!, begin, size);
        return core.pad(dy, from!.map((first, i) => [first, x!.shape[i]! - first - sizes![i]!]));
      },
    }),
  },
  Concat: {
    saves: "all",
    of: (dy, saved, { axis }) => {
      const [dimension] = core.util.parseAxisParam(axis, saved[0]!.shape);
      const parts = core.split(dy as Tensor, saved.map(({ shape }) => shape[dimension!]!), dimension);
      return parts.map((part) => () => part);
    },
  },
  SplitV: { of: (dy, _, { axis }) => ({ x: () => core.concat(dy, axis) }) },
  Pack: { saves: "all", of: (dy, _, { axis }) => core.unstack(dy as Tensor, axis).map((part) => () => part) },
  Unpack: { of: (dy, _, { axis }) => ({ value: () => core.stack(dy, axis) }) },
};

for (const [kernelName, { saves, savesOutput, of }] of Object.entries(gradients)) {
  if (core.getGradient(kernelName)) continue; // By package `@tensorflow/tfjs`.
  core.registerGradient({
    kernelName,
    ...saves === "all" ? { saveAllInputs: true } : saves && { inputsToSave: [...saves] },
    ...savesOutput && { outputsToSave: [true] },
    gradFunc: ((dy: Tensor, saved: Tensor[], attributes: unknown) =>
      of(dy, saved, attributes)) as core.GradFunc,
  });
}
