import { assert, assertEquals } from "./assert.ts";

const lib = new URL("../lib/", import.meta.url);

/** The rooms that each room may import from; a room may always import from itself and from lib's own files. */
const arrows: Record<string, string[]> = {
  engine: [],
  text: [],
  data: ["text"],
  model: ["engine", "text"],
  train: ["engine", "model", "text", "data"],
  study: ["engine", "model", "text", "data", "train"],
  show: [],
  notebook: ["show"],
  cli: ["engine", "model", "text", "data", "train", "study", "show", "notebook"],
};

async function* sources(folder: URL): AsyncGenerator<URL> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else if (name.endsWith(".ts")) yield new URL(name, folder);
  }
}

Deno.test("a room imports only from the rooms before it", async () => {
  const wrong: string[] = [];
  let seen = 0;
  for await (const file of sources(lib)) {
    const path = file.href.slice(lib.href.length);
    const room = path.includes("/") ? path.split("/")[0]! : "";
    // What stands in a comment is an example, and imports as its reader would.
    const code = (await Deno.readTextFile(file)).replace(/^\s*(\*|\/\/|\/\*).*$/gm, "");
    for (const [, specifier] of code.matchAll(/(?:from|import)\s+"([^"]+)"/g)) {
      if (!specifier!.startsWith(".")) continue;
      seen++;
      const target = new URL(specifier!, file).href.slice(lib.href.length);
      const other = target.includes("/") ? target.split("/")[0]! : "";
      if (other !== "" && other !== room && !arrows[room]?.includes(other)) wrong.push(`${path} → ${target}`);
    }
  }
  assertEquals(wrong, []);
  assert(seen > 50, `only ${seen} imports were found`);
});

Deno.test("lib loads where JSR cannot be reached", async () => {
  for await (const file of sources(lib)) {
    const code = await Deno.readTextFile(file);
    assert(!/(?:from|import)\s*\(?\s*"(?:jsr:|@std\/)/.test(code), `${file.pathname} imports from JSR`);
  }
});

Deno.test("tasks name what they may run, look up and connect to; only what runs code of others may do all", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  const commands = Object.entries<string>(tasks).filter(([, command]) => command.includes(" lib/cli/"));
  assert(commands.length > 5);
  for (const [name, command] of commands) {
    const whole = [...command.matchAll(/--allow-(run|env|net|sys|all)(?= |$)/g)].map(([flag]) => flag);
    assertEquals([name, whole], [name, name === "notebooks" ? ["--allow-env", "--allow-run"] : []]);
  }
});
