/**
 * A short run that saves after every update; `resume_test.ts` kills it. It says so when its first update is saved. The
 * argument is its checkpoint.
 */
import { backend } from "../../lib/engine/mod.ts";
import { gpt, presets } from "../../lib/model/mod.ts";
import { trainBpe } from "../../lib/text/mod.ts";
import { pretrain } from "../../lib/train/mod.ts";

await backend();
const train = "to be or not to be that is the question ".repeat(20);
const lm = gpt({ ...presets.smoke, context: 8 }, { tokenizer: trainBpe(train, { merges: 20 }), seed: 3 });
let begun = false;
for await (
  const _ of pretrain(lm, { train }, { updates: 1200, batch: 2, checkpoint: Deno.args[0]!, saveEvery: 1 })
) {
  if (!begun) console.log("under way");
  begun = true;
}
