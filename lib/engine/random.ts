/**
 * Everything random in the kit comes from one counter-based generator, Threefry-2x32 with 20 rounds
 * (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"). A draw is a function of a key and a
 * counter, so nothing has to be stored to go on after a stop: the update's number is state enough.
 */
import { fnv1a } from "../fnv1a.ts";

/** What a stream of random numbers is a function of: two unsigned 32-bit integers. */
export type Key = readonly [number, number];

const PARITY = 0x1bd11bda;

/**
 * Threefry-2x32, 20 rounds: two 32-bit words from a key and a counter.
 *
 * @param key Two unsigned 32-bit integers.
 * @param c0 First word of the counter.
 * @param c1 Second word of the counter.
 * @returns Two unsigned 32-bit integers.
 *
 * @example
 * ```ts
 * import { threefry } from "./random.ts";
 *
 * console.log(threefry([0, 0], 0, 0).map((word) => word.toString(16))); // [ "6b200159", "99ba4efe" ]
 * ```
 */
export function threefry(key: Key, c0: number, c1: number): Key {
  const [k0, k1] = [key[0] | 0, key[1] | 0];
  const k2 = PARITY ^ k0 ^ k1;
  let x0 = (c0 + k0) | 0, x1 = (c1 + k1) | 0;
  // Five groups of four rounds, a key injection after each; written out because a loop over tables is 4 times slower.
  x0 = (x0 + x1) | 0, x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k1) | 0, x1 = (x1 + k2 + 1) | 0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k2) | 0, x1 = (x1 + k0 + 2) | 0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k0) | 0, x1 = (x1 + k1 + 3) | 0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 17) | (x1 >>> 15)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 29) | (x1 >>> 3)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 16) | (x1 >>> 16)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 24) | (x1 >>> 8)) ^ x0;
  x0 = (x0 + k1) | 0, x1 = (x1 + k2 + 4) | 0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 13) | (x1 >>> 19)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 15) | (x1 >>> 17)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 26) | (x1 >>> 6)) ^ x0;
  x0 = (x0 + x1) | 0, x1 = ((x1 << 6) | (x1 >>> 26)) ^ x0;
  x0 = (x0 + k2) | 0, x1 = (x1 + k0 + 5) | 0;
  return [x0 >>> 0, x1 >>> 0];
}

/**
 * The key of a stream: a seed, then any number of names or numbers that tell this stream from all others.
 *
 * @example
 * ```ts
 * import { keyOf, uniforms } from "./random.ts";
 *
 * const [first] = uniforms(keyOf(1, "order", 0), 1);
 * console.log(first !== undefined && first >= 0 && first < 1); // true
 * ```
 */
export function keyOf(seed: number, ...path: (string | number)[]): Key {
  let key: Key = [seed >>> 0, 0];
  for (const step of path) key = threefry(key, typeof step === "number" ? step : fnv1a(step), 0x6b657973);
  return key;
}

/** `count` random 32-bit words: the blocks of counters (0, 0), (1, 0), … one after the other. */
export function words(key: Key, count: number): Uint32Array {
  const out = new Uint32Array(count + (count & 1));
  for (let i = 0; i < count; i += 2) {
    const [x0, x1] = threefry(key, i >>> 1, 0);
    out[i] = x0;
    out[i + 1] = x1;
  }
  return out.subarray(0, count);
}

/** `count` numbers, uniform in [0, 1), of 32 random bits each. */
export function uniforms(key: Key, count: number): Float64Array {
  return Float64Array.from(words(key, count), (word) => word / 2 ** 32);
}

/**
 * `count` numbers from N(0, deviation²), not truncated (GPT-1's initialiser), by the Box–Muller transform.
 *
 * @example
 * ```ts
 * import { keyOf, normals } from "./random.ts";
 *
 * const draws = normals(keyOf(1, "example"), 10_000, 0.02);
 * const meanSquare = draws.reduce((sum, x) => sum + x * x, 0) / draws.length;
 * console.log(Math.abs(Math.sqrt(meanSquare) - 0.02) < 0.001); // true
 * ```
 */
export function normals(key: Key, count: number, deviation: number): Float32Array {
  const bits = words(key, count + (count & 1));
  const out = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i += 2) {
    // + 1 keeps the logarithm finite.
    const radius = deviation * Math.sqrt(-2 * Math.log((bits[i]! + 1) / 2 ** 32));
    const angle = 2 * Math.PI * bits[i + 1]! / 2 ** 32;
    out[i] = radius * Math.cos(angle);
    out[i + 1] = radius * Math.sin(angle);
  }
  return out.subarray(0, count);
}

/** The numbers 0 … count − 1 in random order (Fisher–Yates). */
export function permutation(key: Key, count: number): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length: count }, (_, i) => i);
  const draws = uniforms(key, count);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(draws[i]! * (i + 1));
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}

/**
 * The factors of dropout: 0 with probability `rate`, else 1 / (1 − rate), so that the mean stays.
 *
 * Sixteen bits decide on one element, so the rate is exact to 2⁻¹⁷ and the factor is that of the rate used.
 *
 * @param key Stream of the mask.
 * @param count Number of elements.
 * @param rate Share of elements that are dropped, in [0, 1).
 */
export function dropoutFactors(key: Key, count: number, rate: number): Float32Array {
  const threshold = Math.round(rate * 65536);
  const kept = 65536 / (65536 - threshold);
  const bits = words(key, Math.ceil(count / 2));
  const out = new Float32Array(bits.length * 2);
  for (let i = 0; i < bits.length; i++) {
    const word = bits[i]!;
    if ((word & 0xffff) >= threshold) out[2 * i] = kept;
    if ((word >>> 16) >= threshold) out[2 * i + 1] = kept;
  }
  return out.subarray(0, count);
}
