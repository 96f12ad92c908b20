import * as tf from "../../lib/tfjs.ts";
import { backend, keyOf, words } from "../../lib/engine/mod.ts";
import {
  addHead,
  type Architecture,
  architectures,
  checkConfig,
  classify,
  type Config,
  countParameters,
  decodeSafetensors,
  dispose,
  emptyCache,
  forward,
  init,
  leaves,
  type Parameters,
  type Preset,
  presets,
  withArchitecture,
} from "../../lib/model/mod.ts";
import { type Batch, objective } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";

await backend();

/** A case of `tests/reference/architectures.py`: one model on one batch. */
interface Case {
  architecture: Architecture;
  units?: number;
  task: "lm" | "classification" | "masked";
  lambda: number;
  dropped: boolean;
  loss: number;
  L1?: number;
  L2?: number;
  parameters: string;
  found: string;
}

const folder = new URL("../fixtures/", import.meta.url);
const reference = JSON.parse(await Deno.readTextFile(new URL("architectures.json", folder))) as {
  config: { vocabulary: number; width: number; heads: number; layers: number; context: number };
  dropout: { rate: number; seed: number; update: number };
  batches: Record<
    Case["task"],
    { ids: number[][]; lengths: number[]; labels: number[]; positions?: number[]; tokens?: number[] }
  >;
  cases: Case[];
};
const { tensors } = decodeSafetensors(
  await Deno.readFile(new URL("architectures.safetensors", folder)),
  "tests/fixtures/architectures.safetensors",
);

function modelOf({ architecture, units, task, parameters: set }: Case) {
  const { vocabulary, ...shape } = reference.config;
  const preset: Preset = { ...shape, positions: { kind: "learned" }, variant: "clean", dropout: 0 };
  const config = { ...withArchitecture(preset, architecture, units ? { units } : {}), vocabulary };
  const parameters = init(config, 1);
  if (task === "classification") addHead(parameters, task, 3, 1);
  const named = leaves(parameters);
  for (const [name, leaf] of named) {
    const { data, shape } = tensors.get(set + name)!;
    assertEquals([...shape], leaf.shape, name);
    tf.tidy(() => leaf.assign(tf.tensor(data, leaf.shape)));
  }
  const labels = ["a", "b", "c"];
  return {
    config,
    parameters,
    named,
    ...(task === "classification" && { task: { name: task, kind: task, labels } }),
  };
}

function batchOf(task: Case["task"]): Batch {
  const { ids, lengths, labels, positions, tokens } = reference.batches[task];
  return {
    ids: Int32Array.from(ids.flat()),
    lengths: Int32Array.from(lengths),
    ...(task === "classification" && { labels: Float32Array.from(labels) }),
    ...(positions && tokens && {
      masked: { positions: Int32Array.from(positions), tokens: Int32Array.from(tokens) },
    }),
  };
}

Deno.test("states of each architecture are PyTorch's, where there are tokens", () => {
  const whole = reference.cases.filter(({ dropped }) => !dropped);
  assertEquals(whole.map(({ architecture, units, task }) => [architecture, units, task].join(" ")), [
    "gpt2  lm",
    "gpt2  classification",
    "bert  masked",
    "bert  classification",
    "lstm 12 lm",
    "lstm 12 classification",
    "lstm 8 lm",
    "lstm 8 classification",
  ]);
  for (const example of whole) {
    const { parameters, config } = modelOf(example);
    const { ids, lengths } = batchOf(example.task);
    const N = lengths.length, T = ids.length / N;
    tf.tidy(() => {
      const { h } = forward({ parameters, config }, tf.tensor2d(ids, [N, T], "int32"), { lengths });
      const real = tf.tensor3d([...lengths].flatMap((n) => Array.from({ length: T }, (_, t) => +(t < n))), [
        N,
        T,
        1,
      ]);
      assertClose(
        h.mul(real).dataSync(),
        tensors.get(`${example.found}hidden`)!.data,
        `${example.found}hidden`,
      );
    });
    dispose(parameters);
  }
});

Deno.test("losses of each architecture, and every gradient, are PyTorch's, with dropout and without", () => {
  assertEquals(reference.cases.length, 16);
  for (const example of reference.cases) {
    const model = modelOf(example);
    const drop = example.dropped ? reference.dropout : undefined;
    const losses: Record<string, number> = {};
    const { value, grads } = tf.variableGrads(() => {
      const found = objective(model, batchOf(example.task), example.lambda, drop);
      for (const name of ["L1", "L2"] as const) if (found[name]) losses[name] = found[name].dataSync()[0]!;
      return found.loss;
    }, model.named.map(([, leaf]) => leaf));
    assertClose(value.dataSync(), [example.loss], `${example.found}: loss`);
    const { L1, L2 } = example;
    assertEquals(Object.keys(losses), Object.keys({ ...(L1 && { L1 }), ...(L2 && { L2 }) }));
    for (const [name, loss] of Object.entries({ ...(L1 && { L1 }), ...(L2 && { L2 }) })) {
      assertClose([losses[name]!], [loss], `${example.found}: ${name}`);
    }
    for (const [name, leaf] of model.named) {
      assertClose(
        grads[leaf.name]!.dataSync(),
        tensors.get(example.found + name)!.data,
        example.found + name,
      );
    }
    dispose(model.parameters);
    tf.dispose([value, grads]);
  }
});

