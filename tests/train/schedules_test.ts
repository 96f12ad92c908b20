import { gpt, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { checkWarmup, finetune, rateAt, schedules, stableUpdates } from "../../lib/train/mod.ts";
import { assert, assertEquals, assertRefused } from "../assert.ts";
import { splits, toy } from "../toy.ts";

const schedule = "warmup_stable_decay" as const;
const factors = (updates: number, warmup: number) =>
  Array.from({ length: updates }, (_, n) => schedules[schedule](n / updates, warmup, updates));

Deno.test("warm-up, constant and decay have the values that a hand computes", () => {
  const decay = [1, 0.5]; // The last fifth of 10 updates.
  assertEquals(factors(10, 4 / 2000), [0, 0.25, 0.5, 0.75, 1, 1, 1, 1, ...decay]);
  assertEquals(factors(10, 0), [...Array(8).fill(1), ...decay], "no warm-up");
  assertEquals(factors(10, 8 / 2000).slice(6), [6 / 8, 7 / 8, ...decay], "a warm-up up to the decay");
  assertEquals(factors(20, 0).slice(14), [1, 1, 1, 0.75, 0.5, 0.25]);
  assertEquals(schedules[schedule](1, 0, 10), 0, "it ends at 0");
  assertEquals([1, 2, 3, 5, 8, 4000].map(stableUpdates), [1, 2, 2, 4, 6, 3200]);
  assertEquals([factors(1, 0), factors(2, 0), factors(3, 0)], [[1], [1, 1], [1, 1, 1]], "too short to decay");
});

Deno.test("runs of any length have the same rates before their decays, bit for bit", () => {
  const adam = { rate: 1.5e-3, schedule, warmup: 0.1, decay: 0.01, clip: 1 };
  const longest = Array.from({ length: 3200 }, (_, n) => rateAt(n, { ...adam, updates: 4000 }));
  for (const updates of [250, 333, 999, 1000, 1777, 3999, 1e8]) {
    for (let n = 0; n < Math.min(3200, stableUpdates(updates)); n++) {
      assert(rateAt(n, { ...adam, updates }) === longest[n], `update ${n} of ${updates}`);
    }
  }
  assertEquals([longest[0], longest[100], longest[200], longest[3199]], [0, 0.75e-3, 1.5e-3, 1.5e-3]);
});

Deno.test("a warm-up that is longer than what precedes the decay is refused, with the longest", async () => {
  checkWarmup("pre-train", { schedule, warmup: 0.1, updates: 250 });
  checkWarmup("pre-train", { schedule: "warmup_cosine", warmup: 1, updates: 10 });
  await assertRefused(
    () => checkWarmup("pre-train", { schedule, warmup: 0.1, updates: 249 }),
    /^Cannot pre-train with warmup 0\.1 as in warmup_stable_decay it is a share of 2000 updates, and the decay begins after update 199: at most 0\.0995 works$/,
  );
  const rows = ["rain", "sun", "wind"].map((text, label) => ({ text, label: label % 2 }));
  const task = {
    name: "sky",
    kind: "classification" as const,
    labels: ["cold", "warm"],
    ...toy,
    ...splits(rows),
  };
  const lm = gpt(presets.smoke, { tokenizer: trainBpe("rain and sun and wind", { merges: 5 }) });
  await assertRefused(
    () => finetune(lm, task, { schedule, warmup: 0.1, epochs: 5, batch: 2 }), // 5 updates, as a batch is not whole.
    /^Cannot fine-tune with warmup 0\.1 as .* begins after update 4: at most 0\.002 works$/,
  );
});
