/**
 * Measures the first start: a clean clone, an empty home and an empty cache, in which the README's first command, a
 * notebook and the command again are run. Writes data/bench/first-start.json, which the README quotes. On Linux.
 *
 *     deno run -A tests/bench/first_start.ts
 *
 * @module
 */
import { provenance } from "../../lib/engine/mod.ts";
import { writeAtomic } from "../../lib/files.ts";
import { outputOf, root } from "../programs.ts";

/** What a step took. */
interface Step {
  readonly command: string;
  /** Megabytes in Deno's cache after it. */
  readonly cached: number;
  /** Megabytes that this machine received meanwhile. */
  readonly received: number;
  readonly seconds: number;
}

async function cachedBytes(folder: string): Promise<number> {
  return Number((await outputOf("du", "-sb", folder))?.split("\t")[0] ?? 0);
}

/** Bytes that all network devices but the loopback received. */
async function receivedBytes(): Promise<number> {
  const lines = (await Deno.readTextFile("/proc/net/dev")).split("\n").slice(2);
  return lines.filter((line) => line.includes(":") && !/^\s*(lo|ifb\d+):/.test(line))
    .reduce((sum, line) => sum + Number(line.split(":")[1]!.trim().split(/\s+/)[0]), 0);
}

if (import.meta.main) {
  const folder = await Deno.makeTempDir();
  const [clone, cache, home] = ["clone", "cache", "home"].map((name) => `${folder}/${name}`);
  await new Deno.Command("git", { args: ["clone", "--quiet", root, clone!] }).output();
  await Promise.all([cache, home].map((path) => Deno.mkdir(path!)));
  const steps: Step[] = [];
  for (const task of ["ablate --smoke", "notebooks 00_tour --smoke", "ablate --smoke"]) {
    const [before, start] = [await receivedBytes(), performance.now()];
    const { success, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["task", ...task.split(" ")],
      cwd: clone!,
      env: { DENO_DIR: cache!, HOME: home!, NO_COLOR: "1" },
    }).output();
    if (!success) throw new Error(new TextDecoder().decode(stderr));
    steps.push({
      command: `deno task ${task}`,
      cached: Math.round(await cachedBytes(cache!) / 1e6),
      received: Math.round((await receivedBytes() - before) / 1e6),
      seconds: Math.round((performance.now() - start) / 1e3),
    });
    console.log(JSON.stringify(steps.at(-1)));
  }
  const { versions, revision, machine } = await provenance();
  const made = { steps, provenance: { revision, deno: versions["deno"], machine } };
  await writeAtomic(`${root}data/bench/first-start.json`, [JSON.stringify(made, null, 2) + "\n"]);
  await Deno.remove(folder, { recursive: true });
}
