// AssemblyScript is not quite TypeScript, and deno fmt would drop the decorators of functions.
// deno-fmt-ignore-file
// @ts-nocheck: as above
/**
 * C = op(A)·op(B) in float32, row-major: AssemblyScript, compiled by `deno task kernels` to `wasm.ts`.
 *
 * The memory is that of tfjs' wasm backend; nothing here owns any, scratch comes as an address. The blocks are
 * Goto's: a panel of 8 columns of B stays in the first cache, a block of A and of B in the second.
 *
 * An element of C is, whatever M and N are and whatever is packed, the sum over blocks of KC of sums in the
 * order of k. So a row's bits depend on that row of A, on B and on K alone.
 */
import { madd } from "./simd.as.ts";

/** A register tile: 8 accumulators, 2 vectors of B, 1 of A and one for x·y fit x64's registers; 6 × 8 do not. */
const MR = 4;
const NR = 8;
/** Of B, a panel is 8 kB and a block 512 kB; of A, a block is 96 kB. */
const KC = 256;
const MC = 96;
const NC = 512;
/** Packing is a pass over the operand: from so many columns it pays for Aᵀ, from so many rows for B. */
const COLUMNS_TO_PACK = 64;
const ROWS_TO_PACK = 96;

/** Bytes of scratch: a tile for the edges, a block of A, a block of B. */
export function scratchBytes(): usize {
  return (MR * NR + MC * KC + NC * KC) * 4;
}

/** Writes one row of a tile, or adds it to what the blocks of k before have left. */
@inline
function put(c: usize, low: v128, high: v128, first: bool): void {
  if (!first) {
    low = f32x4.add(v128.load(c), low);
    high = f32x4.add(v128.load(c, 16), high);
  }
  v128.store(c, low);
  v128.store(c, high, 16);
}

/** A tile of `rows` × 8: `rows` is a constant where this is inlined, so that the other rows vanish. */
@inline
function tileOf(
  rows: i32, depth: i32, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, first: bool,
): void {
  const zero = f32x4.splat(0);
  let l0 = zero, h0 = zero, l1 = zero, h1 = zero, l2 = zero, h2 = zero, l3 = zero, h3 = zero;
  let a1 = a + aRow, a2 = a1 + aRow, a3 = a2 + aRow;
  while (true) { // Twice the same is an eighth faster than once: engines look for interrupts in every turn.
    let low = v128.load(b), high = v128.load(b, 16), x = v128.load_splat<f32>(a);
    l0 = madd(x, low, l0), h0 = madd(x, high, h0), a += aStep;
    if (rows > 1) x = v128.load_splat<f32>(a1), l1 = madd(x, low, l1), h1 = madd(x, high, h1), a1 += aStep;
    if (rows > 2) x = v128.load_splat<f32>(a2), l2 = madd(x, low, l2), h2 = madd(x, high, h2), a2 += aStep;
    if (rows > 3) x = v128.load_splat<f32>(a3), l3 = madd(x, low, l3), h3 = madd(x, high, h3), a3 += aStep;
    if (depth == 1) break;
    b += bStep;
    low = v128.load(b), high = v128.load(b, 16), x = v128.load_splat<f32>(a);
    l0 = madd(x, low, l0), h0 = madd(x, high, h0), a += aStep;
    if (rows > 1) x = v128.load_splat<f32>(a1), l1 = madd(x, low, l1), h1 = madd(x, high, h1), a1 += aStep;
    if (rows > 2) x = v128.load_splat<f32>(a2), l2 = madd(x, low, l2), h2 = madd(x, high, h2), a2 += aStep;
    if (rows > 3) x = v128.load_splat<f32>(a3), l3 = madd(x, low, l3), h3 = madd(x, high, h3), a3 += aStep;
    if ((depth -= 2) == 0) break;
    b += bStep;
  }
  put(c, l0, h0, first);
  if (rows > 1) put(c += cRow, l1, h1, first);
  if (rows > 2) put(c += cRow, l2, h2, first);
  if (rows > 3) put(c += cRow, l3, h3, first);
}

/** A tile of 1 to 4 rows × 8. Element (i, k) of A is `aRow`·i + `aStep`·k bytes away, row k of B `bStep`·k. */
function tile(
  rows: i32, depth: i32, a: usize, aRow: usize, aStep: usize, b: usize, bStep: usize, c: usize, cRow: usize, first: bool,
): void {
  if (rows == 4) tileOf(4, depth, a, aRow, aStep, b, bStep, c, cRow, first);
  else if (rows == 3) tileOf(3, depth, a, aRow, aStep, b, bStep, c, cRow, first);
  else if (rows == 2) tileOf(2, depth, a, aRow, aStep, b, bStep, c, cRow, first);
  else tileOf(1, depth, a, aRow, aStep, b, bStep, c, cRow, first);
}

