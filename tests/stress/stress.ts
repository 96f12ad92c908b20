/**
 * `deno task stress`: every function of mod.ts and every option of every command with odd values. Each must be
 * refused in one short sentence, commands within two seconds.
 *
 * @module
 */
import { quoted } from "../../lib/errors.ts";
import { backend } from "../../mod.ts";
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
  const times: [ms: number, line: Line][] = [];
  const shown = ({ command, args }: Line) =>
    `deno task ${command} ${args.map((arg) => quoted(arg)).join(" ")}`;
  const work = async () => {
    for (let line = waiting.pop(); line; line = waiting.pop()) {
      const { wrong: why, took } = await refusalOf(line);
      if (why !== undefined) wrong.push(`${shown(line)}: ${why}`);
      times.push([took, line]);
    }
  };
  await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));
  times.sort(([a], [b]) => b - a);
  console.log(`${count} command lines, the slowest:`);
  for (const [took, line] of times.slice(0, 5)) console.log(`  ${took.toFixed(0)} ms: ${shown(line)}`);
  for (const [, line] of times.filter(([took]) => took > SOON)) {
    const { took } = await refusalOf(line); // Alone: the machine may have had other work.
    if (took > SOON) wrong.push(`${shown(line)}: it took ${took.toFixed(0)} ms`);
  }
  for (const each of wrong) console.error(each);
  console.log(wrong.length === 0 ? "All were refused in one sentence" : `${wrong.length} were not`);
  if (wrong.length > 0) Deno.exitCode = 1;
}
