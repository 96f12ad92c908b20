import * as tf from "../../lib/tfjs.ts";
import { backend, keyOf, type KeyValues, words } from "../../lib/engine/mod.ts";
import {
  type Config,
  dispose,
  emptyCache,
  forward,
  init,
  type PositionKind,
  positionKinds,
  positionRules,
  presets,
  SPECIALS,
  tokenLogits,
  type Variant,
  variants,
} from "../../lib/model/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";

await backend();

const V = 40;

/** A model, its configuration, and a way to read ids with it. */
function model(kind: PositionKind, variant: Variant, context: number) {
  const config: Config = {
    layers: 2,
    heads: 3,
    width: 24,
    context,
    vocabulary: V,
    positions: { kind },
    variant,
    dropout: 0.1,
  };
  const parameters = init(config, 3);
  return {
    config,
    parameters,
    /** The states (N, T, d), flat. */
    read: (ids: Int32Array, N = 1) =>
      tf.tidy(() => forward({ parameters, config }, matrix(ids, N)).h.dataSync<"float32">()),
  };
}

function matrix(ids: Int32Array, N = 1): tf.Tensor2D {
  return tf.tensor2d(ids, [N, ids.length / N], "int32");
}

/** Any tokens, [Start], [Delim] and [Extract] among them. */
function anyIds(count: number, seed = 1): Int32Array {
  return Int32Array.from(words(keyOf(seed, "ids"), count), (word) => word % (V + SPECIALS));
}

function forAllArms(check: (kind: PositionKind, variant: Variant) => void) {
  for (const kind of positionKinds) for (const variant of variants) check(kind, variant);
}

Deno.test("no token changes a bit of what comes before it: each place, kind, variant and several lengths", () => {
  forAllArms((kind, variant) => {
    const { config: { width: d }, parameters, read } = model(kind, variant, 33);
    for (const [N, T] of [[1, 1], [1, 5], [1, 17], [1, 33], [3, 7]] as const) {
      const ids = anyIds(N * T);
      const before = read(ids, N);
      for (let t = 0; t < T; t++) {
        const changed = ids.slice();
        // In every sequence of the batch, each to another token.
        for (let n = 0; n < N; n++) changed[n * T + t] = (ids[n * T + t]! + 1 + n) % (V + SPECIALS);
        const after = read(changed, N);
        for (let n = 0; n < N; n++) {
          const [row, at, end] = [n * T * d, (n * T + t) * d, (n + 1) * T * d];
          assertEquals(
            after.subarray(row, at),
            before.subarray(row, at),
            `${kind} ${variant} ${T}: before ${t}`,
          );
          // The test would be empty if a token changed nothing at all.
          assert(after.subarray(at, at + d).some((x, i) => x !== before[at + i]), `its own place ${t}`);
          assert(t === T - 1 || after.subarray(end - d, end).some((x, i) => x !== before[end - d + i]));
        }
      }
    }
    dispose(parameters);
  });
});

Deno.test("a sequence of a batch does not reach another", () => {
  const { parameters, read, config: { width: d } } = model("learned", "paper", 33);
  const [ids, T] = [anyIds(4 * 9), 9];
  const before = read(ids, 4);
  for (let n = 0; n < 4; n++) {
    const changed = ids.map((id, i) => Math.floor(i / T) === n ? (id + 1) % V : id);
    const after = read(changed, 4);
    for (let other = 0; other < 4; other++) {
      const part = [other * T * d, (other + 1) * T * d] as const;
      if (other !== n) assertEquals(after.subarray(...part), before.subarray(...part));
      else assert(after.subarray(...part).some((x, i) => x !== before[part[0] + i]));
    }
  }
  dispose(parameters);
});

Deno.test("the same ids in a longer batch, padded on the right, give the same states", () => {
  forAllArms((kind, variant) => {
    const { config: { width: d }, parameters, read } = model(kind, variant, 33);
    for (const T of [1, 5, 17, 33]) {
      const ids = anyIds(T, T);
      const alone = read(ids);
      const batch = anyIds(3 * 33, 9);
      batch.fill(0, 33, 66);
      batch.set(ids, 33);
      assertClose(read(batch, 3).subarray(33 * d, (33 + T) * d), alone, `${kind} ${variant} ${T}`);
    }
    dispose(parameters);
  });
});

