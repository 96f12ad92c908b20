import * as kit from "../../mod.ts";
import { assert, assertEquals } from "../assert.ts";
import { keyOf, permutation } from "../../lib/engine/mod.ts";
import { commands, known, lines, refusalOf } from "./commands.ts";
import { argumentsOf, casesOf, outcomeOf } from "./functions.ts";
import { kills } from "./kills.ts";
import { outcomesOf } from "./part.ts";
import { races } from "./races.ts";

await kit.backend();

Deno.test("every function of mod.ts stands in the table of stress", async () => {
  const folder = await Deno.makeTempDir();
  const functions = Object.entries(kit).filter(([name, value]) =>
    typeof value === "function" && name !== "InputError"
  );
  assertEquals(Object.keys(await argumentsOf(folder)).sort(), functions.map(([name]) => name).sort());
  await Deno.remove(folder, { recursive: true });
});

Deno.test("every function refuses odd arguments and options in one short sentence", async () => {
  const folder = await Deno.makeTempDir();
  const cases = casesOf(await argumentsOf(folder));
  assert(cases.length > 3000, `only ${cases.length} cases`);
  const wrong: string[] = [];
  for (const each of cases) {
    const { wrong: why } = await outcomeOf(each);
    if (why !== undefined) wrong.push(`${each.name}: ${why.slice(0, 300)}`);
  }
  assertEquals(wrong, []);
  await Deno.remove(folder, { recursive: true });
});

Deno.test("every command of lib/cli stands in the table of stress", () => {
  assertEquals(Object.keys(commands).sort(), known.sort());
});

Deno.test("commands refuse odd values of some of their options with exit code 2 and one sentence", async () => {
  const all = lines();
  assert(all.length > 1000, `only ${all.length} command lines`);
  const some = Array.from(permutation(keyOf(1, "stress"), all.length).subarray(0, 12), (i) => all[i]!);
  for (const line of some) {
    const { wrong } = await refusalOf(line);
    assert(wrong === undefined, `${line.command} ${line.args.join(" ")}: ${wrong}`);
  }
});

for (const [name, part, times] of [["kills", kills, 8], ["races", races, 2]] as const) {
  Deno.test(`${name}, ${times} of them, are withstood`, async () => {
    const wrong = (await outcomesOf(part, 1, times)).filter(({ wrong }) => wrong !== undefined);
    assertEquals(wrong, []);
  });
}
