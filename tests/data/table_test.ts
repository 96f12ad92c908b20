/** The tables of `data/README.md` say what is: each row is made again, or held to the file that it comes from. */
import { strictEqual } from "node:assert/strict";
import { type Task, task } from "../../lib/data/mod.ts";
import { sha256 } from "../../lib/digest.ts";
import { assert, assertEquals } from "../assert.ts";
import { questionsOf } from "./baselines.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../../data/${path}`, import.meta.url));

/** Each is loaded once for all tests. */
const tasks = new Map<string, Promise<Task>>();
const load = (name: string) => tasks.getOrInsertComputed(name, () => task(name));

const NAMES = ["imdb", "kind", "hypernym", "same-kind", "word-order"] as const;

/** The cells of a table's row by the heads of their columns. */
async function row(head: string, name: string): Promise<Map<string, string>> {
  const lines = (await read("README.md")).split("\n");
  const cellsOf = (line: string) =>
    line.split("|").slice(1, -1).map((cell) => cell.replaceAll("`", "").trim());
  const at = lines.findIndex((line) => cellsOf(line)[0] === head && cellsOf(line).length > 3);
  assert(at >= 0, `no table of ${head}`);
  const heads = cellsOf(lines[at]!);
  const found = lines.slice(at).find((line) => cellsOf(line)[0] === name);
  assert(found, `no row ${name}`);
  return new Map(cellsOf(found).map((cell, i) => [heads[i]!, cell]));
}

/** A question as it was asked: of a review its last 60 words. */
const shortened = <Example extends Task["test"][number]>(example: Example): Example =>
  "text" in example ? { ...example, text: example.text.split(" ").slice(-60).join(" ") } : example;

for (const name of NAMES) {
  Deno.test(`data/README.md has the sizes of task ${name}`, async () => {
    const found = await row("task", name), whole = await load(name);
    for (const split of ["train", "validation", "test"] as const) {
      strictEqual(found.get(split), whole[split].length.toLocaleString("en-US"));
    }
  });

  Deno.test(`data/README.md has what a reader answers of task ${name}`, async () => {
    const { [name]: { questions, examples, answers } } = JSON.parse(await read("by-eye.json"));
    const { test } = await load(name);
    const asked = (examples as string).split(" ").map((i) => shortened(test[Number(i)]!));
    strictEqual(sha256(JSON.stringify(asked.map(({ label: _, ...question }) => question))), questions);
    const given = (answers as string).split(" ").map(Number);
    strictEqual(given.length, asked.length);
    const right = asked.filter(({ label }, i) => label === given[i]).length;
    strictEqual((await row("answered by", "a reader, 100 questions")).get(name), `${right}`);
  });
}

Deno.test("data/README.md has the baselines that were answered to the questions of today", async () => {
  const made = JSON.parse(await read("baselines.json"));
  assertEquals(made.tasks, NAMES);
  for (const name of made.tasks) strictEqual(questionsOf(await load(name)), made.questions[name], name);
  for (const [name, scores] of Object.entries<string[]>(made.rows)) {
    assertEquals([...(await row("baseline", name)).values()], [name, ...scores]);
  }
  for (const name of ["one label always", "surface cues, all together"]) {
    const cells = [...(await row("answered by", name)).values()];
    assertEquals(cells, [name, ...made.rows[name].map((score: string) => score.split(" ")[0])]);
  }
});
