import { abbreviated, digest } from "../digest.ts";

/** Raised when the same settings come to compute something else, so that no old result is taken for a new one. */
const FORMAT = 2;

/** What a run reads, whole: data, settings, what it begins with. */
export type Read = Readonly<Record<string, unknown>>;

/**
 * Keys of what runs read. A key is made of every field of it, whatever there is: one that is added later changes it,
 * and none can be forgotten. Texts and objects are taken to stay as they are, so that a corpus that many runs read is
 * hashed once.
 */
export function keys(): (read: Read) => string {
  const sums = new Map<unknown, string>();
  const sumOf = (value: unknown): string => {
    if (typeof value === "string" ? value.length < 1000 : typeof value !== "object") return digest(value);
    const sum = sums.get(value) ?? digest(value);
    sums.set(value, sum);
    return sum;
  };
  return (read) => {
    const fields = Object.entries(read).filter(([, value]) => value !== undefined);
    return digest({ FORMAT, ...Object.fromEntries(fields.map(([name, value]) => [name, sumOf(value)])) });
  };
}

/** What a run reads as its result's file shows it: of long texts and lists their size and digest. */
export function summary(value: unknown): unknown {
  if (typeof value === "string") {
    return value.length <= 300 ? value : `${value.length} characters, ${sum(value)}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) return String(value); // JSON has none.
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    return value.length <= 32 ? value.map(summary) : `${value.length} items, ${sum(value)}`;
  }
  const fields = "toJSON" in value && typeof value.toJSON === "function" ? value.toJSON() : value;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, summary(field)]));
}

const sum = (value: unknown) => `sha256 ${abbreviated(digest(value))}`;
