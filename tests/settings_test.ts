import {
  checked,
  flag,
  limit,
  list,
  nearest,
  number,
  oneOf,
  optional,
  or,
  settle,
  share,
  signal,
  text,
  whole,
  withDefaults,
} from "../lib/settings.ts";
import { assertEquals, assertRefused } from "./assert.ts";

const schema = {
  rate: { ...number({ from: 1e-9, to: 10 }), about: "largest learning rate", default: 1e-3 },
  seed: { ...whole({ from: 0, to: 9 }), about: "seed", otherwise: "the model's own" },
  tasks: { ...list(oneOf(["imdb", "kind"])), about: "tasks", default: ["imdb"] as const },
  positions: {
    kind: { ...oneOf(["learned", "none"]), about: "kind" },
    scale: { ...oneOf(["raw"]), about: "scale", otherwise: "matched" },
  },
};
const positions = { kind: "none" };

Deno.test("what is not given has its default, is absent, or is refused as it is required", async () => {
  const values = settle("train", schema, { positions });
  assertEquals(values, { rate: 1e-3, tasks: ["imdb"], positions: { kind: "none" } });
  const undefineds = { rate: undefined, seed: undefined, tasks: undefined, other: undefined, positions };
  assertEquals(settle("train", schema, undefineds), values);
  await assertRefused(
    () => settle("train", schema),
    /^Cannot train as positions.kind is required: it must be one of learned, none$/,
  );
});

Deno.test("values stand in the schema's order, whatever the order in which they were given", () => {
  const values = settle("train", schema, { positions: { scale: "raw", kind: "none" }, seed: 3, rate: 1 });
  assertEquals(
    JSON.stringify(values),
    '{"rate":1,"seed":3,"tasks":["imdb"],"positions":{"kind":"none","scale":"raw"}}',
  );
});

Deno.test("an unknown name is refused with the nearest known one, or with all of them", async () => {
  for (
    const [given, message] of [
      [{ raet: 1 }, "raet as there is no such option: did you mean rate?"],
      [{ RATE: 1 }, "RATE as there is no such option: did you mean rate?"],
      [{ steps: 1 }, "steps as there is no such option: there are rate, seed, tasks, positions"],
      [{ positions: { sale: "raw" } }, "positions.sale as there is no such option: did you mean scale?"],
      [
        JSON.parse('{ "__proto__": 1 }'),
        "__proto__ as there is no such option: there are rate, seed, tasks, positions",
      ],
      [{ toString: 1 }, "toString as there is no such option: there are rate, seed, tasks, positions"],
    ] as const
  ) {
    await assertRefused(
      () => settle("train", schema, given),
      new RegExp(`^Cannot train with ${message.replace("?", "\\?")}$`),
    );
  }
});

Deno.test("options that are no plain object are refused, and so are groups", async () => {
  for (const given of [null, 5, "x", [], new Map(), () => 1, new Date(), true]) {
    await assertRefused(
      () => settle("train", schema, given),
      /^Cannot train with options .* as they must be an object$/,
    );
    await assertRefused(
      () => settle("train", schema, { positions: given }),
      /^Cannot train with positions .* as it must be an object of kind, scale$/,
    );
  }
});

Deno.test("a single value for a list is a list of one; an empty list and a value twice are refused", async () => {
  assertEquals(settle("train", schema, { positions, tasks: "kind" }).tasks, ["kind"]);
  assertEquals(checked("train", "tasks", schema.tasks, ["kind", "imdb"]), ["kind", "imdb"]);
  for (const tasks of [[], ["kind", "kind"], Array(1)]) {
    await assertRefused(() => settle("train", schema, { positions, tasks }), /^Cannot train with tasks /);
  }
  await assertRefused(
    () => settle("train", schema, { positions, tasks: ["imdb", "kid"] }),
    /^Cannot train with tasks "kid" as there is no such name: did you mean kind\?$/,
  );
});

