/**
 * `deno task stress`: every function of mod.ts and every option of every command with odd values. Each must be
 * refused in one short sentence, commands within two seconds.
 *
 * @module
 */
import { backend, InputError } from "../../mod.ts";
import { type Line, lines, refusalOf } from "./commands.ts";
import { argumentsOf, casesOf, outcomeOf } from "./functions.ts";

/** Milliseconds in which a command must have said what is wrong. */
const SOON = 2000;

if (import.meta.main) {
  await backend();
  const folder = await Deno.makeTempDir();
  const wrong: string[] = [];
  const cases = casesOf(await argumentsOf(folder));
  for (const each of cases) {
    const { wrong: why } = await outcomeOf(each);
    if (why !== undefined) wrong.push(`${each.name}: ${why}`);
  }
  await Deno.remove(folder, { recursive: true });
  console.log(`${cases.length} calls of functions`);

  const waiting = lines(), count = waiting.length;
  const slowest: [ms: number, line: Line][] = [];
  const work = async () => {
    for (let line = waiting.pop(); line; line = waiting.pop()) {
      const { wrong: why, took } = await refusalOf(line);
      const shown = `deno task ${line.command} ${line.args.map((arg) => JSON.stringify(arg)).join(" ")}`;
      if (why !== undefined) wrong.push(`${shown}: ${why}`);
      if (took > SOON) wrong.push(`${shown}: it took ${took.toFixed(0)} ms`);
      slowest.push([took, line]);
    }
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));
  slowest.sort(([a], [b]) => b - a);
  console.log(`${count} command lines, the slowest:`);
  for (const [took, { command, args }] of slowest.slice(0, 5)) {
    console.log(`  ${took.toFixed(0)} ms: ${command} ${args.join(" ")}`);
  }
  for (const each of wrong) console.error(each);
  if (wrong.length > 0) throw new InputError(`Cannot pass stress as ${wrong.length} cases are wrong`);
}
