/**
 * Reviews that repeat a passage of one in another split of `imdb`: `deno run -A tests/data/reposts.ts` lists them.
 *
 * @module
 */
import { imdb } from "../../lib/data/imdb.ts";
import { hash } from "../../lib/data/hash.ts";

/** Words in a run that two reviews may have in common. */
const RUN = 10;

/** A review that repeats a passage of another. */
export interface Repost {
  readonly splits: string;
  readonly text: string;
  readonly other: string;
  /** Runs of ten words that both have. */
  readonly runs: number;
  /** Their share of the shorter's runs. */
  readonly share: number;
}

/** Reviews of a split that share eight runs of ten words, a tenth of the shorter's, with one that models are scored on. */
export async function repostsIn(): Promise<Repost[]> {
  const task = await imdb({ words: 1e6 });
  const all = (["test", "validation", "train"] as const)
    .flatMap((split) => task[split].map(({ text }) => ({ split, text, runs: runsOf(text) })));
  const seen = new Map<number, number[]>(), reposts: Repost[] = [];
  for (const [id, { split, text, runs }] of all.entries()) {
    const common = new Map<number, number>();
    for (const run of runs) {
      for (const other of seen.get(run) ?? []) common.set(other, (common.get(other) ?? 0) + 1);
      if (split !== "train") seen.set(run, [...seen.get(run) ?? [], id]);
    }
    for (const [at, count] of common) {
      const other = all[at]!, share = count / Math.min(runs.size, other.runs.size);
      if (count < 8 || share < 0.1 || other.split === split) continue;
      reposts.push({ splits: `${split}, ${other.split}`, text, other: other.text, runs: count, share });
    }
  }
  return reposts;
}

function runsOf(text: string): Set<number> {
  const words = (text.toLowerCase().match(/[a-z0-9]+/g) ?? []).map((word) => hash(word));
  const runs = new Set<number>();
  for (let i = 0; i + RUN <= words.length; i++) {
    let run = 0;
    for (let j = i; j < i + RUN; j++) run = Math.imul(run ^ words[j]!, 0x9e3779b1) ^ (run >>> 15);
    runs.add(run);
  }
  return runs;
}

if (import.meta.main) {
  for (const { splits, runs, share, text, other } of await repostsIn()) {
    console.log(
      `${splits}: ${runs} runs, ${share.toFixed(2)}\n  ${text.slice(0, 100)}\n  ${other.slice(0, 100)}`,
    );
  }
}
