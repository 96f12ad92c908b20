import { corpus } from "../../lib/data/mod.ts";
import { keyOf, uniforms } from "../../lib/engine/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { kneserNey, ngramBaselines } from "../../lib/train/mod.ts";
import { assert, assertClose, assertEquals, assertRefused } from "../assert.ts";

const exactly = { relative: 1e-12 };

/** p(token | history) for every token. */
function after(
  model: ReturnType<typeof kneserNey>,
  history: readonly number[],
  vocabulary: number,
): number[] {
  return Array.from({ length: vocabulary }, (_, id) => model(Int32Array.of(...history, id)).at(-1)!);
}

Deno.test("probabilities are those of a hand computation, with one discount", () => {
  // a b a b a c, and a token d that is never seen. Of each length n₁ = 2, n₂ = 1 and n₃ = 0, so D = 2 / (2 + 2·1) = 1/2.
  const [a, b, c, d] = [0, 1, 2, 3];
  const text = Int32Array.of(a, b, a, b, a, c);
  const p = (order: number, ...history: number[]) => after(kneserNey(text, 4, order), history, 4);
  // Different tokens before a: 2, the text's beginning and b; before b: a; before c: a. Together 4, of three kinds:
  // 3/2 / 4 = 3/8 goes to the uniform distribution, 3/32 to each token. p(a) = 3/2 / 4 + 3/32, p(b) = 1/2 / 4 + 3/32.
  const unigram = [15 / 32, 7 / 32, 7 / 32, 3 / 32];
  assertClose(p(3), unigram, "p(·)", exactly);
  assertClose(p(3, c), unigram, "p(· | c): nothing follows c", exactly);
  assertClose(p(3, d, d), unigram, "p(· | dd): dd is not seen", exactly);
  // Before ab: the beginning and b; before ac: b. After a 3, of two kinds: 1/3 goes to unigrams.
  // p(b | a) = 3/2 / 3 + 1/3 · 7/32, p(c | a) = 1/2 / 3 + 1/3 · 7/32.
  const afterA = [15 / 96, 55 / 96, 23 / 96, 3 / 96];
  assertClose(p(3, a), afterA, "p(· | a)", exactly);
  assertClose(p(3, c, a), afterA, "p(· | ca): ca is not seen", exactly);
  // Before ba: a, twice, which counts once: p(a | b) = 1/2 / 1 + 1/2 · 15/32.
  assertClose(p(3, b), [47 / 64, 7 / 64, 7 / 64, 3 / 64], "p(· | b)", exactly);
  // The longest count as they are: aba 2, bab 1, bac 1. p(a | ab) = 3/2 / 2 + 1/4 · 47/64.
  assertClose(p(3, a, b), [239 / 256, 7 / 256, 7 / 256, 3 / 256], "p(· | ab)", exactly);
  // p(b | ba) = 1/2 / 2 + 1/2 · 55/96, p(c | ba) = 1/2 / 2 + 1/2 · 23/96.
  assertClose(p(3, b, a), [15 / 192, 103 / 192, 71 / 192, 3 / 192], "p(· | ba)", exactly);
  assertClose(p(3, a, b, a), p(3, b, a), "no more than two tokens of history", exactly);
  // A sequence's probabilities are those of its tokens, one by one.
  assertClose(
    kneserNey(text, 4, 3)(Int32Array.of(a, b, a, c, d)),
    [15 / 32, 55 / 96, 239 / 256, 71 / 192, 3 / 32],
    "abacd",
    exactly,
  );
});

Deno.test("probabilities are those of a hand computation, with three discounts", () => {
  // Counts 1 1 1 2 2 3 4 and 0: n₁ … n₄ = 3 2 1 1, Y = 3 / (3 + 2·2) = 3/7.
  // D₁ = 1 − 2 · 3/7 · 2/3 = 3/7, D₂ = 2 − 3 · 3/7 · 1/2 = 19/14, D₃ = 3 − 4 · 3/7 · 1/1 = 9/7.
  // (3 · 3/7 + 2 · 19/14 + 2 · 9/7) / 14 = 23/49 goes to the uniform distribution, 23/392 to each of eight tokens.
  const text = [0, 1, 2, 3, 4, 5, 6, 3, 4, 5, 6, 5, 6, 6];
  const expected = [39, 39, 39, 41, 41, 71, 99, 23].map((part) => part / 392); // (1 − 3/7) / 14 + 23/392 = 39/392.
  assertClose(after(kneserNey(Int32Array.from(text), 8, 1), [], 8), expected, "p(·)", exactly);
});

