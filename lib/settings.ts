/**
 * Settings as data: what each option of a function or a command is called, what it may be, what it is where it is
 * not given, and why. Types, checks, command line and help are made of it.
 *
 * @module
 */
import { distance } from "fastest-levenshtein";
import { InputError, isThenable, quoted } from "./errors.ts";

/** What values there are: numbers of a range, names, lists of these. */
export interface Kind<T> {
  /** What a value must be, as a message says it after "must be": `a whole number from 1 to 10,000`. */
  readonly wanted: string;
  /** What stands for a value in the help of a command: `n`. */
  readonly form: string;
  /** Whether a value is one of these. */
  accepts(value: unknown): value is T;
  /** A value from its text on the command line; the text itself where it is none. */
  read(text: string): unknown;
  /** What the elements are, of a list. */
  readonly each?: Kind<unknown>;
  /** All values, where they are names. */
  readonly names?: readonly string[];
}

/** An option: its kind, and what a reader needs to know of it. Without `default` and `otherwise` it is required. */
export interface Setting<T> extends Kind<T> {
  /** What it is, in one line. */
  readonly about: string;
  /** What it is counted in, or what a text names: `seconds`, `file`. */
  readonly unit?: string;
  /** What it is where it is not given. */
  readonly default?: T;
  /** Why that: a section of the paper, or what was measured. */
  readonly why?: string;
  /** What holds where it is not given and no one value would say it: `the model's own`. */
  readonly otherwise?: string;
}

/** Settings by name; a group of them is a schema itself. */
export interface Schema {
  readonly [name: string]: Setting<unknown> | Schema;
}

/** A schema that has a setting, of the field's type, for each field of an interface, and no other. */
export type SchemaOf<Options> = {
  readonly [Name in keyof Options]-?:
    | Setting<Exclude<Options[Name], undefined>>
    | (Schema & SchemaOf<Exclude<Options[Name], undefined>>);
};

/** The values of a schema's settings: those with `otherwise` and without a default may be absent. */
export type ValuesOf<S> =
  & { readonly [Name in keyof S as MayBeAbsent<S[Name]> extends true ? never : Name]: ValueOf<S[Name]> }
  & { readonly [Name in keyof S as MayBeAbsent<S[Name]> extends true ? Name : never]?: ValueOf<S[Name]> };

type MayBeAbsent<S> = S extends { default: unknown } ? false : S extends { otherwise: string } ? true : false;

type ValueOf<S> = S extends Kind<infer T> ? T : ValuesOf<S>;

/** Whole numbers of a range. */
export function whole({ from, to }: { readonly from: number; readonly to: number }): Kind<number> {
  return {
    wanted: `a whole number from ${plain(from)} to ${plain(to)}`,
    form: "n",
    accepts: (value): value is number => Number.isInteger(value) && isWithin(value, from, to),
    read: readNumber,
  };
}

/** Numbers of a range, and 0 where that means "none of it". */
export function number(
  { from, to, orZero = false }: { readonly from: number; readonly to: number; readonly orZero?: boolean },
): Kind<number> {
  return {
    wanted: `${orZero ? "0 or " : ""}a number from ${plain(from)} to ${plain(to)}`,
    form: "number",
    accepts: (value): value is number => isWithin(value, from, to) || (orZero && value === 0),
    read: readNumber,
  };
}

/** Shares of which something is left: from 0 to below 1. */
export const share: Kind<number> = {
  wanted: "a number from 0 to below 1",
  form: "share",
  accepts: (value): value is number => typeof value === "number" && value >= 0 && value < 1,
  read: readNumber,
};

/** How many at the most: a whole number, or all. */
export const limit: Kind<number> = {
  wanted: "a whole number from 1, or all (Infinity)",
  form: "n",
  accepts: (value): value is number =>
    value === Infinity || (Number.isSafeInteger(value) && (value as number) >= 1),
  read: (text) => text === "all" || text === "Infinity" ? Infinity : readNumber(text),
};

/** One of these names. */
export function oneOf<const Name extends string>(names: readonly Name[]): Kind<Name> {
  return {
    wanted: `one of ${names.join(", ")}`,
    form: "name",
    accepts: (value): value is Name => names.includes(value as Name),
    read: (text) => text,
    names,
  };
}

/** A text of at least one character. */
export const text: Kind<string> = {
  wanted: "a text that is not empty",
  form: "text",
  accepts: (value): value is string => typeof value === "string" && value !== "" && !value.includes("\0"),
  read: (text) => text,
};

/** Yes or no. */
export const flag: Kind<boolean> = {
  wanted: "true or false",
  form: "",
  accepts: (value): value is boolean => typeof value === "boolean",
  read: (text) => text,
};

/** Values that a command line cannot name. */
export function value<T>(wanted: string, accepts: (value: unknown) => value is T): Kind<T> {
  return { wanted, form: "value", accepts, read: (text) => text };
}

