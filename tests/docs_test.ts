import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "./assert.ts";

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

Deno.test("the public documentation links to public names only", async () => {
  const { stdout } = await new Deno.Command(Deno.execPath(), { args: ["doc", "--json", "mod.ts"], cwd: root })
    .output();
  const { nodes } = JSON.parse(new TextDecoder().decode(stdout)) as { nodes: Documented };
  const symbols = Object.values(nodes).flatMap(({ symbols }) => symbols);
  const names = new Set(symbols.map(({ name }) => name));
  const linked = JSON.stringify(symbols).matchAll(/\{@link(?:code)? (\w+)/g).map(([, name]) => name!)
    .toArray();
  assert(linked.length > 20, `${linked.length}`);
  assertEquals([...new Set(linked)].filter((name) => !names.has(name)), []);
});

/** What `deno doc --json` says of files. */
type Documented = Record<string, { readonly symbols: readonly { readonly name: string }[] }>;
