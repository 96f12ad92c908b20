// AssemblyScript is not quite TypeScript, and deno fmt would drop the decorators of functions.
// deno-fmt-ignore-file
// @ts-nocheck: as above
/**
 * What stands between matrix multiplications, in one pass over each row: AssemblyScript, compiled by
 * `deno task kernels` to `wasm.ts`. Memory and addresses are as in `gemm.as.ts`; rows lie one behind the other.
 *
 * Where something is dropped, a call ends in the stream's key (`k0`, `k1`), the 16-bit `threshold` below which
 * an element goes (0: none does), the factor of those `kept`, and scratch for one row's `masks`.
 */
import { exp, get, madd, set, setUp, sigmoid, table, tanh, total, within } from "./simd.as.ts";

export { setUp };

/** −2·√(2/π) and that times 0.044715: GELU(x) = x·σ(2u) = x/(1 + e^(GELU_1·x + GELU_3·x³)). */
const GELU_1: f32 = -1.5957691216057308;
const GELU_3: f32 = -0.07135481282952968;
/** Elements of a long vector that are dropped at a time, so that their masks stay in the first cache. */
const STRETCH: i32 = 1024;

@inline
function rotate(x: v128, by: i32): v128 {
  return v128.or(i32x4.shl(x, by), i32x4.shr_u(x, 32 - by));
}

/**
 * Which of `count` elements from the one numbered `from` are kept: Threefry-2x32-20, as in `random.ts`, four
 * blocks at a time. Sixteen bits of all ones or zeros an element.
 *
 * @returns Where that of `from` lies; up to 15 more stand on either side.
 */
function masksOf(from: u32, count: i32, k0: u32, k1: u32, threshold: i32, masks: usize): usize {
  const k2: u32 = 0x1bd11bda ^ k0 ^ k1;
  const a0 = i32x4.splat(k0), a1 = i32x4.splat(k1), a2 = i32x4.splat(k2);
  const b0 = i32x4.splat(k2 + 1), b1 = i32x4.splat(k0 + 2), b2 = i32x4.splat(k1 + 3);
  const b3 = i32x4.splat(k2 + 4), b4 = i32x4.splat(k0 + 5);
  const last = i16x8.splat(<i16>(threshold - 1));
  const first = from & ~15, end = from + count;
  let to = masks;
  for (let element = first; element < end; element += 16, to += 32) {
    let x0 = i32x4.add(i32x4.add(i32x4.splat(element >> 2), i32x4(0, 1, 2, 3)), a0), x1 = a1;
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 13), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 15), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 26), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 6), x0);
    x0 = i32x4.add(x0, a1), x1 = i32x4.add(x1, b0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 17), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 29), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 16), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 24), x0);
    x0 = i32x4.add(x0, a2), x1 = i32x4.add(x1, b1);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 13), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 15), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 26), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 6), x0);
    x0 = i32x4.add(x0, a0), x1 = i32x4.add(x1, b2);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 17), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 29), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 16), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 24), x0);
    x0 = i32x4.add(x0, a1), x1 = i32x4.add(x1, b3);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 13), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 15), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 26), x0);
    x0 = i32x4.add(x0, x1), x1 = v128.xor(rotate(x1, 6), x0);
    x0 = i32x4.add(x0, a2), x1 = i32x4.add(x1, b4);
    // A block's two words lie side by side, and of a word the lower half comes first.
    v128.store(to, i16x8.gt_u(v128.shuffle<i32>(x0, x1, 0, 4, 1, 5), last));
    v128.store(to, i16x8.gt_u(v128.shuffle<i32>(x0, x1, 2, 6, 3, 7), last), 16);
  }
  return masks + 2 * (from - first);
}

/** Four elements' masks: all ones where kept. */
@inline
function maskAt(masks: usize, j: i32): v128 {
  return v128.load_ext<i16>(masks + 2 * j);
}

/** `out` = what is kept of `x`, scaled; x's first element is the one numbered `first`. */
export function dropped(
  first: u32, n: i32, x: usize, out: usize, k0: u32, k1: u32, threshold: i32, kept: f32, masks: usize,
): void {
  const factor = f32x4.splat(kept);
  for (let from = 0; from < n; from += STRETCH) {
    const count = min(STRETCH, n - from), mask = masksOf(first + from, count, k0, k1, threshold, masks);
    for (let j = 0; j < count; j += 4, x += 16, out += 16) {
      set(out, f32x4.mul(get(x, count - j), v128.and(maskAt(mask, j), factor)), count - j);
    }
  }
}

