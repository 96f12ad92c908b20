import { assert } from "./assert.ts";

const root = new URL("../", import.meta.url).pathname;

Deno.test("every public name and field is documented, and speaks of public types or tfjs' only", async () => {
  const rooms = ["engine", "model", "text", "data", "train", "study", "show", "notebook"].map((room) =>
    `lib/${room}/mod.ts`
  );
  const { stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["doc", "--lint", "mod.ts", ...rooms],
    cwd: root,
    env: { NO_COLOR: "1" },
  }).output();
  // deno doc takes types of npm packages for private ones: it knows no other sort of foreign type.
  const foreign = /references private type '(Tensor\dD|Tensor|Scalar|Variable|Rank|ShapeMap|ColumnTable)'/;
  const errors = new TextDecoder().decode(stderr).split(/\n(?=error\[)/)
    .filter((text) => text.startsWith("error[") && !foreign.test(text));
  assert(errors.length === 0, errors.join("\n"));
});