/** Four vectors as columns: stores them at `to`, a panel's row apart. */
@inline
function transpose(r0: v128, r1: v128, r2: v128, r3: v128, to: usize): void {
  const low01 = v128.shuffle<f32>(r0, r1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(r0, r1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(r2, r3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(r2, r3, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5));
  v128.store(to, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), 4 * NR);
  v128.store(to, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), 8 * NR);
  v128.store(to, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), 12 * NR);
}

/** Packs a panel of B: row after row of 8 columns, those beyond `width` zero. */
function packB(width: i32, depth: i32, from: usize, column: usize, step: usize, to: usize): void {
  if (width == NR && step == 4) { // Bᵀ: its columns lie in memory one by one.
    for (; depth >= 4; depth -= 4, from += 16, to += 16 * NR) {
      let p = from;
      const c0 = v128.load(p), c1 = v128.load(p += column), c2 = v128.load(p += column), c3 = v128.load(p += column);
      transpose(c0, c1, c2, c3, to);
      const c4 = v128.load(p += column), c5 = v128.load(p += column), c6 = v128.load(p += column);
      transpose(c4, c5, c6, v128.load(p + column), to + 16);
    }
  } else if (width == NR) {
    for (; depth > 0; depth--, from += step, to += 4 * NR) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
    }
  }
  for (; depth > 0; depth--, from += step, to += 4 * NR) { // The edges.
    for (let j = 0; j < NR; j++) store<f32>(to + 4 * j, j < width ? load<f32>(from + column * j) : 0);
  }
}

/** Packs four columns of Aᵀ, which are neighbours in memory. */
function packA(depth: i32, from: usize, step: usize, to: usize): void {
  for (; depth > 0; depth--, from += step, to += 4 * MR) v128.store(to, v128.load(from));
}

/** Columns of B that are multiplied by a single row together: more sums that wait for nothing than a tile has. */
const WIDE = 32;
const WIDE_T = 16;

/** A row of A times 32 columns of B. */
@inline
function wide(depth: i32, a: usize, aStep: usize, b: usize, bStep: usize, c: usize, first: bool): void {
  const zero = f32x4.splat(0);
  let l0 = zero, h0 = zero, l1 = zero, h1 = zero, l2 = zero, h2 = zero, l3 = zero, h3 = zero;
  for (; depth > 0; depth--, a += aStep, b += bStep) {
    const x = v128.load_splat<f32>(a);
    l0 = madd(x, v128.load(b), l0), h0 = madd(x, v128.load(b, 16), h0);
    l1 = madd(x, v128.load(b, 32), l1), h1 = madd(x, v128.load(b, 48), h1);
    l2 = madd(x, v128.load(b, 64), l2), h2 = madd(x, v128.load(b, 80), h2);
    l3 = madd(x, v128.load(b, 96), l3), h3 = madd(x, v128.load(b, 112), h3);
  }
  put(c, l0, h0, first);
  put(c + 32, l1, h1, first);
  put(c + 64, l2, h2, first);
  put(c + 96, l3, h3, first);
}

/** `sum` and four elements of a row of A times four columns of B, which lie in memory one by one. */
@inline
function four(x0: v128, x1: v128, x2: v128, x3: v128, b: usize, column: usize, sum: v128): v128 {
  const c0 = v128.load(b), c1 = v128.load(b += column), c2 = v128.load(b += column), c3 = v128.load(b + column);
  const low01 = v128.shuffle<f32>(c0, c1, 0, 4, 1, 5), high01 = v128.shuffle<f32>(c0, c1, 2, 6, 3, 7);
  const low23 = v128.shuffle<f32>(c2, c3, 0, 4, 1, 5), high23 = v128.shuffle<f32>(c2, c3, 2, 6, 3, 7);
  sum = madd(x0, v128.shuffle<f32>(low01, low23, 0, 1, 4, 5), sum);
  sum = madd(x1, v128.shuffle<f32>(low01, low23, 2, 3, 6, 7), sum);
  sum = madd(x2, v128.shuffle<f32>(high01, high23, 0, 1, 4, 5), sum);
  return madd(x3, v128.shuffle<f32>(high01, high23, 2, 3, 6, 7), sum);
}

