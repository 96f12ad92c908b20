import { type Command, CommanderError, InvalidArgumentError, Option } from "commander";
import { backend, type BackendName, backends } from "../engine/mod.ts";
import { InputError } from "../errors.ts";
import { checkWritable, exists } from "../files.ts";
import { type PositionScale, positionScales, type Preset, preset, presets, variants } from "../model/mod.ts";
import { rounded } from "../numbers.ts";
import { type AdamOptions, type Interval, schedules } from "../train/mod.ts";

/**
 * Runs a command on this process' arguments. Bad input is one sentence on standard error and exit code 2,
 * nothing else; a bug keeps its stack and exits with 1.
 */
export async function run(command: Command): Promise<void> {
  try {
    for (const each of [command, ...command.commands]) each.exitOverride();
    await command.parseAsync(Deno.args, { from: "user" });
  } catch (error) {
    if (error instanceof CommanderError) Deno.exit(error.exitCode === 0 ? 0 : 2); // It has said why.
    if (!(error instanceof InputError)) throw error;
    console.error(error.message);
    Deno.exit(2);
  }
}

/**
 * A signal that aborts at the first Ctrl-C, so that what was reached is saved; the second ends the process.
 *
 * @param after What is done first.
 */
export function interruptible(after = " after this update"): AbortSignal {
  const controller = new AbortController();
  Deno.addSignalListener("SIGINT", () => {
    if (controller.signal.aborted) Deno.exit(130);
    console.error(`\nStopping${after}; press Ctrl-C again to leave at once`);
    controller.abort();
  });
  return controller.signal;
}

/** Where a command computes. */
export interface Place {
  /** One of the engine's; the fastest without a GPU unless given. */
  backend?: BackendName;
  /** Threads; as many as there are cores unless given. */
  threads?: number;
}

/** Options that make a {@linkcode Place}. */
export function placeOptions(): Option[] {
  return [
    new Option("--backend <name>", "where to compute (default: the fastest without a GPU)").choices(backends),
    new Option("--threads <number>", "threads of one model (default: the cores)").argParser(number),
  ];
}

/** Starts a backend and says which it is and why. */
export async function start({ backend: chosen, threads }: Place): Promise<void> {
  const { name, why, products, faster } = await backend(chosen, given({ threads }));
  console.error(`Computing on ${name}, ${why}: ${products}`);
  if (faster) console.error(faster[0]!.toUpperCase() + faster.slice(1));
}

/** Says that the command ended at a Ctrl-C, in words and by the exit code that shells expect. */
export function interrupted(message: string): void {
  console.error(message);
  Deno.exitCode = 130;
}

/** Reads an option's value as a number. */
export function number(text: string): number {
  const value = Number(text);
  if (text.trim() === "" || Number.isNaN(value)) throw new InvalidArgumentError("A number is wanted.");
  return value;
}

/** Reads a comma-separated list of numbers. */
export const numbers = (text: string): number[] => text.split(",").map(number);

/** Reads a comma-separated list of names, each one of `known`. */
export function names<Name extends string>(known?: readonly Name[]): (text: string) => Name[] {
  return (text) =>
    text.split(",").map((name) => {
      if (known && !known.includes(name as Name)) {
        throw new InvalidArgumentError(`There is no "${name}"; there are ${known.join(", ")}.`);
      }
      return name as Name;
    });
}

/** Options of a model's size and kind; what is not given is the preset's. */
export function modelOptions(usual: Preset): Option[] {
  const size = (name: "layers" | "heads" | "width" | "context", what: string) =>
    new Option(`--${name} <number>`, `${what} (default: ${usual[name]})`).argParser(number);
  return [
    new Option("--preset <name>", "model size to begin with").choices(Object.keys(presets)),
    size("layers", "blocks"),
    size("heads", "attention heads"),
    size("width", "width of the states"),
    size("context", "longest sequence, in tokens"),
    new Option("--scale <name>", "size of the position table at the start (default: matched)").choices(
      positionScales,
    ),
    new Option(
      "--variant <name>",
      `softmax and dropout where the paper is silent (default: ${usual.variant})`,
    )
      .choices(variants),
  ];
}

/**
 * Makes sure that a result can be written where it shall go, before the work begins.
 *
 * @throws {InputError} If it cannot, or there is a file already: what took hours is not replaced in silence.
 */
export async function checkOut(path: string): Promise<void> {
  if (await exists(path)) {
    throw new InputError(`Cannot write ${path} as it is there already: remove it or name another file`);
  }
  await checkWritable(path);
}

/** Options of the optimiser, with a prefix where a command has two of them. */
export function adamOptions(defaults: Omit<AdamOptions, "updates">, prefix = ""): Option[] {
  const option = (name: "rate" | "warmup" | "decay" | "clip", what: string) =>
    new Option(`--${prefix}${name} <number>`, `${what} (default: ${defaults[name]})`).argParser(number);
  return [
    option("rate", "largest learning rate"),
    new Option(`--${prefix}schedule <name>`, `course of the rate (default: ${defaults.schedule})`)
      .choices(Object.keys(schedules)),
    option("warmup", "share of updates in which the rate rises"),
    option("decay", "weight decay of matrices"),
    option("clip", "largest norm of the gradient, 0 for any"),
  ];
}

/** A share and its interval in percent: `71.3 [69.6, 73.0] %`. */
export function inPercent({ value, low, high }: Interval): string {
  const [middle, ...ends] = [value, low, high].map((share) => rounded(100 * share, 50 * (high - low)));
  return `${middle} [${ends.join(", ")}] %`;
}

/** The entries that were given, without those left out. */
export function given<T extends object>(options: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof given<T>
  >;
}

/** A configuration from the model's options. */
export function chosenPreset(options: Record<string, unknown>, fallback: Preset): Preset {
  const { preset: name, layers, heads, width, context, scale, variant } = options as
    & { preset?: string; scale?: PositionScale }
    & Partial<Preset>;
  const base = name === undefined ? fallback : preset(name);
  const positions = { ...base.positions, ...given({ scale }) };
  return { ...base, ...given({ layers, heads, width, context, variant }), positions } as Preset;
}
