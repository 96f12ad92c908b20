/**
 * `deno task bench`: one update of GPT-1, forward pass, backward pass and Adam, in this kit and in others, all on
 * one machine in one run. Every round gives each program one update, one after the other, so that what the machine
 * does besides strikes all alike; ratios are taken within a round.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { cpus } from "node:os";
import * as tf from "../../lib/tfjs.ts";
import { addSettings, given as chosen, run } from "../../lib/cli/command.ts";
import { backendSettings } from "../../lib/engine/backend.ts";
import { findAdapter } from "../../lib/engine/webgpu.ts";
import { checkWritable, writeAtomic } from "../../lib/files.ts";
import { list, number, oneOf, settle, text, type ValuesOf, whole } from "../../lib/settings.ts";
import { provenance } from "../../lib/engine/mod.ts";
import { Contender, type Lap, type Size } from "./contender.ts";
import { type Arms, type Made, type Measured, reportOf, sizes, summaryOf } from "./report.ts";

/** A program, and how it is started. */
interface Entry {
  readonly name: string;
  readonly threads: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

const cores = navigator.hardwareConcurrency;
/** What can be measured. */
const all = [...Object.keys(sizes), "arms"];

const settings = {
  sizes: { ...list(oneOf(all)), about: "of the models; arms is a study of two", unit: "names", default: all },
  only: { ...list(text), about: "programs whose name holds one of these", unit: "texts", otherwise: "all" },
  rounds: { ...whole({ from: 1, to: 1e4 }), about: "updates of each program", default: 9 },
  limit: {
    ...number({ from: 1, to: 1e6 }),
    about: "limit of each program at a size; it makes one update at least",
    unit: "seconds",
    default: 60,
  },
  threads: { ...backendSettings.threads, about: "where a program uses several", default: cores },
  python: {
    ...text,
    about: "a Python, with PyTorch if that is to be measured",
    unit: "path",
    default: "python3",
  },
  out: {
    ...text,
    about: "where bench.json and report.md go",
    unit: "folder",
    default: "data/results/bench",
  },
};

const command = addSettings(
  new Command("bench").description(
    "Times one update of GPT-1 in this kit, in stock tfjs, in gpt-tfjs and in PyTorch, interleaved.",
  ),
  settings,
).action(main);

async function main(given: Record<string, unknown>): Promise<void> {
  const options = settle("measure", settings, chosen(settings, given));
  const { rounds, limit, out } = options;
  await checkWritable(`${out}/bench.json`);
  const torch = await pytorchOf(options.python);
  const gpu = (await findAdapter())?.info.isFallbackAdapter === false;
  const results: Record<string, Measured[]> = {};
  for (const name of options.sizes.filter((name) => name !== "arms")) {
    const size = sizes[name]!;
    results[name] = [];
    for (const [group, entries] of entriesOf(options, torch, gpu, name).entries()) {
      results[name].push(...await race(name, size, group, entries, rounds, limit));
    }
  }
  const arms = options.sizes.includes("arms") ? await armsSideBySide() : undefined;
  const { revision } = await provenance();
  const coretype = Deno.env.get("OPENBLAS_CORETYPE");
  const made: Made = {
    settings: {
      sizes: Object.fromEntries(Object.keys(results).map((name) => [name, sizes[name]])),
      rounds,
      limit,
    },
    ...(coretype && { coretype }),
    machine: `${cpus()[0]?.model ?? Deno.build.arch}, ${cores} cores, ${Deno.build.os}`,
    versions: { deno: Deno.version.deno, v8: Deno.version.v8, tfjs: tf.version_core },
    ...(revision && { revision }),
    ended: new Date().toISOString(),
    results,
    ...(arms && { arms }),
  };
  await writeAtomic(`${out}/bench.json`, [JSON.stringify(made, null, 2) + "\n"]);
  await writeAtomic(`${out}/report.md`, [reportOf(made)]);
  await writeAtomic(`${out}/summary.md`, [summaryOf(made)]);
  console.log(`${reportOf(made)}\n${summaryOf(made)}`);
}

async function armsSideBySide(): Promise<Arms> {
  const arms: Arms = { one: [], two: [] };
  for (let round = 1; round <= ARMS_ROUNDS; round++) {
    for (const [workers, count] of [["one", 1], ["two", 2]] as const) {
      console.error(`arms: ${workers} at a time, round ${round} of ${ARMS_ROUNDS}`);
      const args = [
        "run",
        "--quiet",
        "--allow-all",
        fileURLToPath(new URL("arms.ts", import.meta.url)),
        `${count}`,
      ];
      const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
      if (!success) throw new Error(new TextDecoder().decode(stderr));
      arms[workers].push(Number(new TextDecoder().decode(stdout)));
    }
  }
  return arms;
}

const ARMS_ROUNDS = 3;

/** A Python that has PyTorch, the library that multiplies in it, and whether it computes on a GPU. */
interface Torch {
  readonly python: string;
  readonly library: string;
  readonly cuda: boolean;
}

async function pytorchOf(python: string): Promise<Torch | undefined> {
  const code = "import os, torch; " +
    "print(os.path.join(os.path.dirname(torch.__file__), 'lib', 'libtorch_cpu.so'), torch.cuda.is_available())";
  try {
    const { success, stdout } = await new Deno.Command(python, { args: ["-c", code] }).output();
    const [, library, cuda] = /^(.*) (True|False)$/.exec(new TextDecoder().decode(stdout).trim()) ?? [];
    if (success && library) return { python, library, cuda: cuda === "True" };
  } catch { /* said below */ }
  console.error(`PyTorch is not measured: ${python} has no torch; --python names another`);
  return undefined;
}

/** Who takes part, in groups that are measured together: so many large models do not fit in memory at once. */
function entriesOf(
  { only = [""], threads }: ValuesOf<typeof settings>,
  torch: Torch | undefined,
  gpu: boolean,
  size: string,
): Entry[][] {
  const here = (file: string) => fileURLToPath(new URL(file, import.meta.url));
  const deno = (file: string, ...args: string[]) => ({
    command: Deno.execPath(),
    args: [
      "run",
      "--quiet",
      "--allow-read",
      "--allow-env",
      "--allow-ffi",
      "--allow-sys",
      here(file),
      ...args,
    ],
  });
  const several = threads > 1 ? [1, threads] : [1];
  const each = (entry: (threads: number) => Entry) => several.map(entry);
  const fast = [
    ...each((threads) => ({ name: "sgemm", threads, ...deno("sgemm.ts", `${threads}`) })),
    ...each((threads) => ({
      name: "this kit, BLAS",
      threads,
      ...deno("kit.ts", "blas", `${threads}`, "clean"),
    })),
    // As OpenAI's code does it, dropout acts on the whole matrix of embeddings, which is large in GPT-1 alone.
    ...(size === "gpt1"
      ? each((threads) => ({
        name: "this kit, BLAS, paper",
        threads,
        ...deno("kit.ts", "blas", `${threads}`, "paper"),
      }))
      : []),
    ...each((threads) => ({
      name: "this kit, own kernel",
      threads,
      ...deno("kit.ts", "relaxed", `${threads}`, "clean"),
    })),
    ...(torch
      ? [
        ...each((threads) => ({
          name: "this kit, PyTorch's BLAS",
          threads,
          ...deno("kit.ts", "blas", `${threads}`, "clean"),
          env: { GPT1_BLAS: torch.library },
        })),
        ...each((threads) => ({
          name: "PyTorch eager",
          threads,
          command: torch.python,
          args: [here("torch_gpt.py"), `${threads}`],
        })),
      ]
      : []),
    ...(gpu ? [{ name: "this kit, WebGPU", threads: 1, ...deno("kit.ts", "webgpu", "1", "clean") }] : []),
    ...(torch?.cuda
      ? [{
        name: "PyTorch eager, CUDA",
        threads: 1,
        command: torch.python,
        args: [here("torch_gpt.py"), "cuda"],
      }]
      : []),
  ];
  const peer = deno("gpt_tfjs.ts");
  const slow = [
    { name: "tfjs wasm, stock operations", threads: 1, ...deno("stock.ts") },
    { name: "gpt-tfjs", threads: 1, ...peer, args: ["run", "--no-config", ...peer.args.slice(1)] },
  ];
  const chosen = (entries: Entry[]) =>
    entries.filter(({ name }) =>
      name === "sgemm" || only.some((text) => name.toLowerCase().includes(text.toLowerCase()))
    );
  const groups = size === "gpt1"
    ? [
      ...several.map((count) => fast.filter(({ threads }) => threads === count)),
      ...slow.map((entry) => [entry]),
    ]
    : [[...fast, ...(size.endsWith("undropped") ? [] : slow)]];
  return groups.map(chosen);
}

/** Measures programs together. */
async function race(
  label: string,
  size: Size,
  group: number,
  entries: readonly Entry[],
  rounds: number,
  limit: number,
): Promise<Measured[]> {
  const runners = entries.map((entry) => {
    const { command, args, env } = entry;
    const contender = new Contender(command, [...args, JSON.stringify(size)], env);
    return { entry, contender, laps: new Map<number, Lap>(), spent: 0, about: "", failure: "" };
  });
  for (const runner of runners) {
    await attempt(runner, async () => void (runner.about = await runner.contender.ready()));
  }
  for (let round = 1 - WARM_UP; round <= rounds; round++) {
    const first = (round + WARM_UP) % runners.length; // Each is at some time after each, or nearly so.
    for (const runner of [...runners.slice(first), ...runners.slice(0, first)]) {
      // A slow one has no time for rounds that do not count; what was compiled is a small part of its first update.
      const slow = round > 0 && runner.spent > limit || round <= 0 && runner.spent > limit / 4;
      if (runner.failure || slow) continue;
      console.error(`${label}: ${runner.entry.name}, round ${round} of ${rounds}`);
      await attempt(runner, async () => {
        const lap = await runner.contender.lap();
        runner.laps.set(round, lap);
        runner.spent += lap.ms / 1e3;
      });
    }
  }
  return await Promise.all(
    runners.map(async ({ entry: { name, threads }, contender, laps, about, failure }) => {
      await contender.end();
      const counted = [...laps].filter(([round]) => round > 0);
      const peak = [...laps.values()].at(-1)?.peak;
      return {
        name,
        threads,
        group,
        ...(about && { about }),
        laps: Object.fromEntries(
          (counted.length > 0 ? counted : [...laps]).map(([round, { ms }]) => [round, ms]),
        ),
        ...(peak && { peak }),
        ...(failure && { failure }),
      };
    }),
  );
}

/** Updates of each program before its first round. */
const WARM_UP = 2;

async function attempt(runner: { failure: string }, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    runner.failure = (error as Error).message;
    console.error(`  failed: ${runner.failure}`);
  }
}

await run(command);
