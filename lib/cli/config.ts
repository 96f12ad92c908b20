import { InputError, named, printable } from "../errors.ts";
import { decodeUtf8, isRecord, parseJson, readWithin, unusableFile } from "../foreign.ts";
import { isSetting, optional, type Schema, settle, text, type ValuesOf } from "../settings.ts";
import { keys } from "../train/mod.ts";
import { type Command, given, isRequired, termOf, UNPREFIXED } from "./command.ts";

/** The setting of `--config`. */
export const configSetting = {
  ...text,
  about: "read settings from a JSON file; options replace them",
  unit: "file",
  otherwise: "none",
};

/** Maximum size of the file, in bytes: that of a result. */
const MAX_BYTES = 2 ** 25;

/** Settings by name. */
export type Values = Readonly<Record<string, unknown>>;

/** What a file has: settings, and digests of the data that a result was made of, by name. */
export interface Recorded {
  readonly values: Values;
  readonly digests: Values;
}

/**
 * Gives a file's settings, such as those that a result recorded, the names that a command has for them. Digests of data
 * are under `digests`.
 *
 * @param refuse Throws, for a reason why the file cannot be used.
 */
export type Rename = (recorded: Values, refuse: (why: string) => never) => Values;

/**
 * The settings that a file has: an object of settings by name, or a result, which records them under `settings`. Those
 * of a model's file are in the JSON file next to it.
 *
 * @param path The file.
 * @param schema The settings that it may have; each value is checked as an option is.
 * @throws {InputError} If the file cannot be read, is no JSON or too large, or has a setting that is unknown or wrong.
 */
export async function readConfig(path: string, schema: Schema, rename: Rename): Promise<Recorded> {
  const file = path.replace(/\.safetensors$/, ".json");
  const refuse = (why: string): never => {
    throw unusableFile(file, "settings", new InputError(why));
  };
  const content = decodeUtf8(await readWithin(file, "settings", MAX_BYTES)) ?? refuse("it is not UTF-8");
  const found = parseJson(content, "it", refuse);
  if (!isRecord(found)) return refuse("it is not an object");
  const { digests = {}, ...values } = rename(isRecord(found["settings"]) ? found["settings"] : found, refuse);
  if (!isRecord(digests)) return refuse("its digests are not an object");
  return {
    values: settle(`use ${named(file)}`, optional(schema), parsed(values, schema)) as Values,
    digests,
  };
}

/**
 * Warns of data that is not what a file records under its name: the file's settings would repeat something else.
 *
 * @param file The file, if there is one.
 * @param digests The digests of data, by name, that it records.
 * @param now Those of the data that are used.
 */
export function warnOfOtherData(file: string | undefined, digests: Values, now: Values): void {
  for (const [name, digest] of Object.entries(now)) {
    const recorded = Object.hasOwn(digests, name) ? digests[name] : undefined;
    if (file === undefined || typeof recorded !== "string" || recorded === digest) continue;
    console.warn(
      `Warning: ${name} is not what ${named(file)} records: its SHA-256 is ${digest}, not ${
        printable(recorded)
      }`,
    );
  }
}

/**
 * Values as an option has them where they are texts, such as `all` for a number. Null counts as absent, or for what may
 * be infinite as infinite, as JSON has it.
 */
function parsed(values: Values, schema: Schema): Values {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => {
      const entry = Object.hasOwn(schema, name) ? schema[name]! : undefined;
      if (entry === undefined) return [name, value];
      if (!isSetting(entry)) return [name, isRecord(value) ? parsed(value, entry) : value ?? undefined];
      if (value === null) return [name, entry.accepts(Infinity) ? Infinity : undefined];
      return [name, typeof value === "string" && !entry.accepts(value) ? entry.read(value) : value];
    }),
  );
}

/** A command's settings as a result records them: what `--config` reads. */
export function recordOf(settled: object): Values {
  const { config: _, quiet: __, json: ___, [UNPREFIXED]: sizes, ...others } = settled as Values;
  return keys().summaryOf({ ...others, ...sizes as Values }) as Values;
}

/**
 * The settings of a command: those of its options, then those of the file that `--config` names, then the defaults; and
 * the digests of data that the file records.
 *
 * @param command The command, as it was called.
 * @param action What the settings are for, in messages after "Cannot".
 * @throws {InputError} If a required one is missing, or the file cannot be used.
 */
export async function chosen<const S extends Schema>(
  command: Command,
  action: string,
  schema: S,
  rename: Rename,
): Promise<{ readonly settled: ValuesOf<S>; readonly digests: Values }> {
  const options = given(schema, command.opts());
  const { config } = options;
  const { config: _, quiet: __, json: ___, [UNPREFIXED]: sizes = {}, ...others } = schema as Schema;
  let values = options, digests: Values = {};
  if (typeof config === "string") {
    const found = await readConfig(config, { ...others, ...sizes as Schema }, rename);
    const recorded = Object.entries(found.values);
    ({ digests } = found);
    const isSize = ([name]: [string, unknown]) => Object.hasOwn(sizes, name);
    values = {
      ...Object.fromEntries(recorded.filter((entry) => !isSize(entry))),
      ...options,
      ...UNPREFIXED in schema && {
        [UNPREFIXED]: {
          ...options["preset"] === undefined && Object.fromEntries(recorded.filter(isSize)),
          ...options[UNPREFIXED] as Values,
        },
      },
    };
  }
  for (const [name, entry] of Object.entries(schema)) {
    if (!isSetting(entry) || !isRequired(entry) || values[name] !== undefined) continue;
    throw new InputError(`Cannot run ${command.name()} as ${termOf([name], entry)} is required`);
  }
  return { settled: settle(action, schema, values), digests };
}
