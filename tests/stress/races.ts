import { keyOf, uniforms } from "../../lib/engine/mod.ts";
import { processes } from "../programs.ts";
import type { Part } from "./part.ts";
import { alive, contents, corpusText, descendants, differenceOf, start, subjects } from "./subjects.ts";

const study = subjects.find(({ name }) => name === "ablate")!;

/** Identical commands at once on one folder, of which one may be killed. */
export const races: Part = {
  about:
    "times two, three or four identical studies at once on one folder, one of them killed or not: all others end " +
    "well, every run is made once, and they find what one finds",
  times: 60,
  async *attacks(seed) {
    const folder = await Deno.makeTempDir();
    const corpus = `${folder}/corpus.txt`;
    await Deno.writeTextFile(corpus, corpusText);
    const mayKill = await processes() !== undefined;
    try {
      await Deno.mkdir(`${folder}/whole`);
      const begin = performance.now();
      const { child, said } = start(study.args(`${folder}/whole`, corpus));
      if ((await child.status).code !== 0) throw new Error(`Cannot run a study alone: ${await said}`);
      const took = performance.now() - begin;
      const wanted = await contents(`${folder}/whole`);
      for (let count = 0;; count++) {
        const [when, whom] = uniforms(keyOf(seed, "races", count), 3);
        const processes = 2 + count % 3;
        const victim = mayKill && count % 2 === 1 ? Math.floor(whom! * processes) : -1;
        const own = `${folder}/${count}`;
        await Deno.mkdir(own);
        const watcher = watch(own);
        const commands = Array.from({ length: processes }, () => start(study.args(own, corpus)));
        let orphans: number[] = [];
        if (victim >= 0) {
          await new Promise((resume) => setTimeout(resume, when! * took));
          orphans = await descendants(commands[victim]!.child.pid);
          try {
            commands[victim]!.child.kill("SIGKILL");
          } catch { /* It has ended. */ }
        }
        const ends = await Promise.all(commands.map(async ({ child, said }, i) => {
          const { code } = await child.status;
          return code === 0 || i === victim
            ? undefined
            : `one ended with code ${code}: ${(await said).slice(-300)}`;
        }));
        const twice = watcher.twice();
        const difference = differenceOf(await contents(own), wanted);
        const wrong = ends.find((end) => end !== undefined) ?? difference ??
          (twice.length > 0 ? `made more than once: ${twice}` : undefined) ??
          ((await alive(orphans)).length > 0 ? "a killed one's processes are left" : undefined);
        const killed = victim < 0 ? "" : `, one killed after ${(when! * took / 1000).toFixed(2)} s`;
        yield { name: `${processes} at once${killed}`, ...wrong !== undefined && { wrong } };
        await Deno.remove(own, { recursive: true });
      }
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
};

/** Watches which of a folder's results were written more than once: each writing is another file of the same name. */
function watch(folder: string): { twice(): string[] } {
  const seen = new Map<string, Set<string>>();
  const look = () => {
    for (const { name } of Deno.readDirSync(folder)) {
      if (!/-[0-9a-f]{16}\.(json|safetensors)$/.test(name)) continue;
      try {
        const files = seen.get(name) ?? new Set();
        const { ino, mtime } = Deno.statSync(`${folder}/${name}`);
        seen.set(name, files.add(`${ino} ${mtime?.getTime()}`));
      } catch { /* It was just replaced. */ }
    }
  };
  const timer = setInterval(look, 20);
  return {
    twice() {
      clearInterval(timer);
      look();
      return [...seen].filter(([, files]) => files.size > 1).map(([name]) => name);
    },
  };
}
