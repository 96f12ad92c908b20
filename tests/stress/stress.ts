/**
 * `deno task stress`: attacks on the kit, by seed and budget. It ends with code 1 if one was not withstood.
 *
 * @module
 */
import { Command } from "commander";
import { addSettings, given, run } from "../../lib/cli/command.ts";
import { InputError } from "../../lib/errors.ts";
import { number, settle, whole } from "../../lib/settings.ts";
import { duration, progress } from "../../lib/show/mod.ts";
import { bpe, checkpoints, npy, results, safetensors } from "./files.ts";
import { kills } from "./kills.ts";
import { archives } from "./archives.ts";
import { cells } from "./cells.ts";
import { commands, functions } from "./options.ts";
import { pages } from "./pages.ts";
import type { Part } from "./part.ts";
import { races } from "./races.ts";

/** By name, in the order in which they are carried out. */
export const parts: Readonly<Record<string, Part>> = {
  ...{ functions, commands, kills, races },
  ...{ checkpoints, safetensors, npy, bpe, results, archives },
  ...{ pages, cells },
};

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
    let [count, wrong, slowest, last, megabytes] = [0, 0, 0, 0, 0];
    let slow = "";
    const face = Number.isFinite(most) ? progress() : undefined;
    for await (const outcome of part.attacks(seed)) {
      const took = outcome.seconds ?? seconds() - last;
      last = seconds();
      if (took > slowest) [slowest, slow] = [took, outcome.name];
      megabytes = Math.max(megabytes, outcome.megabytes ?? 0);
      count++;
      if (outcome.wrong !== undefined) {
        wrong++;
        console.error(`${name}, seed ${seed}, attack ${count}: ${outcome.name}: ${outcome.wrong}`);
      }
      face?.show({
        done: count / most,
        left: seconds() / count * (most - count),
        text: `${name}: ${outcome.name}`,
      });
      if (count >= most || seconds() > 60 * minutes) break;
    }
    face?.end();
    console.log(
      `${name}: ${count} attacks with seed ${seed} in ${duration(seconds())}, ` +
        (wrong === 0 ? "all withstood" : `${wrong} not withstood`) +
        (count > 0 ? `; the slowest took ${slowest.toFixed(1)} s: ${slow}` : "") +
        (megabytes > 0 ? `; the most memory that one took is ${megabytes.toFixed(0)} MB` : ""),
    );
    if (wrong > 0) Deno.exitCode = 1;
  }
}

if (import.meta.main) await run(command);
