/**
 * The operations of `ops.ts` on the wasm backend's heap: matrix products, and our own kernels between them.
 * `plain.ts` is the definition.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import { type Product, productOn } from "./gemm.ts";
import { allocate, bind, Scratch, type WasmBackend } from "./heap.ts";
import { fused as kernel } from "./kernels/wasm.ts";
import type * as plain from "./plain.ts";
import type { Drop } from "./plain.ts";

/** The operations that have a fast face. */
export type Faces = Omit<typeof plain, "attentionOver">;

/** What the kernels take to drop: the stream's key, the threshold, the factor of what is kept. */
type Dropping = [k0: number, k1: number, threshold: number, kept: number];

/** What the module exports: numbers in, as `fused.as.ts` has them. */
type Exports =
  & Record<
    | "setUp"
    | "dropped"
    | "addBias"
    | "sumRows"
    | "gelu"
    | "geluBack"
    | "norm"
    | "normBack"
    | "softmax"
    | "softmaxBack"
    | "crossEntropy"
    | "scaled"
    | "gather"
    | "scatter"
    | "adam",
    (...args: number[]) => void
  >
  & Record<"squares", (...args: number[]) => number>;

/** Rows of attention's scores that are computed together, so that few beyond the diagonal are. */
const BAND = 64;
/** Bytes of logits that are made at a time: they should stay in the second cache or near it. */
const LOGITS = 2 ** 22;

/** The faces that were made, and the product that they call. */
const made = new WeakMap<WasmBackend, { faces: Faces; product: Product }>();

/** The fast faces, if the current backend is wasm and `installGemm` was called. */
export function fused(): Faces | undefined {
  if (tf.getBackend() !== "wasm") return undefined;
  const backend = tf.backend() as WasmBackend;
  const product = productOn(backend);
  if (!product) return undefined;
  let found = made.get(backend);
  if (found?.product !== product) made.set(backend, found = { faces: facesOn(backend, product), product });
  return found.faces;
}

/**
 * Makes a clone on backend "wasm" share its tensor's buffer, as on the other backends, where it would copy: what
 * is saved for a gradient is a clone.
 */
export function shareClones(): void {
  if (!tf.getKernel("Identity", "wasm")) return;
  tf.unregisterKernel("Identity", "wasm");
  tf.registerKernel({
    kernelName: "Identity",
    backendName: "wasm",
    kernelFunc({ inputs, backend }) {
      const { dataId, shape, dtype } = inputs["x"]!;
      (backend as WasmBackend).incRef(dataId);
      return { dataId, shape, dtype };
    },
  });
}

/** What a heap keeps for us, whatever the product: scratch, and the kernels' constants. */
const kept = new WeakMap<WasmBackend, { scratch: Scratch; constants: number }>();

/** Bytes that the kernels' constants take. */
const CONSTANTS = 64;

/** A forward pass: its result, what the gradient needs, and the gradient of each input. */
interface Pass {
  value: tf.Tensor;
  saved?: tf.Tensor[];
  back(dy: tf.Tensor, saved: tf.Tensor[]): tf.Tensor[];
}

/** An operation with its own gradient; `taped` says whether that may be asked for. */
function operation<T extends tf.Tensor>(inputs: tf.Tensor[], forward: (taped: boolean) => Pass): T {
  if (!tf.engine().isTapeOn()) return tf.tidy(() => forward(false).value) as T;
  return tf.customGrad((...args: (tf.Tensor | tf.GradSaveFunc)[]) => {
    const { value, saved = [], back } = forward(true);
    (args.at(-1) as tf.GradSaveFunc)(saved); // A closure's tensors are gone by the time of the gradient.
    return { value, gradFunc: back };
  })(...inputs) as T;
}

function droppingOf(drop?: Drop): Dropping {
  const threshold = drop ? Math.round(drop.rate * 65536) : 0;
  return [drop?.key[0] ?? 0, drop?.key[1] ?? 0, threshold, 65536 / (65536 - threshold)];
}

/** Bytes of the masks of a row. */
const masksOf = (n: number) => 2 * (n + 32);

/** Refuses ids that a table does not have: the heap has no walls. */
function checkIds(ids: Int32Array, rows: number): void {
  for (const id of ids) {
    if (!(id >= 0 && id < rows)) throw new InputError(`Cannot find row ${id} in a table of ${rows} rows`);
  }
}

