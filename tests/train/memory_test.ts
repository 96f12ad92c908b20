import * as tf from "../../lib/tfjs.ts";
import type { WasmBackend } from "../../lib/engine/wasm-memory.ts";
import { backend } from "../../lib/engine/mod.ts";
import { type Config, dispose, gpt, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { finetune, pretrain } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { splits, toy } from "../toy.ts";

const base = { positions: { kind: "learned" }, dropout: 0.1 } as const;

/** What emscripten may take at once beyond what is asked for, and what a heap holds before the first tensor. */
const STEP = 96 * 2 ** 20, START = 16 * 2 ** 20;

Deno.test("neither tensors nor the heap grow over 1,000 updates", async () => {
  await backend("wasm", { threads: 2 });
  const { memory } = (tf.backend() as WasmBackend).wasm.asm;
  const text = "the cat sat on the mat and the dog sat on the cat ".repeat(200);
  const config = { ...presets.smoke, heads: 4, width: 64, context: 64 }; // Large enough for both threads.
  const lm = gpt(config, { tokenizer: trainBpe(text, { merges: 20 }), seed: 1 });
  let at: [tensors: number, bytes: number] | undefined;
  for await (const { update } of pretrain(lm, { train: text }, { updates: 1003, batch: 6 })) {
    const now: [number, number] = [tf.memory().numTensors, memory.buffer.byteLength];
    if (update === 3) at = now; // By then all that is kept has been made.
    if (update > 3 && update % 100 === 3) assertEquals(now, at, `update ${update}`);
  }
  dispose(lm.parameters);
});

Deno.test("an update takes as much of the heap as is predicted, in both variants, each architecture and the positions that act in attention", async () => {
  const cases: [Config, number, number][] = [
    [
      { ...base, variant: "clean", layers: 4, heads: 4, width: 128, context: 128, vocabulary: 300 },
      32,
      128,
    ],
    [
      { ...base, variant: "paper", layers: 3, heads: 4, width: 192, context: 256, vocabulary: 4096 },
      16,
      256,
    ],
    [
      { ...base, variant: "paper", layers: 1, heads: 2, width: 256, context: 64, vocabulary: 40_000 },
      8,
      64,
    ],
    [
      { ...base, variant: "clean", layers: 1, heads: 2, width: 256, context: 64, vocabulary: 40_000 },
      8,
      64,
    ],
    ...([
      { architecture: "gpt2" },
      { architecture: "bert" },
      { positions: { kind: "rotary" } },
      { positions: { kind: "relative" } },
    ] as const).map((change): [Config, number, number] => [
      {
        ...base,
        variant: "clean",
        layers: 3,
        heads: 4,
        width: 192,
        context: 256,
        vocabulary: 4096,
        ...change,
      },
      16,
      256,
    ]),
    ...[500, 1024].map((units): [Config, number, number] => [
      {
        ...base,
        ...{ architecture: "lstm", units, positions: { kind: "none" }, layers: 1, heads: 1 },
        variant: "clean",
        width: 128,
        context: 128,
        vocabulary: 4096,
      },
      16,
      128,
    ]),
  ];
  for (const order of cases) {
    const args = [
      "run",
      "--quiet",
      "--allow-read",
      "--allow-env",
      "--allow-ffi",
      "heap.ts",
      JSON.stringify(order),
    ];
    const command = new Deno.Command(Deno.execPath(), { args, cwd: new URL(".", import.meta.url) });
    const { stdout, stderr } = await command.output();
    const text = new TextDecoder().decode(stdout);
    assert(text, new TextDecoder().decode(stderr));
    const [taken, predicted] = JSON.parse(text) as [number, number];
    const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
    const said = `${JSON.stringify(order)} took ${mib(taken)}, ${mib(predicted)} was predicted`;
    assert(taken <= predicted + START + STEP, said);
    assert(taken >= 0.75 * predicted, said);
  }
});

Deno.test("an update too large for the heap is refused before it starts, with what would fit", async () => {
  await backend("wasm");
  const text = "the cat sat on the mat ".repeat(40_000);
  const config = { ...presets.smoke, layers: 12, width: 768, heads: 12, context: 512 };
  const lm = gpt(config, { tokenizer: trainBpe(text, { merges: 5 }), seed: 1 });
  const { memory } = (tf.backend() as WasmBackend).wasm.asm;
  const before = [tf.memory().numTensors, memory.buffer.byteLength];
  const run = (batch: number) => pretrain(lm, { train: text }, { batch, updates: 1 });
  const refusal = new RegExp(
    "^Cannot train on batches of 64 with 64 sequences of 512 tokens as an update needs about " +
      '\\d+\\.\\d GiB and backend "wasm" has at most 4 GiB: a batch of (\\d+) fits$',
  );
  await assertRefused(async () => await run(64), refusal);
  assertEquals([tf.memory().numTensors, memory.buffer.byteLength], before);
  const { message } = await Promise.resolve(run(64)).then(
    () => new Error("accepted"),
    (error: Error) => error,
  );
  const begin = performance.now();
  await assertRefused(async () => await run(2 ** 16), /: a batch of \d+ fits$/);
  assert(performance.now() - begin < 5000, "the largest batch that fits is found by halving");
  const most = Number(refusal.exec(message)![1]);
  assert(most >= 2 && most < 8, message);
  await assertRefused(async () => await run(most + 1), /^Cannot train on batches of/);
  const examples = Array.from(
    { length: 70 },
    (_, label) => ({ text: "the cat ".repeat(300), label: label % 2 }),
  );
  const task = {
    name: "cats",
    kind: "classification" as const,
    labels: ["no", "yes"],
    ...toy,
    ...splits(examples),
  };
  await assertRefused(
    async () => await finetune(lm, task, { batch: 64 }),
    /GiB and backend "wasm" has at most 4 GiB/,
  );
  assertEquals(tf.memory().numTensors, before[0]);
  dispose(lm.parameters);
});
