/**
 * Files and their JSON, damaged and forged: by chance, and the same for the same seed.
 *
 * @module
 */
import { keyOf, words } from "../../lib/engine/mod.ts";
import { named } from "../../lib/errors.ts";

/** Draws a whole number below another. */
export type Roll = (below: number) => number;

/** Draws of one attack. */
export function dice(seed: number, part: string, attack: number): Roll {
  const key = keyOf(seed, part, attack);
  let [draws, at] = [words(key, 64), 0];
  return (below) => {
    if (at === draws.length) draws = words(key, 2 * at);
    return draws[at++]! % below;
  };
}

/** One of several. */
export function oneOf<Item>(items: readonly Item[], roll: Roll): Item {
  return items[roll(items.length)]!;
}

/** Numbers as a float32 or a length may be, where it should not. */
const floats = [NaN, Infinity, -Infinity, 3e38, -3e38, 1e-45, -0, -1];

/** A file with some bytes changed, cut, added, or taken from another file of its kind. */
export function damaged(
  bytes: Uint8Array<ArrayBuffer>,
  other: Uint8Array<ArrayBuffer>,
  roll: Roll,
): { how: string; bytes: Uint8Array<ArrayBuffer> } {
  const at = roll(bytes.length + 1), length = Math.min(1 + roll(64), bytes.length - at);
  const join = (...parts: Uint8Array[]) => {
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let to = 0;
    for (const part of parts) all.set(part, to), to += part.length;
    return all;
  };
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (roll(8)) {
    case 0:
      return { how: `cut at byte ${at}`, bytes: before.slice() };
    case 1:
      return {
        how: `bytes inserted at ${at}`,
        bytes: join(before, Uint8Array.from({ length: 1 + roll(40) }, () => roll(256)), after),
      };
    case 2:
      return { how: `${length} bytes removed at ${at}`, bytes: join(before, after.subarray(length)) };
    case 3:
      return { how: `${length} bytes twice at ${at}`, bytes: join(before, after.subarray(0, length), after) };
    case 4:
      return { how: `another file's end from byte ${at} on`, bytes: join(before, other.subarray(at)) };
    case 5:
      return {
        how: `another file's end at byte ${at}`,
        bytes: join(before, other.subarray(roll(other.length))),
      };
    case 6: {
      const copy = bytes.slice(),
        place = Math.max(0, Math.min(at - at % 4, bytes.length - 4)),
        number = oneOf(floats, roll);
      if (copy.length >= 4) new DataView(copy.buffer).setFloat32(place, number, true);
      return { how: `${number} at byte ${place}`, bytes: copy };
    }
    default: {
      const copy = bytes.slice(), count = 1 + roll(6);
      for (let i = 0; i < count && copy.length > 0; i++) {
        const place = roll(copy.length);
        copy[place] = roll(2) ? copy[place]! ^ (1 << roll(8)) : roll(256);
      }
      return { how: `${count} bytes changed`, bytes: copy };
    }
  }
}

/** Stands for JSON as it is, which JSON.stringify would not write. */
const RAW = "\u0002";
/** Ends a key that is written as if it had no such end: one that is there twice. */
const TWICE = "\u0003";

/** What may stand where something else should. */
const odd: readonly unknown[] = [
  ...[0, -1, 0.5, 2, 1e3, 80_000, 3e8, 2 ** 31, 2 ** 32, 2 ** 53, 1e300, 1e-320],
  ...["1e999", "-1e999", "NaN", "00", "-0", `${"[".repeat(1e5)}${"]".repeat(1e5)}`].map((text) => RAW + text),
  ...[null, true, "", " ", "NaN", "1e9", "-1", "0x10", "__proto__", "toString", "none", "lstm", "float32"],
  ...["\u001b[31m\u0007\u202e", "\u0000", "\ud83d", "x".repeat(200_000), "\u0085".repeat(300)],
  ...[[], {}, { length: 3e8 }, { toString: 1, valueOf: 1 }, { float32: "AAAA" }, { float32: "AAAAAA==" }],
  ...[new Array(3000).fill(0), [[[[[[[[]]]]]]]], [1e308, -1], JSON.parse('{"__proto__":{"a":1}}')],
];

/** One of these, which a later change may change again. */
function oddOf(roll: Roll): unknown {
  return structuredClone(oneOf(odd, roll));
}

/** A value of JSON with one to three of its parts changed. */
export function forged(value: unknown, roll: Roll): { how: string; value: unknown } {
  const root = { it: structuredClone(value) };
  const done = Array.from({ length: 1 + (roll(3) === 0 ? roll(3) : 0) }, () => change(root, roll));
  return { how: done.join(", "), value: root.it };
}

function change(root: object, roll: Roll): string {
  const [parent, key, path] = spot(root, roll);
  const put = (name: string, inner: unknown) =>
    Object.defineProperty(parent, name, {
      value: inner,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  const found = parent[key];
  const what = roll(12);
  const isObject = !Array.isArray(parent) && parent !== root;
  if (what === 0 && isObject) {
    delete parent[key];
    return `${path} dropped`;
  }
  if (what === 1 && isObject) {
    put(`${key}${TWICE}`, oddOf(roll));
    return `${path} twice`;
  }
  if (what === 2 && isObject) {
    delete parent[key];
    put(oneOf(["__proto__", "length", "\u001b[2J", "x".repeat(70_000), key.toUpperCase(), "1"], roll), found);
    return `${path} renamed`;
  }
  if (what === 3 && isObject) {
    put(oneOf(["__proto__", "toJSON", "\u0007", "x".repeat(70_000), "constructor"], roll), oddOf(roll));
    return `a field beside ${path}`;
  }
  if (what === 4) {
    const [from, name, other] = spot(root, roll);
    if (from !== root) {
      put(key, structuredClone(from[name]));
      return `${path} as ${other}`;
    }
  }
  if (what === 5 && Array.isArray(parent)) {
    parent.splice(Number(key), 1);
    return `${path} removed`;
  }
  if (what <= 7 && typeof found === "number") {
    put(key, oneOf([found + 1, found - 1, -found, found * 2, found / 2, found * 1e6, String(found)], roll));
    return `${path} changed`;
  }
  if (what <= 7 && typeof found === "string" && found.length > 0) {
    const at = roll(found.length);
    put(key, found.slice(0, at) + oneOf(["", found, "\u001b", "é", " "], roll) + found.slice(at + 1));
    return `${path} changed`;
  }
  put(key, oddOf(roll));
  return `${path} replaced`;
}

/** A place in a value: most of the ways down end at a leaf. */
function spot(root: object, roll: Roll): [parent: Record<string, unknown>, key: string, path: string] {
  let [parent, key] = [root as Record<string, unknown>, "it"], path = "it";
  for (;;) {
    const inner = parent[key];
    const keys = typeof inner === "object" && inner !== null ? Object.keys(inner) : [];
    if (keys.length === 0 || roll(100) < 15) return [parent, key, path];
    parent = inner as Record<string, unknown>;
    key = oneOf(keys, roll);
    path += `.${named(key.slice(0, 20))}`;
  }
}

/** A forged value's JSON. */
export function textOf(value: unknown): string {
  return JSON.stringify(value)
    .replace(/"\\u0002((?:[^"\\]|\\.)*)"/g, "$1")
    .replaceAll('\\u0003"', '"');
}
