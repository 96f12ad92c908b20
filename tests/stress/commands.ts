/**
 * Every option of every command with odd values, as processes: each must end with exit code 2 and one sentence.
 *
 * @module
 */
import { flagOf } from "../../lib/cli/command.ts";
import { settingsOf } from "../../lib/settings.ts";
import { settings as data } from "../../lib/cli/data.ts";
import { settings as finetune } from "../../lib/cli/finetune.ts";
import { settings as generate } from "../../lib/cli/generate.ts";
import { settings as notebooks } from "../../lib/cli/notebooks.ts";
import { settings as page } from "../../lib/cli/page.ts";
import { settings as pretrain } from "../../lib/cli/pretrain.ts";
import { settings as render } from "../../lib/cli/render.ts";
import { settingsFor } from "../../lib/cli/study.ts";
import type { Schema } from "../../lib/settings.ts";
import kit from "../../deno.json" with { type: "json" };
import { startTask } from "../programs.ts";
import { faultOf, misspelt } from "./functions.ts";

/** What each command takes. */
export const commands: Readonly<Record<string, Schema>> = {
  ablate: settingsFor("ablate"),
  compare: settingsFor("compare"),
  suite: settingsFor("suite"),
  ...{ pretrain, finetune, generate, data, notebooks, render, page },
};

/** What a command must be given before it looks at anything else. */
const required: Readonly<Record<string, readonly string[]>> = {
  pretrain: ["--out", "/dev/null/model"],
  finetune: ["--model", "/dev/null/model", "--task", "kind"],
  generate: ["--model", "/dev/null/model", "to be"],
  page: ["--model", "/dev/null/model"],
};

const odd = [
  "0",
  "-1",
  "0.5",
  "NaN",
  "Infinity",
  "-Infinity",
  "1e9",
  "1e308",
  "1e-320",
  "",
  "x",
  "x,,y",
  "\u001b[31m",
];

/** A command line that must be refused. */
export interface Line {
  readonly command: string;
  readonly args: readonly string[];
}

/** Every option with the odd values that it does not accept, misspelt, and without a value. */
export function lines(): Line[] {
  return Object.entries(commands).flatMap(([command, schema]) => {
    const needed = required[command] ?? [];
    const own = settingsOf(schema).flatMap(({ path, setting }): string[][] => {
      const flag = flagOf(path);
      const wrong = [`--${misspelt(flag.slice(2))}`, "1", ...needed];
      if (setting.form === "") return [wrong, [`${flag}=x`, ...needed]];
      const refused = odd.filter((text) => !setting.accepts(setting.read(text)));
      return [wrong, [...needed, flag], ...refused.map((text) => [`${flag}=${text}`, ...needed])];
    });
    return [...own, ["--", "-x", "\u0007", ""]].map((args) => ({ command, args }));
  });
}

/** Tasks of deno.json that are commands of lib/cli. */
export const known = Object.entries(kit.tasks).filter(([, { command }]) => command.includes(" lib/cli/")).map(
  (
    [name],
  ) => name,
);

/** Runs a command line: what is wrong with how it was refused, and how many milliseconds it took. */
export async function refusalOf({ command, args }: Line): Promise<{ wrong?: string; took: number }> {
  const begin = performance.now();
  const child = startTask(command, args, { signal: AbortSignal.timeout(20_000) });
  const { code, stdout, stderr } = await child.output();
  const took = performance.now() - begin;
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trimEnd());
  const wrong = code !== 2
    ? `it ended with code ${code}: ${err}`
    : out !== ""
    ? `it wrote to standard output: ${out}`
    : faultOf(err!);
  return { took, ...wrong !== undefined && { wrong } };
}
