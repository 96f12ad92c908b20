// AssemblyScript is not quite TypeScript, and deno fmt would drop the decorators of functions.
// deno-fmt-ignore-file
// @ts-nocheck: as above
/**
 * C = op(A)·op(B) in float32, row-major: AssemblyScript, compiled by `deno task kernels` to `wasm.ts`.
 *
 * The memory is that of tfjs' wasm backend; nothing here owns any, scratch comes as an address. Goto's scheme:
 * panels of 8 columns of B and of 6 rows of A are packed so that the innermost loop reads both in order.
 *
 * An element of C is, whatever M and N and the packing are, the sum over blocks of KC of sums in the order of
 * k. So a row's bits depend on that row of A, on B and on K alone.
 */

/** Rows and columns of a register tile: 12 accumulators, 2 vectors of B and 1 of A are 15 registers; x64 has 16. */
const MR = 6;
const NR = 8;
/** A panel of B (KC × 8 floats, 8 kB) stays in the first cache, a block of A (96 kB) and of B (512 kB) in the second. */
const KC = 256;
const MC = 120;
const NC = 512;
const PACK_A_FROM = 64;
const PACK_B_FROM = 96;
const SMALL_M = 24;

/** Bytes of scratch: a tile for the edges, a block of A, a block of B. */
export function scratchBytes(): usize {
  return MR * NR * 4 + MC * KC * 4 + NC * KC * 4;
}

/** `sum + x·y`: in one rounding where relaxed SIMD has it, else in two. */
@inline
function madd(x: v128, y: v128, sum: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
}

/** Writes one row of a tile, or adds it to what the blocks of k before have left. */
@inline
function put(c: usize, lo: v128, hi: v128, first: bool): void {
  if (!first) {
    lo = f32x4.add(v128.load(c), lo);
    hi = f32x4.add(v128.load(c, 16), hi);
  }
  v128.store(c, lo);
  v128.store(c, hi, 16);
}

/** A tile of `rows` × 8: `rows` is a constant wherever this is inlined, so that unused rows vanish. */
@inline
function tile(
  rows: i32, depth: i32, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, first: bool,
): void {
  const zero = f32x4.splat(0);
  let l0 = zero, h0 = zero, l1 = zero, h1 = zero, l2 = zero, h2 = zero;
  let l3 = zero, h3 = zero, l4 = zero, h4 = zero, l5 = zero, h5 = zero;
  let a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow, a4 = a3 + aRow, a5 = a4 + aRow;
  for (let k = depth; k > 0; k--) {
    const lo = v128.load(b), hi = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    l0 = madd(x, lo, l0), h0 = madd(x, hi, h0), a += aStep;
    if (rows > 1) x = v128.load_splat<f32>(a1), l1 = madd(x, lo, l1), h1 = madd(x, hi, h1), a1 += aStep;
    if (rows > 2) x = v128.load_splat<f32>(a2), l2 = madd(x, lo, l2), h2 = madd(x, hi, h2), a2 += aStep;
    if (rows > 3) x = v128.load_splat<f32>(a3), l3 = madd(x, lo, l3), h3 = madd(x, hi, h3), a3 += aStep;
    if (rows > 4) x = v128.load_splat<f32>(a4), l4 = madd(x, lo, l4), h4 = madd(x, hi, h4), a4 += aStep;
    if (rows > 5) x = v128.load_splat<f32>(a5), l5 = madd(x, lo, l5), h5 = madd(x, hi, h5), a5 += aStep;
    b += bStep;
  }
  put(c, l0, h0, first);
  if (rows > 1) put(c += cRow, l1, h1, first);
  if (rows > 2) put(c += cRow, l2, h2, first);
  if (rows > 3) put(c += cRow, l3, h3, first);
  if (rows > 4) put(c += cRow, l4, h4, first);
  if (rows > 5) put(c += cRow, l5, h5, first);
}

