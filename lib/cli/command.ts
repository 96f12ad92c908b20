import { Argument, Command, CommanderError, Option } from "npm:commander@15.1.0";
import { type Claim, claim, holderName } from "../claim.ts";
import { backend, type BackendName, versionLine } from "../engine/mod.ts";
import { backendSetting, backendSettings } from "../engine/settings.ts";
import { InputError, printable, quoted } from "../errors.ts";
import {
  checkFile,
  checkWritable,
  exists,
  fileError,
  readFile,
  removeStaleFiles,
  writeAtomic,
} from "../files.ts";
import { type LanguageModel, type Preset, preset, presets } from "../model/mod.ts";
import { presetSettings } from "../model/settings.ts";
import { withInterval } from "../numbers.ts";
import {
  oneOf,
  refusal,
  type Schema,
  type Setting,
  settingsOf,
  unknown,
  type ValuesOf,
} from "../settings.ts";
import { stop, stopSignals } from "../stop.ts";
import { type CheckpointOptions, encodeModel, includedModels, type Interval } from "../train/mod.ts";

export { Argument, Command };

/**
 * Runs a command with this process' arguments. An input error is printed as one sentence to standard error, with exit
 * code 2, and so is what the machine refuses, such as a permission or a full disk; a bug prints its stack, with exit
 * code 1.
 */
export async function run(command: Command): Promise<void> {
  const version = Deno.args.includes("--version") ? await versionLine() : "unread";
  for (const cmd of [command, ...command.commands]) {
    cmd.optionsGroup("Help:");
    cmd.version(version, "--version", "versions of the kit and of Deno, and the git revision");
    cmd.helpOption("-h, --help", "this help").exitOverride().configureOutput({
      outputError: () => {}, // Errors are printed below.
      getOutHelpWidth: () => WIDTH,
      getOutHasColors: () => false, // To find out, commander reads variables for which the tasks have no permission.
      getErrHasColors: () => false,
    });
  }
  try {
    await command.parseAsync(Deno.args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) Deno.exit(0); // Help or versions were printed.
    if (error instanceof CommanderError && error.code === "commander.help") Deno.exit(2); // As no command was named.
    if (error instanceof DOMException && error.name === "AbortError") return interrupted(error.message);
    const sentence = error instanceof CommanderError ? sentenceOf(error, command) : refusalOf(error, command);
    if (sentence === undefined) throw error;
    printError(printable(sentence));
    Deno.exit(2);
  }
}

/** The sentence for an error that is not a bug. */
function refusalOf(error: unknown, command: Command): string | undefined {
  // The code of a TypeError is one of Node's: a wrong argument, which is a bug.
  const known = error instanceof TypeError ? error : fileError("run", nameOf(command), error);
  return known instanceof InputError ? known.message : undefined;
}

/** The command that was called: `deno task ablate`. */
function nameOf(command: Command): string {
  const called = command.commands.find((cmd) => cmd.name() === Deno.args[0]);
  return called ? `${command.name()} ${called.name()}` : command.name();
}

/** The message of a command-line error, in the style of this project. */
function sentenceOf({ code, message }: CommanderError, command: Command): string {
  const { options } = command.commands.find((cmd) => cmd.name() === Deno.args[0]) ?? command;
  const name = nameOf(command);
  const what = /'(.*)'/s.exec(message)?.[1] ?? "";
  switch (code) {
    case "commander.unknownOption": {
      const why = unknown("option", what, options.map(({ long }) => long!));
      return `Cannot use ${quoted(what)} as ${why}${why.endsWith("?") ? "" : "; --help lists all"}`;
    }
    case "commander.unknownCommand":
      return `Cannot run ${name} ${quoted(Deno.args[0])} as ${
        unknown("command", Deno.args[0] ?? "", command.commands.map((cmd) => cmd.name()))
      }`;
    case "commander.optionMissingArgument":
      return `Cannot use ${what} as its value is missing`;
    case "commander.missingMandatoryOptionValue":
    case "commander.missingArgument":
      return `Cannot run ${name} as ${what} is required`;
    case "commander.excessArguments":
      return `Cannot run ${name} as it has too many arguments: a text of several words must be in quotes`;
    default:
      return `Cannot run ${name}: ${message.replace(/^error: /, "")}`;
  }
}

