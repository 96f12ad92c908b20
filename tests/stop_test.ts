import { assert, assertEquals } from "./assert.ts";
import { startCode } from "./programs.ts";

const root = new URL("../", import.meta.url).href;

/** What a process prints in which the kit takes itself to be in a notebook's kernel, and which gets SIGINT at each "stop". */
async function inKernel(code: string): Promise<string[]> {
  const program = `
    Object.defineProperty(globalThis, "Deno", { value: Object.create(Deno, { jupyter: { value: {} } }) });
    const { finetune, generate, gpt, presets, pretrain, scoreText, trainBpe } = await import("${root}mod.ts");
    const train = "to be or not to be that is the question ".repeat(20);
    const tokenizer = trainBpe(train, { merges: 20 });
    const lm = gpt({ ...presets.smoke, context: 8 }, { tokenizer });
    const stop = (after) => setTimeout(() => console.log("stop"), after);
    const end = (run) => run.then(() => "through", (error) => \`\${error.name}: \${error.message}\`);
    ${code}`;
  const { child, err } = await startCode(program, "--allow-all");
  const said: string[] = [];
  for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) {
    for (const line of text.split("\n").filter((line) => line !== "")) {
      if (line === "stop") child.kill("SIGINT");
      else said.push(line);
    }
  }
  assertEquals((await child.status).code, 0, await err);
  return said;
}

Deno.test("a notebook's stop button ends what is awaited in a cell, without a signal, and leaves the kernel", async () => {
  const said = await inKernel(`
    await pretrain(lm, { train }, { updates: 1, batch: 2 }); // Starts the backend.
    stop(600);
    console.log(await end(pretrain(lm, { train }, { updates: 1e6, batch: 2 })));
    stop(600);
    console.log(await end(scoreText(lm, train.repeat(20_000))));
    stop(600);
    console.log(await end(generate(lm, "to be", { tokens: 1e6 })));
    console.log(await end(pretrain(lm, { train }, { updates: 2, batch: 2 })));
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 600);
    console.log((await pretrain(lm, { train }, { updates: 1e6, batch: 2, signal: controller.signal })) === lm);
  `);
  assert(/^AbortError: Stopped after update \d+ of 1000000$/.test(said[0]!), said[0]);
  assertEquals(said.slice(1), [
    "AbortError: Stopped before the end",
    "AbortError: Stopped before the end",
    "through",
    "true",
  ]);
});

Deno.test("a stop while the backend starts ends what waits for it, and leaves the kernel", async () => {
  const [said, ...more] = await inKernel(`
    stop(0);
    console.log(await end(pretrain(lm, { train }, { updates: 1e6, batch: 2 })));
    console.log(await end(pretrain(lm, { train }, { updates: 2, batch: 2 })));
  `);
  assert(/^AbortError: Stopped (before the end|after update \d+ of 1000000)$/.test(said!), said);
  assertEquals(more, ["through"]);
});

Deno.test("a stop ends a fine-tuning or a study with a sentence, not with half a result", async () => {
  const said = await inKernel(`
    const { ablate } = await import("${root}mod.ts");
    const { sky, weather, words } = await import("${root}tests/study/weather.ts");
    const rows = words.map((text, i) => ({ text, label: i % 2 }));
    const task = sky(rows, rows, rows);
    await finetune(lm, task, { epochs: 1 }); // Starts the backend.
    stop(600);
    console.log(await end(finetune(lm, task, { epochs: 10_000 })));
    const folder = await Deno.makeTempDir();
    stop(2000);
    const study = { ...weather, tasks: [task], folder, workers: 1 };
    console.log(await end(ablate({ ...study, pretrain: { ...weather.pretrain, updates: 1e6 } })));
    console.log(await end(ablate({ ...study, seeds: 1 })));
    await Deno.remove(folder, { recursive: true });
  `);
  assert(/^AbortError: Stopped after update \d+ of \d+$/.test(said[0]!), said[0]);
  assertEquals(said.slice(1), [
    "AbortError: Stopped before the end: call it again to resume from there",
    "through",
  ]);
});