/** The tile of six rows of packed A: neighbours in memory, so that one pointer does. */
function packedTile(depth: i32, a: usize, b: usize, bStep: usize, c: usize, cRow: usize, first: bool): void {
  const zero = f32x4.splat(0);
  let l0 = zero, h0 = zero, l1 = zero, h1 = zero, l2 = zero, h2 = zero;
  let l3 = zero, h3 = zero, l4 = zero, h4 = zero, l5 = zero, h5 = zero;
  for (let k = depth; k > 0; k--) {
    const lo = v128.load(b), hi = v128.load(b, 16);
    let x = v128.load_splat<f32>(a);
    l0 = madd(x, lo, l0), h0 = madd(x, hi, h0);
    x = v128.load_splat<f32>(a, 4), l1 = madd(x, lo, l1), h1 = madd(x, hi, h1);
    x = v128.load_splat<f32>(a, 8), l2 = madd(x, lo, l2), h2 = madd(x, hi, h2);
    x = v128.load_splat<f32>(a, 12), l3 = madd(x, lo, l3), h3 = madd(x, hi, h3);
    if (MR > 4) x = v128.load_splat<f32>(a, 16), l4 = madd(x, lo, l4), h4 = madd(x, hi, h4);
    if (MR > 5) x = v128.load_splat<f32>(a, 20), l5 = madd(x, lo, l5), h5 = madd(x, hi, h5);
    a += MR * 4, b += bStep;
  }
  put(c, l0, h0, first);
  put(c += cRow, l1, h1, first);
  put(c += cRow, l2, h2, first);
  put(c += cRow, l3, h3, first);
  if (MR > 4) put(c += cRow, l4, h4, first);
  if (MR > 5) put(c += cRow, l5, h5, first);
}

/** The tile of any number of rows, 1 to 6. */
function anyTile(
  rows: i32, depth: i32, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, first: bool,
): void {
  if (rows == MR) tile(MR, depth, a, aRow, aStep, b, bStep, c, cRow, first);
  else if (rows == 5) tile(5, depth, a, aRow, aStep, b, bStep, c, cRow, first);
  else if (rows == 4) tile(4, depth, a, aRow, aStep, b, bStep, c, cRow, first);
  else if (rows == 3) tile(3, depth, a, aRow, aStep, b, bStep, c, cRow, first);
  else if (rows == 2) tile(2, depth, a, aRow, aStep, b, bStep, c, cRow, first);
  else tile(1, depth, a, aRow, aStep, b, bStep, c, cRow, first);
}

/** Turns four vectors, of four rows, into columns: stores them at `to`, `step` apart. */
@inline
function transpose4(r0: v128, r1: v128, r2: v128, r3: v128, to: usize, step: usize): void {
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
  v128.store(to += step, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7));
  v128.store(to += step, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5));
  v128.store(to += step, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7));
}

/**
 * Packs `count` ≤ `width` lines (rows of A, columns of B) of `depth` elements: element k of line i goes to
 * `to[k·width + i]`, and lines that are missing become zeros.
 */
@inline
function pack(width: i32, count: i32, depth: i32, from: usize, line: usize, step: usize, to: usize): void {
  const out = <usize>width * 4;
  if (count == width && step == 4) { // Lines lie in memory one by one: transpose.
    let k = 0;
    for (; k + 4 <= depth; k += 4) {
      let p = from;
      const r0 = v128.load(p), r1 = v128.load(p += line), r2 = v128.load(p += line), r3 = v128.load(p += line);
      transpose4(r0, r1, r2, r3, to, out);
      if (width == 8) {
        const r4 = v128.load(p += line), r5 = v128.load(p += line);
        const r6 = v128.load(p += line), r7 = v128.load(p += line);
        transpose4(r4, r5, r6, r7, to + 16, out);
      } else if (width == 5) {
        const r4 = v128.load(p += line);
        v128.store_lane<u32>(to, r4, 0, 16);
        v128.store_lane<u32>(to + out, r4, 1, 16);
        v128.store_lane<u32>(to + 2 * out, r4, 2, 16);
        v128.store_lane<u32>(to + 3 * out, r4, 3, 16);
      } else if (width == 6) {
        const r4 = v128.load(p += line), r5 = v128.load(p += line);
        const low = v128.shuffle<f32>(r4, r5, 0, 4, 1, 5), high = v128.shuffle<f32>(r4, r5, 2, 6, 3, 7);
        v128.store_lane<u64>(to, low, 0, 16);
        v128.store_lane<u64>(to + out, low, 1, 16);
        v128.store_lane<u64>(to + 2 * out, high, 0, 16);
        v128.store_lane<u64>(to + 3 * out, high, 1, 16);
      }
      from += 16, to += 4 * out;
    }
    for (; k < depth; k++) {
      for (let i: usize = 0; i < <usize>width; i++) store<f32>(to + i * 4, load<f32>(from + i * line));
      from += 4, to += out;
    }
  } else if (count == width && line == 4) { // Neighbours in memory: copy.
    for (let k = 0; k < depth; k++) {
      v128.store(to, v128.load(from));
      if (width == 8) v128.store(to, v128.load(from, 16), 16);
      else if (width == 6) store<u64>(to, load<u64>(from, 16), 16);
      else if (width == 5) store<u32>(to, load<u32>(from, 16), 16);
      from += step, to += out;
    }
  } else { // The edge.
    for (let k = 0; k < depth; k++) {
      for (let i: usize = 0; i < <usize>width; i++) {
        store<f32>(to + i * 4, i < <usize>count ? load<f32>(from + i * line) : 0);
      }
      from += step, to += out;
    }
  }
}