/** `y` += bias, row by row. */
export function addBias(rows: i32, n: i32, y: usize, bias: usize): void {
  for (; rows > 0; rows--, y += 4 * n) {
    for (let j = 0; j < n; j += 4) {
      const at = y + 4 * j, left = n - j;
      set(at, f32x4.add(get(at, left), get(bias + 4 * j, left)), left);
    }
  }
}

/** `sums` = the sum of the rows. */
export function sumRows(rows: i32, n: i32, y: usize, sums: usize): void {
  memory.fill(sums, 0, 4 * n);
  for (; rows > 0; rows--, y += 4 * n) {
    for (let j = 0; j < n; j += 4) {
      const at = sums + 4 * j, left = n - j;
      set(at, f32x4.add(get(at, left), get(y + 4 * j, left)), left);
    }
  }
}

/** Four elements of {@linkcode gelu}. */
@inline
function geluAt(y: usize, bias: usize, out: usize, left: i32, slopes: bool, g1: v128, g3: v128, c: usize): void {
  const one = v128.load_splat<f32>(c), x = f32x4.add(get(y, left), get(bias, left));
  const cubic = f32x4.mul(f32x4.mul(x, x), g3), u = f32x4.add(cubic, g1);
  const e = exp(f32x4.mul(x, u), c), s = f32x4.div(one, f32x4.add(one, e)); // σ(2u), and e·s² is its derivative.
  set(out, f32x4.mul(x, s), left);
  if (!slopes) return;
  const inner = f32x4.mul(x, f32x4.add(u, f32x4.add(cubic, cubic))); // −x·(2u)'
  set(y, f32x4.sub(s, f32x4.mul(f32x4.mul(f32x4.mul(e, s), s), inner)), left);
}

/** `out` = GELU(y + bias); where it is not `y` itself, `y` becomes the slopes GELU'(y + bias). */
export function gelu(rows: i32, n: i32, y: usize, bias: usize, out: usize): void {
  const c = table(), one = v128.load_splat<f32>(c), slopes = out != y;
  const g1 = f32x4.mul(one, f32x4.splat(GELU_1)), g3 = f32x4.mul(one, f32x4.splat(GELU_3));
  for (; rows > 0; rows--, y += 4 * n, out += 4 * n) {
    let j = 0;
    for (; j + 4 <= n; j += 4) geluAt(y + 4 * j, bias + 4 * j, out + 4 * j, 4, slopes, g1, g3, c);
    if (j < n) geluAt(y + 4 * j, bias + 4 * j, out + 4 * j, n - j, slopes, g1, g3, c);
  }
}

/** `dx` = dy·slope, and `sums` = the sum of its rows. */
export function geluBack(rows: i32, n: i32, slopes: usize, dy: usize, dx: usize, sums: usize): void {
  memory.fill(sums, 0, 4 * n);
  for (; rows > 0; rows--, slopes += 4 * n, dy += 4 * n, dx += 4 * n) {
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      const d = f32x4.mul(get(dy + at, left), get(slopes + at, left));
      set(dx + at, d, left);
      set(sums + at, f32x4.add(get(sums + at, left), d), left);
    }
  }
}

/**
 * Layer norm of x + what is kept of y, if that is not 0. `normed`, which may be `out`, is what the gain multiplies; `inverse`
 * gets a row's 1/deviation. `first` is the number of the first row in the stream of masks.
 */
export function norm(
  first: i32, rows: i32, n: i32, x: usize, y: usize, gain: usize, bias: usize, out: usize, normed: usize, inverse: usize,
  k0: u32, k1: u32, threshold: i32, kept: f32, masks: usize,
): void {
  const zero = f32x4.splat(0), factor = f32x4.splat(kept), size = 4 * n, residual = y != 0;
  for (let row = 0; row < rows; row++, x += size, y += size, out += size, normed += size, inverse += 4) {
    const mask = threshold == 0 ? 0 : masksOf((first + row) * n, n, k0, k1, threshold, masks);
    let sum = zero;
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      let v = get(x + at, left);
      if (residual) {
        let w = get(y + at, left);
        if (threshold != 0) w = f32x4.mul(w, v128.and(maskAt(mask, j), factor));
        v = f32x4.add(v, w);
      }
      set(normed + at, v, left);
      sum = f32x4.add(sum, v);
    }
    const mean = f32x4.splat(total(sum) / <f32>n);
    sum = zero;
    for (let j = 0; j < n; j += 4) {
      const v = within(f32x4.sub(get(normed + 4 * j, n - j), mean), n - j, zero);
      sum = madd(v, v, sum);
    }
    const scale: f32 = 1 / sqrt<f32>(total(sum) / <f32>n + 1e-5);
    store<f32>(inverse, scale);
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      const v = f32x4.mul(f32x4.sub(get(normed + at, left), mean), f32x4.splat(scale));
      set(normed + at, v, left);
      set(out + at, madd(v, get(gain + at, left), get(bias + at, left)), left);
    }
  }
}

