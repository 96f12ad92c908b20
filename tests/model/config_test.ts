import {
  checkConfig,
  checkSeed,
  type Config,
  dispose,
  gpt,
  positionKinds,
  preset,
  presets,
} from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { assertEquals, assertRefused } from "../assert.ts";

const good: Config = { ...presets.smoke, vocabulary: 500 };

/** A configuration as it might come from a file: of no type. */
function changed(change: Record<string, unknown>): Config {
  return { ...good, ...change } as Config;
}

Deno.test("the gpt1 preset is the paper's model", () => {
  assertEquals(preset("gpt1"), {
    layers: 12,
    heads: 12,
    width: 768,
    context: 512,
    positions: { kind: "learned" },
    variant: "paper",
    dropout: 0.1,
  });
});

Deno.test("every preset can be built, in each variant, at each position kind and scale", () => {
  for (const name of Object.keys(presets)) {
    for (const variant of ["paper", "clean"] as const) {
      for (const kind of ["learned", "sinusoidal", "sinusoidal-trained", "random-frozen", "none"] as const) {
        for (const scale of ["matched", "raw", "sqrt-width"] as const) {
          checkConfig({ ...preset(name), variant, positions: { kind, scale }, vocabulary: 40478 });
        }
      }
    }
  }
});

Deno.test("a preset of no such name is refused, also one that every object has", async () => {
  for (const name of ["gpt2", "", "toString", "__proto__", "constructor"]) {
    await assertRefused(
      () => preset(name),
      name === "gpt2"
        ? /^Cannot find a preset with name "gpt2" as there is no such name: did you mean gpt1\?$/
        : new RegExp(`^Cannot find a preset with name "${name}" as it must be one of gpt1, mini, smoke$`),
    );
  }
});

Deno.test("a size that is no whole number in its range is refused by its name", async () => {
  for (const name of ["layers", "heads", "width", "context", "vocabulary"]) {
    const least = name === "context" ? 2 : 1;
    const range = `a whole number from ${least} to [\\d,]+`;
    for (
      const [value, shown] of [
        [0, "0"],
        [least - 1, String(least - 1)],
        [-4, "-4"],
        [2.5, "2\\.5"],
        [NaN, "NaN"],
        [Infinity, "Infinity"],
        [2 ** 53, "9007199254740992"],
        ["32", '"32"'],
        [null, "null"],
        [[4], "\\[4\\]"],
        [{ toString: 1 }, '\\{"toString":1\\}'],
      ] as const
    ) {
      await assertRefused(
        () => checkConfig(changed({ [name]: value })),
        new RegExp(`^Cannot build a model with ${name} ${shown} as it must be ${range}$`),
      );
    }
    await assertRefused(
      () => checkConfig(changed({ [name]: undefined })),
      new RegExp(`^Cannot build a model as ${name} is required: it must be ${range}$`),
    );
  }
});

Deno.test("heads that do not share the width evenly are refused", async () => {
  await assertRefused(
    () => checkConfig(changed({ width: 770, heads: 12 })),
    /^Cannot split 770 features over 12 heads as width must be divisible by heads: current width is 770$/,
  );
});

Deno.test("sinusoids of an odd width are refused, other positions are not", async () => {
  for (const kind of ["sinusoidal", "sinusoidal-trained"]) {
    await assertRefused(
      () => checkConfig(changed({ width: 33, heads: 3, positions: { kind } })),
      /^Cannot use sinusoids in pairs of sine and cosine as width must be even: current width is 33$/,
    );
  }
  checkConfig(changed({ width: 33, heads: 3 }));
});

Deno.test("a dropout that is no share is refused", async () => {
  for (
    const [dropout, shown] of [[1, "1"], [-0.1, "-0\\.1"], [NaN, "NaN"], ["0.1", '"0\\.1"'], [null, "null"]]
  ) {
    await assertRefused(
      () => checkConfig(changed({ dropout })),
      new RegExp(`^Cannot build a model with dropout ${shown} as it must be a number from 0 to below 1$`),
    );
  }
});