function packA(count: i32, depth: i32, from: usize, line: usize, step: usize, to: usize): void {
  pack(MR, count, depth, from, line, step, to);
}

function packB(count: i32, depth: i32, from: usize, line: usize, step: usize, to: usize): void {
  pack(NR, count, depth, from, line, step, to);
}

/** C = op(A)·op(B): M × K times K × N. Leading dimensions count elements; addresses are bytes. */
export function gemm(
  transA: bool, transB: bool, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32, c: usize, ldc: i32,
  scratch: usize,
): void {
  const aRow: usize = transA ? 4 : <usize>lda * 4, aStep: usize = transA ? <usize>lda * 4 : 4;
  const bColumn: usize = transB ? <usize>ldb * 4 : 4, bStep: usize = transB ? 4 : <usize>ldb * 4;
  const cRow = <usize>ldc * 4;
  const aBlock = scratch + MR * NR * 4, bBlock = aBlock + MC * KC * 4;
  // Packing costs a pass over the operand: worth it where the pass is used by many tiles.
  const packsA = N >= PACK_A_FROM;
  const packsB = transB || M >= PACK_B_FROM;
  const wide = M <= SMALL_M ? NR : NC; // Few rows: a panel of B is used at once, while it is in the first cache.

  for (let j0 = 0; j0 < N; j0 += wide) {
    const columns = min(wide, N - j0);
    for (let k0 = 0; k0 < K; k0 += KC) {
      const depth = min(KC, K - k0), first = k0 == 0;
      const panel = <usize>depth * NR * 4;
      const bFrom = b + <usize>k0 * bStep + <usize>j0 * bColumn;
      for (let j = 0, to = bBlock; j < columns; j += NR, to += panel) {
        if (packsB || columns - j < NR) {
          packB(min(NR, columns - j), depth, bFrom + <usize>j * bColumn, bColumn, bStep, to);
        }
      }
      for (let i0 = 0; i0 < M; i0 += MC) {
        const rows = min(MC, M - i0);
        const aFrom = a + <usize>i0 * aRow + <usize>k0 * aStep;
        if (packsA) {
          for (let i = 0; i < rows; i += MR) {
            packA(min(MR, rows - i), depth, aFrom + <usize>i * aRow, aRow, aStep, aBlock + <usize>(i * depth) * 4);
          }
        }
        for (let j = 0; j < columns; j += NR) {
          const width = min(NR, columns - j);
          const packed = packsB || width < NR;
          const pb = packed ? bBlock + <usize>j * <usize>depth * 4 : bFrom + <usize>j * bColumn;
          const pbStep: usize = packed ? NR * 4 : bStep;
          for (let i = 0; i < rows; i += MR) {
            const height = min(MR, rows - i);
            const to = c + <usize>(i0 + i) * cRow + <usize>(j0 + j) * 4;
            const whole = width == NR;
            const out = whole ? to : scratch, outRow: usize = whole ? cRow : NR * 4;
            if (!packsA) {
              anyTile(height, depth, aFrom + <usize>i * aRow, aRow, aStep, pb, pbStep, out, outRow, first || !whole);
            } else if (height == MR) {
              packedTile(depth, aBlock + <usize>(i * depth) * 4, pb, pbStep, out, outRow, first || !whole);
            } else {
              anyTile(height, depth, aBlock + <usize>(i * depth) * 4, 4, MR * 4, pb, pbStep, out, outRow, first || !whole);
            }
            if (!whole) {
              for (let r: usize = 0; r < <usize>height; r++) {
                for (let s: usize = 0; s < <usize>width; s++) {
                  const at = to + r * cRow + s * 4, value = load<f32>(scratch + (r * NR + s) * 4);
                  store<f32>(at, first ? value : load<f32>(at) + value);
                }
              }
            }
          }
        }
      }
    }
  }
}

/** As {@linkcode gemm}, `batch` times, the operands that many bytes apart; 0 uses one again and again. */
export function batchGemm(
  batch: i32, aNext: usize, bNext: usize, cNext: usize, transA: bool, transB: bool, M: i32, N: i32, K: i32,
  a: usize, lda: i32, b: usize, ldb: i32, c: usize, ldc: i32, scratch: usize,
): void {
  for (; batch > 0; batch--) {
    gemm(transA, transB, M, N, K, a, lda, b, ldb, c, ldc, scratch);
    a += aNext, b += bNext, c += cNext;
  }
}
