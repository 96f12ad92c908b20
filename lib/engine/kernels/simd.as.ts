// AssemblyScript is not quite TypeScript, and deno fmt would drop the decorators of functions.
// deno-fmt-ignore-file
// @ts-nocheck: as above
/** What the kernels share: four floats at a time. */

/** `sum + x·y`: in one rounding where relaxed SIMD has it, else in two. */
@inline
export function madd(x: v128, y: v128, sum: v128): v128 {
  return ASC_FEATURE_RELAXED_SIMD ? f32x4.relaxed_madd(x, y, sum) : f32x4.add(sum, f32x4.mul(x, y));
}

/** The next four floats; where fewer are `left`, zeros follow. Nothing beyond them is read. */
@inline
export function get(from: usize, left: i32): v128 {
  return left >= 4 ? v128.load(from) : part(from, left);
}

function part(from: usize, left: i32): v128 {
  let v = f32x4.splat(0);
  if (left > 0) v = v128.load_lane<f32>(from, v, 0);
  if (left > 1) v = v128.load_lane<f32>(from + 4, v, 1);
  if (left > 2) v = v128.load_lane<f32>(from + 8, v, 2);
  return v;
}

/** Writes the next four floats, or as many as are `left`. */
@inline
export function set(to: usize, v: v128, left: i32): void {
  if (left >= 4) v128.store(to, v);
  else setPart(to, v, left);
}

function setPart(to: usize, v: v128, left: i32): void {
  if (left > 0) v128.store_lane<f32>(to, v, 0);
  if (left > 1) v128.store_lane<f32>(to + 4, v, 1);
  if (left > 2) v128.store_lane<f32>(to + 8, v, 2);
}

/** `v`, with `other` in the lanes beyond the `left` ones. */
@inline
export function within(v: v128, left: i32, other: v128): v128 {
  return left >= 4
    ? v
    : v128.bitselect(v, other, i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(left)));
}

/** 1/(1 + e⁻ˣ). */
@inline
export function sigmoid(x: v128, c: usize): v128 {
  const one = v128.load_splat<f32>(c);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x), c)));
}

/** tanh x: by its series where |x| < ¼, as the other formula is exact to 1e-7 of 1 alone. */
@inline
export function tanh(x: v128, c: usize): v128 {
  const one = v128.load_splat<f32>(c), e = exp(f32x4.mul(x, f32x4.splat(-2)), c), s = f32x4.mul(x, x);
  let p = madd(s, f32x4.splat(62.0 / 2835.0), f32x4.splat(-17.0 / 315.0));
  p = madd(p, s, f32x4.splat(2.0 / 15.0));
  p = madd(p, s, f32x4.splat(-1.0 / 3.0));
  p = madd(f32x4.mul(x, s), p, x);
  const far = f32x4.div(f32x4.sub(one, e), f32x4.add(one, e));
  return v128.bitselect(p, far, f32x4.lt(f32x4.abs(x), f32x4.splat(0.25)));
}

/** The four lanes' sum. */
@inline
export function total(v: v128): f32 {
  return (f32x4.extract_lane(v, 0) + f32x4.extract_lane(v, 1)) +
    (f32x4.extract_lane(v, 2) + f32x4.extract_lane(v, 3));
}

/** Where the constants lie: engines make a constant vector again at each use, in three instructions; a load is one. */
let constants: usize = 0;

/** Takes 64 bytes for the constants, once. */
export function setUp(at: usize): void {
  constants = at;
  store<f32>(at, 1);
  store<f32>(at, 87, 4);
  store<f32>(at, -87, 8);
  store<f32>(at, 1.44269504, 12); // 1/ln 2
  store<f32>(at, 12582912, 16); // 1.5·2²³: adding it rounds, and leaves the whole number in the lowest bits.
  store<f32>(at, -0.693359375, 20); // −ln 2 in two parts, the first of so few bits that n times it is exact.
  store<f32>(at, 2.12194440e-4, 24);
  store<f32>(at, 0.0013813140103593469, 28); // The best of its degree for (eʳ − 1 − r)/r² on |r| ≤ ln 2/2.
  store<f32>(at, 0.00836941972374916, 32);
  store<f32>(at, 0.04166845604777336, 36);
  store<f32>(at, 0.16666515171527863, 40);
  store<f32>(at, 0.4999999403953552, 44);
}

/** The table's address, for a loop to hold on to. */
@inline
export function table(): usize {
  return constants;
}

/**
 * eˣ = 2ⁿ·eʳ within 1e-7 of itself for |x| ≤ 87, beyond which it stays where it was; NaN stays NaN.
 *
 * @param c {@linkcode table}
 */
@inline
export function exp(x: v128, c: usize): v128 {
  const one = v128.load_splat<f32>(c), magic = v128.load_splat<f32>(c, 16);
  x = f32x4.pmin(f32x4.pmax(x, v128.load_splat<f32>(c, 8)), v128.load_splat<f32>(c, 4));
  const shifted = madd(x, v128.load_splat<f32>(c, 12), magic);
  const n = f32x4.sub(shifted, magic);
  const r = madd(n, v128.load_splat<f32>(c, 24), madd(n, v128.load_splat<f32>(c, 20), x));
  let p = madd(v128.load_splat<f32>(c, 28), r, v128.load_splat<f32>(c, 32));
  p = madd(p, r, v128.load_splat<f32>(c, 36));
  p = madd(p, r, v128.load_splat<f32>(c, 40));
  p = madd(p, r, v128.load_splat<f32>(c, 44));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), one);
  return f32x4.mul(p, i32x4.add(i32x4.shl(shifted, 23), one)); // The bits of 1 are the exponent's zero.
}
