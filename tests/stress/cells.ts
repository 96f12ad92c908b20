import { keyOf, permutation } from "../../lib/engine/mod.ts";
import { findPython, formatNotebook } from "../../lib/notebook/mod.ts";
import { outputOf, startTask } from "../programs.ts";
import { notebookOf } from "../notebooks/check.ts";
import type { Outcome, Part } from "./part.ts";

/** A cell, or two, and how its run must end. */
interface Cells {
  readonly sources: readonly string[];
  /** The exit code; that of a signal may be any other than 0. */
  readonly code: 0 | 1 | 2 | "any";
  /** Sent once the last cell has begun. */
  readonly stop?: Deno.Signal;
}

const fails = (...sources: string[]): Cells => ({ sources, code: 1 });
const works = (...sources: string[]): Cells => ({ sources, code: 0 });
const sleeps = (more = "") =>
  `new Deno.Command("sleep", { args: ["SECONDS"], stdin: "null", stdout: "null", stderr: "null"${more} }).spawn().unref();`;

const kinds: Record<string, Cells> = {
  "a throw": fails("throw new Error('no');"),
  "a throw of nothing": fails("throw undefined;"),
  "a throw of what cannot be printed": fails("throw new Proxy({}, { get() { throw 1; } });"),
  "a rejection": fails("Promise.reject(new Error('lost'));"),
  "a rejection with what cannot be printed": fails("Promise.reject(Object.create(null));"),
  "a rejection from a timer": fails(
    "setTimeout(() => Promise.reject(1), 100);\nawait new Promise((go) => setTimeout(go, 300));",
  ),
  "a throw from a timer": fails(
    "setTimeout(() => { throw new Error('late'); }, 100);\nawait new Promise((go) => setTimeout(go, 300));",
  ),
  "a throw from a microtask": fails("queueMicrotask(() => { throw new Error('micro'); });"),
  "a throw from an event": fails(
    "addEventListener('x', () => { throw new Error('event'); });\ndispatchEvent(new Event('x'));",
  ),
  "a throw in a worker": fails(
    "new Worker('data:text/javascript,throw 1', { type: 'module' });\nawait new Promise((go) => setTimeout(go, 800));",
  ),
  "an error output": fails(
    "await Deno.jupyter.broadcast('error', { ename: 'E', evalue: 'v', traceback: [] });",
  ),
  "a syntax error": fails("const = 3;"),
  "an import of nothing": fails('import "./nothing.ts";'),
  "an import of nothing, later": fails('await import("npm:/");'),
  "the kernel's end": fails("Deno.exit(0);"),
  "the kernel's end from a timer": fails(
    "setTimeout(() => Deno.exit(0), 50);",
    "await new Promise((go) => setTimeout(go, 300));",
  ),
  "the kernel's death": fails('Deno.kill(Deno.pid, "SIGKILL");'),
  "a stop signal to itself": fails('Deno.kill(Deno.pid, "SIGSTOP");'),
  "a loop": fails("for (;;);"),
  "a promise that never settles": fails("await new Promise(() => {});"),
  "a loop after the cell": fails("setTimeout(() => { for (;;); }, 0);", "2;"),
  "output without end": fails(
    "for (;;) {\n  console.log('x'.repeat(1e6));\n  await new Promise((go) => setTimeout(go, 5));\n}",
  ),
  "an output of 30 MB": fails("console.log('x'.repeat(30e6));"),
  "a display of 60 MB": fails(
    'await Deno.jupyter.display({ "text/plain": "x".repeat(60e6) }, { raw: true });',
  ),
  "a result of 30 MB": fails(
    "({ [Symbol.for('Jupyter.display')]: () => ({ 'text/html': '<'.repeat(30e6) }) });",
  ),
  "children": works(sleeps(), sleeps(", detached: true"), "3;"),
  "children, and a throw": fails(sleeps(), sleeps(", detached: true"), "throw 1;"),
  "children, and a loop": fails(sleeps(", detached: true"), "for (;;);"),
  "children of children": works(
    'new Deno.Command("sh", { args: ["-c", "(sleep SECONDS &) ; setsid sleep SECONDS"], stdin: "null", stdout: "null", stderr: "null" }).spawn().unref();',
  ),
  "Ctrl-C": { sources: [sleeps(", detached: true"), "for (;;);"], code: "any", stop: "SIGINT" },
  "SIGTERM": { sources: [sleeps(), "for (;;);"], code: "any", stop: "SIGTERM" },
  "SIGHUP": { sources: [sleeps(), "await new Promise(() => {});"], code: "any", stop: "SIGHUP" },
  "SIGKILL": { sources: [sleeps(), sleeps(", detached: true"), "for (;;);"], code: "any", stop: "SIGKILL" },
  "a notebook that writes itself": {
    sources: [
      'const text = Deno.readTextFileSync("it.ipynb");\nDeno.writeTextFileSync("it.ipynb", text.replace("c0", "d0"));\nDeno.writeTextFileSync("changed", "");',
    ],
    code: 2,
  },
  "a caught rejection": works("await Promise.reject(1).catch(() => 2);"),
  "output of odd letters": works(
    'await Deno.jupyter.display({ "text/plain": "\\ud800\\u0000\\u2028" }, { raw: true });',
  ),
};

