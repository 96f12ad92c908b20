/**
 * Settings as data: the name, accepted values, default and rationale of each option of a function or command. Types,
 * validation, command line and help are derived from them.
 *
 * @module
 */
import { distance } from "npm:fastest-levenshtein@1.0.16";
import { InputError, isThenable, quoted } from "./errors.ts";

/** A kind of value: numbers of a range, names, or lists of these. */
export interface Kind<T> {
  /** The accepted values, in messages after "must be": `a whole number from 1 to 10,000`. */
  readonly expected: string;
  /** The accepted values, in the help of a command: `1 to 10,000`. Default: any. */
  readonly range?: string;
  /** Placeholder in the help of a command: `n`. */
  readonly form: string;
  /** Whether a value is accepted. */
  accepts(value: unknown): value is T;
  /** Parses a value from the command line; returns the text itself if it cannot. */
  read(text: string): unknown;
  /** Combines the values of an option that is given twice on a command line. Default: it may not be. */
  merge?(one: T, other: T): T;
  /** The kind of the elements, for a list. */
  readonly each?: Kind<unknown>;
  /** All accepted values, if they are names. */
  readonly names?: readonly string[];
}

/** An option: its kind and documentation. Without `default` and `otherwise` it is required. */
export interface Setting<T> extends Kind<T> {
  /** Description, in one line. */
  readonly about: string;
  /** Unit of a number, or what a text names, for the placeholder: `seconds`, `file`. */
  readonly unit?: string;
  /** Default value. */
  readonly default?: T;
  /** Rationale of the default: a section of the paper, or a measurement. */
  readonly why?: string;
  /** Description of a default that is not a single value: `the model's own`. */
  readonly otherwise?: string;
}

/** Settings by name; a group of settings is a nested schema. */
export interface Schema {
  readonly [name: string]: Setting<unknown> | Schema;
}

/** A schema with exactly one setting, of the field's type, for each field of an interface. */
export type SchemaOf<Options> = {
  readonly [Name in keyof Options]-?:
    | Setting<Exclude<Options[Name], undefined>>
    | (Schema & SchemaOf<Exclude<Options[Name], undefined>>);
};

/** The values of a schema's settings: those with `otherwise` and without `default` may be absent. */
export type ValuesOf<S> =
  & { readonly [Name in keyof S as MayBeAbsent<S[Name]> extends true ? never : Name]: ValueOf<S[Name]> }
  & { readonly [Name in keyof S as MayBeAbsent<S[Name]> extends true ? Name : never]?: ValueOf<S[Name]> };

type MayBeAbsent<S> = S extends { default: unknown } ? false : S extends { otherwise: string } ? true : false;

type ValueOf<S> = S extends Kind<infer T> ? T : ValuesOf<S>;

/** Whole numbers of a range. */
export function whole({ from, to }: { readonly from: number; readonly to: number }): Kind<number> {
  return {
    expected: `a whole number from ${formatBound(from)} to ${formatBound(to)}`,
    range: `${formatBound(from)} to ${formatBound(to)}`,
    form: "n",
    accepts: (value): value is number => Number.isInteger(value) && isWithin(value, from, to),
    read: readNumber,
  };
}

/** Numbers of a range; with `orZero`, also 0, which disables the option. */
export function number(
  { from, to, orZero = false }: { readonly from: number; readonly to: number; readonly orZero?: boolean },
): Kind<number> {
  return {
    expected: `${orZero ? "0 or " : ""}a number from ${formatBound(from)} to ${formatBound(to)}`,
    range: `${orZero ? "0, or " : ""}${formatBound(from)} to ${formatBound(to)}`,
    form: "number",
    accepts: (value): value is number => isWithin(value, from, to) || (orZero && value === 0),
    read: readNumber,
  };
}

/** Fractions from 0 to below 1. */
export const share: Kind<number> = {
  expected: "a number from 0 to below 1",
  range: "0 to below 1",
  form: "share",
  accepts: (value): value is number => typeof value === "number" && value >= 0 && value < 1,
  read: readNumber,
};

/** A maximum: a whole number, or all. */
export const limit: Kind<number> = {
  expected: "a whole number from 1, or all (Infinity)",
  range: "from 1, or all",
  form: "n",
  accepts: (value): value is number =>
    value === Infinity || (Number.isSafeInteger(value) && (value as number) >= 1),
  read: (text) => text === "all" || text === "Infinity" ? Infinity : readNumber(text),
};

/** One of these names. */
export function oneOf<const Name extends string>(names: readonly Name[]): Kind<Name> {
  return {
    expected: `one of ${names.join(", ")}`,
    range: names.join(", "),
    form: "name",
    accepts: (value): value is Name => names.includes(value as Name),
    read: (text) => text,
    names,
  };
}