/** A small model of each architecture, of a start that is large enough to tell tokens apart. */
function small(architecture: Architecture, units?: number): { config: Config; parameters: Parameters } {
  const preset: Preset = { ...presets.smoke, width: 24, heads: 3, context: 70 };
  const config = { ...withArchitecture(preset, architecture, units ? { units } : {}), vocabulary: 40 };
  return { config, parameters: init(config, 1) };
}

function states(
  { config, parameters }: ReturnType<typeof small>,
  ids: Int32Array,
  lengths: number[],
): Float32Array {
  return tf.tidy(() => {
    const matrix = tf.tensor2d(ids, [lengths.length, ids.length / lengths.length], "int32");
    const { h } = forward({ parameters, config }, matrix, { lengths: Int32Array.from(lengths) });
    return h.dataSync<"float32">().slice();
  });
}

const ids = Int32Array.from(words(keyOf(1, "ids"), 70), (word) => word % 40);

Deno.test("gpt2 and lstm see what was before and nothing after; bert sees both sides", () => {
  for (const architecture of ["gpt2", "lstm", "bert"] as const) {
    const model = small(architecture);
    const whole = states(model, ids, [70]);
    for (const t of [1, 20, 64, 69]) {
      const changed = ids.slice();
      changed[t] = (changed[t]! + 1) % 40;
      const found = states(model, changed, [70]);
      const reaches = (place: number) =>
        found.subarray(place * 24, (place + 1) * 24).some((x, i) =>
          Math.abs(x - whole[place * 24 + i]!) > 1e-6
        );
      assert(reaches(t), `${architecture} sees token ${t} itself`);
      assertEquals(reaches(t - 1), architecture === "bert", `${architecture} at ${t - 1}`);
      assertEquals(reaches(0), architecture === "bert", `${architecture} at 0`);
      if (t < 69) assert(reaches(t + 1), `${architecture} at ${t + 1}`);
    }
    dispose(model.parameters);
  }
});

Deno.test("padding changes no state of any architecture, whatever stands there, and other sequences none", () => {
  for (const architecture of architectures) {
    const model = small(architecture);
    const alone = states(model, ids.subarray(0, 20), [20]);
    for (const filling of [0, 39]) {
      const padded = new Int32Array(2 * 33).fill(filling);
      padded.set(ids.subarray(0, 20));
      padded.set(ids.subarray(30, 63), 33);
      assertClose(states(model, padded, [20, 33]).subarray(0, 20 * 24), alone, `${architecture}, ${filling}`);
    }
    dispose(model.parameters);
  }
});

Deno.test("read piece by piece, gpt2 and lstm have the states of reading at once; bert refuses", async () => {
  for (const architecture of ["gpt2", "lstm"] as const) {
    const model = small(architecture);
    const whole = states(model, ids, [70]);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      let [cache, at] = [emptyCache, 0];
      const found: tf.Tensor[] = [];
      for (const size of [1, 30, 2, 37]) {
        const piece = tf.tensor2d(ids.slice(at, at += size), [1, size], "int32");
        const read = forward(model, piece, { cache });
        found.push(read.h);
        cache = read.cache!;
        assertEquals(cache.tokens, at);
      }
      assertClose(tf.concat(found, 1).dataSync(), whole, architecture);
    });
    assertEquals(tf.memory().numTensors, before);
    dispose(model.parameters);
  }
  const { config, parameters } = small("bert");
  const piece = tf.tensor2d([[1, 2]], undefined, "int32");
  await assertRefused(
    () => forward({ parameters, config }, piece, { cache: emptyCache }),
    /^Cannot read a text piece by piece with architecture "bert" as it .*: gpt1, gpt2, lstm predict the next token$/,
  );
  piece.dispose();
  dispose(parameters);
});

