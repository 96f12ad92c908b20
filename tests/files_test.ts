import { fileURLToPath } from "node:url";
import { type Claim, claim, holderOf, STALE } from "../lib/claim.ts";
import { checkFolders, checkWritable, createFolder, fileError, readFile, writeAtomic } from "../lib/files.ts";
import { assert, assertEquals, assertRefused } from "./assert.ts";
import { outputOf } from "./programs.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** Runs a program in a process of its own, which imports the kit's files. */
async function run(code: string, end: "KILL" | "" = ""): Promise<string> {
  const imports =
    `import { claim } from "${root}lib/claim.ts"; import { checkFolders, checkWritable, createFolder, fileError, readFile, writeAtomic } from "${root}lib/files.ts";`;
  const { stdout, stderr, code: exit, signal } = await new Deno.Command(Deno.execPath(), {
    args: ["eval", `--config=${root}deno.json`, `${imports}\n${code}`],
    env: { NO_COLOR: "1" },
  }).output();
  const said = new TextDecoder().decode(stderr);
  assert(end ? signal === `SIG${end}` : exit === 0, said);
  return new TextDecoder().decode(stdout).trim();
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  await test(folder);
  await Deno.remove(folder, { recursive: true });
}

const names = (folder: string) => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();

/** The claim of the one of eight that gets it. */
async function oneOfEight(path: string): Promise<Claim> {
  const tries = await Promise.all(Array.from({ length: 8 }, () => claim(path)));
  const held = tries.filter((found) => "release" in found);
  assertEquals(held.length, 1);
  return held[0]!;
}

Deno.test("four processes that write one file leave one whole file, and readers see nothing else", () =>
  inFolder(async (folder) => {
    const path = `${folder}/file`;
    const write = (letter: string) =>
      run(
        `for (let i = 0; i < 60; i++) await writeAtomic("${path}", Array(40).fill("${letter}".repeat(10_000)));`,
      );
    let [over, reads] = [false, 0];
    const writers = Promise.all(["a", "b", "c", "d"].map(write)).finally(() => over = true);
    while (!over) {
      const text = await Deno.readTextFile(path).catch(() => undefined);
      if (text !== undefined) {
        reads++;
        assert(text.length === 400_000 && text === text[0]!.repeat(400_000), "a torn file");
      }
      await new Promise((resume) => setTimeout(resume, 1));
    }
    await writers;
    assert(reads > 10, `only ${reads} reads`);
    assertEquals(names(folder), ["file"]);
  }));

Deno.test("of four processes that make one folder one makes it, and the others are told", () =>
  inFolder(async (folder) => {
    const make = (letter: string) =>
      run(`
        const fill = async (at) => {
          for (let i = 0; i < 20; i++) await Deno.writeTextFile(\`\${at}/\${i}\`, "${letter}");
        };
        try { await createFolder("${folder}/made", fill); console.log("made"); } catch (error) { console.log(error.message); }
      `);
    const said = (await Promise.all(["a", "b", "c", "d"].map(make))).sort();
    assertEquals(said.filter((text) => text === "made").length, 1, said.join());
    assert(
      said.slice(0, 3).every((text) => /^Cannot create .* as it already exists/.test(text)),
      said.join(),
    );
    assertEquals(names(folder), ["made"]);
    const letters = names(`${folder}/made`).map((name) => Deno.readTextFileSync(`${folder}/made/${name}`));
    assertEquals([letters.length, new Set(letters).size], [20, 1]);
  }));