/** The gradients of {@linkcode norm}; `dropped`, that of y, is left alone where nothing is dropped: it is dx. */
export function normBack(
  first: i32, rows: i32, n: i32, dy: usize, normed: usize, inverse: usize, gain: usize, dx: usize, dropped: usize,
  dGain: usize, dBias: usize, k0: u32, k1: u32, threshold: i32, kept: f32, masks: usize,
): void {
  const zero = f32x4.splat(0), factor = f32x4.splat(kept), size = 4 * n;
  memory.fill(dGain, 0, size);
  memory.fill(dBias, 0, size);
  for (let row = 0; row < rows; row++, dy += size, normed += size, dx += size, dropped += size, inverse += 4) {
    const mask = threshold == 0 ? 0 : masksOf((first + row) * n, n, k0, k1, threshold, masks);
    let sum = zero, product = zero;
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      const d = get(dy + at, left), v = get(normed + at, left), g = f32x4.mul(d, get(gain + at, left));
      sum = f32x4.add(sum, g);
      product = madd(g, v, product);
      set(dGain + at, madd(d, v, get(dGain + at, left)), left);
      set(dBias + at, f32x4.add(get(dBias + at, left), d), left);
    }
    const scale = f32x4.splat(load<f32>(inverse));
    const mean = f32x4.splat(total(sum) / <f32>n), slope = f32x4.splat(-total(product) / <f32>n);
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      const g = f32x4.sub(f32x4.mul(get(dy + at, left), get(gain + at, left)), mean);
      const d = f32x4.mul(madd(get(normed + at, left), slope, g), scale);
      set(dx + at, d, left);
      if (threshold != 0) set(dropped + at, f32x4.mul(d, v128.and(maskAt(mask, j), factor)), left);
    }
  }
}

/** The largest of `n` floats; NaN is passed over. */
function largest(n: i32, x: usize): f32 {
  const low = f32x4.splat(-f32.MAX_VALUE);
  let a = low, b = low, j = 0;
  for (; j + 8 <= n; j += 8) {
    a = f32x4.pmax(a, v128.load(x + 4 * j)), b = f32x4.pmax(b, v128.load(x + 4 * j, 16));
  }
  for (; j < n; j += 4) a = f32x4.pmax(a, within(get(x + 4 * j, n - j), n - j, low));
  a = f32x4.pmax(a, b);
  a = f32x4.pmax(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
  return f32x4.extract_lane(f32x4.pmax(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2)), 0);
}

/** `x` becomes e^(scale·(x − most)). @returns Their sum. */
@inline
function exponentials(n: i32, x: usize, most: f32, scale: f32): f32 {
  const zero = f32x4.splat(0), top = f32x4.splat(most), by = f32x4.splat(scale), c = table();
  let sum = zero, more = zero, j = 0;
  for (; j + 8 <= n; j += 8) {
    const at = x + 4 * j;
    const e = exp(f32x4.mul(f32x4.sub(v128.load(at), top), by), c);
    v128.store(at, e);
    sum = f32x4.add(sum, e);
    const f = exp(f32x4.mul(f32x4.sub(v128.load(at, 16), top), by), c);
    v128.store(at, f, 16);
    more = f32x4.add(more, f);
  }
  for (; j < n; j += 4) {
    const at = x + 4 * j, left = n - j;
    const e = exp(f32x4.mul(f32x4.sub(get(at, left), top), by), c);
    set(at, e, left);
    sum = f32x4.add(sum, within(e, left, zero));
  }
  return total(f32x4.add(sum, more));
}