Deno.test("a task's scores do not depend on padding, in any architecture", () => {
  for (const architecture of architectures) {
    const { config, parameters } = small(architecture);
    addHead(parameters, "classification", 3, 1);
    const before = tf.memory().numTensors;
    const read = (ids: number[][]) =>
      tf.tidy(() => {
        const lengths = Int32Array.from([3, 3]);
        const { h } = forward({ parameters, config }, tf.tensor2d(ids, undefined, "int32"), { lengths });
        return classify(parameters, "classification", h, lengths, 2).dataSync().slice();
      });
    assertClose(read([[1, 2, 3, 7], [4, 5, 6, 8]]), read([[1, 2, 3], [4, 5, 6]]), architecture);
    assertEquals(tf.memory().numTensors, before);
    dispose(parameters);
  }
});

Deno.test("an LSTM has as many parameters as the blocks that it is compared with", () => {
  const size = (preset: Preset) => {
    const parameters = init({ ...preset, vocabulary: 10 }, 1);
    const { tokens_embed, positions_embed } = parameters;
    const count = countParameters(parameters) - tokens_embed.weight.size -
      (positions_embed?.weight.size ?? 0);
    dispose(parameters);
    return count;
  };
  for (const preset of [presets.mini, presets.smoke, { ...presets.mini, layers: 1, width: 96 }]) {
    const blocks = size(preset);
    const { units, ...lstm } = withArchitecture(preset, "lstm");
    const off = (units: number) => Math.abs(size({ ...lstm, units }) - blocks);
    assert(off(units!) <= off(units! + 1) && off(units!) <= off(units! - 1), `${units} units`);
    assert(off(units!) < 0.01 * blocks, `${units} units`);
  }
  // By hand: 4·2048·(128 + 2048 + 1) of the gates, (2048 + 1)·128 of the map to the width.
  assertEquals(size(withArchitecture(presets.mini, "lstm", { units: 2048 })), 17_833_984 + 262_272);
});

Deno.test("another architecture of a preset is a value; of gpt1 it is the preset itself, by its JSON too", async () => {
  for (const preset of [presets.mini, presets.smoke]) {
    assertEquals(JSON.stringify(withArchitecture(preset, "gpt1")), JSON.stringify(preset));
    assertEquals(withArchitecture(preset, "gpt2"), { ...preset, architecture: "gpt2" });
    const sinusoidal = { ...preset, positions: { kind: "sinusoidal" } } as const;
    assertEquals(withArchitecture(withArchitecture(sinusoidal, "bert"), "gpt1"), sinusoidal);
    assertEquals(withArchitecture(preset, "lstm").positions, { kind: "none" });
  }
  const refused: [() => unknown, RegExp][] = [
    [
      () => withArchitecture(presets.mini, "rnn" as Architecture),
      /^Cannot change the architecture with architecture "rnn" as it must be one of gpt1, gpt2, bert, lstm$/,
    ],
    [
      () => withArchitecture(presets.mini, "bert", { units: 3 }),
      /^Cannot build a model of architecture "bert" as its units must be absent: current units is 3$/,
    ],
    [
      () => withArchitecture(presets.mini, "lstm", { units: 2.5 }),
      /^Cannot change .* with units 2.5 as it must be a whole number from 1 to 65,536$/,
    ],
    [
      () => withArchitecture(presets.gpt1, "gpt2"),
      /its variant must be "clean": current variant is "paper"$/,
    ],
    [
      () => checkConfig({ ...presets.mini, architecture: "lstm", units: 4, vocabulary: 9 }),
      /must have 1 layer, positions "none" and no position scale: current ones are 4, "learned" and "matched"$/,
    ],
    [() => withArchitecture(presets.mini, "lstm", { units: 30_000 }), /as memory holds at most 1073741824$/],
  ];
  for (const [call, message] of refused) await assertRefused(call, message);
});

Deno.test("gpt2's maps into a residual start smaller by √(2·layers), an LSTM's forget gate starts at 1", () => {
  const config = { ...withArchitecture(presets.mini, "gpt2"), vocabulary: 40 };
  const [gpt1, gpt2] = [init({ ...presets.mini, vocabulary: 40 }, 1), init(config, 1)];
  const start = new Map(leaves(gpt1));
  for (const [name, leaf] of leaves(gpt2)) {
    const values = start.get(name)?.dataSync<"float32">() ??
      new Float32Array(128).fill(Number(/weight/.test(name)));
    const factor = /c_proj.weight/.test(name) ? Math.sqrt(8) : 1;
    assertClose(leaf.dataSync<"float32">(), values.map((x) => x / factor), name);
  }
  assertEquals(leaves(gpt2).length, start.size + 2);
  dispose(gpt1), dispose(gpt2);
  const lstm = small("lstm", 5).parameters;
  assertEquals(
    [...lstm.lstm!.gates.bias.dataSync()],
    [0, 1, 0, 0].flatMap((x) => new Array<number>(5).fill(x)),
  );
  dispose(lstm);
});