Deno.test("the baselines score what follows in each window, as worked out by hand", () => {
  // Ids of «a b a b a c»: three a, two b, one c; pairs ab 2, ba 2, ac 1. Windows of the other text: a b, a c.
  const tiny = trainBpe("a b a b a c", { merges: 0 });
  const V = tiny.size;
  const pair = { tokenizer: tiny, config: { context: 2 } },
    books = { train: "a b a b a c", heldout: "a b a c" };
  const found = ngramBaselines(pair, books, { order: 2 });
  const expected = (b: number, c: number) => -(Math.log(b) + Math.log(c)) / 2;
  const p = (count: number) => (count + 1) / (6 + V);
  assertClose([found.unigram.loss], [expected(p(2), p(1))], "unigram", exactly);
  // After a (three times, two kinds of follower): (2 − 0.75 + 0.75 · 2 · p(b)) / 3.
  const pairs = expected((1.25 + 1.5 * p(2)) / 3, (0.25 + 1.5 * p(1)) / 3);
  assertClose([found.bigram.loss], [pairs], "bigram", exactly);
  assertClose([found.bigram.bitsPerCharacter], [found.bigram.loss / Math.LN2 * 4 / 7], "bits", exactly);
  // Kneser–Ney: pairs have n₁ = 1, n₂ = 2, so D = 1/5; tokens as above, 1/2 / 4 + 3/8 / V for b and for c alike.
  const [shorter, rest] = [1 / 8 + 3 / 8 / V, 2 / 15];
  const smooth = expected(3 / 5 + rest * shorter, 4 / 15 + rest * shorter);
  assertClose([found.kneserNey.loss], [smooth], "Kneser–Ney", exactly);
  for (const { tokens } of Object.values(found)) assertEquals(tokens, 2);
  const first = ngramBaselines(pair, books, { windows: 1, order: 2 });
  assertClose([first.kneserNey.loss], [-Math.log(3 / 5 + rest * shorter)], "the first window", exactly);
  assertClose(
    [ngramBaselines(pair, { ...books, heldout: "c c" }).bigram.loss],
    [-Math.log(p(1))],
    "nothing follows c: a bigram has its unigram's probability",
    exactly,
  );
});

/** Interpolated modified Kneser–Ney as its formulas stand, over strings. */
function bruteForce(text: readonly number[], vocabulary: number, order: number) {
  const counts = Array.from({ length: order + 1 }, (_, n) => {
    const before = new Map<string, Set<number | string>>();
    for (let i = 0; i + n <= text.length; i++) {
      const gram = text.slice(i, i + n).join();
      // The longest are told apart by where they stand, shorter ones by what stands before them.
      before.set(gram, (before.get(gram) ?? new Set()).add(n === order ? i : text[i - 1] ?? "beginning"));
    }
    return new Map([...before].map(([gram, set]) => [gram, set.size]));
  });
  let threes = 0;
  const discounts = counts.map((grams) => {
    const n = (times: number) => [...grams.values()].filter((count) => count === times).length;
    const one = n(1) === 0 ? 0.5 : n(1) / (n(1) + 2 * n(2));
    const [D1, D2, D3] = [
      1 - 2 * one * n(2) / n(1),
      2 - 3 * one * n(3) / n(2),
      3 - 4 * one * n(4) / n(3),
    ];
    const three = n(1) * n(2) * n(3) * n(4) > 0 && D1 > 0 && D2 > 0 && D3 > 0;
    if (three) threes++;
    return (count: number) => count === 0 ? 0 : three ? (count === 1 ? D1 : count === 2 ? D2 : D3) : one;
  });
  const tokens = Array.from({ length: vocabulary }, (_, id) => id);
  const probability = (history: readonly number[], id: number): number => {
    const n = history.length + 1;
    const count = (id: number) => counts[n]!.get([...history, id].join()) ?? 0;
    const shorter = n === 1 ? 1 / vocabulary : probability(history.slice(1), id);
    const total = tokens.reduce((sum, id) => sum + count(id), 0);
    if (total === 0) return shorter;
    const D = discounts[n]!;
    const taken = tokens.reduce((sum, id) => sum + D(count(id)), 0);
    return (count(id) - D(count(id)) + taken * shorter) / total;
  };
  return { probability, threes };
}