/**
 * The softmax of one head's scores, in place: rows `first` to `end` of a matrix with `width` columns. Of row i the
 * first i + 1 count and the others, up to `end`, become 0; or, where `keys` is not 0, the first `keys` count and all
 * others become 0. `from` is the number of the first row's first element in the stream of masks.
 *
 * @param bias If not 0, what is added to the first row after the scale; that of the next begins one float before it, as
 * it is a function of the distance.
 * @param saved If not 0, gets the probabilities before dropout, negative where dropped; if nothing is dropped,
 * they are the result.
 */
export function softmax(
  first: i32, end: i32, width: i32, keys: i32, scale: f32, bias: usize, scores: usize, saved: usize,
  from: u32, k0: u32, k1: u32, threshold: i32, kept: f32, masks: usize,
): void {
  const sign = i32x4.splat(0x80000000), factor = f32x4.splat(kept), saves = saved != 0, biased = bias != 0;
  const last = keys > 0 ? width : end, rest: f32 = biased ? 1 : scale; // What the bias' pass leaves of the scale.
  for (let i = first; i < end; i++, scores += 4 * width, saved += 4 * width, from += width, bias -= 4) {
    const n = keys > 0 ? keys : i + 1;
    if (biased) {
      for (let j = 0; j < n; j += 4) {
        const at = 4 * j, left = n - j;
        set(scores + at, madd(get(scores + at, left), f32x4.splat(scale), get(bias + at, left)), left);
      }
    }
    const inverse = f32x4.splat(1 / exponentials(n, scores, largest(n, scores), rest));
    const mask = threshold == 0 ? 0 : masksOf(from, n, k0, k1, threshold, masks);
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      let p = f32x4.mul(get(scores + at, left), inverse);
      if (threshold != 0) {
        const keep = maskAt(mask, j);
        if (saves) set(saved + at, v128.or(p, v128.andnot(sign, keep)), left);
        p = f32x4.mul(p, v128.and(keep, factor));
      }
      set(scores + at, p, left);
    }
    memory.fill(scores + 4 * n, 0, 4 * (last - n));
  }
}

/**
 * The gradient of {@linkcode softmax}: `d`, that of its result, becomes that of the scores.
 *
 * @param p The probabilities; those that are negative were dropped.
 * @param dropped If not 0, gets the softmax's result: what is kept of p.
 * @param dBias If not 0, the gradient is added there: as `bias`, but times the scale.
 */
export function softmaxBack(
  first: i32, end: i32, width: i32, keys: i32, scale: f32, p: usize, d: usize, dropped: usize, kept: f32,
  dBias: usize,
): void {
  const zero = f32x4.splat(0), drops = dropped != 0, biased = dBias != 0, last = keys > 0 ? width : end;
  for (let i = first; i < end; i++, p += 4 * width, d += 4 * width, dropped += 4 * width, dBias -= 4) {
    const n = keys > 0 ? keys : i + 1;
    let sum = zero;
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      let v = get(p + at, left);
      if (drops) {
        v = f32x4.mul(v128.andnot(v, i32x4.shr_s(v, 31)), f32x4.splat(kept));
        set(dropped + at, v, left);
      }
      sum = madd(v, within(get(d + at, left), left, zero), sum);
    }
    const mean = f32x4.splat(total(sum));
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      let v = get(p + at, left), g = get(d + at, left);
      if (drops) g = f32x4.mul(v128.andnot(g, i32x4.shr_s(v, 31)), f32x4.splat(kept)), v = f32x4.abs(v);
      set(d + at, f32x4.mul(f32x4.mul(v, f32x4.sub(g, mean)), f32x4.splat(scale)), left);
    }
    if (biased) {
      for (let j = 0; j < n; j += 4) {
        const at = 4 * j, left = n - j;
        set(dBias + at, f32x4.add(get(dBias + at, left), get(d + at, left)), left);
      }
    }
    memory.fill(d + 4 * n, 0, 4 * (last - n));
    if (drops) memory.fill(dropped + 4 * n, 0, 4 * (last - n));
  }
}

/**
 * Queries, keys and values of `rows` tokens, from the one numbered `first` of sequences of `tokens`: of the first two,
 * each head's pairs of neighbours become (x·c − y·s, x·s + y·c), where `rotations` has a token's c and s in turns.
 *
 * @param sign 1, or −1 for the gradient, which rotates back.
 */