/** A group of settings without a prefix on the command line. */
export const UNPREFIXED = "size";

/** The flag of an option: `finetune.rate` has `--finetune-rate`. */
export function flagOf(path: readonly string[]): string {
  const parts = path[0] === UNPREFIXED ? path.slice(1) : path;
  return `--${parts.join("-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** A setting's flag with its placeholder: `--seeds <seeds>`, `--tasks <name,…>`. */
export function termOf(path: readonly string[], { form, unit, each }: Setting<unknown>): string {
  return form === "" ? flagOf(path) : `${flagOf(path)} <${unit ?? form}${each ? ",…" : ""}>`;
}

/** Whether a command cannot do without a setting. */
export function isRequired({ form, default: defaultValue, otherwise }: Setting<unknown>): boolean {
  return form !== "" && defaultValue === undefined && otherwise === undefined;
}

/** Names of settings, or of groups of them, under the headings of a command's help. */
type Headings<S extends Schema> = Readonly<Record<string, readonly (keyof S & string)[]>>;

/**
 * Adds a schema's settings to a command as options that are checked.
 *
 * @param headings Headings of the help; settings that are under none come last, as options.
 */
export function addSettings<S extends Schema>(
  command: Command,
  schema: S,
  headings: Headings<S> = {},
): Command {
  const grouped = Object.entries(headings).flatMap(([heading, names]) =>
    names.map((name) => [name, `${heading}:`] as const)
  );
  const others = Object.keys(schema).filter((name) => !grouped.some(([known]) => known === name));
  const listed = new Map<unknown, string>(); // Long lists of names, which the help gives once.
  for (const [name, heading] of [...grouped, ...others.map((name) => [name, "Options:"] as const)]) {
    for (const { path, setting } of settingsOf({ [name]: schema[name]! })) {
      const flag = flagOf(path);
      const names = (setting.each ?? setting).names ?? [];
      const range = listed.has(names) ? `as of ${listed.get(names)}` : setting.range;
      if (names.length > 9) listed.set(names, flag);
      const option = new Option(termOf(path, setting), helpOf(setting, range)).helpGroup(heading);
      if (setting.form !== "") {
        option.argParser((text, before) => {
          if (before === undefined) return read(flag, setting, text);
          if (setting.merge) return setting.merge(before, read(flag, setting, text));
          throw new InputError(`Cannot use ${flag} twice: it has one value`);
        });
      }
      // A file may have what an option does not: chosen() asks for what is in neither.
      command.addOption(option.makeOptionMandatory(isRequired(setting) && !("config" in schema)));
    }
  }
  return command;
}

/** Parses and checks a value from the command line. */
function read(flag: string, setting: Setting<unknown>, text: string): unknown {
  const value = setting.read(text);
  if (setting.accepts(value)) return value;
  throw new InputError(`Cannot use ${flag} ${refusal(setting, value)}`);
}

/** Longest reason of a default that the help gives, in characters. */
const MAX_REASON = 30;

/** The help text of a setting. */
function helpOf({ about, default: defaultValue, otherwise, why }: Setting<unknown>, range?: string): string {
  const format = (value: unknown): string =>
    value === Infinity ? "all" : Array.isArray(value) ? value.map(format).join(",") : String(value);
  const accepted = range === undefined ? about : `${about}: ${range}`;
  const hasDefault = defaultValue !== undefined ? defaultValue !== false : (otherwise ?? "none") !== "none";
  if (!hasDefault) return accepted;
  const reason = why === undefined || why.length > MAX_REASON ? "" : `; ${why}`;
  return `${accepted} (default: ${defaultValue === undefined ? otherwise : format(defaultValue)}${reason})`;
}

/** Width of the help, in characters. */
const WIDTH = 80;

/**
 * Adds sections to the end of a command's help.
 *
 * @param sections By heading: a text, which is wrapped, or lines as they are, such as examples.
 */
export function addSections(
  command: Command,
  sections: Readonly<Record<string, string | readonly string[]>>,
): Command {
  const text = Object.entries(sections).map(([heading, content]) => {
    const lines = typeof content === "string"
      ? command.createHelp().boxWrap(content, WIDTH - 2).split("\n")
      : content;
    return [`${heading}:`, ...lines.map((line) => `  ${line}`)].join("\n");
  });
  return command.addHelpText("after", `\n${text.join("\n\n")}`);
}

/** The values of a schema's settings that are set on the command line. */
export function given(schema: Schema, options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { path } of settingsOf(schema)) {
    const value = options[flagOf(path).slice(2).replace(/-(\w)/g, (_, letter) => letter.toUpperCase())];
    if (value === undefined) continue;
    const group = path.slice(0, -1).reduce(
      (group, name) => (group[name] ??= {}) as Record<string, unknown>,
      values,
    );
    group[path.at(-1)!] = value;
  }
  return values;
}

/** The arguments from which {@linkcode given} has these values; undefined ones have none. */
export function argumentsOf(schema: Schema, values: Readonly<Record<string, unknown>>): string[] {
  return settingsOf(schema).flatMap(({ path, setting }) => {
    const value = path.reduce<unknown>((group, name) => (group as typeof values | undefined)?.[name], values);
    if (value === undefined) return [];
    if (setting.form === "") return [flagOf(path)];
    if (!setting.merge) return [flagOf(path), String(value)];
    return Object.entries(value as object).flatMap(([name, several]) => [flagOf(path), `${name}=${several}`]);
  });
}

/** Exit codes of a command that a signal stops. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Milliseconds within which repeated signals count as one Ctrl-C, as npx forwards signals to its child. */
const REPEAT_INTERVAL = 1000;

/** Exit code of the received signal. */
let exitCode: number = CODES.SIGINT;

/**
 * From now on Ctrl-C, SIGTERM and SIGHUP stop the command with a checkpoint instead of killing the process; a second
 * Ctrl-C exits immediately. A command calls this as soon as there is something to save.
 *
 * @param after When it stops, for the message.
 * @param controller Aborted on a signal, in addition to {@linkcode stopSignal}.
 */
export function interruptible(after = " after this update", controller = new AbortController()): AbortSignal {
  let first = 0;
  for (const signal of stopSignals) {
    const onSignal = () => {
      if (controller.signal.aborted) {
        if (signal === "SIGINT" && performance.now() - first > REPEAT_INTERVAL) Deno.exit(exitCode);
        return;
      }
      first = performance.now();
      exitCode = CODES[signal];
      printError(
        `\nStopping${after}${signal === "SIGINT" ? "; press Ctrl-C again to exit immediately" : ""}`,
      );
      controller.abort();
      stop();
    };
    Deno.addSignalListener(signal, onSignal);
    listeners.push([signal, onSignal]);
  }
  return controller.signal;
}

/** The registered signal listeners. */
const listeners: [signal: Deno.Signal, onSignal: () => void][] = [];

/** From now on a signal kills this process, as the current work cannot be interrupted or saved. */
export function removeSignalListeners(): void {
  for (const [signal, onSignal] of listeners.splice(0)) Deno.removeSignalListener(signal, onSignal);
}

/** Settings of the backend. */
export const computeSettings = { backend: backendSetting, threads: backendSettings.threads };

/**
 * Starts a backend and notes its name.
 *
 * @param note Prints a note.
 */
export async function start(
  { backend: chosen, threads }: { readonly backend?: BackendName; readonly threads?: number },
  note: (line: string) => void,
): Promise<void> {
  const { name, why, matmul, faster } = await backend(chosen, threads === undefined ? {} : { threads });
  note(`Computing on ${name}, ${why}: ${matmul}`);
  if (faster) note(faster[0]!.toUpperCase() + faster.slice(1));
}

/** Reports that the command was stopped by a signal, with a message and an exit code. */
export function interrupted(message: string): void {
  printError(message);
  Deno.exitCode = exitCode;
}

/** Prints a line to standard error, unless the terminal was closed. */
function printError(line: string): void {
  try {
    console.error(line);
  } catch { /* The terminal was closed. */ }
}

/**
 * Checks that output files can be written, before the work begins, and removes what killed commands left half written.
 *
 * @param isResumed Whether the files may exist, as when a command was killed just before its end.
 * @param others Further files that the command writes.
 * @throws {InputError} If one cannot be written, or exists: results are not overwritten silently.
 */
export async function checkOut(
  paths: readonly string[],
  isResumed = false,
  others: readonly string[] = [],
): Promise<void> {
  for (const path of [...paths, ...others]) await removeStaleFiles(path);
  for (const path of paths) {
    if (!isResumed && await exists(path)) {
      throw new InputError(`Cannot write ${path} as it exists already: remove it or choose another file`);
    }
    await checkWritable(path);
  }
}

/**
 * Claims an output file for this process.
 *
 * @throws {InputError} If another process is writing it.
 */
export async function claimOut(path: string): Promise<Claim> {
  const claimed = await claim(`${path}.claim`);
  if ("release" in claimed) return claimed;
  throw new InputError(
    `Cannot write ${path} as ${holderName(claimed)} is writing it: wait for its end or choose another file`,
  );
}

/**
 * Writes a model, unless another model is there.
 *
 * @throws {InputError} If the file exists and is another model.
 */
export async function putModel(
  path: string,
  lm: LanguageModel,
  options: CheckpointOptions = {},
): Promise<void> {
  const model = await encodeModel(lm, options);
  if (await exists(path) && !isSame(await readFile(path, "a model"), model)) {
    throw new InputError(
      `Cannot write ${path} as another model was written there meanwhile: remove it or choose another file`,
    );
  }
  await writeAtomic(path, model);
}

function isSame(bytes: Uint8Array, chunks: readonly Uint8Array[]): boolean {
  let at = 0;
  return chunks.every((chunk) => {
    const part = bytes.subarray(at, at += chunk.length);
    return part.length === chunk.length && part.every((byte, i) => byte === chunk[i]);
  }) && at === bytes.length;
}

/** Formats a share and its interval in percent: `71.3 [69.6, 73.0] %`. */
export function inPercent({ value, low, high }: Interval): string {
  return `${withInterval(100 * value, 100 * low, 100 * high)} %`;
}

/** Options for a model's configuration; defaults are the preset's. */
export function modelSettings(defaultValue: Preset) {
  const withDefault = <S>(setting: S, value: unknown) => ({
    ...setting,
    otherwise: `${value}, or the preset's`,
  });
  const { layers, heads, width, context, variant, positions } = presetSettings;
  return {
    preset: {
      ...oneOf(Object.keys(presets) as (keyof typeof presets)[]),
      about: "a model size by name",
      otherwise: "the sizes below",
    },
    [UNPREFIXED]: {
      layers: withDefault(layers, defaultValue.layers),
      heads: withDefault(heads, defaultValue.heads),
      width: withDefault(width, defaultValue.width),
      context: withDefault(context, defaultValue.context),
      variant: withDefault(variant, defaultValue.variant),
      scale: positions.scale,
    },
  };
}

