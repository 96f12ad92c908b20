import { fileURLToPath } from "node:url";
import kit from "../../deno.json" with { type: "json" };
import { codeDigest, gitRevision } from "../../lib/engine/provenance.ts";
import { assert, assertEquals } from "../assert.ts";

const root = new URL("../../", import.meta.url);

/** Writes files into a new folder. */
async function folderOf(files: Record<string, string>): Promise<URL> {
  const folder = await Deno.makeTempDir();
  for (const [path, text] of Object.entries(files)) {
    await Deno.mkdir(`${folder}/${path}`.replace(/[^/]*$/, ""), { recursive: true });
    await Deno.writeTextFile(`${folder}/${path}`, text);
  }
  return new URL(`file://${folder}/`);
}

Deno.test("provenance names the kit's version and revision, whatever git folder it is called from", async () => {
  const elsewhere = await folderOf({ ".git/HEAD": `${"a".repeat(40)}\n` });
  const code = `import { backend, provenance } from "${new URL("mod.ts", root).href}";
await backend("cpu");
console.log(JSON.stringify(await provenance()));`;
  await Deno.writeTextFile(new URL("run.ts", elsewhere), code);
  const { stdout } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--quiet",
      "--allow-read",
      "--allow-env",
      `--config=${fileURLToPath(new URL("deno.json", root))}`,
      "run.ts",
    ],
    cwd: elsewhere,
  }).output();
  const { version, revision } = JSON.parse(new TextDecoder().decode(stdout).trim().split("\n").at(-1)!);
  assertEquals([version, revision], [kit.version, await gitRevision(root)]);
});

Deno.test("a revision is read from a branch, packed refs, a detached head, a worktree and a submodule", async () => {
  const sum = (letter: string) => letter.repeat(40);
  const head = "ref: refs/heads/main\n";
  const at = async (files: Record<string, string>, path = "") =>
    gitRevision(new URL(path, await folderOf(files)));
  assertEquals(await at({ ".git/HEAD": head, ".git/refs/heads/main": `${sum("a")}\n` }), sum("a"));
  const packed = `# pack-refs\n${sum("c")} refs/heads/other\n${sum("b")} refs/heads/main\n`;
  assertEquals(await at({ ".git/HEAD": head, ".git/packed-refs": packed }), sum("b"));
  assertEquals(await at({ ".git/HEAD": `${sum("d")}\n` }), sum("d"));
  const worktree = {
    "tree/.git": "gitdir: ../kit/.git/worktrees/tree\n",
    "kit/.git/worktrees/tree/HEAD": head,
    "kit/.git/worktrees/tree/commondir": "../..\n",
    "kit/.git/refs/heads/main": `${sum("e")}\n`,
  };
  assertEquals(await at(worktree, "tree/"), sum("e"));
  const submodule = { "kit/.git": "gitdir: ../.git/modules/kit\n", ".git/modules/kit/HEAD": `${sum("f")}\n` };
  assertEquals(await at(submodule, "kit/"), sum("f"));
  assertEquals(await at({ "mod.ts": "" }), undefined);
  assertEquals(await gitRevision(new URL("https://example.org/kit/")), undefined);
});

Deno.test("the code's version is that of what computes", async () => {
  const files = { "numbers.ts": "1", "model/forward.ts": "2", "cli/render.ts": "3", "study/tables.ts": "4" };
  const of = async (change: Record<string, string>) =>
    await codeDigest(await folderOf({ ...files, ...change }));
  const before = await of({});
  for (const name of ["numbers.ts", "model/forward.ts"]) assert(await of({ [name]: "0" }) !== before, name);
  for (const name of ["cli/render.ts", "study/tables.ts", "notebook/page.ts", "model/notes.md"]) {
    assertEquals(await of({ [name]: "0" }), before, name);
  }
  assertEquals(await codeDigest(new URL("https://example.org/lib/")), undefined);
});