export function rotary(
  first: i32, rows: i32, tokens: i32, heads: i32, size: i32, x: usize, rotations: usize, out: usize, sign: f32,
): void {
  const signs = f32x4.mul(f32x4(-1, 1, -1, 1), f32x4.splat(sign)), values = 4 * heads * size;
  for (let row = first; row < first + rows; row++) {
    const rotation = rotations + 4 * size * (row % tokens);
    for (let head = 0; head < 2 * heads; head++, x += 4 * size, out += 4 * size) {
      for (let j = 0; j < size; j += 4) {
        const at = 4 * j, left = size - j, v = get(x + at, left), r = get(rotation + at, left);
        const c = v128.shuffle<i32>(r, r, 0, 0, 2, 2), s = f32x4.mul(v128.shuffle<i32>(r, r, 1, 1, 3, 3), signs);
        set(out + at, madd(v128.shuffle<i32>(v, v, 1, 0, 3, 2), s, f32x4.mul(v, c)), left);
      }
    }
    memory.copy(out, x, values);
    x += values, out += values;
  }
}

/**
 * One step of an LSTM of `n` units, for `rows` sequences, each of which has `steps` steps one behind the other. `gates`
 * are 4n: input, forget, candidate, output; their sums become what they are.
 *
 * @param before The cells of the step before; 0 for none.
 */
export function cell(
  rows: i32, n: i32, steps: i32, bias: usize, gates: usize, before: usize, cells: usize, h: usize,
): void {
  const c = table(), size = 4 * n, next = size * steps, begun = before != 0;
  for (; rows > 0; rows--, gates += 4 * next, before += next, cells += next, h += next) {
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j;
      const atI = gates + at, atF = atI + size, atG = atF + size, atO = atG + size, b = bias + at;
      const i = sigmoid(f32x4.add(get(atI, left), get(b, left)), c);
      const f = sigmoid(f32x4.add(get(atF, left), get(b + size, left)), c);
      const g = tanh(f32x4.add(get(atG, left), get(b + 2 * size, left)), c);
      const o = sigmoid(f32x4.add(get(atO, left), get(b + 3 * size, left)), c);
      let v = f32x4.mul(i, g);
      if (begun) v = madd(f, get(before + at, left), v);
      set(atI, i, left), set(atF, f, left), set(atG, g, left), set(atO, o, left);
      set(cells + at, v, left);
      set(h + at, f32x4.mul(o, tanh(v, c)), left);
    }
  }
}

/**
 * The gradient of {@linkcode cell}: `dGates` gets that of the gates' sums.
 *
 * @param dy Of h, from what reads it.
 * @param carried Of h, from the step after, n floats a row; 0 for the last step, which has none.
 * @param dCells Of the cells, from the step after, n floats a row; becomes that for the step before.
 */
export function cellBack(
  rows: i32, n: i32, steps: i32, dy: usize, carried: usize, dCells: usize, gates: usize, before: usize, cells: usize,
  dGates: usize,
): void {
  const c = table(), one = v128.load_splat<f32>(c), zero = f32x4.splat(0);
  const size = 4 * n, next = size * steps, begun = before != 0, goesOn = carried != 0;
  for (; rows > 0; rows--) {
    for (let j = 0; j < n; j += 4) {
      const at = 4 * j, left = n - j, from = gates + at, to = dGates + at;
      const i = get(from, left), f = get(from + size, left);
      const g = get(from + 2 * size, left), o = get(from + 3 * size, left);
      const t = tanh(get(cells + at, left), c);
      let dh = get(dy + at, left), dc = zero;
      if (goesOn) dh = f32x4.add(dh, get(carried + at, left)), dc = get(dCells + at, left);
      dc = madd(f32x4.mul(dh, o), f32x4.sub(one, f32x4.mul(t, t)), dc);
      const was = begun ? get(before + at, left) : zero;
      set(to, f32x4.mul(f32x4.mul(dc, g), f32x4.mul(i, f32x4.sub(one, i))), left);
      set(to + size, f32x4.mul(f32x4.mul(dc, was), f32x4.mul(f, f32x4.sub(one, f))), left);
      set(to + 2 * size, f32x4.mul(f32x4.mul(dc, i), f32x4.sub(one, f32x4.mul(g, g))), left);
      set(to + 3 * size, f32x4.mul(f32x4.mul(dh, t), f32x4.mul(o, f32x4.sub(one, o))), left);
      set(dCells + at, f32x4.mul(dc, f), left);
    }
    dy += next, carried += size, dCells += size, gates += 4 * next, before += next, cells += next, dGates += 4 * next;
  }
}

