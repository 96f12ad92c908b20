import {
  batchOf,
  type EncodedTask,
  paddingShare,
  shuffled,
  shuffledByLength,
  windowBatches,
} from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";

Deno.test("an epoch meets every item once, in an order of its own, and leaves out what fills no batch", () => {
  const pick = shuffled(1, 10, 3);
  const epoch = (n: number) => [0, 1, 2].flatMap((i) => [...pick(3 * n + i)]);
  for (const n of [0, 1, 2]) assertEquals(new Set(epoch(n)).size, 9);
  assert(epoch(0).join() !== epoch(1).join());
  assertEquals([...shuffled(1, 10, 3)(4)], [...pick(4)], "order is a function of seed and update alone");
  assert([...shuffled(2, 10, 3)(4)].join() !== [...pick(4)].join());
  assertEquals([...shuffled(1, 2, 32)(0)].sort(), [0, 1], "a batch is no larger than there are items");
});

Deno.test("windows are contiguous, do not overlap in an epoch, and begin elsewhere in the next", () => {
  const ids = Int32Array.from({ length: 103 }, (_, i) => i);
  const batchAt = windowBatches(ids, 10, 3, 1);
  const starts = (epoch: number) =>
    [0, 1, 2].flatMap((i) => {
      const { ids, lengths } = batchAt(3 * epoch + i);
      assertEquals([...lengths], [10, 10, 10]);
      return [0, 1, 2].map((n) => {
        const window = ids.subarray(10 * n, 10 * n + 10);
        assertEquals([...window], Array.from(window, (_, j) => window[0]! + j));
        return window[0]!;
      });
    });
  for (const epoch of [0, 1, 2]) assertEquals(new Set(starts(epoch).map((s) => Math.floor(s / 10))).size, 9);
  assert(new Set([0, 1, 2, 3, 4].map((epoch) => starts(epoch)[0]! % 10)).size > 1);
});

Deno.test("a text that fills no window is refused; one that fills exactly one is read", async () => {
  await assertRefused(
    () => windowBatches(new Int32Array(9), 10, 1, 1),
    /^Cannot cut windows of 10 tokens from a text of 9/,
  );
  assertEquals(windowBatches(Int32Array.from({ length: 10 }, (_, i) => i), 10, 4, 1)(7).ids[9], 9);
});

Deno.test("sequences of unequal length are padded on the right with 0", () => {
  const { ids, lengths } = batchOf([Int32Array.of(5, 6), Int32Array.of(7, 8, 9)]);
  assertEquals([[...ids], [...lengths]], [[5, 6, 0, 7, 8, 9], [2, 3]]);
  assertEquals([...batchOf([Int32Array.of(5)], undefined, 3).ids], [5, 0, 0]);
});

Deno.test("batches of one length each meet every item once an epoch, in another order in the next, with less padding", () => {
  const lengths = Array.from({ length: 1000 }, (_, i) => 5 + (i * 7919) % 60);
  const [mixed, sorted] = [shuffled(3, 1000, 16), shuffledByLength(3, lengths, 16)];
  const epoch = (pick: typeof mixed, number: number) =>
    Array.from({ length: 62 }, (_, i) => [...pick(62 * number + i)]);
  for (const number of [0, 1]) {
    const items = epoch(sorted, number).flat();
    assertEquals(new Set(items).size, 62 * 16);
    assertEquals(items.toSorted(), epoch(mixed, number).flat().toSorted(), "the same items are left out");
  }
  assert(epoch(sorted, 0).join() !== epoch(sorted, 1).join());
  assertEquals(
    [...shuffledByLength(3, lengths, 16)(70)],
    [...sorted(70)],
    "a function of seed and update alone",
  );

  const waste = (batches: number[][]) => {
    const widths = batches.map((batch) => Math.max(...batch.map((i) => lengths[i]!)));
    const read = widths.reduce((sum, width) => sum + 16 * width, 0);
    return 1 - batches.flat().reduce((sum, i) => sum + lengths[i]!, 0) / read;
  };
  assert(waste(epoch(mixed, 0)) > 0.4 && waste(epoch(sorted, 0)) < 0.04);
  const order = epoch(sorted, 0).map((batch) => lengths[batch[0]!]!);
  const rises = order.filter((length, i) => i > 0 && length >= order[i - 1]!).length;
  assert(rises > 20 && rises < 42, `batches come in a random order of length: ${rises} of 61 rise`);
});

Deno.test("items of one length come in the same groups in no two epochs", () => {
  const lengths = Array.from({ length: 256 }, () => 9);
  const pick = shuffledByLength(1, lengths, 16);
  const groups = (number: number) =>
    new Set(Array.from({ length: 16 }, (_, i) => [...pick(16 * number + i)].toSorted().join()));
  assert(groups(0).isDisjointFrom(groups(1)));
});

Deno.test("the share of padding is that of batches as they are read: of variant `paper`, to the task's longest text", () => {
  const train = [2, 4, 2, 4, 8, 8].map((length) => ({ length, sequences: [new Int32Array(length)] }));
  const task = { train, longest: 10 } as unknown as EncodedTask, tokens = 28;
  assertEquals(paddingShare(task, 6, 1, { variant: "clean" }), 1 - tokens / (6 * 8));
  assertEquals(paddingShare(task, 6, 1, { variant: "paper" }), 1 - tokens / (6 * 10));
});