Deno.test("a file is never written through a symbolic link, at its place or at that of a temporary one", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/victim`, "mine");
    await Deno.symlink(`${folder}/victim`, `${folder}/link`);
    await Deno.symlink(`${folder}/victim`, `${folder}/link.tmp`);
    await Deno.symlink(`${folder}/victim`, `${folder}/link.probe`);
    await writeAtomic(`${folder}/link`, ["new"]);
    assertEquals([await Deno.readTextFile(`${folder}/victim`), await Deno.readTextFile(`${folder}/link`)], [
      "mine",
      "new",
    ]);
  }));

Deno.test("what a killed process has half written is swept away, and what another writes is left alone", () =>
  inFolder(async (folder) => {
    const old = Date.now() / 1e3 - 3600;
    for (const name of ["file.01234567.tmp", "file.89abcdef.tmp", "other.01234567.tmp", "file.x.tmp"]) {
      await Deno.writeTextFile(`${folder}/${name}`, "half");
      await Deno.utime(`${folder}/${name}`, old, old);
    }
    using busy = await Deno.open(`${folder}/file.89abcdef.tmp`);
    await busy.lock(true);
    await writeAtomic(`${folder}/file`, ["whole"]);
    assertEquals(names(folder), ["file", "file.89abcdef.tmp", "file.x.tmp", "other.01234567.tmp"]);
    await Deno.mkdir(`${folder}/made.01234567.tmp`);
    await Deno.utime(`${folder}/made.01234567.tmp`, old, old);
    await createFolder(`${folder}/made`, () => Promise.resolve());
    assert(!names(folder).includes("made.01234567.tmp"));
  }));

Deno.test("a refusal names what was asked for and no temporary file", () =>
  inFolder(async (folder) => {
    const long = `${folder}/${"x".repeat(300)}`;
    await assertRefused(() => writeAtomic(long, []), /^Cannot write .*x: File name too long (?!.*\.tmp)/);
    await assertRefused(
      () => createFolder(long, async () => {}),
      /^Cannot create .*x: File name too long (?!.*\.tmp)/,
    );
  }));

Deno.test("where a folder of a path is a file, the refusal names it", () =>
  inFolder(async (folder) => {
    const file = `${folder}/file`;
    await Deno.writeTextFile(file, "");
    const tries: [action: string, path: string, act: (path: string) => unknown][] = [
      ["write", "file/x", (path) => writeAtomic(path, [])],
      ["write", "file/x/y/z", (path) => writeAtomic(path, [])],
      ["write", "file/x", checkWritable],
      ["create", "file/x", (path) => createFolder(path, async () => {})],
      ["read a model", "file/x/y", (path) => readFile(path, "a model")],
      ["claim", "file/x", claim],
      ["list", "file", (path) => checkFolders("list", path)],
      ["list", "file/x/y", (path) => checkFolders("list", path)],
    ];
    for (const [action, path, act] of tries) {
      const sentence =
        `Cannot ${action} ${folder}/${path} as ${file} is a file and not a folder: choose another path`;
      await assertRefused(async () => await act(`${folder}/${path}`), new RegExp(`^${sentence}$`));
    }
    const error = await Deno.mkdir(`${file}/x`).catch((error) => error); // Where the path is only in the error.
    assertEquals(
      (fileError("run", "deno task x", error) as Error).message,
      `Cannot run deno task x as ${file} is a file and not a folder: choose another path`,
    );
    checkFolders("list", folder);
    checkFolders("list", `${folder}/new/x`);
    assertEquals(names(folder), ["file"]);
  }));

Deno.test("a claim has one holder, and is free again when it is released", () =>
  inFolder(async (folder) => {
    const path = `${folder}/work.claim`;
    for (let round = 0; round < 500; round++) { // Some meet in the moment in which the file is there and not locked.
      const held = await oneOfEight(path);
      assertEquals((await holderOf(path))?.process, Deno.pid);
      await held.release();
      assertEquals([await holderOf(path), names(folder)], [undefined, []]);
    }
  }));

Deno.test("a link, a folder or a pipe in a claim's place is refused at once", () =>
  inFolder(async (folder) => {
    const path = `${folder}/work.claim`;
    const refused = /^Cannot claim .*work\.claim as it is not a regular file: remove it$/;
    await Deno.symlink(`${folder}/nowhere`, path);
    await assertRefused(() => claim(path), refused);
    await Deno.remove(path);
    await Deno.mkdir(path);
    await assertRefused(() => claim(path), refused);
    await Deno.remove(path);
    if (await outputOf("mkfifo", path) !== undefined) await assertRefused(() => claim(path), refused);
  }));

Deno.test("a pipe, a device and a file of /proc that has no end are not read", () =>
  inFolder(async (folder) => {
    const pipe = `${folder}/pipe`;
    const paths = ["/dev/zero", ...await outputOf("mkfifo", pipe) === undefined ? [] : [pipe]];
    for (const path of paths) {
      await assertRefused(() => readFile(path, "a corpus"), /^Cannot read .* as it is not a file$/);
    }
    if (Deno.build.os !== "linux") return;
    // Deno leaves /proc to programs with all permissions, such as notebooks.
    assertEquals(await run(`console.log((await readFile("/proc/self/pagemap", "a corpus")).length);`), "0");
  }));

Deno.test("a claim whose process was killed is taken over at once, by one of those who try", () =>
  inFolder(async (folder) => {
    const path = `${folder}/work.claim`;
    const sys = Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state;
    await run(`await claim("${path}"); Deno.kill(Deno.pid, "SIGKILL");`, "KILL");
    if (sys !== "granted") { // Then this process does not know that the other was on the same machine.
      const holder = JSON.parse(await Deno.readTextFile(path));
      await Deno.writeTextFile(path, JSON.stringify({ ...holder, host: "" }));
    }
    assertEquals([names(folder), await holderOf(path)], [["work.claim"], undefined]);
    await (await oneOfEight(path)).release();
    assertEquals(names(folder), []);
  }));

Deno.test("another machine's claim is taken over when it was not touched for two minutes, by one of those who try", () =>
  inFolder(async (folder) => {
    const path = `${folder}/work.claim`;
    const holder = { host: "elsewhere", process: 7, since: "2026-01-01T00:00:00.000Z" };
    await Deno.writeTextFile(path, JSON.stringify({ ...holder, token: "x" }));
    assertEquals([await claim(path), await holderOf(path)], [holder, holder]);
    const old = (Date.now() - STALE - 1000) / 1e3;
    await Deno.utime(path, old, old);
    assertEquals(await holderOf(path), undefined);
    await (await oneOfEight(path)).release();
    assertEquals(names(folder), []);
  }));

Deno.test("a holder that was not heard of for too long learns that its claim was taken over", () =>
  inFolder(async (folder) => {
    const path = `${folder}/work.claim`;
    const mine = await claim(path);
    assert("release" in mine);
    const old = (Date.now() - STALE - 1000) / 1e3;
    await Deno.utime(path, old, old);
    const other = await claim(path);
    assert("release" in other, "a stopped process keeps its lock, and loses its claim all the same");
    for (let i = 0; i < 200 && !mine.lost.aborted; i++) {
      await new Promise((resume) => setTimeout(resume, 100));
    }
    assert(mine.lost.aborted);
    await mine.release();
    assertEquals((await holderOf(path))?.process, Deno.pid, "what is another's is not released");
    await other.release();
    assertEquals(names(folder), []);
  }));
