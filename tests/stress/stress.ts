/**
 * `deno task stress`: attacks on the kit, by seed and budget. It ends with code 1 if one was not withstood.
 *
 * @module
 */
import { Command } from "commander";
import { addSettings, given, run } from "../../lib/cli/command.ts";
import { InputError } from "../../lib/errors.ts";
import { number, settle, whole } from "../../lib/settings.ts";
import { duration } from "../../lib/show/mod.ts";
import { cells } from "./cells.ts";
import { commands, functions } from "./options.ts";
import { pages } from "./pages.ts";
import type { Part } from "./part.ts";

/** By name, in the order in which they are carried out. */
export const parts: Readonly<Record<string, Part>> = { functions, commands, pages, cells };

const settings = {
  seed: { ...whole({ from: 1, to: 1e9 }), about: "seed of the attacks", default: 1 },
  times: {
    ...whole({ from: 1, to: 1e6 }),
    about: "attacks of each part, at the most",
    otherwise: "each part's own",
  },
  minutes: {
    ...number({ from: 0, to: 1e4 }),
    about: "minutes of each part after which it begins no further attack",
    otherwise: "none",
  },
};

const list = Object.entries(parts).map(([name, { about, times }]) =>
  `  ${name}: ${Number.isFinite(times) ? times : "all"} ${about}`
);

const command = addSettings(
  new Command("deno task stress")
    .description("Attacks the kit, in all parts or those named.")
    .argument("[parts...]", "what to attack")
    .addHelpText("after", `\nParts, with the number of attacks of a full run:\n${list.join("\n")}`),
  settings,
).action(main);

async function main(names: string[], options: Record<string, unknown>): Promise<void> {
  const { seed, times, minutes = Infinity } = settle("attack", settings, given(settings, options));
  const unknown = names.find((name) => !Object.hasOwn(parts, name));
  if (unknown !== undefined) {
    throw new InputError(`Cannot attack "${unknown}": there are ${Object.keys(parts).join(", ")}`);
  }
  for (const name of names.length > 0 ? names : Object.keys(parts)) {
    const part = parts[name]!, most = times ?? part.times;
    const begin = performance.now();
    const seconds = () => (performance.now() - begin) / 1e3;
    let [count, wrong, slowest, last] = [0, 0, 0, 0];
    let slow = "";
    for await (const outcome of part.attacks(seed)) {
      const took = seconds() - last;
      last = seconds();
      if (took > slowest) [slowest, slow] = [took, outcome.name];
      count++;
      if (outcome.wrong !== undefined) {
        wrong++;
        console.error(`${name}, seed ${seed}, attack ${count}: ${outcome.name}: ${outcome.wrong}`);
      }
      if (count >= most || seconds() > 60 * minutes) break;
    }
    console.log(
      `${name}: ${count} attacks with seed ${seed} in ${duration(seconds())}, ` +
        (wrong === 0 ? "all withstood" : `${wrong} not withstood`) +
        (count > 0 ? `; the slowest took ${slowest.toFixed(1)} s: ${slow}` : ""),
    );
    if (wrong > 0) Deno.exitCode = 1;
  }
}

if (import.meta.main) await run(command);
