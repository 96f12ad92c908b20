import { abbreviated, digest } from "../digest.ts";

/** Incremented when the same settings compute something else, so that old results are not reused. */
const FORMAT = 2;

/** All inputs of a run: data, settings, initial model. */
export type RunInputs = Readonly<Record<string, unknown>>;

/**
 * Returns a function that computes a run's key: a hash of all its inputs. Hashes of texts and objects are cached, so that
 * a corpus of many runs is hashed once; they must not change.
 */
export function keys(): (inputs: RunInputs) => string {
  const sums = new Map<unknown, string>();
  const sumOf = (value: unknown): string => {
    if (typeof value === "string" ? value.length < 1000 : typeof value !== "object") return digest(value);
    const sum = sums.get(value) ?? digest(value);
    sums.set(value, sum);
    return sum;
  };
  return (inputs) => {
    const fields = Object.entries(inputs).filter(([, value]) => value !== undefined);
    return digest({ FORMAT, ...Object.fromEntries(fields.map(([name, value]) => [name, sumOf(value)])) });
  };
}

/** A run's inputs as stored in its result file; long texts and lists are replaced by their size and digest. */
export function summary(value: unknown): unknown {
  if (typeof value === "string") {
    return value.length <= 300 ? value : `${value.length} characters, ${sum(value)}`;
  }
  if (typeof value === "number" && !Number.isFinite(value)) return String(value); // JSON has no NaN or infinity.
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) {
    return value.length <= 32 ? value.map(summary) : `${value.length} items, ${sum(value)}`;
  }
  const fields = "toJSON" in value && typeof value.toJSON === "function" ? value.toJSON() : value;
  return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, summary(field)]));
}

const sum = (value: unknown) => `sha256 ${abbreviated(digest(value))}`;
