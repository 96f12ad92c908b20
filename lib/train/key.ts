import { abbreviated, digest } from "../digest.ts";

/** Incremented when the same settings compute something else, so that old results are not reused. */
const FORMAT = 2;

/** All inputs of a run: data, settings, initial model. */
export type RunInputs = Readonly<Record<string, unknown>>;

/** What {@linkcode keys} returns. */
export interface Keys {
  /** A run's key: a hash of all its inputs. */
  keyOf(inputs: RunInputs): string;
  /** A run's inputs as stored in its result file; long texts and lists are replaced by their size and digest. */
  summaryOf(value: unknown): unknown;
}

/**
 * Returns functions that compute runs' keys and summaries. Hashes of texts and objects are cached, so that a corpus of
 * many runs is hashed once; they must not change.
 */
export function keys(): Keys {
  const sums = new Map<unknown, string>();
  const sumOf = (value: unknown): string => {
    if (typeof value === "string" ? value.length < 1000 : typeof value !== "object") return digest(value);
    const sum = sums.get(value) ?? digest(value);
    sums.set(value, sum);
    return sum;
  };
  const keyOf = (inputs: RunInputs): string => {
    const fields = Object.entries(inputs).filter(([, value]) => value !== undefined);
    return digest({ FORMAT, ...Object.fromEntries(fields.map(([name, value]) => [name, sumOf(value)])) });
  };
  const summaryOf = (value: unknown): unknown => {
    const sum = () => `sha256 ${abbreviated(sumOf(value))}`;
    if (typeof value === "string") {
      return value.length <= 300 ? value : `${value.length} characters, ${sum()}`;
    }
    if (typeof value === "number" && !Number.isFinite(value)) return String(value); // JSON has no NaN or infinity.
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) {
      return value.length <= 32 ? value.map(summaryOf) : `${value.length} items, ${sum()}`;
    }
    const fields = "toJSON" in value && typeof value.toJSON === "function" ? value.toJSON() : value;
    return Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, summaryOf(field)]));
  };
  return { keyOf, summaryOf };
}
