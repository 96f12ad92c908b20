/**
 * The operations of `ops.ts` on the wasm backend's heap: matrix products, and our own kernels between them,
 * divided among the threads. `plain.ts` is the definition.
 *
 * What is summed over rows is summed in blocks of rows first, the same for any number of threads, so that with
 * our own product the result has the same bits for all of them.
 *
 * @module
 */
import * as tf from "@tensorflow/tfjs";
import { InputError } from "../errors.ts";
import type { Calls } from "./calls.ts";
import { teamOn } from "./gemm.ts";
import { addressOf, outputOn, replaceKernel, Scratch, type WasmBackend } from "./heap.ts";
import * as plain from "./plain.ts";
import type { DropoutMask, Norm } from "./plain.ts";
import { share, type Team } from "./team.ts";

/** The operations that have a fast face. */
export type Faces = Omit<typeof plain, "attentionWithCache" | "attentionWeights" | "lstmWithState">;

/** What the kernels take to drop: the stream's key, the threshold, the factor of what is kept. */
type Dropping = [k0: number, k1: number, threshold: number, kept: number];

/** Rows of attention's scores that are computed together, so that few beyond the diagonal are. */
const BAND = 64;
/** Rows that are summed together. */
const BLOCK = 64;
/** Elements of a vector that are worked on together. */
const STRETCH = 2 ** 15;
/** Bytes of logits that are made at a time: they should stay in the second cache or near it. */
const LOGITS = 2 ** 23;
/** Rows of logits that are made at a time, at least. */
const LEAST = 256;

/** What an element of a pass costs as operations of a product: passes wait for memory. */
const ELEMENT = 64;

/** The faces that were made, and the team that works for them. */
const made = new WeakMap<WasmBackend, { faces: Faces; team: Team }>();

/** The fast faces, if the current backend is wasm and `installGemm` was called. */
export function fused(): Faces | undefined {
  if (tf.getBackend() !== "wasm") return undefined;
  const backend = tf.backend() as WasmBackend;
  const team = teamOn(backend);
  if (!team) return undefined;
  let found = made.get(backend);
  if (found?.team !== team) made.set(backend, found = { faces: facesOn(backend, team), team });
  return found.faces;
}

/**
 * Replaces two kernels of tfjs' wasm backend that gradients are full of. A clone shares its tensor's buffer, as on
 * the other backends, where it would copy: what is saved for a gradient is a clone. And a sum of two tensors of one
 * shape is divided among the threads.
 */
export function replaceKernels(): void {
  replaceKernel("Identity", () => ({ inputs, backend }) => {
    const { dataId, shape, dtype } = inputs["x"]!;
    (backend as WasmBackend).incRef(dataId);
    return { dataId, shape, dtype };
  });
  replaceKernel("Add", (stock) => (args) => {
    const { a, b } = args.inputs as { a: tf.TensorInfo; b: tf.TensorInfo };
    const backend = args.backend as WasmBackend, team = teamOn(backend);
    const alike = a.dtype === "float32" && b.dtype === "float32" && tf.util.arraysEqual(a.shape, b.shape);
    if (!team || !alike) return stock(args);
    const out = outputOn(backend, a.shape);
    const x = addressOf(backend, a), y = addressOf(backend, b), sum = addressOf(backend, out);
    const n = tf.util.sizeFromShape(a.shape);
    team.run(n * ELEMENT, ({ add }, part, parts) => {
      const [first, end] = share(n, part, parts, STRETCH);
      if (first < end) add(end - first, x + 4 * first, y + 4 * first, sum + 4 * first);
    });
    return out;
  });
}

/** What the operations keep on a heap, whoever works on it. */
const scratches = new WeakMap<WasmBackend, Scratch>();

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
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const gradients = back(dy, saved);
      // What the backward pass made is of no more use to it, and half of all that would lie there at its end.
      if (dy.scopeId === tf.engine().state.activeScope.id) dy.dispose();
      return gradients;
    };
    return { value, gradFunc };
  })(...inputs) as T;
}