/** Seeds: what the random generator takes. */
export const seed: Kind<number> = whole({ from: 0, to: 2 ** 32 - 1 });

/** What stops a run. */
export const signal: Kind<AbortSignal> = value(
  "an AbortSignal",
  (value): value is AbortSignal => value instanceof AbortSignal,
);

/** At least one value, each once; {@linkcode settle} takes a single one for a list of one. */
export function list<T>(each: Kind<T>): Kind<readonly T[]> {
  return {
    wanted: `one or more different values, each ${each.wanted}`,
    form: "list",
    accepts: (value): value is readonly T[] =>
      Array.isArray(value) && value.length > 0 && new Set(value).size === value.length &&
      value.findIndex((item) => !each.accepts(item)) < 0, // Not every(), which passes over holes.
    read: (text) => text.split(",").map((part) => each.read(part.trim())),
    each,
  };
}

/** Either of two kinds. */
export function or<A, B>(a: Kind<A>, b: Kind<B>): Kind<A | B> {
  const names = a.names ?? b.names;
  return {
    wanted: `${a.wanted}, or ${b.wanted}`,
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
 * The values of options: checked, defaults filled in, in the schema's order. `undefined` is as good as not given.
 *
 * @param action What they are for, as a message says it after "Cannot": `fine-tune`.
 * @param schema What options there are.
 * @param given What the caller gave.
 * @param path Of a group, where it stands.
 * @throws {InputError} If the options are no plain object, a name is unknown, a value is not accepted or a required
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
      throw new InputError(`Cannot ${action} as ${at(name)} is required: it must be ${setting.wanted}`);
    }
  }
  return values as ValuesOf<S>;
}

/**
 * One value, checked; a single value for a list becomes a list of one.
 *
 * @param action What it is for, as a message says it after "Cannot".
 * @param name What it is called.
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
  if (kind.accepts(value)) return Array.isArray(value) ? [...value] as T : value; // It may change while a run goes on.
  throw new InputError(`Cannot ${action} with ${name} ${refusal(kind, value)}`);
}

/** What a message says of a value that a kind does not accept: the value, and why. */
export function refusal(kind: Kind<unknown>, value: unknown): string {
  const { each, names, wanted } = kind;
  if (isThenable(value)) return "as it is a promise: write await before it";
  if (each && Array.isArray(value)) {
    const wrong = value.findIndex((item) => !each.accepts(item));
    return wrong >= 0
      ? refusal(each, value[wrong])
      : `${quoted(value)} as it must hold at least one value, and none twice`;
  }
  const near = names && typeof value === "string" ? nearest(value, names) : undefined;
  return near === undefined
    ? `${quoted(value)} as it must be ${wanted}`
    : `${quoted(value)} as there is no such name: did you mean ${near}?`;
}

/** Why a name is refused: the nearest known one, or all of them. */
export function unknown(what: string, name: string, known: readonly string[]): string {
  const near = nearest(name, known), all = known.join(", ");
  return `there is no such ${what}${
    near !== undefined ? `: did you mean ${near}?` : all.length <= 200 ? `: there are ${all}` : ""
  }`;
}

/** The known name that a misspelt one is near to. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const lower = name.slice(0, 100).toLowerCase(); // What is longer is near to nothing.
  const [best] = known.map((other) => ({ other, far: distance(lower, other.toLowerCase()) }))
    .sort((a, b) => a.far - b.far);
  return best && best.far < lower.length && best.far <= Math.max(2, lower.length / 3)
    ? best.other
    : undefined;
}

/** A schema whose settings have the values of an object as defaults, where it has any. */
export function withDefaults<S extends Schema>(schema: S, values: object): S {
  return Object.fromEntries(
    Object.entries(schema).map(([name, setting]) => {
      const value = (values as Readonly<Record<string, unknown>>)[name];
      if (value === undefined) return [name, setting];
      if (!isSetting(setting)) return [name, withDefaults(setting, value as object)];
      const { why: _, ...rest } = setting; // The reason of another default.
      return [name, { ...rest, default: value }];
    }),
  ) as S;
}

/** Whether an entry of a schema is a setting, and not a group. */
export function isSetting(entry: Setting<unknown> | Schema): entry is Setting<unknown> {
  return typeof entry["accepts"] === "function";
}

function isPlain(value: unknown): value is Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

function isWithin(value: unknown, from: number, to: number): boolean {
  return typeof value === "number" && value >= from && value <= to;
}

/** A number's text as a number; other texts as they are. */
function readNumber(text: string): unknown {
  return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : text;
}

/** A bound as a reader writes it: 1e-9, 0.5, 10,000. */
function plain(bound: number): string {
  if (bound > 0 && bound < 1e-3) return bound.toExponential();
  return Math.abs(bound) < 1000 ? String(bound) : bound.toLocaleString("en");
}