/** A string of at least one character. */
export const text: Kind<string> = {
  expected: "a text that is not empty",
  form: "text",
  accepts: (value): value is string => typeof value === "string" && value !== "" && !value.includes("\0"),
  read: (text) => text,
};

/** Booleans. */
export const flag: Kind<boolean> = {
  expected: "true or false",
  form: "",
  accepts: (value): value is boolean => typeof value === "boolean",
  read: (text) => text,
};

/** Values that cannot be given on a command line. */
export function value<T>(expected: string, accepts: (value: unknown) => value is T): Kind<T> {
  return { expected, form: "value", accepts, read: (text) => text };
}

/** Seeds of the random number generator. */
export const seed: Kind<number> = whole({ from: 0, to: 2 ** 32 - 1 });

/** Signals that stop a run. */
export const signal: Kind<AbortSignal> = value(
  "an AbortSignal",
  (value): value is AbortSignal => value instanceof AbortSignal,
);

/** A list of at least one value without duplicates; {@linkcode settle} accepts a single value as a list of one. */
export function list<T>(each: Kind<T>): Kind<readonly T[]> {
  return {
    expected: `one or more different values, each ${each.expected}`,
    ...each.range !== undefined && { range: each.range },
    form: each.form,
    accepts: (value): value is readonly T[] =>
      Array.isArray(value) && value.length > 0 && new Set(value).size === value.length &&
      value.findIndex((item) => !each.accepts(item)) < 0, // Not every(), which skips holes.
    read: (text) => text.split(",").map((part) => each.read(part.trim())),
    each,
  };
}

/** A list as of {@linkcode list}, or an empty one, which is `none` in text. */
export function listOrNone<T>(each: Kind<T>): Kind<readonly T[]> {
  const some = list(each);
  return {
    ...some,
    expected: `none, or ${some.expected}`,
    accepts: (value): value is readonly T[] =>
      some.accepts(value) || Array.isArray(value) && value.length === 0,
    read: (text) => text.trim() === "none" ? [] : some.read(text),
  };
}

/** Values of either of two kinds. */
export function or<A, B>(a: Kind<A>, b: Kind<B>): Kind<A | B> {
  const names = a.names ?? b.names;
  return {
    expected: `${a.expected}, or ${b.expected}`,
    ...a.range !== undefined && b.range !== undefined && { range: `${a.range}, or ${b.range}` },
    form: a.form,
    accepts: (value): value is A | B => a.accepts(value) || b.accepts(value),
    read(text) {
      const value = a.read(text);
      return a.accepts(value) ? value : b.read(text);
    },
    ...names && { names },
  };
}

/**
 * Validates options and fills in defaults, in the schema's order. `undefined` counts as missing.
 *
 * @param action What the options are for, in messages after "Cannot": `fine-tune`.
 * @param schema The known options.
 * @param given The options of the caller.
 * @param path Name of the group, for nested options.
 * @throws {InputError} If the options are not a plain object, a name is unknown, a value is not accepted or a required
 * one is missing.
 *
 * @example
 * ```ts
 * import { number, settle, whole } from "../lib/settings.ts";
 *
 * const rate = { ...number({ from: 1e-9, to: 10 }), about: "largest learning rate", default: 1e-3 };
 * const epochs = { ...whole({ from: 1, to: 1e4 }), about: "passes over the examples", default: 3 };
 * console.log(settle("train", { rate, epochs }, { epochs: 1 })); // { rate: 0.001, epochs: 1 }
 * ```
 */
export function settle<const S extends Schema>(
  action: string,
  schema: S,
  given: unknown = {},
  path = "",
): ValuesOf<S> {
  const at = (name: string) => path === "" ? name : `${path}.${name}`;
  const known = Object.keys(schema);
  if (!isPlain(given)) {
    throw new InputError(
      path === ""
        ? `Cannot ${action} with options ${quoted(given)} as they must be an object`
        : `Cannot ${action} with ${path} ${quoted(given)} as it must be an object of ${known.join(", ")}`,
    );
  }
  for (const name of Object.keys(given)) {
    if (given[name] === undefined || Object.hasOwn(schema, name)) continue;
    throw new InputError(
      `Cannot ${action} with ${at(/^[\w-]{1,60}$/.test(name) ? name : quoted(name))} as ${
        unknown("option", name, known)
      }`,
    );
  }
  const values: Record<string, unknown> = {};
  for (const [name, setting] of Object.entries(schema)) {
    const value = given[name];
    if (!isSetting(setting)) values[name] = settle(action, setting, value, at(name));
    else if (value !== undefined) values[name] = checked(action, at(name), setting, value);
    else if (setting.default !== undefined) values[name] = setting.default;
    else if (setting.otherwise === undefined) {
      throw new InputError(`Cannot ${action} as ${at(name)} is required: it must be ${setting.expected}`);
    }
  }
  return values as ValuesOf<S>;
}