function droppingOf(drop?: DropoutMask): Dropping {
  const threshold = drop ? Math.round(drop.rate * 65536) : 0;
  return [drop?.key[0] ?? 0, drop?.key[1] ?? 0, threshold, 65536 / (65536 - threshold)];
}

/** Bytes of the masks of so many elements, for one thread. */
const masksOf = (n: number) => 64 * Math.ceil((n + 32) / 32);

/** Refuses lengths that sequences of T tokens cannot have. */
function checkLengths(lengths: Int32Array, N: number, T: number): void {
  if (lengths.length !== N || lengths.some((length) => !(length >= 1 && length <= T))) {
    throw new InputError(
      `Cannot attend to [${lengths}] tokens as each of ${N} sequences must have from 1 to ${T} of them`,
    );
  }
}

/** Refuses ids that a table does not have: the heap has no walls. */
function checkIds(ids: Int32Array, rows: number): void {
  for (const id of ids) {
    if (!(id >= 0 && id < rows)) throw new InputError(`Cannot find row ${id} in a table of ${rows} rows`);
  }
}

function facesOn(backend: WasmBackend, team: Team): Faces {
  let scratch = scratches.get(backend);
  if (!scratch) scratches.set(backend, scratch = new Scratch(backend));
  const room = scratch, { own } = team;
  const { memory } = backend.wasm.asm;

  /** Where a tensor lies. */
  const at = (x: tf.Tensor, dtype = "float32"): number => {
    if (x.dtype !== dtype) throw new InputError(`Cannot compute with ${x.dtype} where ${dtype} is wanted`);
    return addressOf(backend, x);
  };
  /** A tensor that holds anything. */
  const make = (shape: number[]): tf.Tensor => tf.engine().makeTensorFromTensorInfo(outputOn(backend, shape));
  const floats = (address: number, length: number) => new Float32Array(memory.buffer, address, length);

  /** What a thread does with the `count` items from `first` on; `part` is its number. */
  type Some = (calls: Calls, first: number, count: number, part: number) => void;
  /** Divides items among the threads, in whole units. `each` is what an item costs, as {@linkcode Team.run} counts. */
  const divide = (items: number, unit: number, each: number, work: Some) =>
    team.run(items * each, (calls, part, parts) => {
      const [first, end] = share(items, part, parts, unit);
      if (first < end) work(calls, first, end - first, part);
    });
  /** The blocks of some rows, each with its number. */
  const blocks = (
    first: number,
    count: number,
    visit: (first: number, count: number, block: number) => void,
  ) => {
    for (let row = first; row < first + count; row += BLOCK) {
      visit(row, Math.min(BLOCK, first + count - row), row / BLOCK);
    }
  };
  const blocksOf = (rows: number) => Math.ceil(rows / BLOCK);
  const product = (
    { gemm }: Calls,
    [transA, transB]: readonly [boolean, boolean],
    [M, N, K]: readonly [number, number, number],
    ...[a, lda, b, ldb, c, ldc, add = false]: [number, number, number, number, number, number, boolean?]
  ) => gemm(1, 0, 0, 0, transA, transB, M, N, K, a, lda, b, ldb, c, ldc, add);
  const [AB, ABt, AtB] = [[false, false], [false, true], [true, false]] as const;

  /** Adds rows to those of a table of zeros that ids name. */
  const scatter = (count: number, d: number, x: number, ids: number, table: number, rows: number) =>
    divide(rows, 1, ELEMENT * d, (calls, first, some) => {
      calls.scatter(count, d, x, ids, table, first, first + some);
    });

  /** Drops from elements of which the first is the one numbered `start`. */
  const drops = (start: number, size: number, from: number, to: number, dropping: Dropping) => {
    const [masks] = room.take(team.threads * masksOf(1024));
    divide(size, STRETCH, ELEMENT, (calls, first, count, part) => {
      const [x, y, own] = [from + 4 * first, to + 4 * first, masks + part * masksOf(1024)];
      calls.dropped(start + first, count, x, y, ...dropping, own);
    });
  };

  /** Sizes of a linear map. */
  const sizes = (x: tf.Tensor, weight: tf.Tensor) => {
    const [width, out] = weight.shape as [number, number];
    return { width, out, rows: x.size / width };
  };
  /** A linear map's product into `y`, and what is done with each thread's rows of it. */
  const times = (
    x: tf.Tensor,
    weight: tf.Tensor,
    y: tf.Tensor,
    then: (calls: Calls, first: number, rows: number) => void,
  ) => {
    const { width, out, rows } = sizes(x, weight);
    const [px, w, py] = [at(x), at(weight), at(y)];
    divide(rows, 1, 2 * width * out, (calls, first, count) => {
      const from = px + 4 * width * first, to = py + 4 * out * first;
      product(calls, AB, [count, out, width], from, width, w, out, to, out);
      then(calls, first, count);
    });
  };
  /**
   * The gradients of a linear map. `inner` makes a block's rows of the product's gradient, unless they are there,
   * and their sum.
   */
  const timesBack = (
    x: tf.Tensor,
    weight: tf.Tensor,
    dy: number,
    inner: (calls: Calls, first: number, rows: number, sums: number) => void,
    sums: number,
  ) => {
    const { width, out, rows } = sizes(x, weight);
    const [dx, dWeight, dBias] = [make(x.shape), make(weight.shape), make([out])];
    const [px, w, toX, toW] = [at(x), at(weight), at(dx), at(dWeight)];
    divide(rows, BLOCK, 2 * width * out, (calls, first, count) => {
      blocks(first, count, (first, count, block) => inner(calls, first, count, sums + 4 * out * block));
      const from = dy + 4 * out * first, to = toX + 4 * width * first;
      product(calls, ABt, [count, width, out], from, out, w, out, to, width);
    });
    team.run(2 * rows * width * out, (calls, part, parts) => {
      if (part === 0) calls.sumRows(blocksOf(rows), out, sums, at(dBias));
      const [first, end] = share(width, part, parts);
      const to = toW + 4 * out * first;
      if (first < end) product(calls, AtB, [end - first, out, rows], px + 4 * first, width, dy, out, to, out);
    });
    return [dx, dWeight, dBias];
  };

  /** Layer norm of x, or of x and what is kept of y. */
  const normOf = (
    x: tf.Tensor,
    { weight, bias }: Norm,
    residual?: { y: tf.Tensor; drop?: DropoutMask | undefined },
  ) => {
    const d = x.shape.at(-1)!;
    const rows = x.size / d;
    const dropping = droppingOf(residual?.drop);
    return operation([x, ...(residual ? [residual.y] : []), weight, bias], (taped) => {
      const value = make(x.shape);
      const [normed, inverse] = [taped ? make(x.shape) : value, make([rows])];
      const [px, py, gain, shift] = [at(x), residual ? at(residual.y) : 0, at(weight), at(bias)];
      const [out, centred, scales] = [at(value), at(normed), at(inverse)];
      const [masks] = room.take(team.threads * masksOf(d));
      divide(rows, BLOCK, ELEMENT * d, (calls, first, count, part) => {
        const row = 4 * d * first;
        // deno-fmt-ignore
        calls.norm(
          first, count, d, px + row, py && py + row, gain, shift, out + row, centred + row, scales + 4 * first,
          ...dropping, masks + part * masksOf(d),
        );
      });
      return {
        value,
        saved: [normed, inverse, weight],
        back(dy, [normed, inverse, weight]) {
          const [dx, dWeight, dBias] = [make(x.shape), make([d]), make([d])];
          const dropped = dropping[2] > 0 ? make(x.shape) : residual ? dx.clone() : dx;
          const count = blocksOf(rows);
          const [masks, gains, shifts] = room.take(team.threads * masksOf(d), 4 * d * count, 4 * d * count);
          const [from, n, scales, gain] = [at(dy), at(normed!), at(inverse!), at(weight!)];
          const [toX, toY] = [at(dx), at(dropped)];
          divide(rows, BLOCK, ELEMENT * d, (calls, first, count, part) => {
            blocks(first, count, (first, count, block) => {
              const row = 4 * d * first, sum = 4 * d * block;
              // deno-fmt-ignore
              calls.normBack(
                first, count, d, from + row, n + row, scales + 4 * first, gain, toX + row, toY + row,
                gains + sum, shifts + sum, ...dropping, masks + part * masksOf(d),
              );
            });
          });
          own.sumRows(count, d, gains, at(dWeight));
          own.sumRows(count, d, shifts, at(dBias));
          return residual ? [dx, dropped, dWeight, dBias] : [dx, dWeight, dBias];
        },
      };
    });
  };

  return {
    linear(x, { weight, bias }) {
      return operation([x, weight, bias], () => {
        const { out, rows } = sizes(x, weight);
        const y = make([...x.shape.slice(0, -1), out]);
        const [b, to] = [at(bias), at(y)];
        times(x, weight, y, (calls, first, count) => calls.addBias(count, out, to + 4 * out * first, b));
        return {
          value: y,
          saved: [x, weight],
          back(dy, [x, weight]) {
            const [sums] = room.take(4 * out * blocksOf(rows));
            const from = at(dy);
            return timesBack(x!, weight!, from, (calls, first, count, sums) => {
              calls.sumRows(count, out, from + 4 * out * first, sums);
            }, sums);
          },
        };
      });
    },

    linearGelu(x, { weight, bias }) {
      return operation([x, weight, bias], (taped) => {
        const { out, rows } = sizes(x, weight);
        const y = make([...x.shape.slice(0, -1), out]);
        const value = taped ? make(y.shape) : y;
        const [b, inner, outer] = [at(bias), at(y), at(value)];
        times(x, weight, y, (calls, first, count) => {
          const row = 4 * out * first;
          calls.gelu(count, out, inner + row, b, outer + row);
        });
        return {
          value,
          saved: [x, weight, y], // Which holds the slopes now.
          back(dy, [x, weight, slopes]) {
            const [inner, sums] = room.take(4 * rows * out, 4 * out * blocksOf(rows));
            const [s, d] = [at(slopes!), at(dy)];
            return timesBack(x!, weight!, inner, (calls, first, count, sums) => {
              const row = 4 * out * first;
              calls.geluBack(count, out, s + row, d + row, inner + row, sums);
            }, sums);
          },
        };
      });
    },

    residualNorm(x, y, p, drop) {
      return normOf(x, p, { y, drop });
    },

    layerNorm(x, p) {
      return normOf(x, p);
    },

    dropout(x, drop) {
      const dropping = droppingOf(drop);
      if (dropping[2] === 0) return x;
      const dropped = (x: tf.Tensor) => {
        const y = make(x.shape);
        drops(0, x.size, at(x), at(y), dropping);
        return y;
      };
      return operation([x], () => ({ value: dropped(x), back: (dy) => [dropped(dy)] }));
    },

    stackedDropout(tables, drop) {
      const dropping = droppingOf(drop);
      if (dropping[2] === 0) return tf.concat(tables);
      const firsts = tables.map((_, i) => tables.slice(0, i).reduce((sum, { size }) => sum + size, 0));
      const rows = tables.reduce((sum, { shape }) => sum + shape[0], 0);
      return operation(tables, () => {
        const value = make([rows, tables[0]!.shape[1]]);
        const to = at(value);
        tables.forEach((x, i) => drops(firsts[i]!, x.size, at(x), to + 4 * firsts[i]!, dropping));
        return {
          value,
          back(dy) {
            const from = at(dy);
            return tables.map(({ shape, size }, i) => {
              const dx = make(shape);
              drops(firsts[i]!, size, from + 4 * firsts[i]!, at(dx), dropping);
              return dx;
            });
          },
        };
      });
    },

    rotary: plain.rotary,

    attention(qkv, heads, options = {}) {
      if (options.bias) return plain.attention(qkv, heads, options);
      const { dropout: drop, lengths } = options;
      const [N, T, width] = qkv.shape;
      if (lengths) checkLengths(lengths, N, T);
      const d = width / 3, size = d / heads, scale = 1 / Math.sqrt(size);
      const dropping = droppingOf(drop);
      const [k0, k1, threshold, kept] = dropping;
      const square = 4 * T * T;
      /** The bands of rows, first to last. */
      const bands = (visit: (first: number, end: number) => void) => {
        for (let first = 0; first < T; first += BAND) visit(first, Math.min(first + BAND, T));
      };
      /**
       * Each head of each sequence: its number, where it begins in (N, T, 3d) and (N, T, d), and how many keys all
       * queries see, 0 where each sees those up to its place.
       */
      type EachHead = (
        calls: Calls,
        head: number,
        inner: number,
        outer: number,
        part: number,
        keys: number,
      ) => void;
      const each = (work: EachHead) =>
        divide(N * heads, 1, 4 * T * T * size, (calls, first, count, part) => {
          for (let head = first; head < first + count; head++) {
            const [n, h] = [Math.floor(head / heads), head % heads], keys = lengths?.[n] ?? 0;
            work(calls, head, 4 * (n * T * width + h * size), 4 * (n * T * d + h * size), part, keys);
          }
        });
      /** Columns of the scores that a band of rows up to `end` needs, zeros from the last key on. */
      const columns = (end: number) => lengths ? T : end;
      return operation([qkv], (taped) => {
        const value = make([N, T, d]);
        const p = taped ? make([N, heads, T, T]) : undefined;
        const [tiles, masks] = room.take(team.threads * square, team.threads * masksOf(T));
        const [from, to, all] = [at(qkv), at(value), p ? at(p) : 0];
        const inPlace = p !== undefined && threshold === 0; // The probabilities are then what is multiplied.
        each((calls, head, inner, outer, part, keys) => {
          const q = from + inner, key = q + 4 * d, v = key + 4 * d, out = to + outer;
          const scores = inPlace ? all + square * head : tiles + square * part;
          const saved = p && !inPlace ? all + square * head : 0;
          bands((first, end) => {
            const row = 4 * T * first, rows = end - first, band = scores + row, seen = columns(end);
            product(calls, ABt, [rows, seen, size], q + 4 * width * first, width, key, width, band, T);
            // deno-fmt-ignore
            calls.softmax(
              first, end, T, keys, scale, band, saved && saved + row,
              (head * T + first) * T, k0, k1, threshold, kept, masks + part * masksOf(T),
            );
            product(calls, AB, [rows, size, seen], band, T, v, width, out + 4 * d * first, d);
          });
        });
        return {
          value,
          saved: p ? [qkv, p] : [],
          back(dy, [qkv, p]) {
            const result = make([N, T, width]);
            const [tiles, mixtures] = room.take(team.threads * square, team.threads * square);
            const [from, to, all, d0] = [at(qkv!), at(result), at(p!), at(dy)];
            each((calls, head, inner, outer, part, keys) => {
              const q = from + inner, key = q + 4 * d, v = key + 4 * d, dOut = d0 + outer;
              const dq = to + inner, dKey = dq + 4 * d, dv = dKey + 4 * d;
              const p = all + square * head, tile = tiles + square * part;
              const mixed = threshold === 0 ? p : mixtures + square * part;
              bands((first, end) => {
                const row = 4 * T * first, rows = end - first, band = tile + row, step = 4 * width * first;
                const seen = columns(end);
                product(calls, ABt, [rows, seen, size], dOut + 4 * d * first, d, v, width, band, T);
                calls.softmaxBack(first, end, T, keys, scale, p + row, band, threshold && mixed + row, kept);
                product(calls, AB, [rows, size, seen], band, T, key, width, dq + step, width);
              });
              bands((first, end) => { // Of keys, which the queries from theirs on see, or all.
                const query = lengths ? 0 : first, corner = 4 * (T * query + first), step = 4 * width * first;
                const shape = [end - first, size, T - query] as const;
                product(
                  calls,
                  AtB,
                  shape,
                  tile + corner,
                  T,
                  q + 4 * width * query,
                  width,
                  dKey + step,
                  width,
                );
                product(calls, AtB, shape, mixed + corner, T, dOut + 4 * d * query, d, dv + step, width);
              });
            });
            return [result];
          },
        };
      });
    },

    lstm(x, { weight, bias }) {
      const [N, T, d] = x.shape, out = bias.size, u = out / 4, rows = N * T;
      return operation([x, weight, bias], () => {
        const [value, gates, cells] = [make([N, T, u]), make([N, T, out]), make([N, T, u])];
        const [px, w, b, h, g, c] = [at(x), at(weight), at(bias), at(value), at(gates), at(cells)];
        const recurrent = w + 4 * d * out;
        // By sequences, as these do not wait for each other: a thread makes all steps of its own.
        divide(N, 1, 2 * T * (d + u) * out, (calls, first, count) => {
          const from = first * T;
          product(calls, AB, [count * T, out, d], px + 4 * d * from, d, w, out, g + 4 * out * from, out);
          for (let t = 0; t < T; t++) {
            const row = from + t, sums = g + 4 * out * row, to = 4 * u * row, before = to - 4 * u;
            if (t > 0) {
              product(calls, AB, [count, out, u], h + before, T * u, recurrent, out, sums, T * out, true);
            }
            calls.cell(count, u, T, b, sums, t && c + before, c + to, h + to);
          }
        });
        return {
          value,
          saved: [x, weight, gates, cells, value],
          back(dy, [x, weight, gates, cells, value]) {
            const [dx, dWeight, dBias] = [make(x!.shape), make(weight!.shape), make([out])];
            const places = room.take(4 * rows * out, 4 * N * u, 4 * N * u, 4 * out * blocksOf(rows));
            const [dGates, carried, dCells, sums] = places;
            const [px, w, h, g, c] = [at(x!), at(weight!), at(value!), at(gates!), at(cells!)];
            const [d0, toX, toW, toB] = [at(dy), at(dx), at(dWeight), at(dBias)];
            const recurrent = w + 4 * d * out;
            divide(N, 1, 2 * T * (d + u) * out, (calls, first, count) => {
              const from = first * T, own = 4 * u * first;
              for (let t = T - 1; t >= 0; t--) {
                const row = from + t, at = 4 * out * row, cell = 4 * u * row, before = t && c + cell - 4 * u;
                const carry = t < T - 1 ? carried + own : 0;
                const next = dGates + at + 4 * out;
                if (carry) product(calls, ABt, [count, u, out], next, T * out, recurrent, out, carry, u);
                // deno-fmt-ignore
                calls.cellBack(
                  count, u, T, d0 + cell, carry, dCells + own, g + at, before, c + cell, dGates + at,
                );
              }
              const mine = dGates + 4 * out * from;
              product(calls, ABt, [count * T, d, out], mine, out, w, out, toX + 4 * d * from, d);
            });
            divide(rows, BLOCK, ELEMENT * out, (calls, first, count) => {
              blocks(first, count, (first, count, block) => {
                calls.sumRows(count, out, dGates + 4 * out * first, sums + 4 * out * block);
              });
            });
            team.run(2 * rows * d * out, (calls, part, parts) => {
              if (part === 0) calls.sumRows(blocksOf(rows), out, sums, toB);
              const [first, end] = share(d, part, parts), to = toW + 4 * out * first;
              const shape = [end - first, out, rows] as const;
              if (first < end) product(calls, AtB, shape, px + 4 * first, d, dGates, out, to, out);
            });
            // What a state is multiplied by comes a step after it: a sequence's first step has no state before it.
            for (let n = 1; n < N; n++) floats(dGates + 4 * out * T * n, out).fill(0);
            const toRecurrent = toW + 4 * d * out;
            if (rows === 1) floats(toRecurrent, u * out).fill(0);
            else {
              team.run(2 * rows * u * out, (calls, part, parts) => {
                const [first, end] = share(u, part, parts), to = toRecurrent + 4 * out * first;
                const shape = [end - first, out, rows - 1] as const;
                if (first < end) product(calls, AtB, shape, h + 4 * first, u, dGates + 4 * out, out, to, out);
              });
            }
            return [dx, dWeight, dBias];
          },
        };
      });
    },

    embedding(table, ids) {
      const [rows, d] = table.shape;
      checkIds(ids.dataSync<"int32">(), rows);
      return operation([table], () => {
        const value = make([...ids.shape, d]);
        own.gather(ids.size, d, at(table), at(ids, "int32"), at(value));
        return {
          value,
          saved: [ids],
          back(dy, [ids]) {
            const dTable = make([rows, d]);
            scatter(ids!.size, d, at(dy), at(ids!, "int32"), at(dTable), rows);
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
      const chunk = Math.max(LEAST, Math.floor(LOGITS / (4 * V)));
      return operation([h, table], (taped) => {
        const [dh, dTable] = taped ? [make(h.shape), make(table.shape)] : [];
        const few = Math.min(chunk, count);
        const [size, each] = [4 * count * d, 4 * count];
        const places = room.take(each, each, each, 2 * each, size, size, 4 * few * V);
        const [ids, ends, factors, found, states, dStates, logits] = places;
        new Int32Array(memory.buffer, ids, count).set(rows);
        new Int32Array(memory.buffer, ends, count).set(wanted);
        floats(factors, count).set(Float32Array.from(rows, (row) => all[row]!));
        own.gather(count, d, at(h), ids, states);
        const [w, dW] = [at(table), dTable ? at(dTable) : 0];
        if (dTable && count === 0) floats(dW, dTable.size).fill(0);
        for (let start = 0; start < count; start += chunk) {
          const n = Math.min(chunk, count - start), from = states + 4 * d * start;
          divide(n, 1, 2 * V * d, (calls, first, some) => {
            const row = start + first, tile = logits + 4 * V * first;
            product(calls, ABt, [some, V, d], states + 4 * d * row, d, w, d, tile, V);
            calls.crossEntropy(some, V, tile, ends + 4 * row, taped ? factors + 4 * row : 0, found + 8 * row);
            if (taped) product(calls, AB, [some, d, V], tile, V, w, d, dStates + 4 * d * row, d);
          });
          if (!taped) continue;
          divide(V, 1, 2 * n * d, (calls, first, count) => {
            const column = logits + 4 * first, to = dW + 4 * d * first;
            product(calls, AtB, [count, d, n], column, V, from, d, to, d, start > 0);
          });
        }
        if (dh) scatter(count, d, dStates, ids, at(dh), h.shape[0]);
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
              const result = make(gradient.shape);
              const [from, to] = [at(gradient), at(result)];
              divide(gradient.size, STRETCH, ELEMENT, (calls, first, count) => {
                calls.scaled(count, from + 4 * first, factor, to + 4 * first);
              });
              return result;
            });
          },
        };
      });
    },

    norm(tensors) {
      const all = tensors.reduce((sum, { size }) => sum + Math.ceil(size / STRETCH), 0);
      const [sums] = room.take(8 * all);
      let done = 0;
      for (const x of tensors) {
        const [from, to] = [at(x), sums + 8 * done];
        divide(x.size, STRETCH, ELEMENT, (calls, first, count) => {
          for (let i = first; i < first + count; i += STRETCH) {
            calls.squares(Math.min(STRETCH, first + count - i), from + 4 * i, to + 8 * i / STRETCH);
          }
        });
        done += Math.ceil(x.size / STRETCH);
      }
      const total = new Float64Array(memory.buffer, sums, all).reduce((a, b) => a + b, 0);
      return tf.scalar(Math.sqrt(total), "float32");
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
      const places = [p, g, m, v].map((x) => at(x)) as [number, number, number, number];
      const settings = [factor, rate, decay, b1, 1 - b1, b2, 1 - b2, epsilon] as const;
      divide(p.size, STRETCH, 2 * ELEMENT, (calls, first, count) => {
        const [x, g, m, v] = places.map((place) => place + 4 * first) as typeof places;
        calls.adam(count, x, g, m, v, ...settings);
      });
    },
  };
}
