/**
 * The 32-bit FNV-1a hash: fast and deterministic, but not collision-resistant; use a digest to identify data.
 *
 * @param value Bytes, or a string, whose UTF-16 units are hashed.
 * @param seed Seed of the hash. Default: 0.
 *
 * @example
 * ```ts
 * import { fnv1a } from "./fnv1a.ts";
 *
 * console.log(fnv1a("a").toString(16), fnv1a(new Uint8Array([97])).toString(16)); // e40c292c e40c292c
 * ```
 */
export function fnv1a(value: string | Uint8Array, seed = 0): number {
  const unit = typeof value === "string" ? (i: number) => value.charCodeAt(i) : (i: number) => value[i]!;
  let hash = 0x811c9dc5 ^ seed;
  for (let i = 0; i < value.length; i++) hash = Math.imul(hash ^ unit(i), 0x01000193);
  return hash >>> 0;
}