Deno.test("a name that is unknown is refused with those that there are", async () => {
  await assertRefused(
    () => checkConfig(changed({ variant: "gpt2" })),
    /^Cannot build a model with variant "gpt2" as it must be one of paper, clean$/,
  );
  const kinds = positionKinds.join(", ");
  for (
    const [positions, message] of [
      [{ kind: "polar" }, `with positions\\.kind "polar" as it must be one of ${kinds}`],
      [
        { kind: "learnt" },
        'with positions\\.kind "learnt" as there is no such name: did you mean learned\\?',
      ],
      [{}, `as positions\\.kind is required: it must be one of ${kinds}`],
      [null, "with positions null as it must be an object of kind, scale"],
      ["learned", 'with positions "learned" as it must be an object of kind, scale'],
      [
        { kind: "none", scal: "raw" },
        "with positions\\.scal as there is no such option: did you mean scale\\?",
      ],
    ]
  ) {
    await assertRefused(
      () => checkConfig(changed({ positions })),
      new RegExp(`^Cannot build a model ${message}$`),
    );
  }
  await assertRefused(
    () => checkConfig(changed({ layer: 3 })),
    /^Cannot build a model with layer as there is no such option: did you mean layers\?$/,
  );
  for (const [scale, shown] of [["huge", '"huge"'], [null, "null"]]) {
    await assertRefused(
      () => checkConfig(changed({ positions: { kind: "learned", scale } })),
      new RegExp(
        `^Cannot build a model with positions.scale ${shown} as it must be one of matched, raw, sqrt-width$`,
      ),
    );
  }
});

Deno.test("a model beyond WebAssembly's memory is refused before any is taken", async () => {
  await assertRefused(
    () => checkConfig(changed({ layers: 1000, width: 2 ** 12 })),
    /^Cannot build a model of \d+ parameters as memory holds at most 1073741824$/,
  );
  await assertRefused(() => checkConfig(changed({ vocabulary: 2 ** 26 })), /^Cannot build a model of \d+ /);
});

Deno.test("what is no configuration at all is refused", async () => {
  for (const value of [null, 7, "gpt1", []]) {
    await assertRefused(
      () => checkConfig(value as unknown as Config),
      /^Cannot build a model with options .* as they must be an object$/,
    );
  }
});

Deno.test("a seed is a whole number of 32 bits", async () => {
  for (const seed of [0, 1, 2 ** 32 - 1]) checkSeed(seed);
  for (
    const [seed, shown] of [[-1, "-1"], [1.5, "1\\.5"], [2 ** 32, "4294967296"], [NaN, "NaN"], ["1", '"1"']]
  ) {
    await assertRefused(
      () => checkSeed(seed as number),
      new RegExp(
        `^Cannot draw random numbers with seed ${shown} as it must be a whole number from 0 to 4,294,967,295$`,
      ),
    );
  }
});

Deno.test("a configuration makes a model where its vocabulary is the tokenizer's; a name makes none", async () => {
  const tokenizer = trainBpe("to be or not to be", { merges: 3 });
  const { config, parameters } = gpt(presets.smoke, { tokenizer });
  dispose(parameters);
  dispose(gpt(config, { tokenizer }));
  await assertRefused(
    () => gpt({ ...config, vocabulary: 5 } as typeof config, { tokenizer }),
    /^Cannot build a model with vocabulary 5 as its tokenizer has \d+$/,
  );
  await assertRefused(
    () => gpt("mini" as unknown as typeof config, { tokenizer }),
    /^Cannot build a model with preset "mini" as it must be an object of layers, /,
  );
  await assertRefused(
    () => gpt(undefined as unknown as typeof config, { tokenizer }),
    /^Cannot build a model as its preset is undefined: presets are gpt1, mini, smoke$/,
  );
});

Deno.test("a preset is the model's own: one that changes later, as the kit's cannot, changes no model", () => {
  const tokenizer = trainBpe("to be or not to be", { merges: 3 });
  const own = { ...presets.smoke, positions: { kind: "learned" as "learned" | "rotary" } };
  const models = (["learned", "rotary"] as const).map((kind) => {
    own.positions.kind = kind;
    return gpt(own, { tokenizer });
  });
  assertEquals(models.map(({ config }) => config.positions.kind), ["learned", "rotary"]);
  models.forEach(dispose);
  for (const one of Object.values(presets)) assertEquals([one, one.positions].every(Object.isFrozen), true);
});