/** A text of a few tokens, the first ones more frequent. */
const random = (seed: number, length: number, vocabulary: number) =>
  Array.from(uniforms(keyOf(seed, "text"), length), (u) => Math.floor(u ** 2 * vocabulary));

Deno.test("it agrees with a second implementation on random texts, the shortest among them", () => {
  let threes = 0;
  for (const [seed, length] of [0, 1, 2, 3, 4, 10, 40, 150, 150, 150, 400].entries()) {
    const text = random(seed, length, 7), sequence = random(seed + 100, 60, 8);
    for (const order of [1, 2, 3, 4, 5]) {
      const brute = bruteForce(text, 8, order); // Token 7 is never seen.
      threes += brute.threes;
      assertClose(
        kneserNey(Int32Array.from(text), 8, order)(Int32Array.from(sequence)),
        sequence.map((id, i) => brute.probability(sequence.slice(Math.max(0, i - order + 1), i), id)),
        `text ${seed} of ${length} tokens, order ${order}`,
        exactly,
      );
    }
  }
  assert(threes > 10, `${threes} times three discounts`);
});

Deno.test("probabilities sum to 1 after every history, and none is 0", () => {
  const text = Int32Array.from(random(1, 120, 4));
  for (const order of [1, 2, 3, 4, 5]) {
    const model = kneserNey(text, 5, order);
    let histories: number[][] = [[]];
    for (let length = 0; length <= 4; length++) {
      for (const history of histories) {
        const found = after(model, history, 5);
        const sum = found.reduce((sum, p) => sum + p, 0);
        assert(Math.abs(sum - 1) < 1e-9 && found.every((p) => p > 0), `order ${order}, ${history}: ${sum}`);
      }
      histories = histories.flatMap((history) => [0, 1, 2, 3, 4].map((id) => [...history, id]));
    }
  }
});

Deno.test("on a novel more context helps, and Kneser–Ney is better than absolute discounting", async () => {
  const { train, heldout } = await corpus("moby-dick");
  const books = { train: train.slice(0, 300_000), heldout: heldout.slice(0, 30_000) };
  const model = { tokenizer: trainBpe(books.train, { merges: 300 }), config: { context: 64 } };
  const scores = [1, 2, 3, 5].map((order) => ngramBaselines(model, books, { order }));
  const losses = scores.map(({ kneserNey }) => kneserNey.loss);
  for (let i = 1; i < losses.length; i++) assert(losses[i]! < losses[i - 1]! - 0.02, losses.join());
  const { bigram, unigram } = scores[0]!;
  assert(losses[1]! < bigram.loss && bigram.loss < unigram.loss - 0.5, `${bigram.loss} ${losses[1]}`);
  assert(Math.abs(losses[0]! - unigram.loss) < 0.01, "of tokens alone there is little to be smoothed");
});

Deno.test("what no model, no corpus or no option is, is refused", async () => {
  const model = { tokenizer: trainBpe("a b", { merges: 0 }), config: { context: 2 } };
  const refused = [
    [() => ngramBaselines(undefined as never, { train: "a", heldout: "a b" }), /with tokenizer undefined as/],
    [() => ngramBaselines(model, { train: "a" } as never), /with corpus\.heldout undefined as/],
    [() => ngramBaselines(model, "a b" as never), /with corpus\.train undefined as/],
    [
      () => ngramBaselines(model, { train: "a", heldout: "a b" }, { limit: 1 } as never),
      /with limit as there is no/,
    ],
  ] as const;
  for (const [call, message] of refused) await assertRefused(call, message);
});

Deno.test("an order that is no whole number from 1 is refused", async () => {
  for (const order of [0, -1, 1.5, NaN, Infinity]) {
    await assertRefused(
      () => kneserNey(Int32Array.of(0, 1), 2, order),
      /^Cannot count n-grams with order \S+ as it must be a whole number from 1 to 100$/,
    );
  }
});