Deno.test("each kind accepts what is in its range, and no text for a number", () => {
  const odd = [0, -1, 0.5, 1, 2.5, NaN, Infinity, -Infinity, 1e308, 1e-320, "", "1", "x", null, true, [], {}];
  const accepted = (kind: { accepts(value: unknown): boolean }) => odd.filter((value) => kind.accepts(value));
  assertEquals(accepted(whole({ from: 0, to: 9 })), [0, 1]);
  assertEquals(accepted(number({ from: 1e-6, to: 10 })), [0.5, 1, 2.5]);
  assertEquals(accepted(number({ from: 1e-6, to: 10, orZero: true })), [0, 0.5, 1, 2.5]);
  assertEquals(accepted(share), [0, 0.5, 1e-320]);
  assertEquals(accepted(limit), [1, Infinity]);
  assertEquals(accepted(text), ["1", "x"]);
  assertEquals(accepted(flag), [true]);
  assertEquals(accepted(oneOf(["x", "y"])), ["x"]);
  assertEquals(accepted(or(oneOf(["x"]), whole({ from: 1, to: 2 }))), [1, "x"]);
  assertEquals(accepted(signal), []);
  assertEquals(signal.accepts(new AbortController().signal), true);
});

Deno.test("texts of the command line become values; what is none stays a text, which is refused", () => {
  const layers = list(or(oneOf(["all"]), whole({ from: -1, to: 9 })));
  assertEquals(layers.read("all, -1,3"), ["all", -1, 3]);
  assertEquals(layers.accepts(layers.read("all,-2")), false);
  const { read } = number({ from: 0, to: 1 });
  assertEquals([read("1e-3"), read(".5"), read("-2."), read("0x10"), read(""), read("NaN"), read("1 2")], [
    ...[1e-3, 0.5, -2],
    ...["0x10", "", "NaN", "1 2"],
  ]);
  assertEquals([limit.read("all"), limit.read("7")], [Infinity, 7]);
});

Deno.test("a message stays one short line, whatever the value and the name hold", async () => {
  const circle: Record<string, unknown> = { long: "x".repeat(1000), list: Array(1000).fill("y") };
  circle["circle"] = circle;
  for (const rate of ["\n\u001b[31m\0".repeat(99), "x".repeat(1e6), circle, Symbol("\n"), 1n, () => 1]) {
    await assertRefused(
      () => settle("train", schema, { positions, rate }),
      /^Cannot train with rate \P{Cc}{1,60} as it must be a number from 1e-9 to 10$/u,
    );
  }
  await assertRefused(
    () => settle("train", schema, { ["\n".repeat(1000)]: 1 }),
    /^Cannot train with \P{Cc}{1,70} as there is no such option: there are .*$/u,
  );
});

Deno.test("a name is near to another by few letters, not by being short", () => {
  const known = ["rate", "clip", "seed", "k"];
  assertEquals(["raet", "rates", "clips", "x", "lr", "", "seeed"].map((name) => nearest(name, known)), [
    ...["rate", "rate", "clip", undefined, undefined, undefined, "seed"],
  ]);
});

Deno.test("a schema takes its defaults from values, group by group", () => {
  const own = withDefaults(schema, { rate: 2, positions: { kind: "learned" } });
  assertEquals(settle("train", own), { rate: 2, tasks: ["imdb"], positions: { kind: "learned" } });
  assertEquals(settle("train", own, { positions: { scale: "raw" } }).positions, {
    kind: "learned",
    scale: "raw",
  });
});

Deno.test("an optional schema checks what there is, and neither requires nor fills in anything", async () => {
  const loose = optional(schema);
  assertEquals(settle("read", loose), { positions: {} });
  assertEquals(settle("read", loose, { seed: 1, positions: { scale: "raw" } }), {
    seed: 1,
    positions: { scale: "raw" },
  });
  await assertRefused(() => settle("read", loose, { rate: 99 }), /^Cannot read with rate 99 as it must be /);
  await assertRefused(() => settle("read", loose, { raet: 1 }), /did you mean rate\?$/);
});

Deno.test("a kind tells its values in few words, for a help", () => {
  const kinds = [
    ...[whole({ from: 1, to: 1e4 }), number({ from: 1e-6, to: 10, orZero: true }), share, limit, text],
    ...[list(oneOf(["x", "y"])), or(oneOf(["all"]), whole({ from: -1, to: 9 })), or(text, list(text))],
  ];
  assertEquals(kinds.map(({ range }) => range), [
    ...["1 to 10,000", "0, or 1e-6 to 10", "0 to below 1", "from 1, or all", undefined],
    ...["x, y", "all, or -1 to 9", undefined],
  ]);
});

Deno.test("a promise in the place of a value is named as such, in a list, too", async () => {
  const names = { ...list(oneOf(["a", "b"])), about: "names" };
  for (const value of [Promise.resolve("a"), [Promise.resolve("a")]]) {
    await assertRefused(
      () => settle("try", { names }, { names: value }),
      /^Cannot try with names as it is a promise: write await before it$/,
    );
  }
});
