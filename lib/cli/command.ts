import { type Command, CommanderError, Option } from "commander";
import { type Claim, claim, holderName } from "../claim.ts";
import { backend, type BackendName } from "../engine/mod.ts";
import { backendSetting, backendSettings } from "../engine/settings.ts";
import { InputError, printable, quoted } from "../errors.ts";
import { checkFile, checkWritable, exists, fileError, readFile, writeAtomic } from "../files.ts";
import { type LanguageModel, type Preset, preset, presets } from "../model/mod.ts";
import { presetSettings } from "../model/settings.ts";
import { withInterval } from "../numbers.ts";
import { isSetting, oneOf, refusal, type Schema, type Setting, unknown, type ValuesOf } from "../settings.ts";
import { stop } from "../stop.ts";
import { encodeModel, type Interval, type SaveOptions } from "../train/mod.ts";

/**
 * Runs a command on this process' arguments. Bad input is one sentence on standard error and exit code 2,
 * nothing else; a bug keeps its stack and exits with 1.
 */
export async function run(command: Command): Promise<void> {
  for (const each of [command, ...command.commands]) {
    each.exitOverride().configureOutput({ outputError: () => {} }); // What is wrong is said below.
  }
  try {
    await command.parseAsync(Deno.args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) Deno.exit(0); // It was asked for help.
    if (error instanceof DOMException && error.name === "AbortError") return interrupted(error.message);
    if (!(error instanceof InputError || error instanceof CommanderError)) throw error;
    console.error(printable(error instanceof InputError ? error.message : sentenceOf(error, command)));
    Deno.exit(2);
  }
}

