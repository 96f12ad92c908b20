import assert from "node:assert/strict";
import { InputError } from "../../lib/errors.ts";
import { tokenizerFrom, trainBpe } from "../../lib/text/bpe.ts";

/** The classic example: each word as often as the number says. */
const words = { low: 5, lower: 2, newest: 6, widest: 3 };
const text = Object.entries(words).map(([word, count]) => `${word} `.repeat(count)).join("");

Deno.test("training joins the most frequent pair, ties to the lower ids: worked by hand", () => {
  const { merges } = trainBpe(text, { merges: 100 });
  assert.deepEqual(merges.map((pair) => pair.join(" ")), [
    "e s", // 9, as s t</w>: e comes before s
    "es t</w>", // 9
    "l o", // 7
    "e w", // 6, as n e and w est</w>: e comes first
    "n ew", // 6, as ew est</w>: n has the lower id
    "new est</w>", // 6
    "lo w</w>", // 5
    "d est</w>", // 3, as w i and i d: d comes first
    "i dest</w>", // 3
    "w idest</w>", // 3
    "e r</w>", // 2, as lo w and w e: e comes first
    "w er</w>", // 2
    "lo wer</w>", // 2, and no pair is left
  ]);
});

Deno.test("ids are laid out as OpenAI's", () => {
  const bpe = trainBpe(text + "\n\n" + text, { merges: 2 });
  const alphabet = [..."deilnorstw"];
  assert.deepEqual(bpe.pieces, [
    "<unk>",
    ...alphabet,
    ...alphabet.map((char) => char + "</w>"),
    "es",
    "est</w>",
    "\n</w>",
  ]);
  assert.equal(bpe.size, 1 + 10 + 10 + 2 + 1);
  for (const [piece, id] of bpe.encoder) assert.equal(bpe.pieces[id], piece);
});

Deno.test("the alphabet is the 238 most frequent characters, then sorted", () => {
  const chars = Array.from({ length: 300 }, (_, i) => String.fromCodePoint(0x4e00 + i));
  const bpe = trainBpe(chars.join(" ") + " " + chars.slice(-10).join(" "), { merges: 0 });
  assert.equal(bpe.size, 1 + 238 + 238 + 1);
  assert.deepEqual(bpe.pieces.slice(1, 239), [...chars.slice(0, 228), ...chars.slice(-10)]);
  assert.deepEqual([...bpe.encode(chars[228] ?? "")], [0]);
});

Deno.test("the same text gives the same vocabulary", () => {
  const story = "It was the best of times, it was the worst of times; it was the age of wisdom.\n".repeat(3);
  const [a, b] = [trainBpe(story, { merges: 60 }), trainBpe(story, { merges: 60 })];
  assert.equal(JSON.stringify(a), JSON.stringify(b));
  const fewer = trainBpe(story, { merges: 20 });
  assert.deepEqual(fewer.merges, a.merges.slice(0, 20));
});