/** Notebooks whose cells fail in odd ways, or leave something running. */
export const cells: Part = {
  about:
    "cells that fail in odd ways, flood, hang or leave processes: true exit codes, nothing left, files as they were",
  times: 30,
  async *attacks(seed) {
    const nbclient = await findPython().then(() => true, () => false);
    const names = Object.keys(kinds);
    for (let round = 0;; round++) {
      const waiting = Array.from(permutation(keyOf(seed, "cells", round), names.length), (i) => names[i]!);
      const under: Promise<Outcome>[] = [];
      while (waiting.length > 0 || under.length > 0) {
        while (under.length < 2 && waiting.length > 0) {
          const name = waiting.pop()!;
          under.push(
            nbclient
              ? attack(name, kinds[name]!)
              : Promise.resolve({ name: `${name} (not run: there is no nbclient)` }),
          );
        }
        yield await under.shift()!;
      }
    }
  },
};

let count = 0;

async function attack(name: string, { sources, code: expected, stop }: Cells): Promise<Outcome> {
  const folder = await Deno.makeTempDir();
  const seconds = `9${++count}.${Deno.pid}`;
  const began = 'await Deno.writeTextFile("began", "");';
  const all = ['"good";', ...sources.slice(0, -1), began, sources.at(-1)!].map((it) =>
    it.replaceAll("SECONDS", seconds)
  );
  const text = formatNotebook(notebookOf(all));
  const path = `${folder}/it.ipynb`;
  try {
    await Deno.writeTextFile(path, text);
    const timeout = stop ? "60" : /MB|end$/.test(name) ? "30" : "4";
    const child = startTask("notebooks", ["--timeout", timeout, path]);
    const output = child.output();
    if (stop) {
      for (let i = 0; i < 600 && !await Deno.stat(`${folder}/began`).catch(() => undefined); i++) {
        await pause(100);
      }
      await pause(500);
      child.kill(stop);
    }
    const { code, stderr } = await Promise.race([
      output,
      pause(90e3).then(() => ({ code: -1, stderr: new Uint8Array() })),
    ]);
    const said = new TextDecoder().decode(stderr).trim().slice(-300);
    if (code === -1) {
      child.kill("SIGKILL");
      return { name, wrong: "it did not end within 90 s" };
    }
    if (expected === "any" ? code === 0 : code !== expected) {
      return { name, wrong: `it ended with code ${code}: ${said}` };
    }
    if (/\n {4}at |Traceback/.test(said)) return { name, wrong: `it ended with a stack: ${said}` };
    const after = await Deno.readTextFile(path);
    const changed = await Deno.stat(`${folder}/changed`).then(() => true, () => false);
    if (code !== 0 && after !== (changed ? text.replace("c0", "d0") : text)) {
      return { name, wrong: "its file is not as it was" };
    }
    for (let i = 0; i < 25; i++) {
      if ((await left(folder, seconds)).length === 0) return { name };
      await pause(200);
    }
    return { name, wrong: `still running: ${(await left(folder, seconds)).join("; ")}` };
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Processes of a run: what it sleeps with, and the command itself, which names its folder. */
async function left(folder: string, seconds: string): Promise<string[]> {
  const all = await outputOf("ps", "-A", "-o", "stat=,args=") ?? "";
  return all.split("\n").filter((line) =>
    !line.startsWith("Z") && (line.endsWith(`sleep ${seconds}`) || line.includes(folder))
  );
}

const pause = (milliseconds: number) => new Promise<void>((go) => setTimeout(go, milliseconds));
