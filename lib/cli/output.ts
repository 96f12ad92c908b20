import { printable } from "../errors.ts";
import { flag } from "../settings.ts";
import { type StudyStep, type TrainingStep, watch, type Watched } from "../show/mod.ts";

/** The settings of what a command prints. */
export const outputSettings = {
  quiet: { ...flag, about: "no progress and no notes; warnings and errors stay", default: false },
  json: { ...flag, about: "print the result as JSON, as described below", default: false },
};

/** What a command prints: results on standard output, everything else on standard error. */
export interface Output {
  /** Prints a note, such as what computes here; not with `--quiet`. */
  note(line: string): void;
  /** Prints a line of the result; not with `--json`. */
  print(line: string): void;
  /** Prints the whole result; only with `--json`. */
  finish(result: Readonly<Record<string, unknown>>): void;
  /** Awaits a run and shows its progress; with `--quiet`, only awaits it. */
  watch<Result, Step extends TrainingStep | StudyStep>(
    run: Watched<Result, Step>,
    each?: (record: Step) => void,
  ): Promise<Result>;
}

/** What a command prints with these settings. */
export function outputOf({ quiet, json }: { readonly quiet: boolean; readonly json: boolean }): Output {
  return {
    note(line) {
      if (!quiet) console.error(line);
    },
    print(line) {
      if (!json) console.log(printable(line));
    },
    finish(result) {
      if (json) console.log(jsonText(result));
    },
    async watch(run, each) {
      if (!quiet) return await watch(run, { each });
      for await (const record of run) each?.(record);
      return await run;
    },
  };
}

/**
 * A result as JSON: numbers in full precision, what is absent or no number as null, and without arrays of a number per
 * example, which are in the result's file. Control characters are escaped also where JSON does not ask for it, as
 * terminals obey them.
 */
function jsonText(result: unknown): string {
  const clean = (_: string, value: unknown) => ArrayBuffer.isView(value) ? undefined : value ?? null;
  return printable(JSON.stringify(result, clean, 2));
}