/**
 * Validates one value; a single value for a list becomes a list of one.
 *
 * @param action What it is for, in messages after "Cannot".
 * @param name Name of the value.
 * @throws {InputError} If it is not accepted.
 *
 * @example
 * ```ts
 * import { checked, oneOf } from "../lib/settings.ts";
 *
 * console.log(checked("evaluate", "split", oneOf(["train", "test"]), "test")); // "test"
 * ```
 */
export function checked<T>(action: string, name: string, kind: Kind<T>, given: unknown): T {
  const value = kind.each && !Array.isArray(given) ? [given] : given;
  if (kind.accepts(value)) return Array.isArray(value) ? [...value] as T : value; // A copy: the caller may change the list during a run.
  throw new InputError(`Cannot ${action} with ${name} ${refusal(kind, value)}`);
}

/** The message for a value that a kind does not accept: the value and the reason. */
export function refusal(kind: Kind<unknown>, value: unknown): string {
  const { each, names, expected } = kind;
  if (isThenable(value)) return "as it is a promise: write await before it";
  if (each && Array.isArray(value)) {
    const wrong = value.findIndex((item) => !each.accepts(item));
    return wrong >= 0
      ? refusal(each, value[wrong])
      : `${quoted(value)} as it must hold at least one value, and none twice`;
  }
  const near = names && typeof value === "string" ? nearest(value, names) : undefined;
  return near === undefined
    ? `${quoted(value)} as it must be ${expected}`
    : `${quoted(value)} as there is no such name: did you mean ${near}?`;
}

/** The message for an unknown name: suggests the nearest known one, or lists all, or those of many that share a word. */
export function unknown(what: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known), all = known.join(", ");
  const related = known.filter((other) => wordsOf(other).some((word) => wordsOf(name).includes(word)));
  const offer = near !== undefined
    ? `: did you mean ${near}?`
    : all.length <= 200
    ? `: there are ${all}`
    : related.length > 0
    ? `: there are ${related.slice(0, 10).join(", ")}`
    : "";
  return `there is no such ${what}${offer}`;
}

/** The words of a name, such as `learning` and `rate` of `learningRate` and `--learning-rate`. */
function wordsOf(name: string): string[] {
  const words = name.slice(0, 100).match(/[A-Z]?[a-z0-9]+/g) ?? [];
  return words.map((word) => word.toLowerCase()).filter((word) => word.length > 2);
}

/** The known name nearest to a misspelt one. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.slice(0, 100).toLowerCase(); // A longer name is near none.
  const [best] = known.map((other) => ({ other, far: distance(lower, other.toLowerCase()) }))
    .sort((a, b) => a.far - b.far);
  return best && best.far < lower.length && best.far <= Math.max(2, lower.length / 3)
    ? best.other
    : undefined;
}

/** A schema that requires nothing and has no defaults: it checks what there is. */
export function optional(schema: Schema): Schema {
  return Object.fromEntries(
    Object.entries(schema).map(([name, entry]) => {
      if (!isSetting(entry)) return [name, optional(entry)];
      const { default: _, ...setting } = entry;
      return [name, { otherwise: "none", ...setting }];
    }),
  );
}

/** A schema with the values of an object as defaults. */
export function withDefaults<S extends Schema>(schema: S, values: object): S {
  return Object.fromEntries(
    Object.entries(schema).map(([name, setting]) => {
      const value = (values as Readonly<Record<string, unknown>>)[name];
      if (value === undefined) return [name, setting];
      if (!isSetting(setting)) return [name, withDefaults(setting, value as object)];
      const { why: _, ...rest } = setting; // The rationale belongs to the old default.
      return [name, { ...rest, default: value }];
    }),
  ) as S;
}

/** A schema's settings with their paths. */
export function settingsOf(
  schema: Schema,
  path: readonly string[] = [],
): { path: readonly string[]; setting: Setting<unknown> }[] {
  return Object.entries(schema).flatMap(([name, entry]) =>
    isSetting(entry) ? [{ path: [...path, name], setting: entry }] : settingsOf(entry, [...path, name])
  );
}

/** Whether an entry of a schema is a setting rather than a group. */
export function isSetting(entry: Setting<unknown> | Schema): entry is Setting<unknown> {
  return typeof entry["accepts"] === "function";
}

/** Whether a value is a plain object, rather than one of a class. */
export function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function isWithin(value: unknown, from: number, to: number): boolean {
  return typeof value === "number" && value >= from && value <= to;
}

/** Parses a number; returns other texts unchanged. */
function readNumber(text: string): unknown {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

/** Formats a bound: 1e-9, 0.5, 10,000. */
function formatBound(bound: number): string {
  if (bound > 0 && bound < 1e-3) return bound.toExponential();
  return String(bound).replace(/\B(?=(\d{3})+$)/g, ","); // Intl would take 30 ms at the start.
}