Deno.test("reading piece by piece, with the cache, gives the states of reading at once", () => {
  forAllArms((kind, variant) => {
    const { config, parameters, read } = model(kind, variant, 33);
    for (const [N, T] of [[1, 33], [2, 20]] as const) {
      const ids = anyIds(N * T);
      const whole = read(ids, N);
      for (const pieces of [[T], new Array<number>(T).fill(1), [1, T - 1], [T - 1, 1], [3, 7, 1, T - 11]]) {
        tf.tidy(() => {
          let cache = emptyCache;
          let at = 0;
          const states: tf.Tensor[] = [];
          for (const size of pieces) {
            const piece = matrix(ids, N).slice([0, at], [N, size]);
            const found = forward({ parameters, config }, piece, { cache });
            states.push(found.h);
            cache = found.cache!;
            at += size;
            // Keys and values and nothing else, which whoever frees a cache would not know of.
            for (const layer of cache.layers) assertEquals(Object.keys(layer), ["k", "v"]);
            assertEquals((cache.layers as KeyValues[]).map(({ k, v }) => [k.shape, v.shape]), [
              [[N, 3, at, 8], [N, 3, at, 8]],
              [[N, 3, at, 8], [N, 3, at, 8]],
            ]);
          }
          assertClose(tf.concat(states, 1).dataSync(), whole, `${kind} ${variant} in pieces of ${pieces}`);
        });
      }
    }
    dispose(parameters);
  });
});

Deno.test("piece by piece beyond the context, positions that go on give the states of reading at once", () => {
  for (const kind of positionKinds.filter((kind) => positionRules[kind].extrapolates)) {
    const { parameters, config } = model(kind, "clean", 8);
    const longer = { parameters, config: { ...config, context: 24 } }, ids = anyIds(24);
    tf.tidy(() => {
      const whole = forward(longer, matrix(ids)).h;
      let cache = emptyCache;
      const pieces = [5, 7, 1, 11].map((size, i, sizes) => {
        const at = sizes.slice(0, i).reduce((a, b) => a + b, 0);
        const found = forward(longer, matrix(ids).slice([0, at], [1, size]), { cache });
        cache = found.cache!;
        return found.h;
      });
      assertClose(tf.concat(pieces, 1).dataSync(), whole.dataSync(), kind);
    });
    dispose(parameters);
  }
});

Deno.test("a token repeated has one state, unless a table of positions is added: values know none", () => {
  for (const kind of positionKinds) {
    const { parameters, read, config: { width: d } } = model(kind, "clean", 33);
    const states = read(new Int32Array(10).fill(5));
    const [first, last] = [states.slice(0, d), states.slice(-d)];
    if (!parameters.positions_embed) assertClose(last, first, kind);
    else assert(last.some((x, i) => Math.abs(x - first[i]!) > 1e-4), kind);
    dispose(parameters);
  }
});

Deno.test("the output's rows are tokens, specials and, in the paper's variant, the positions that are trained", () => {
  forAllArms((kind, variant) => {
    const { config, parameters } = model(kind, variant, 33);
    const trained = kind === "learned" || kind === "sinusoidal-trained";
    tf.tidy(() => {
      const states = forward({ parameters, config }, matrix(anyIds(10), 2));
      assertEquals(states.table.shape, [V + SPECIALS + (trained && variant === "paper" ? 5 : 0), 24]);
      assert(states.table === states.table);
      const rows = [...parameters.tokens_embed.weight.dataSync()];
      if (trained && variant === "paper") {
        rows.push(...parameters.positions_embed!.weight.dataSync().slice(0, 120));
      }
      assertEquals([...states.table.dataSync()], rows);
    });
    dispose(parameters);
  });
});

Deno.test("both variants compute the same states where nothing is dropped", () => {
  for (const kind of positionKinds) {
    const [paper, clean] = [model(kind, "paper", 33), model(kind, "clean", 33)];
    assertEquals(paper.read(anyIds(20), 2), clean.read(anyIds(20), 2));
    dispose(paper.parameters);
    dispose(clean.parameters);
  }
});

