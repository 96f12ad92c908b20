import kit from "../../deno.json" with { type: "json" };
import { flagOf, termOf } from "../../lib/cli/command.ts";
import { settingsOf } from "../../lib/settings.ts";
import { gitRevision } from "../../lib/engine/provenance.ts";
import { assert, assertEquals } from "../assert.ts";
import { endOf, root, startDeno, startTask } from "../programs.ts";
import { commands } from "../stress/commands.ts";

const run = (name: string, ...args: string[]) => endOf(startTask(name, args));

/** Commands whose result `--json` prints. */
const withJson = ["ablate", "compare", "suite", "pretrain", "finetune", "generate"];

for (const [name, schema] of Object.entries(commands)) {
  Deno.test(`the help of ${name} fits 80 columns, groups its options and ends with what it costs and examples`, async () => {
    const { code, out, err } = await run(name, "--help");
    assertEquals([code, err], [0, ""]);
    assert(out.startsWith(`Usage: deno task ${name}`), out);
    assertEquals(out.split("\n").filter((line) => [...line].length > 80), []);
    for (const { path, setting } of settingsOf(schema)) {
      const term = termOf(path, setting);
      assert(out.includes(`\n  ${term} `), `${term} is not in the help`);
      const isNumber = setting.form !== "" && typeof setting.read("1") === "number";
      assert(!isNumber || !/<n>/.test(term), `${term} has no unit`);
    }
    const headings = [...out.matchAll(/^(\S.*):$/gm)].map(([, heading]) => heading!);
    assertEquals(new Set(headings).size, headings.length, `a heading stands twice: ${headings}`);
    assertEquals(headings.includes("Options"), settingsOf(schema).length < 5, `${headings}`);
    const last = withJson.includes(name)
      ? ["Time and disk", "Settings in a file", "JSON"]
      : ["Time and disk"];
    assertEquals(
      headings.slice(headings.indexOf("Help")),
      ["Help", ...last.filter((one) => name !== "generate" || one !== "Settings in a file"), "Examples"],
    );
    const [, examples] = out.split("\nExamples:\n");
    const lines = examples!.split("\n");
    assert(lines.length >= 2 && lines.length <= 3, examples);
    const flags = [...settingsOf(schema).map(({ path }) => flagOf(path)), "--help", "--version"];
    for (const line of lines) {
      assert(line.startsWith(`  deno task ${name}`), line);
      for (const [flag] of line.matchAll(/--[\w-]+/g)) assert(flags.includes(flag), `${line}: no ${flag}`);
    }
  });
}

Deno.test("every command tells the versions of the kit and of Deno, and the revision, and starts nothing", async () => {
  const revision = await gitRevision(new URL(`file://${root}`));
  const expected = `${kit.name} ${kit.version}, Deno ${Deno.version.deno}` +
    (revision === undefined ? "" : `, git ${revision}`);
  for (const name of Object.keys(commands)) {
    const { code, out, err } = await run(name, "--version");
    assertEquals([name, code, out, err], [name, 0, expected, ""]);
  }
});

Deno.test("a command that does not exist is answered with the nearest, and none with all", async () => {
  const program = async (...args: string[]) =>
    await endOf(startDeno(["run", "--no-prompt", `${root}lib/cli/study.ts`, ...args]));
  assertEquals(await program("ablat"), {
    code: 2,
    out: "",
    err: 'Cannot run deno task "ablat" as there is no such command: did you mean ablate?',
  });
  const { code, out, err } = await program();
  assertEquals([code, out], [2, ""]);
  assert(err.includes("ablate") && err.includes("suite") && !err.includes("Cannot"), err);
});