/** The preset from these options. */
export function chosenPreset(
  { preset: name, [UNPREFIXED]: { scale, ...size } }: ValuesOf<ReturnType<typeof modelSettings>>,
  fallback: Preset,
): Preset {
  const base = name === undefined ? fallback : preset(name);
  return { ...base, ...size, positions: { ...base.positions, ...scale && { scale } } };
}

/**
 * Checks that a model can be read, before anything is computed.
 *
 * @param path Its file, by {@linkcode modelFile}.
 * @throws {InputError} If it cannot be read; what looks like a name is answered with the nearest, or all.
 */
export async function checkModelFile(path: string): Promise<void> {
  if (!/[./\\]/.test(path) && !await exists(path)) {
    const why = unknown("model or file", path, [...includedModels.keys()]);
    throw new InputError(`Cannot find model ${quoted(path)} as ${why}`);
  }
  await checkReadable("a model", path);
}

/**
 * Checks that an input file or folder can be read, before anything is computed.
 *
 * @param what What it is, such as "a model".
 * @throws {InputError} If it cannot be read.
 */
export async function checkReadable(what: string, path: string): Promise<void> {
  try {
    const { isDirectory } = await checkFile(path);
    if (!isDirectory) (await Deno.open(path)).close();
  } catch (error) {
    throw fileError(`read ${what}`, path, error);
  }
}
