import { backend } from "../../mod.ts";
import { keyOf, permutation } from "../../lib/engine/mod.ts";
import { quoted } from "../../lib/errors.ts";
import { type Line, lines, refusalOf } from "./commands.ts";
import { argumentsOf, casesOf, outcomeOf } from "./functions.ts";
import type { Outcome, Part } from "./part.ts";

/** Milliseconds in which a command must have said what is wrong. */
const SOON = 2000;

/** Every function of mod.ts with odd arguments. */
export const functions: Part = {
  about: "functions of mod.ts with odd arguments and options: each is refused in one short sentence",
  times: Infinity,
  async *attacks(seed) {
    await backend();
    const folder = await Deno.makeTempDir();
    try {
      for (const each of shuffled(casesOf(await argumentsOf(folder)), seed)) {
        const { wrong } = await outcomeOf(each);
        yield { name: each.name, ...wrong !== undefined && { wrong } };
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

/** Every command of lib/cli with odd options. */
export const commands: Part = {
  about: "command lines with odd options: each ends with code 2 and one sentence, within two seconds",
  times: Infinity,
  async *attacks(seed) {
    const waiting = shuffled(lines(), seed);
    const under: Promise<Outcome>[] = [];
    while (waiting.length > 0 || under.length > 0) {
      while (under.length < navigator.hardwareConcurrency && waiting.length > 0) {
        under.push(run(waiting.pop()!));
      }
      yield await under.shift()!;
    }
  },
};

async function run(line: Line): Promise<Outcome> {
  const name = `deno task ${line.command} ${line.args.map((arg) => quoted(arg)).join(" ")}`;
  let { wrong, took } = await refusalOf(line);
  // A second time: the machine may have had other work.
  if (took > SOON) ({ wrong, took } = await refusalOf(line));
  if (took > SOON) wrong ??= `it took ${took.toFixed(0)} ms`;
  return { name, ...wrong !== undefined && { wrong } };
}

function shuffled<Item>(items: readonly Item[], seed: number): Item[] {
  return Array.from(permutation(keyOf(seed, "stress"), items.length), (i) => items[i]!);
}
