import { assert, assertEquals } from "./assert.ts";
import { sources } from "./sources.ts";

const lib = new URL("../lib/", import.meta.url);

/** The folders that each folder may import from; a folder may always import from itself and from lib's own files. */
const arrows: Record<string, string[]> = {
  engine: [],
  text: [],
  data: ["text"],
  model: ["engine", "text"],
  train: ["engine", "model", "text", "data"],
  study: ["engine", "model", "text", "data", "train"],
  show: [],
  live: ["engine", "model", "text", "train", "show"],
  notebook: ["show", "live"],
  cli: ["engine", "model", "text", "data", "train", "study", "show", "live", "notebook"],
};

/** The files of a folder that others may import: what is public, and its settings, whose types are inferred. */
const entryPoints = ["mod.ts", "settings.ts"];

/** Other files that another folder may import, and why. */
const exceptions: Record<string, string> = {
  "data/obtain.ts": "what unpacks archives has 9 MB, which only the command that downloads them needs",
  "train/checkpoint.ts": "what pages run is all that they import, and mod.ts would bring all of training",
  "live/cell.ts": "a page is made without a model",
  "live/page.ts": "a page is made without a model",
  "text/inputs.ts": "a page is made without a tokenizer",
};

/** The files that a file of lib imports, as paths in lib. */
async function importsOf(file: URL): Promise<string[]> {
  // What stands in a comment is an example, and imports as its reader would.
  const code = (await Deno.readTextFile(file)).replace(/^\s*(\*|\/\/|\/\*).*$/gm, "");
  return [...code.matchAll(/(?:\bfrom|\bimport|\bimport\(|\bnew URL\()\s*"(\.[^"]*\.ts)"/g)]
    .map(([, specifier]) => new URL(specifier!, file).href.slice(lib.href.length));
}

const folderOf = (path: string) => path.includes("/") ? path.split("/")[0]! : "";

Deno.test("a folder imports only from the folders before it, and of them only mod.ts and settings.ts", async () => {
  const wrong: string[] = [];
  let seen = 0;
  for await (const file of sources(lib)) {
    const path = file.href.slice(lib.href.length), folder = folderOf(path);
    for (const target of await importsOf(file)) {
      seen++;
      const other = folderOf(target);
      if (other === "" || other === folder) continue;
      const isEntryPoint = target in exceptions || entryPoints.some((name) => target === `${other}/${name}`);
      if (!isEntryPoint || !arrows[folder]?.includes(other)) wrong.push(`${path} → ${target}`);
    }
  }
  assertEquals(wrong, []);
  assert(seen > 400, `only ${seen} imports were found`);
});

Deno.test("lib loads where JSR cannot be reached", async () => {
  for await (const file of sources(lib)) {
    const code = await Deno.readTextFile(file);
    assert(!/(?:from|import)\s*\(?\s*"(?:jsr:|@std\/)/.test(code), `${file.pathname} imports from JSR`);
  }
});

Deno.test("a file's path is made of its URL by fileURLToPath, as Windows has drives and escapes", async () => {
  const wrong: string[] = [];
  for (const folder of [lib, new URL("../tests/", import.meta.url)]) {
    for await (const file of sources(folder)) {
      const code = (await Deno.readTextFile(file)).replaceAll(/^ *(?:\*|\/\/).*$/gm, "");
      if (/import\.meta\.url\)\.pathname|root\.pathname/.test(code)) wrong.push(file.href);
    }
  }
  assertEquals(wrong, []);
});

/** What is imported, or declares types, and is neither a file nor a template. */
const PACKAGE = /(?:^import|^export|^}|\bimport\(|@ts-types=)(?:[^"\n]* from)? *"([^".$][^"\n]*)"/gm;

Deno.test("lib names its packages with their versions, so that it starts from any folder; each has one version", async () => {
  const { imports } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  const versions = new Map<string, Set<string>>();
  const see = (specifier: string) => {
    const [, name, version] = /^npm:\/?((?:@[^/]+\/)?[^/@]+)@(\d+\.\d+\.\d+)(?:\/|$)/.exec(specifier) ?? [];
    assert(name && version, `${specifier} names no exact version`);
    versions.set(name, (versions.get(name) ?? new Set()).add(version));
  };
  for await (const file of sources(lib)) {
    const code = (await Deno.readTextFile(file)).replaceAll(/^ *\*.*$/gm, ""); // Without examples.
    for (const [, specifier] of code.matchAll(PACKAGE)) {
      if (!specifier!.startsWith("node:")) see(specifier!);
    }
    for (const [specifier] of code.matchAll(/npm:\/?[\w@][^"\s]*/g)) see(specifier);
  }
  for (const [specifier] of Object.values<string>(imports).join("\n").matchAll(/npm:[^'\s]+/g)) {
    see(specifier);
  }
  assert(versions.size > 20, `only ${versions.size} packages were found`);
  assertEquals([...versions].filter(([, found]) => found.size > 1), []);
});

Deno.test("tasks name what they may run, look up and connect to; only what runs code of others may do all", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  const commands = Object.entries<{ command: string; description: string }>(tasks)
    .filter(([, { command }]) => command.includes(" lib/cli/"));
  assert(commands.length > 5);
  assert(Object.values<{ description: string }>(tasks).every(({ description }) => description));
  for (const [name, { command }] of commands) {
    const whole = [...command.matchAll(/--allow-(run|env|net|sys|all)(?= |$)/g)].map(([flag]) => flag);
    assertEquals([name, whole], [name, name === "notebooks" ? ["--allow-env", "--allow-run"] : []]);
  }
});
