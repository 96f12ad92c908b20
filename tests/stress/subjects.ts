/**
 * Commands that train something in a second, so that it can be seen what a kill, or another process, does to them.
 *
 * @module
 */
import { keyOf, uniforms } from "../../lib/engine/mod.ts";
import { decodeSafetensors } from "../../lib/model/safetensors.ts";
import { processes, root, startTask } from "../programs.ts";

/** A command that trains, and keeps what it makes in a folder. */
export interface Subject {
  readonly name: string;
  /** What it is called with; `folder` is where it keeps what it makes, `corpus` a text file. */
  args(folder: string, corpus: string): string[];
}

const model = `${root}data/models/mini-learned.safetensors`;
const size = ["--preset", "smoke", "--merges", "100"];
const study = [
  "--tasks",
  "kind",
  "--train-examples",
  "32",
  "--test-examples",
  "64",
  "--heldout-windows",
  "200",
];
const finetune = ["--finetune-epochs", "1", "--finetune-batch", "8", "--save-every", "2"];

/** One of each kind. */
export const subjects: readonly Subject[] = [
  {
    name: "pretrain",
    args: (folder, corpus) => [
      ...["pretrain", "--out", `${folder}/model.safetensors`, "--corpus", corpus, ...size, "--updates", "60"],
      ...["--batch", "4", "--save-every", "7", "--half"],
    ],
  },
  {
    name: "pretrain with zero-shot answers",
    args: (folder, corpus) => [
      ...["pretrain", "--out", `${folder}/model.safetensors`, "--corpus", corpus, ...size, "--updates", "20"],
      ...["--batch", "4", "--save-every", "3", "--zero-shot", "kind", "--zero-shot-examples", "100"],
    ],
  },
  {
    name: "finetune",
    args: (folder) => [
      ...["finetune", "--out", `${folder}/tuned.safetensors`, "--model", model, "--task", "kind"],
      ...[
        "--train-examples",
        "48",
        "--test-examples",
        "32",
        "--epochs",
        "2",
        "--batch",
        "8",
        "--save-every",
        "2",
      ],
    ],
  },
  {
    name: "ablate",
    args: (folder, corpus) => [
      ...["ablate", "--folder", folder, "--corpus", corpus, ...size, ...study, ...finetune, "--seeds", "2"],
      ...["--pretrain-updates", "30", "--pretrain-batch", "4", "--positions", "learned", "--workers", "2"],
    ],
  },
  {
    name: "ablate in one process",
    args: (folder, corpus) => [
      ...["ablate", "--folder", folder, "--corpus", corpus, ...size, ...study, ...finetune, "--seeds", "1"],
      ...["--pretrain-updates", "30", "--pretrain-batch", "4", "--positions", "learned", "--workers", "1"],
    ],
  },
];

/** A text to pre-train on; scoring what is held out of it takes about as long as training on it. */
export const corpusText: string = (() => {
  const words = "sun rain wind snow frost cloud storm calm heat mist and the of".split(" ");
  const draw = uniforms(keyOf(1, "corpus"), 12_000);
  const line = (n: number) =>
    Array.from(draw.subarray(20 * n, 20 * n + 20), (u) => words[Math.floor(u * words.length)]).join(" ");
  return Array.from({ length: 600 }, (_, n) => line(n)).join("\n\n");
})();

/** A command under way. */
export interface Running {
  readonly child: Deno.ChildProcess;
  /** What it has written to standard error, when it has ended. */
  readonly said: Promise<string>;
}

/** Starts a subject's command, as its task does. */
export function start(args: readonly string[]): Running {
  const [name, ...own] = args;
  const child = startTask(name!, own, { stdout: "null" });
  return { child, said: new Response(child.stderr).text() };
}

/** The processes below a process. */
export async function descendants(of: number): Promise<number[]> {
  const all = await processes() ?? [];
  const below = (parent: number): number[] =>
    all.filter((each) => each.parent === parent).flatMap(({ id }) => [id, ...below(id)]);
  return below(of);
}

/** Which of these processes still run. */
export async function alive(ids: readonly number[]): Promise<number[]> {
  const all = await processes() ?? [];
  return all.filter(({ id, state }) => ids.includes(id) && state !== "Z").map(({ id }) => id);
}

/**
 * What a folder holds that a subject made, by file: weights, results and reports, without times and what computed them.
 * Names of results are keys of all that was read, so that equal names are equal questions.
 */
export async function contents(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const { name } of Deno.readDir(folder)) {
    const bytes = await Deno.readFile(`${folder}/${name}`);
    if (name.endsWith(".safetensors")) {
      const { tensors, metadata: { made, sha256: _, ...metadata } } = decodeSafetensors(bytes, name);
      const { provenance: __, seconds: ___, ...rest } = JSON.parse(made ?? "{}");
      const weights = await Promise.all([...tensors].map(async ([name, { shape, data }]) => {
        const hash = await crypto.subtle.digest("SHA-256", data.slice());
        return [name, shape, new Uint8Array(hash).toHex()];
      }));
      found[name] = JSON.stringify([weights, metadata, rest]);
    } else if (name.endsWith(".json")) {
      const { provenance: _, training: __, sha256: ___, ...rest } = JSON.parse(
        new TextDecoder().decode(bytes),
      );
      if (name === "study.json") delete rest.result?.runs; // The digest of a file with times.
      found[name] = JSON.stringify(rest);
    } else if (name === "runs.json.gz") {
      const text = await new Response(
        new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")),
      ).text();
      found[name] = JSON.stringify(JSON.parse(text, (key, value) => key === "seconds" ? undefined : value));
    } else found[name] = new TextDecoder().decode(bytes);
  }
  return found;
}

/** How two folders' contents differ, in a line; nothing if they do not. */
export function differenceOf(
  found: Record<string, string>,
  wanted: Record<string, string>,
): string | undefined {
  const names = [...new Set([...Object.keys(found), ...Object.keys(wanted)])].sort();
  const wrong = names.filter((name) => found[name] !== wanted[name]).map((name) =>
    found[name] === undefined
      ? `${name} is missing`
      : wanted[name] === undefined
      ? `${name} is left over`
      : `${name} differs`
  );
  return wrong.length > 0 ? wrong.join(", ") : undefined;
}
