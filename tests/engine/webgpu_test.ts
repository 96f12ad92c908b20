import * as tf from "../../lib/tfjs.ts";
import { difference } from "../../lib/engine/parity.ts";
import { backend, backendInUse, type BackendName } from "../../lib/engine/mod.ts";
import { findAdapter } from "../../lib/engine/webgpu.ts";
import { dispose, generate, gpt, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { evaluate, finetune, loadModel, pretrain, saveModel, scoreText } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";
import { lossesOf } from "./updates.ts";

const adapter = await findAdapter();
const found = adapter ? adapter.info.description || adapter.info.vendor : "no device found";

/** Runs a test where there is a device, and looks for tensors left behind. */
function onDevice(name: string, body: () => Promise<void>): void {
  Deno.test({
    name: `WebGPU (${found}) ${name}`,
    ignore: !adapter,
    async fn() {
      await backend("webgpu");
      const before = tf.memory().numTensors;
      try {
        await body();
        assertEquals(tf.memory().numTensors, before);
      } finally {
        await backend();
      }
    },
  });
}

onDevice("starts by its name alone, and provenance names the device", async () => {
  const { name, why, matmul } = await backend("webgpu");
  assertEquals([name, why], ["webgpu", "as asked"]);
  assert(matmul.includes(adapter!.info.description));
  assertEquals(backendInUse(), `webgpu: ${matmul}`);
  assertEquals((await backend()).name, "wasm");
});

onDevice("is refused where a kernel is wrong, and the backend before it stays", async () => {
  for (
    const [wrong, instead, operation] of [
      ["Tanh", "Sin", "linearGelu"],
      ["Rsqrt", "Sqrt", "residualNorm"],
      ["Log", "Neg", "tiedCrossEntropy"],
    ] as const
  ) {
    await backend("cpu");
    const stock = tf.getKernel(wrong, "webgpu");
    const { kernelFunc } = tf.getKernel(instead, "webgpu");
    tf.unregisterKernel(wrong, "webgpu");
    tf.registerKernel({ ...stock, kernelFunc });
    try {
      await assertRefused(
        () => backend("webgpu"),
        new RegExp(
          `^Cannot compute on backend "webgpu" as its ${operation} is off by .* of the largest value`,
        ),
      );
    } finally {
      tf.unregisterKernel(wrong, "webgpu");
      tf.registerKernel(stock);
    }
    assertEquals([tf.getBackend(), backendInUse()], ["cpu", "cpu: plain JavaScript"]);
  }
  await backend("webgpu");
});

onDevice("says what it refused to compute, and computes on", async () => {
  // Of more buffers than a program may take.
  const sum = tf.tidy(() => tf.addN(Array.from({ length: 20 }, (_, i) => tf.scalar(i).square())));
  await assertRefused(
    () => sum.data(),
    /^Cannot compute on backend "webgpu" as its device refused: .*limit is/,
  );
  const two = tf.tidy(() => tf.add(1, 1));
  assertEquals([...await two.data()], [2]);
  const three = tf.tidy(() => two.add(1));
  await assertRefused(
    () => three.dataSync(),
    /^Cannot read a tensor at once on backend "webgpu": await its data\(\)$/,
  );
  tf.dispose([sum, two, three]);
});

onDevice("has the losses of backend cpu in 50 updates of a small model", async () => {
  const actual = await lossesOf(50);
  await backend("cpu");
  assertClose(actual, await lossesOf(50), "losses", { relative: 1e-4 });
  await backend("webgpu");
});

onDevice("gives the same bits each time", async () => {
  assertEquals(await lossesOf(10), await lossesOf(10));
});

onDevice("trains, fine-tunes, keeps, scores and generates as backend cpu does", async () => {
  const words = "sun rain wind snow frost cloud calm mist".split(" ");
  const text = `${words.join(" ")} good bad `.repeat(30);
  const tokenizer = trainBpe(text, { merges: 40 });
  const rows = words.map((context, i) => ({
    context,
    choices: i % 2 === 1 ? ["bad", "good"] : ["good", "bad"],
    label: i % 2,
  }));
  const about = { measures: ["accuracy" as const], source: "this test", licence: "MIT", about: "toy" };
  const task = {
    name: "which",
    kind: "choice" as const,
    labels: ["first", "second"],
    ...about,
    train: rows,
    validation: rows,
    test: rows,
  };
  const folder = await Deno.makeTempDir();
  const run = async (name: BackendName) => {
    await backend(name);
    const before = tf.memory().numTensors;
    const lm = gpt({ ...presets.smoke, context: 16, variant: "paper" }, { tokenizer, seed: 1 });
    const losses: number[] = [];
    for await (const { L1 } of pretrain(lm, { train: text }, { updates: 5, batch: 4 })) losses.push(L1!);
    await saveModel(lm, `${folder}/${name}.safetensors`);
    const again = await loadModel(`${folder}/${name}.safetensors`);
    const options = { lambda: 0.5, epochs: 3, batch: 4, rate: 1e-3 };
    const tuning = finetune(again, task, options);
    for await (const { loss, L1, L2, norm } of tuning) losses.push(loss, L1!, L2!, norm);
    const tuned = await tuning;
    const { logits, loss } = await evaluate(tuned, task);
    const { bitsPerCharacter } = await scoreText(lm, text, { windows: 3 });
    const said = await generate(lm, "sun", { tokens: 20, temperature: 0 }); // More than the context holds.
    for (const { parameters } of [lm, again, tuned]) dispose(parameters);
    assertEquals(tf.memory().numTensors, before, name);
    return { numbers: [...losses, ...logits.flatMap((row) => [...row]), loss, bitsPerCharacter], said };
  };
  const [expected, actual] = [await run("cpu"), await run("webgpu")];
  assertClose(actual.numbers, expected.numbers, "losses, scores", { relative: 1e-4 });
  assertEquals(actual.said, expected.said);
});

Deno.test("without a device WebGPU is refused with what to do, and the backend before it stays", async () => {
  const code = `
    import { backend, backendInUse } from "./lib/engine/mod.ts";
    await backend("cpu");
    const attempt = () => backend("webgpu").catch(({ name, message }) => console.log(name + ": " + message));
    await attempt();
    delete Object.getPrototypeOf(navigator).gpu;
    await attempt();
    console.log(backendInUse());`;
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", code],
    cwd: new URL("../../", import.meta.url),
    env: { DENO_WEBGPU_BACKEND: "none" },
  }).output();
  const [none, old, now] = new TextDecoder().decode(stdout).trim().split("\n");
  assert(/^InputError: Cannot use backend "webgpu" as there is no device: .*Vulkan/.test(none!), none);
  assert(/^InputError: Cannot use backend "webgpu" as this Deno offers no WebGPU/.test(old!), old);
  assertEquals(now, "cpu: plain JavaScript");
});

Deno.test("a single NaN is not taken for small, wherever it stands", () => {
  for (const at of [0, 1, 2]) {
    const off = difference(
      Float32Array.from([0, 1, 2], (x, i) => i === at ? NaN : x),
      Float32Array.of(0, 1, 2),
    );
    assert(Number.isNaN(off));
  }
  assertEquals(difference(Float32Array.of(0, 1, 4), Float32Array.of(0, 1, 2)), 1);
});
