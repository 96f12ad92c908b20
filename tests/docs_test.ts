import { fileURLToPath } from "node:url";
import { assertEquals } from "./assert.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** What `deno doc --lint` finds in files. */
async function lint(...files: string[]): Promise<string[]> {
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", ...files],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  return new TextDecoder().decode(stderr).split(/\n(?=error\[)/).filter((text) => text.startsWith("error["));
}

Deno.test("every public name and field is documented, and names public types only", async () => {
  assertEquals(await lint("mod.ts"), []);
});

Deno.test("in the folders' own exports, too, with those of npm packages", async () => {
  const folders = ["engine", "model", "text", "data", "train", "study", "show", "live", "notebook"];
  // deno doc takes types of npm packages for private ones: it knows no other sort of foreign type.
  const foreign = /references private type '(Tensor\dD|Tensor|Scalar|Variable|Rank|ShapeMap|ColumnTable)'/;
  const errors = await lint("mod.ts", ...folders.map((folder) => `lib/${folder}/mod.ts`));
  assertEquals(errors.filter((text) => !foreign.test(text)), []);
});