/** A row of A times 16 columns of Bᵀ; `depth` is a multiple of 4. */
@inline
function wideT(depth: i32, a: usize, aStep: usize, b: usize, column: usize, c: usize, first: bool): void {
  const zero = f32x4.splat(0), next = 4 * column;
  let s0 = zero, s1 = zero, s2 = zero, s3 = zero;
  for (; depth > 0; depth -= 4, b += 16) {
    const x0 = v128.load_splat<f32>(a), x1 = v128.load_splat<f32>(a += aStep);
    const x2 = v128.load_splat<f32>(a += aStep), x3 = v128.load_splat<f32>(a += aStep);
    a += aStep;
    s0 = four(x0, x1, x2, x3, b, column, s0);
    s1 = four(x0, x1, x2, x3, b + next, column, s1);
    s2 = four(x0, x1, x2, x3, b + 2 * next, column, s2);
    s3 = four(x0, x1, x2, x3, b + 3 * next, column, s3);
  }
  put(c, s0, s1, first);
  put(c + 32, s2, s3, first);
}

/** C = op(A)·op(B) of a single row, or C += that. @returns The first column that is left, as fewer are than it takes. */
function single(
  transB: bool, N: i32, K: i32, a: usize, aStep: usize, b: usize, column: usize, bStep: usize, c: usize, add: bool,
): i32 {
  const columns = transB ? WIDE_T : WIDE;
  if (transB && K % 4 != 0) return 0;
  let j = 0;
  for (; j + columns <= N; j += columns, b += column * columns, c += 4 * columns) {
    for (let k = 0; k < K; k += KC) {
      const depth = min(KC, K - k), first = k == 0 && !add, pa = a + aStep * k, pb = b + bStep * k;
      if (transB) wideT(depth, pa, aStep, pb, column, c, first);
      else wide(depth, pa, aStep, pb, bStep, c, first);
    }
  }
  return j;
}

/** C = op(A)·op(B), or C += that: M × K times K × N. Leading dimensions count elements; addresses are bytes. */
export function gemm(
  transA: bool, transB: bool, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32, c: usize, ldc: i32,
  add: bool, scratch: usize,
): void {
  const aRow: usize = transA ? 4 : 4 * lda, aStep: usize = transA ? 4 * lda : 4;
  const bColumn: usize = transB ? 4 * ldb : 4, bStep: usize = transB ? 4 : 4 * ldb;
  const cRow: usize = 4 * ldc;
  const aBlock = scratch + 4 * MR * NR, bBlock = aBlock + 4 * MC * KC;
  const packsA = transA && N >= COLUMNS_TO_PACK, packsB = transB || M >= ROWS_TO_PACK;
  const block = M < MC ? NR : NC; // One block of rows: a panel of B is used up at once, out of the first cache.
  const done = M == 1 ? single(transB, N, K, a, aStep, b, bColumn, bStep, c, add) : 0;

  for (let j0 = done; j0 < N; j0 += block) {
    const j1 = min(j0 + block, N);
    for (let k0 = 0; k0 < K; k0 += KC) {
      const depth = min(KC, K - k0), first = k0 == 0 && !add;
      for (let i0 = 0; i0 < M; i0 += MC) {
        const i1 = min(i0 + MC, M);
        for (let j = j0; j < j1; j += NR) {
          const width = min(NR, N - j), whole = width == NR;
          let pb = b + bColumn * j + bStep * k0, pbStep = bStep;
          if (packsB || !whole) {
            const panel = bBlock + 4 * depth * (j - j0);
            if (i0 == 0) packB(width, depth, pb, bColumn, bStep, panel);
            pb = panel, pbStep = 4 * NR;
          }
          for (let i = i0; i < i1; i += MR) {
            const rows = min(MR, M - i);
            let pa = a + aRow * i + aStep * k0, paStep = aStep;
            if (packsA && rows == MR) {
              const panel = aBlock + 4 * depth * (i - i0);
              if (j == j0) packA(depth, pa, aStep, panel);
              pa = panel, paStep = 4 * MR;
            }
            const to = c + cRow * i + 4 * j;
            if (whole) {
              tile(rows, depth, pa, aRow, paStep, pb, pbStep, to, cRow, first);
              continue;
            }
            tile(rows, depth, pa, aRow, paStep, pb, pbStep, scratch, 4 * NR, true);
            for (let r = 0; r < rows; r++) {
              for (let s = 0; s < width; s++) {
                const at = to + cRow * r + 4 * s, value = load<f32>(scratch + 4 * (NR * r + s));
                store<f32>(at, first ? value : load<f32>(at) + value);
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
  a: usize, lda: i32, b: usize, ldb: i32, c: usize, ldc: i32, add: bool, scratch: usize,
): void {
  for (; batch > 0; batch--) {
    gemm(transA, transB, M, N, K, a, lda, b, ldb, c, ldc, add, scratch);
    a += aNext, b += bNext, c += cNext;
  }
}
