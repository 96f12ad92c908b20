import { fileURLToPath } from "node:url";
import { backend } from "../../lib/engine/mod.ts";
import { claimOf } from "../../lib/study/run.ts";
import { planOf } from "../../lib/study/tuning.ts";
import { ablate, type StudySettings } from "../../lib/study/mod.ts";
import { frame, startWorker, WorkerEnded, workerProgram } from "../../lib/study/workers.ts";
import { assert, assertEquals } from "../assert.ts";
import { sky, text, weather, words } from "./weather.ts";

await backend();

const rows = words.map((word, i) => ({ text: word, label: i % 2 }));

async function inFolder(test: (study: StudySettings) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  await test({ ...weather, tasks: [sky(rows, rows, rows)], folder, saveEvery: 1 });
  await Deno.remove(folder, { recursive: true });
}

Deno.test("a worker that no longer answers is ended, and its claim is free", () =>
  inFolder(async (study) => {
    const plan = await planOf({ ...study, pretrain: { ...study.pretrain, updates: 1e6 } });
    const { runs, tokenizers: [tokenizer] } = plan;
    const order = frame({ runs, tokenizers: [tokenizer!.toJSON()], saveEvery: 1000, backend: "wasm" });
    const worker = startWorker((await workerProgram())!, study.folder, order, 2000);
    let steps = 0;
    try {
      for await (const step of worker.executeRun(0)) {
        assert(step.run.startsWith("pretrain"));
        if (++steps === 2) Deno.kill(worker.id, "SIGSTOP");
      }
      throw new Error("it should have ended");
    } catch (error) {
      assert(error instanceof WorkerEnded, String(error));
      assertEquals(error.message, `process ${worker.id} did not answer for 2 seconds`);
    }
    await worker.close();
    const { complete } = await ablate({ ...study, workers: 1 });
    assert(complete, "the run that it had is made");
    const left = [...Deno.readDirSync(study.folder)].filter(({ name }) => name.endsWith(".claim"));
    // Of the run of a million updates, which nobody asked for again.
    assertEquals(left.map(({ name }) => `${study.folder}/${name}`), [claimOf(runs[0]!)]);
  }));

Deno.test("a study that was suspended with its workers goes on with them", () =>
  inFolder(async (study) => {
    const { runs, tokenizers: [tokenizer] } = await planOf({
      ...study,
      pretrain: { ...study.pretrain, updates: 1e6 },
    });
    const order = frame({ runs, tokenizers: [tokenizer!.toJSON()], saveEvery: 1e5, backend: "wasm" });
    const worker = startWorker((await workerProgram())!, study.folder, order, 2000);
    const suspend = () => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 3000);
      Deno.kill(worker.id, "SIGCONT");
    };
    let steps = 0;
    for await (const _ of worker.executeRun(0)) {
      if (++steps === 2) {
        Deno.kill(worker.id, "SIGSTOP");
        setTimeout(suspend, 100); // While the study waits for a message.
      }
      if (steps === 4) break;
    }
    assertEquals(steps, 4);
    await worker.close();
  }));

Deno.test("workers are told what the study has read, and read no data themselves", () =>
  inFolder(async (study) => {
    const corpus = await Deno.makeTempFile({ suffix: ".txt" });
    const line = (i: number) => `${words[i % 10]} ${i} ${text.slice(7 * i, 7 * i + 60)}`;
    await Deno.writeTextFile(corpus, Array.from({ length: 60 }, (_, i) => line(i)).join("\n"));
    let isThere = true;
    const run = ablate({ ...study, corpus, workers: 2 });
    for await (const _ of run) {
      if (isThere) await Deno.remove(corpus);
      isThere = false;
    }
    const { complete, failures } = await run;
    assertEquals([complete, failures], [true, []]);
  }));

Deno.test("a study waits for a run that another process has, and carries it out if that leaves it", () =>
  inFolder(async (study) => {
    const { runs: [first] } = await planOf(study);
    const path = claimOf(first!);
    const holder = { host: "elsewhere", process: 7, since: "2026-01-01T00:00:00.000Z", token: "x" };
    await Deno.writeTextFile(path, JSON.stringify(holder));
    const seen: string[] = [];
    const run = ablate({ ...study, seeds: 1, positions: ["learned"], workers: 1 });
    for await (const { run: name, record } of run) {
      if (seen.at(-1) !== name) seen.push(name);
      if (record) continue;
      await Deno.remove(path).catch(() => {});
    }
    assertEquals(seen, [
      "waiting for 1 of other processes",
      "pretrain-learned-seed1",
      "sky-learned-lambda0.5-seed1", // The longest first.
      "sky-learned-lambda0-seed1",
    ]);
    assertEquals((await run).complete, true);
  }));

Deno.test("a study whose process may write to its folder alone runs side by side where it may run Deno", () =>
  inFolder(async (study) => {
    const program = `
      import { ablate } from "${new URL("../../mod.ts", import.meta.url).href}";
      const study = JSON.parse(await new Response(Deno.stdin.readable).text(), (_, value) => value ?? Infinity);
      import { workerProgram } from "${new URL("../../lib/study/workers.ts", import.meta.url).href}";
      const { complete, failures } = await ablate({ ...study, workers: 2 });
      console.log(JSON.stringify([await workerProgram() !== undefined, complete, failures]));`;
    const file = `${study.folder}/program.ts`;
    await Deno.writeTextFile(file, program);
    for (const [i, flags] of [["--allow-run=deno"], [`--allow-run=${Deno.execPath()}`], []].entries()) {
      const folder = `${study.folder}/${i}`;
      const child = new Deno.Command(Deno.execPath(), {
        args: [
          "run",
          ...["--no-prompt", "--allow-read", `--allow-write=${folder}`, "--allow-ffi", ...flags],
          ...[`--config=${fileURLToPath(new URL("../../deno.json", import.meta.url))}`, file],
        ],
        stdin: "piped",
        stdout: "piped",
        stderr: "piped",
      }).spawn();
      const stdin = child.stdin.getWriter();
      await stdin.write(new TextEncoder().encode(JSON.stringify({ ...study, folder })));
      await stdin.close();
      const { stdout, stderr } = await child.output();
      assertEquals(
        new TextDecoder().decode(stdout).trim(),
        `[${flags.length > 0},true,[]]`,
        new TextDecoder().decode(stderr),
      );
    }
  }));