Deno.test("training agrees with counting anew before each merge", () => {
  const story =
    "she sells sea shells by the sea shore; the shells she sells are sea shells, banana ananas aaaa aaa. ";
  const bpe = trainBpe(story, { merges: 80 });
  const counts = new Map<string, number>();
  for (const word of story.trim().replace(/[;,.]/g, " $& ").split(/ +/)) {
    if (word) counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  const symbols = [...counts].map(([word, count]) => ({
    count,
    pieces: [...word.slice(0, -1), word.at(-1) + "</w>"],
  }));
  const id = (piece: string) => bpe.encoder.get(piece) ?? -1;
  for (const merge of bpe.merges) {
    const pairs = new Map<string, { left: string; right: string; count: number }>();
    for (const { count, pieces } of symbols) {
      pieces.slice(1).forEach((right, i) => {
        const left = pieces[i] ?? "";
        const pair = pairs.get(`${left} ${right}`) ?? { left, right, count: 0 };
        pairs.set(`${left} ${right}`, { ...pair, count: pair.count + count });
      });
    }
    const [best] = [...pairs.values()].sort((a, b) =>
      b.count - a.count || id(a.left) - id(b.left) || id(a.right) - id(b.right)
    );
    assert.deepEqual(merge, [best?.left, best?.right]);
    for (const word of symbols) {
      for (let i = 0; i + 1 < word.pieces.length; i++) {
        if (word.pieces[i] === merge[0] && word.pieces[i + 1] === merge[1]) {
          word.pieces.splice(i, 2, merge.join(""));
        }
      }
    }
  }
});

Deno.test("encoding joins the lowest rank first, as the toy vocabulary of the transformers library", () => {
  const pieces = ["<unk>", "l", "o", "w", "e", "r</w>", "lo", "low", "er</w>"];
  const toy = tokenizerFrom({ pieces, merges: [["l", "o"], ["lo", "w"], ["e", "r</w>"]] });
  assert.deepEqual([...toy.encode("lower")].map((id) => pieces[id]), ["low", "er</w>"]);
  assert.deepEqual([...toy.encode("x")], [0]);
});

Deno.test("overlapping pairs are joined from left to right", () => {
  const pieces = ["<unk>", "a", "a</w>", "aa", "aaa</w>"];
  const bpe = tokenizerFrom({ pieces, merges: [["a", "a"], ["aa", "a</w>"]] });
  assert.deepEqual([...bpe.encode("aaaa")].map((id) => pieces[id]), ["aa", "a", "a</w>"]);
  assert.deepEqual([...bpe.encode("aaa")].map((id) => pieces[id]), ["aaa</w>"]);
});

Deno.test("decoding gives the words back", () => {
  const story = "the lower news is widest , new lowest .";
  const bpe = trainBpe(text + story, { merges: 30 });
  assert.equal(bpe.decode(bpe.encode(story)), story);
  assert.equal(bpe.decode(bpe.encode("The  lower\n\n\nnews")), "the lower \n news");
  assert.equal(bpe.decode([]), "");
});

Deno.test("characters beyond the basic plane are one symbol", () => {
  const bpe = trainBpe("𝔸𝔹 𝔸𝔹", { merges: 0 });
  assert.deepEqual(bpe.pieces, ["<unk>", "𝔸", "𝔹", "𝔸</w>", "𝔹</w>", "\n</w>"]);
  assert.equal(bpe.decode(bpe.encode("𝔸𝔹")), "𝔸𝔹");
});

Deno.test("special ids are shown, others out of range refused", () => {
  const bpe = trainBpe(text, { merges: 100 });
  const low = bpe.encoder.get("low</w>") ?? -1;
  assert.equal(
    bpe.decode([bpe.size, low, bpe.size + 1, low, bpe.size + 2]),
    "<start> low <delim> low <extract>",
  );
  for (const id of [-1, bpe.size + 3, 0.5, NaN]) assert.throws(() => bpe.decode([id]), InputError);
});

Deno.test("the state survives JSON", () => {
  const bpe = trainBpe(text, { merges: 9 });
  const copy = tokenizerFrom(JSON.parse(JSON.stringify(bpe)));
  assert.deepEqual(copy.encode("lowest newer widow"), bpe.encode("lowest newer widow"));
  assert.equal(JSON.stringify(copy), JSON.stringify(bpe));
});

Deno.test("a text without words, and merges that are no count, are refused", () => {
  for (const empty of ["", " \n\t "]) {
    assert.throws(
      () => trainBpe(empty, { merges: 1 }),
      /^InputError: Cannot train BPE as the text must have/,
    );
  }
  for (const merges of [-1, 1.5, NaN, Infinity, "4" as unknown as number]) {
    assert.throws(
      () => trainBpe("a", { merges }),
      /^InputError: Cannot train BPE with merges \S+ as it must be a whole number from 0/,
    );
  }
  assert.throws(
    () => trainBpe("a", { merges: 0 }).encode(5 as unknown as string),
    /^InputError: Cannot encode/,
  );
});

Deno.test("a state that is no vocabulary is refused", () => {
  const bad: [state: unknown, message: RegExp][] = [
    [null, /its pieces must be a list/],
    [{ pieces: [], merges: [] }, /its pieces must be a list/],
    [{ pieces: ["a"] }, /its merges must be a list/],
    [{ pieces: ["a", 5], merges: [] }, /piece 1 of its pieces must be a string/],
    [{ pieces: ["a", "a"], merges: [] }, /must be distinct: current piece 1 is "a" again/],
    [{ pieces: ["a"], merges: ["aa"] }, /merge 0 must hold two pieces/],
    [{ pieces: ["a"], merges: [["a", { toString: 1 }]] }, /merge 0 must hold two pieces/],
    [{ pieces: ["a", "\ud83d"], merges: [] }, /piece 1 of its pieces must be well-formed Unicode/],
    [
      { pieces: ["a", "b".repeat(1025)], merges: [] },
      /must have at most 1024 characters: current number is 1025/,
    ],
    [
      { pieces: ["a", "<unk>"], merges: [] },
      /its pieces must begin with <unk>, for unknown .*: the first is "a"$/,
    ],
    [{ pieces: ["a", "b"], merges: [["a", "b"]] }, /the piece without an id is "ab"/],
    [{ pieces: ["a", "aa"], merges: [["a", "a"], ["a", "a"]] }, /merge 1 must differ/],
  ];
  for (const [state, message] of bad) {
    assert.throws(() => tokenizerFrom(state as Parameters<typeof tokenizerFrom>[0]), (error: unknown) => {
      assert.ok(error instanceof InputError);
      assert.match(error.message, message);
      return true;
    });
  }
});