Deno.test("scores of the next token are of tokens only, and are the states against their rows", () => {
  const { config, parameters } = model("learned", "paper", 33);
  tf.tidy(() => {
    const h = forward({ parameters, config }, matrix(anyIds(6))).h.reshape<tf.Tensor2D>([6, 24]);
    const logits = tokenLogits(parameters, h);
    assertEquals(logits.shape, [6, V]);
    const [states, rows] = [h.dataSync(), parameters.tokens_embed.weight.dataSync()];
    const expected = Array.from({ length: 6 * V }, (_, i) => {
      let sum = 0;
      for (let j = 0; j < 24; j++) sum += states[Math.floor(i / V) * 24 + j]! * rows[(i % V) * 24 + j]!;
      return sum;
    });
    assertClose(logits.dataSync(), expected, "scores");
  });
  dispose(parameters);
});

Deno.test("more tokens than the context are refused, whatever the positions, at once or by the cache", async () => {
  for (const kind of positionKinds) {
    const { config, parameters } = model(kind, "paper", 8);
    const before = tf.memory().numTensors;
    await assertRefused(
      () => tf.tidy(() => forward({ parameters, config }, matrix(anyIds(9))).h),
      /^Cannot read 9 tokens as the context is 8$/,
    );
    await assertRefused(
      () =>
        tf.tidy(() => {
          const { cache } = forward({ parameters, config }, matrix(anyIds(6)), { cache: emptyCache });
          forward({ parameters, config }, matrix(anyIds(3)), { cache });
        }),
      /^Cannot read 9 tokens as the context is 8$/,
    );
    assertEquals(tf.memory().numTensors, before);
    dispose(parameters);
  }
});

Deno.test("a cache of another number of sequences, or of heads, is refused: no memory behind it is read", async () => {
  const lm = model("learned", "clean", 8);
  const { cache } = forward(lm, matrix(anyIds(3)), { cache: emptyCache });
  const other = { ...lm, config: { ...lm.config, heads: 2 } };
  const wrong = /^Cannot attend to a cache of shape \[1,3,3,8\]: expected \[/;
  for (
    const read of [
      () => forward(lm, matrix(anyIds(2), 2), { cache }),
      () => forward(other, matrix(anyIds(1)), { cache }),
    ]
  ) {
    await assertRefused(read, wrong);
  }
  tf.dispose(cache!.layers.map((layer) => Object.values(layer)).flat());
  dispose(lm.parameters);
});

Deno.test("no tensor is left behind", () => {
  const before = tf.memory().numTensors;
  forAllArms((kind, variant) => {
    const { config, parameters, read } = model(kind, variant, 33);
    const bare = tf.memory().numTensors;
    read(anyIds(20), 2);
    tf.tidy(() => {
      const drop = { rate: 0.1, seed: 1, update: 0 };
      const { table, cache } = forward({ parameters, config }, matrix(anyIds(20), 2), { dropout: drop });
      assertEquals([table.shape[1], cache], [24, undefined]);
      const { cache: begun } = forward({ parameters, config }, matrix(anyIds(20), 2), { cache: emptyCache });
      forward({ parameters, config }, matrix(anyIds(4), 2), { cache: begun }).table.dataSync();
    });
    assertEquals(tf.memory().numTensors, bare);
    dispose(parameters);
  });
  assertEquals(tf.memory().numTensors, before);
});

Deno.test("one update drops the same elements each time, another update others", () => {
  forAllArms((kind, variant) => {
    const { config, parameters } = model(kind, variant, 33);
    const read = (update: number, seed = 1) =>
      tf.tidy(() =>
        forward({ parameters, config }, matrix(anyIds(10)), { dropout: { rate: 0.1, seed, update } }).h
          .dataSync<"float32">()
      );
    assertEquals(read(4), read(4));
    assert(read(4).some((x, i) => x !== read(5)[i]));
    assert(read(4).some((x, i) => x !== read(4, 2)[i]));
    dispose(parameters);
  });
});

Deno.test("a preset's forward pass is the same on either backend", async () => {
  const config = { ...presets.smoke, vocabulary: V };
  const states = async (name: "wasm" | "cpu") => {
    await backend(name);
    const parameters = init(config, 1);
    const found = tf.tidy(() => forward({ parameters, config }, matrix(anyIds(20), 2)).h.dataSync().slice());
    dispose(parameters);
    return found;
  };
  try {
    assertClose(await states("wasm"), await states("cpu"), "states");
  } finally {
    await backend();
  }
});
