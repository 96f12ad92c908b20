import { InputError, quoted } from "../errors.ts";
import { isPlain, type Kind, refusal, type Schema, type Setting, settingsOf, unknown } from "../settings.ts";

/** A value of a factor. */
export type Level = string | number | boolean;

/** The level of each factor, by its name; null where a factor does not apply, as λ to pre-training. */
export type Levels = Readonly<Record<string, Level | null>>;

/** Settings by their path, `finetune.rate`, and values for each. */
export type Vary = Readonly<Record<string, readonly Level[]>>;

/** Settings that are chosen by validation, and values for each; `seeds` is the number of seeds of each combination. */
export type Tune = Readonly<Record<string, readonly Level[] | number>>;

/**
 * The kind of settings by their path with several values, which can be given on a command line one setting at a time:
 * `preset.heads=2,4`.
 *
 * @param action What the values are for, in messages after "Cannot": `vary`.
 * @param settings The settings that may have several values, by path.
 */
export function severalValues<Values extends Vary | Tune>(
  action: string,
  settings: () => ReadonlyMap<string, Setting<unknown>>,
): Kind<Values> {
  return {
    expected: 'an object of settings by their path and values for each, such as { "preset.heads": [2, 4] }',
    form: "setting=value,…",
    accepts: (value): value is Values => isPlain(value) && Object.keys(value).length > 0,
    read(text) {
      const at = text.indexOf("=");
      if (at < 0) return text;
      const path = text.slice(0, at).trim();
      const { setting } = settingAt(action, path, settings());
      const values = text.slice(at + 1).split(",").map((part) => setting.read(part.trim()));
      return { [path]: checkedLevels(action, path, setting, values) };
    },
    merge(one, other) {
      const twice = Object.keys(other).find((path) => path in one);
      if (twice === undefined) return { ...one, ...other };
      throw new InputError(`Cannot ${action} ${twice} twice: name all its values in one place`);
    },
  };
}

/**
 * The setting at a path, of which `preset.` may be left out.
 *
 * @throws {InputError} If there is none that may have several values.
 */
export function settingAt(
  action: string,
  path: string,
  settings: ReadonlyMap<string, Setting<unknown>>,
): { readonly path: string; readonly setting: Setting<unknown> } {
  for (const full of [path, `preset.${path}`]) {
    const setting = settings.get(full);
    if (setting) return { path: full, setting };
  }
  throw new InputError(
    `Cannot ${action} ${/^[\w.-]{1,60}$/.test(path) ? path : quoted(path)} as ${
      unknown("setting", path, [...settings.keys()].map((path) => path.replace(/^preset\./, "")))
    }`,
  );
}

/**
 * The values of a factor, checked one by one.
 *
 * @throws {InputError} If there are none, one is not a value of the setting, or occurs twice.
 */
export function checkedLevels(
  action: string,
  name: string,
  setting: Kind<unknown>,
  given: unknown,
): readonly Level[] {
  const values: readonly unknown[] = Array.isArray(given) ? Array.from(given) : [given];
  const wrong = values.findIndex((value) => !setting.accepts(value) || typeof value === "object");
  if (wrong >= 0) throw new InputError(`Cannot ${action} ${name} with ${refusal(setting, values[wrong])}`);
  if (values.length > 0 && new Set(values).size === values.length) return values as Level[];
  throw new InputError(
    `Cannot ${action} ${name} with ${quoted(values)} as it must have at least one value, and none twice`,
  );
}

/** The settings of a schema that may have several values, by path: those with single values. */
export function singleSettings(schema: Schema): Map<string, Setting<unknown>> {
  return new Map(
    settingsOf(schema).filter(({ setting }) => !setting.each).map((
      { path, setting },
    ) => [path.join("."), setting]),
  );
}

/** A copy of an object with the value at a path replaced. */
function withValue<T>(object: T, path: string, value: unknown): T {
  const [name, ...rest] = path.split(".");
  const old = (object as Readonly<Record<string, unknown>>)[name!];
  return { ...object, [name!]: rest.length === 0 ? value : withValue(old ?? {}, rest.join("."), value) };
}

/** All combinations of values, the last setting's changing fastest. */
export function combinations(settings: Vary): Readonly<Record<string, Level>>[] {
  return Object.entries(settings).reduce<Readonly<Record<string, Level>>[]>(
    (all, [path, values]) => all.flatMap((one) => values.map((value) => ({ ...one, [path]: value }))),
    [{}],
  );
}

/** A copy of a study's settings with the values at several paths replaced. */
export function withValues<T>(object: T, values: Readonly<Record<string, unknown>>): T {
  return Object.entries(values).reduce((changed, [path, value]) => withValue(changed, path, value), object);
}
