/**
 * A number from 0 to 2³² − 1 that depends on nothing but its input: FNV-1a, 32 bits. It is fast and the same
 * everywhere, and no secret; data that must not be mistaken for other data have a digest instead.
 *
 * @param value A text, of which the UTF-16 units are hashed, or bytes.
 * @param seed Another seed gives other numbers.
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