/**
 * Cross-entropy of rows of logits: `found` gets a row's target logit less the largest, and Σ e^(logit − largest).
 *
 * @param weights If not 0, the logits become the gradient of the weighted sum.
 */
export function crossEntropy(rows: i32, n: i32, logits: usize, targets: usize, weights: usize, found: usize): void {
  for (; rows > 0; rows--, logits += 4 * n, targets += 4, found += 8) {
    const target = logits + 4 * load<i32>(targets), most = largest(n, logits);
    store<f32>(found, load<f32>(target) - most);
    const sum = exponentials(n, logits, most, 1);
    store<f32>(found, sum, 4);
    if (weights == 0) continue;
    const weight = load<f32>(weights);
    scaled(n, logits, weight / sum, logits);
    store<f32>(target, load<f32>(target) - weight);
    weights += 4;
  }
}

/** `out` = x + y. */
export function add(n: i32, x: usize, y: usize, out: usize): void {
  for (let j = 0; j < n; j += 4) {
    const at = 4 * j, left = n - j;
    set(out + at, f32x4.add(get(x + at, left), get(y + at, left)), left);
  }
}

/** `out` = x·factor. */
export function scaled(n: i32, x: usize, factor: f32, out: usize): void {
  const by = f32x4.splat(factor);
  for (let j = 0; j < n; j += 4) set(out + 4 * j, f32x4.mul(get(x + 4 * j, n - j), by), n - j);
}

/** The rows of a table that `ids` name. */
export function gather(count: i32, n: i32, table: usize, ids: usize, out: usize): void {
  for (; count > 0; count--, ids += 4, out += 4 * n) {
    memory.copy(out, table + <usize>4 * n * load<i32>(ids), 4 * n);
  }
}

/** A table's rows from `first` to `end`: zeros, to which the rows that `ids` name add up, one after the other. */
export function scatter(count: i32, n: i32, x: usize, ids: usize, table: usize, first: i32, end: i32): void {
  memory.fill(table + <usize>4 * n * first, 0, <usize>4 * n * (end - first));
  for (; count > 0; count--, ids += 4, x += 4 * n) {
    const id = load<i32>(ids);
    if (id < first || id >= end) continue;
    const row = table + <usize>4 * n * id;
    for (let j = 0; j < n; j += 4) {
      set(row + 4 * j, f32x4.add(get(row + 4 * j, n - j), get(x + 4 * j, n - j)), n - j);
    }
  }
}

/** `found` gets Σx² in float64, the sum of sums of {@linkcode STRETCH} elements. */
export function squares(n: i32, x: usize, found: usize): void {
  let sum: f64 = 0;
  for (let from = 0; from < n; from += STRETCH, x += 4 * STRETCH) {
    const count = min(STRETCH, n - from);
    let part = f32x4.splat(0);
    for (let j = 0; j < count; j += 4) {
      const v = get(x + 4 * j, count - j);
      part = madd(v, v, part);
    }
    sum += total(part);
  }
  store<f64>(found, sum);
}

/** OpenAI's Adam on one tensor, in place; `c1` and `c2` are 1 − b1 and 1 − b2, which float32 would spoil. */
export function adam(
  n: i32, p: usize, g: usize, m: usize, v: usize, factor: f32, rate: f32, decay: f32,
  b1: f32, c1: f32, b2: f32, c2: f32, epsilon: f32,
): void {
  for (let j = 0; j < n; j += 4) {
    const at = 4 * j, left = n - j;
    const grad = f32x4.mul(get(g + at, left), f32x4.splat(factor));
    const mean = madd(get(m + at, left), f32x4.splat(b1), f32x4.mul(grad, f32x4.splat(c1)));
    const square = f32x4.mul(f32x4.mul(grad, grad), f32x4.splat(c2));
    const mean2 = madd(get(v + at, left), f32x4.splat(b2), square);
    const x = get(p + at, left);
    const step = f32x4.div(mean, f32x4.add(f32x4.sqrt(mean2), f32x4.splat(epsilon)));
    set(m + at, mean, left);
    set(v + at, mean2, left);
    set(p + at, f32x4.sub(x, f32x4.mul(madd(x, f32x4.splat(decay), step), f32x4.splat(rate))), left);
  }
}