function facesOn(backend: WasmBackend, { gemm, simd }: Product): Faces {
  const k = bind<Exports>(kernel, simd, backend);
  let own = kept.get(backend);
  if (!own) {
    own = { scratch: new Scratch(backend), constants: allocate(backend, CONSTANTS).start };
    kept.set(backend, own);
  }
  const { scratch } = own;
  k.setUp(own.constants);
  const { memory } = backend.wasm.asm;

  /** Where a tensor lies. */
  const at = (x: tf.Tensor, dtype = "float32"): number => {
    if (x.dtype !== dtype) throw new InputError(`Cannot compute with ${x.dtype} where ${dtype} is wanted`);
    return backend.getMemoryOffset(x.dataId) >>> 0;
  };
  /** A tensor that holds anything. */
  const make = (shape: number[]): tf.Tensor => {
    const info = backend.makeOutput(shape, "float32");
    const tensor = tf.engine().makeTensorFromTensorInfo(info);
    if (at(tensor) === 0 && tensor.size > 0) {
      tensor.dispose();
      throw new InputError(
        `Cannot make a tensor of shape [${shape}] as backend "wasm" ends at 4 GiB: a smaller batch or model fits`,
      );
    }
    return tensor;
  };
  const floats = (address: number, length: number) => new Float32Array(memory.buffer, address, length);
  const product = (
    [transA, transB]: readonly [boolean, boolean],
    [M, N, K]: readonly [number, number, number],
    ...[a, lda, b, ldb, c, ldc, add = false]: [number, number, number, number, number, number, boolean?]
  ) => gemm(1, 0, 0, 0, transA, transB, M, N, K, a, lda, b, ldb, c, ldc, add);
  const [AB, ABt, AtB] = [[false, false], [false, true], [true, false]] as const;

  /** A linear map's product without its bias, and its gradients but that of the bias. */
  const times = (x: tf.Tensor, weight: tf.Tensor) => {
    const [width, out] = weight.shape as [number, number];
    const rows = x.size / width;
    const y = make([...x.shape.slice(0, -1), out]);
    product(AB, [rows, out, width], at(x), width, at(weight), out, at(y), out);
    return { y, rows, out };
  };
  const timesBack = (x: tf.Tensor, weight: tf.Tensor, dy: number) => {
    const [width, out] = weight.shape as [number, number];
    const rows = x.size / width;
    const [dx, dWeight] = [make(x.shape), make(weight.shape)];
    product(ABt, [rows, width, out], dy, out, at(weight), out, at(dx), width);
    product(AtB, [width, out, rows], at(x), width, dy, out, at(dWeight), out);
    return [dx, dWeight];
  };

  return {
    linear(x, { weight, bias }) {
      return operation([x, weight, bias], () => {
        const { y, rows, out } = times(x, weight);
        k.addBias(rows, out, at(y), at(bias));
        return {
          value: y,
          saved: [x, weight],
          back(dy, [x, weight]) {
            const dBias = make([out]);
            k.sumRows(rows, out, at(dy), at(dBias));
            return [...timesBack(x!, weight!, at(dy)), dBias];
          },
        };
      });
    },

    linearGelu(x, { weight, bias }) {
      return operation([x, weight, bias], (taped) => {
        const { y, rows, out } = times(x, weight);
        const value = taped ? make(y.shape) : y;
        k.gelu(rows, out, at(y), at(bias), at(value));
        return {
          value,
          saved: [x, weight, y],
          back(dy, [x, weight, y]) {
            const dBias = make([out]);
            const [inner] = scratch.take(4 * rows * out);
            k.geluBack(rows, out, at(y!), at(dy), inner, at(dBias));
            return [...timesBack(x!, weight!, inner), dBias];
          },
        };
      });
    },

    residualNorm(x, y, { weight, bias }, drop) {
      const d = x.shape.at(-1)!;
      const rows = x.size / d;
      const dropping = droppingOf(drop);
      return operation([x, y, weight, bias], (taped) => {
        const value = make(x.shape);
        const [normed, inverse] = [taped ? make(x.shape) : value, make([rows])];
        const [masks] = scratch.take(masksOf(d));
        const [gain, shift, out, centred] = [at(weight), at(bias), at(value), at(normed)];
        k.norm(rows, d, at(x), at(y), gain, shift, out, centred, at(inverse), ...dropping, masks);
        return {
          value,
          saved: [normed, inverse, weight],
          back(dy, [normed, inverse, weight]) {
            const [dx, dWeight, dBias] = [make(x.shape), make([d]), make([d])];
            const dropped = dropping[2] > 0 ? make(x.shape) : dx.clone();
            const [masks] = scratch.take(masksOf(d));
            k.normBack(
              rows,
              d,
              at(dy),
              at(normed!),
              at(inverse!),
              at(weight!),
              at(dx),
              at(dropped),
              at(dWeight),
              at(dBias),
              ...dropping,
              masks,
            );
            return [dx, dropped, dWeight, dBias];
          },
        };
      });
    },

    dropout(x, drop) {
      const dropping = droppingOf(drop);
      if (dropping[2] === 0) return x;
      const dropped = (x: tf.Tensor) => {
        const y = make(x.shape);
        const [masks] = scratch.take(masksOf(1024));
        k.dropped(x.size, at(x), at(y), ...dropping, masks);
        return y;
      };
      return operation([x], () => ({ value: dropped(x), back: (dy) => [dropped(dy)] }));
    },

    attention(qkv, heads, drop) {
      const [N, T, width] = qkv.shape;
      const d = width / 3, size = d / heads, scale = 1 / Math.sqrt(size);
      const dropping = droppingOf(drop);
      const [k0, k1, threshold, kept] = dropping;
      /** Each head of each sequence: its number, and where it begins in (N, T, 3d), (N, T, d) and (N, H, T, T). */
      const each = (visit: (head: number, inner: number, outer: number, square: number) => void) => {
        for (let head = 0; head < N * heads; head++) {
          const [n, h] = [Math.floor(head / heads), head % heads];
          visit(head, 4 * (n * T * width + h * size), 4 * (n * T * d + h * size), 4 * T * T * head);
        }
      };
      /** The bands of rows, first to last. */
      const bands = (visit: (first: number, end: number) => void) => {
        for (let first = 0; first < T; first += BAND) visit(first, Math.min(first + BAND, T));
      };
      return operation([qkv], (taped) => {
        const value = make([N, T, d]);
        const p = taped ? make([N, heads, T, T]) : undefined;
        const [tile, masks] = scratch.take(4 * T * T, masksOf(T));
        const [from, to, all] = [at(qkv), at(value), p ? at(p) : 0];
        each((head, inner, outer, square) => {
          const q = from + inner, key = q + 4 * d, v = key + 4 * d, out = to + outer;
          const inPlace = p !== undefined && threshold === 0; // The probabilities are then what is multiplied.
          const scores = inPlace ? all + square : tile, saved = p && !inPlace ? all + square : 0;
          bands((first, end) => {
            const row = 4 * T * first, rows = end - first, band = scores + row;
            product(ABt, [rows, end, size], q + 4 * width * first, width, key, width, band, T);
            const element = (head * T + first) * T;
            k.softmax(
              first,
              end,
              T,
              scale,
              band,
              saved && saved + row,
              element,
              k0,
              k1,
              threshold,
              kept,
              masks,
            );
            product(AB, [rows, size, end], band, T, v, width, out + 4 * d * first, d);
          });
        });
        return {
          value,
          saved: p ? [qkv, p] : [],
          back(dy, [qkv, p]) {
            const result = make([N, T, width]);
            const [tile, dropped] = scratch.take(4 * T * T, 4 * T * T);
            const [from, to, all, d0] = [at(qkv!), at(result), at(p!), at(dy)];
            each((_, inner, outer, square) => {
              const q = from + inner, key = q + 4 * d, v = key + 4 * d, dOut = d0 + outer;
              const dq = to + inner, dKey = dq + 4 * d, dv = dKey + 4 * d;
              const p = all + square, mixed = threshold === 0 ? p : dropped;
              bands((first, end) => {
                const row = 4 * T * first, rows = end - first, band = tile + row;
                product(ABt, [rows, end, size], dOut + 4 * d * first, d, v, width, band, T);
                k.softmaxBack(first, end, T, scale, p + row, band, threshold && dropped + row, kept);
                product(AB, [rows, size, end], band, T, key, width, dq + 4 * width * first, width);
              });
              bands((first, end) => { // Of keys, which the queries from theirs on see.
                const corner = 4 * (T * first + first), step = 4 * width * first;
                const shape = [end - first, size, T - first] as const;
                product(AtB, shape, tile + corner, T, q + step, width, dKey + step, width);
                product(AtB, shape, mixed + corner, T, dOut + 4 * d * first, d, dv + step, width);
              });
            });
            return [result];
          },
        };
      });
    },

    embedding(table, ids) {
      const [rows, d] = table.shape;
      checkIds(ids.dataSync<"int32">(), rows);
      return operation([table], () => {
        const value = make([...ids.shape, d]);
        k.gather(ids.size, d, at(table), at(ids, "int32"), at(value));
        return {
          value,
          saved: [ids],
          back(dy, [ids]) {
            const dTable = make([rows, d]);
            k.scatter(ids!.size, d, at(dy), at(ids!, "int32"), at(dTable), rows);
            return [dTable];
          },
        };
      });
    },

    tiedCrossEntropy(h, table, targets, weights) {
      const [d, V] = [h.shape[1], table.shape[0]];
      const all = weights.dataSync<"float32">();
      const rows = Int32Array.from(all.keys()).filter((row) => all[row] !== 0);
      const goals = targets.dataSync<"int32">();
      const wanted = rows.map((row) => goals[row]!);
      checkIds(wanted, V);
      const count = rows.length;
      const chunk = Math.max(192, Math.floor(LOGITS / (4 * V)));
      return operation([h, table], (taped) => {
        const [dh, dTable] = taped ? [make(h.shape), make(table.shape)] : [];
        const few = Math.min(chunk, count);
        const [size, each] = [4 * count * d, 4 * count];
        const places = scratch.take(each, each, each, 2 * each, size, size, 4 * few * V);
        const [ids, ends, factors, found, states, dStates, logits] = places;
        new Int32Array(memory.buffer, ids, count).set(rows);
        new Int32Array(memory.buffer, ends, count).set(wanted);
        floats(factors, count).set(Float32Array.from(rows, (row) => all[row]!));
        k.gather(count, d, at(h), ids, states);
        if (dTable && count === 0) floats(at(dTable), dTable.size).fill(0);
        for (let first = 0; first < count; first += chunk) {
          const n = Math.min(chunk, count - first), some = states + 4 * d * first;
          product(ABt, [n, V, d], some, d, at(table), d, logits, V);
          k.crossEntropy(n, V, logits, ends + 4 * first, taped ? factors + 4 * first : 0, found + 8 * first);
          if (!dTable) continue;
          product(AB, [n, d, V], logits, V, at(table), d, dStates + 4 * d * first, d);
          product(AtB, [V, d, n], logits, V, some, d, at(dTable), d, first > 0);
        }
        if (dh) k.scatter(count, d, dStates, ids, at(dh), h.shape[0]);
        const results = floats(found, 2 * count);
        const loss = rows.reduce(
          (sum, row, i) => sum + all[row]! * (Math.log(results[2 * i + 1]!) - results[2 * i]!),
          0,
        );
        return {
          value: tf.scalar(loss, "float32"),
          saved: dh && dTable ? [dh, dTable] : [],
          // The loss is linear in dy, so what was found on the way needs only its factor.
          back(dy, gradients) {
            const factor = dy.dataSync()[0]!;
            return gradients.map((gradient) => {
              if (factor === 1) return gradient.clone();
              const scaled = make(gradient.shape);
              k.scaled(gradient.size, at(gradient), factor, at(scaled));
              return scaled;
            });
          },
        };
      });
    },

    norm(tensors) {
      return tf.scalar(Math.sqrt(tensors.reduce((sum, x) => sum + k.squares(x.size, at(x)), 0)), "float32");
    },

    adam(p, g, m, v, { factor, rate, decay, b1, b2, epsilon }) {
      for (const x of [p, m, v]) {
        const from = at(x);
        if (backend.refCount(x.dataId) === 1) continue;
        tf.tidy(() => { // A clone shares the buffer, and must not change with it.
          const copy = make(x.shape);
          new Uint8Array(memory.buffer).copyWithin(at(copy), from, from + 4 * x.size);
          x.assign(copy);
        });
      }
      k.adam(p.size, at(p), at(g), at(m), at(v), factor, rate, decay, b1, 1 - b1, b2, 1 - b2, epsilon);
    },
  };
}