/** What is wrong with a command line, in the words of our own errors. */
function sentenceOf({ code, message }: CommanderError, command: Command): string {
  const asked = command.commands.find((each) => each.name() === Deno.args[0]);
  const { options } = asked ?? command;
  const name = asked ? `${command.name()} ${asked.name()}` : command.name();
  const what = /'(.*)'/s.exec(message)?.[1] ?? "";
  switch (code) {
    case "commander.unknownOption":
      return `Cannot use ${quoted(what)} as ${unknown("option", what, options.map(({ long }) => long!))}`;
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

/** A group whose settings have no prefix on the command line. */
const BARE = "size";

/** An option's flag: that of `finetune.rate` is `--finetune-rate`. */
export function flagOf(path: readonly string[]): string {
  const parts = path[0] === BARE ? path.slice(1) : path;
  return `--${parts.join("-").replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** A schema's settings with where they stand. */
export function settingsOf(
  schema: Schema,
  path: readonly string[] = [],
): { path: readonly string[]; setting: Setting<unknown> }[] {
  return Object.entries(schema).flatMap(([name, entry]) =>
    isSetting(entry) ? [{ path: [...path, name], setting: entry }] : settingsOf(entry, [...path, name])
  );
}

/** Adds a schema's settings to a command, as options that check their values. */
export function addSettings(command: Command, schema: Schema): Command {
  for (const { path, setting } of settingsOf(schema)) {
    const flag = flagOf(path);
    const option = new Option(
      setting.form === "" ? flag : `${flag} <${setting.unit ?? setting.form}>`,
      helpOf(setting),
    );
    if (setting.form !== "") {
      option.argParser((text, before) => {
        if (before !== undefined) throw new InputError(`Cannot use ${flag} twice: one value is used`);
        return read(flag, setting, text);
      });
    }
    const required = setting.form !== "" && setting.default === undefined && setting.otherwise === undefined;
    command.addOption(option.makeOptionMandatory(required));
  }
  return command;
}

/** A value from the command line. */
function read(flag: string, setting: Setting<unknown>, text: string): unknown {
  const value = setting.read(text);
  if (setting.accepts(value)) return value;
  throw new InputError(`Cannot use ${flag} ${refusal(setting, value)}`);
}

/** A setting in a command's help. */
function helpOf({ about, expected, form, default: usual, otherwise, why }: Setting<unknown>): string {
  const shown = (value: unknown): string =>
    value === Infinity ? "all" : Array.isArray(value) ? value.map(shown).join(",") : String(value);
  const range = form === "" || form === "text" ? "" : `: ${expected}`;
  if (form === "" || (usual === undefined && otherwise === undefined)) return `${about}${range}`;
  const reason = why === undefined || why.length > 60 ? "" : `; ${why}`;
  return `${about}${range} (default: ${usual === undefined ? otherwise : shown(usual)}${reason})`;
}

/** The values of a schema's settings that were given on the command line. */
export function given(schema: Schema, options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const { path, setting } of settingsOf(schema)) {
    const value = options[flagOf(path).slice(2).replace(/-(\w)/g, (_, letter) => letter.toUpperCase())];
    if (value === undefined && setting.form !== "") continue;
    const group = path.slice(0, -1).reduce(
      (group, name) => (group[name] ??= {}) as Record<string, unknown>,
      values,
    );
    group[path.at(-1)!] = value ?? false;
  }
  return values;
}

/** Signals that ask a command to end, and the codes with which it then exits, as shells expect. */
const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** Milliseconds in which two signals are one Ctrl-C: npx passes on what its command has from the terminal already. */
const TWICE = 1000;

/** The code of the signal that came. */
let code: number = CODES.SIGINT;

/**
 * From now on Ctrl-C, SIGTERM and SIGHUP do not end this process but its work, so that what was reached is saved; a
 * second Ctrl-C leaves at once. Before there is anything to save, a command need not call this.
 *
 * @param after What is done first.
 * @param controller What is aborted, beside all work that heeds {@linkcode stopSignal}.
 */
export function interruptible(after = " after this update", controller = new AbortController()): AbortSignal {
  let first = 0;
  for (const signal of Object.keys(CODES) as (keyof typeof CODES)[]) {
    if (Deno.build.os === "windows" && signal !== "SIGINT") continue;
    const heard = () => {
      if (controller.signal.aborted) {
        if (signal === "SIGINT" && performance.now() - first > TWICE) Deno.exit(code);
        return;
      }
      first = performance.now();
      code = CODES[signal];
      say(`\nStopping${after}${signal === "SIGINT" ? "; press Ctrl-C again to leave at once" : ""}`);
      controller.abort();
      stop();
    };
    Deno.addSignalListener(signal, heard);
    listeners.push([signal, heard]);
  }
  return controller.signal;
}

/** What listens, so that it can be taken away. */
const listeners: [signal: Deno.Signal, heard: () => void][] = [];

/** From now on a signal ends this process at once: there is nothing to save before what is under way has ended. */
export function endAtOnce(): void {
  for (const [signal, heard] of listeners.splice(0)) Deno.removeSignalListener(signal, heard);
}

/** Where a command computes. */
export const placeSettings = { backend: backendSetting, threads: backendSettings.threads };

/** Starts a backend and says which it is and why. */
export async function start(
  { backend: chosen, threads }: { readonly backend?: BackendName; readonly threads?: number },
): Promise<void> {
  const { name, why, matmul, faster } = await backend(chosen, threads === undefined ? {} : { threads });
  console.error(`Computing on ${name}, ${why}: ${matmul}`);
  if (faster) console.error(faster[0]!.toUpperCase() + faster.slice(1));
}

/** Says that the command was ended by a signal, in words and by the exit code that shells expect. */
export function interrupted(message: string): void {
  say(message);
  Deno.exitCode = code;
}

/** Writes a line to standard error, if there is one: with its terminal a command's outputs are gone, too. */
function say(line: string): void {
  try {
    console.error(line);
  } catch { /* Nobody reads it. */ }
}

/**
 * Makes sure that a result can be written where it shall go, before the work begins.
 *
 * @param goesOn Whether it may be there already, as a command left it that was killed at its end.
 * @throws {InputError} If it cannot, or there is a file already: what took hours is not replaced in silence.
 */
export async function checkOut(path: string, goesOn = false): Promise<void> {
  if (!goesOn && await exists(path)) {
    throw new InputError(`Cannot write ${path} as it is there already: remove it or name another file`);
  }
  await checkWritable(path);
}

/**
 * Claims what a command writes for this process.
 *
 * @throws {InputError} If another process is at it.
 */
export async function claimOut(path: string): Promise<Claim> {
  const claimed = await claim(`${path}.claim`);
  if ("release" in claimed) return claimed;
  throw new InputError(
    `Cannot write ${path} as ${holderName(claimed)} is at it: wait for its end or name another file`,
  );
}

/**
 * Writes a model where none is, or this one.
 *
 * @throws {InputError} If another is there.
 */
export async function putModel(path: string, lm: LanguageModel, options: SaveOptions = {}): Promise<void> {
  const model = await encodeModel(lm, options);
  if (await exists(path) && !isSame(await readFile(path, "a model"), model)) {
    throw new InputError(
      `Cannot write ${path} as another model is there by now: remove it or name another file`,
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

/** A share and its interval in percent: `71.3 [69.6, 73.0] %`. */
export function inPercent({ value, low, high }: Interval): string {
  return `${withInterval(100 * value, 100 * low, 100 * high)} %`;
}

/** A model's size and kind as options; what is not given is the preset's. */
export function modelSettings(usual: Preset) {
  const own = <S>(setting: S, value: unknown) => ({ ...setting, otherwise: `the preset's, as ${value}` });
  const { layers, heads, width, context, variant, positions } = presetSettings;
  return {
    preset: {
      ...oneOf(Object.keys(presets) as (keyof typeof presets)[]),
      about: "model size to begin with",
      otherwise: "the sizes below",
    },
    [BARE]: {
      layers: own(layers, usual.layers),
      heads: own(heads, usual.heads),
      width: own(width, usual.width),
      context: own(context, usual.context),
      variant: own(variant, usual.variant),
      scale: positions.scale,
    },
  };
}

/** A configuration from these options. */
export function chosenPreset(
  { preset: name, [BARE]: { scale, ...size } }: ValuesOf<ReturnType<typeof modelSettings>>,
  fallback: Preset,
): Preset {
  const base = name === undefined ? fallback : preset(name);
  return { ...base, ...size, positions: { ...base.positions, ...scale && { scale } } };
}

/**
 * Makes sure that a file or folder that is to be read is there, before anything is computed.
 *
 * @param what What it is, as in "a model".
 * @throws {InputError} If it is not.
 */
export async function checkThere(what: string, path: string): Promise<void> {
  try {
    const { isDirectory } = await checkFile(path);
    if (!isDirectory) (await Deno.open(path)).close();
  } catch (error) {
    throw fileError(`read ${what}`, path, error);
  }
}
