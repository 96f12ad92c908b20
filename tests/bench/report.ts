/**
 * What a run of the benchmark says: all of it, and what the README quotes.
 *
 * @module
 */
import { table } from "../../lib/arquero.ts";
import type { Size } from "./contender.ts";

const small = { layers: 4, width: 128, heads: 4, context: 128, vocabulary: 4096, batch: 16, dropout: 0.1 };
const middle = { layers: 6, width: 256, heads: 4, context: 256, vocabulary: 4096, batch: 8, dropout: 0.1 };

/**
 * Sizes by name: the smallest that anyone trains, with the paper's dropout (§4.1) and, as dropout is dear in
 * PyTorch, without; one that fills a laptop's evening; the paper's.
 */
export const sizes: Readonly<Record<string, Size>> = {
  small,
  "small-undropped": { ...small, dropout: 0 },
  middle,
  "middle-undropped": { ...middle, dropout: 0 },
  gpt1: { layers: 12, width: 768, heads: 12, context: 512, vocabulary: 40478, batch: 1, dropout: 0.1 },
};

/** Operations of an update of `sgemm.ts`. */
const SGEMM = 8 * 2 * 1024 ** 3;

/** What was measured of a program at a size. */
export interface Measured {
  readonly name: string;
  readonly threads: number;
  /** What it says of itself. */
  readonly about?: string;
  /** Which programs took turns with it. */
  readonly group: number;
  /** Milliseconds of an update, by round. */
  readonly laps: Readonly<Record<number, number>>;
  /** Bytes. */
  readonly peak?: number;
  /** Why it could not be measured. */
  readonly failure?: string;
}

/** Milliseconds of a study of two arms, by one worker and by two, in each round. */
export type Arms = Readonly<Record<"one" | "two", number[]>>;

/** A run of the benchmark. */
export interface Made {
  /** What was asked. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Processor, cores and system. */
  readonly machine: string;
  /** What `OPENBLAS_CORETYPE` in the environment says, if it is set: which kernels OpenBLAS is to choose. */
  readonly coretype?: string;
  /** Of Deno, V8 and tfjs. */
  readonly versions: Readonly<Record<string, string>>;
  /** Of the kit. */
  readonly revision?: string;
  /** When it ended, ISO 8601. */
  readonly ended: string;
  /** What was measured, by size. */
  readonly results: Readonly<Record<string, readonly Measured[]>>;
  /** Two arms by one worker and by two, if they were run. */
  readonly arms?: Arms;
}

function armsReport({ one, two }: Arms): string {
  const ratios = one.map((ms, i) => ms / two[i]!);
  const seconds = (values: readonly number[]) => digits(median(values) / 1e3);
  return `**arms**: a study of two arms takes ${seconds(one)} s one after the other, ${
    seconds(two)
  } s side by side: ` +
    `${digits(median(ratios))} × as fast (rounds: ${digits(Math.min(...ratios))} to ${
      digits(Math.max(...ratios))
    })`;
}

/** The operations of the products that an update cannot do without; half of attention's square is masked. */
function operations({ layers, width, context, vocabulary, batch }: Size): number {
  const tokens = batch * context;
  const affine = 2 * tokens * (12 * layers * width ** 2 + vocabulary * width);
  const attention = 2 * layers * tokens * (context + 1) * width;
  return 3 * (affine + attention); // Backward, each product has two.
}

const median = (values: readonly number[]) => {
  const sorted = values.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1]! + sorted[sorted.length >> 1]!) / 2;
};

const timesOf = ({ laps }: Measured) => Object.values(laps);

/**
 * How many times as fast `a` is as `b`: the median over the rounds that both were in, and the range. Of programs
 * that took no turns, the ratio of their medians.
 */
function ratio(a: Measured, b: Measured): { median: number; low?: number; high?: number } {
  const ratios = Object.entries(a.laps)
    .filter(([round]) => a.group === b.group && Number(round) in b.laps)
    .map(([round, ms]) => b.laps[Number(round)]! / ms);
  if (ratios.length === 0) return { median: median(timesOf(b)) / median(timesOf(a)) };
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}

const digits = (value: number) => value >= 100 ? value.toFixed(0) : value.toPrecision(3);

/** What was measured where, in a line. */
function headline({ machine, versions, coretype, results }: Made): string {
  const about = (name: string) =>
    Object.values(results).flat().find((entry) => entry.name === name)?.about?.replace(
      /( through FFI| eager)?,.*/,
      "",
    );
  const [blas, theirs, torch] = ["this kit, BLAS", "this kit, PyTorch's BLAS", "PyTorch eager"].map(about);
  return `On ${machine}; Deno ${versions["deno"]}` + (blas ? `; the BLAS is ${blas}` : "") +
    (coretype ? `, with OPENBLAS_CORETYPE=${coretype}` : "") +
    (torch ? `; ${torch}${theirs ? `, which brings ${theirs}` : ""}` : "") + ".";
}

/** The programs of one name and number of threads that were measured. */
function finder(measured: readonly Measured[]) {
  return (name: string, threads: number) =>
    measured.find((entry) => entry.name === name && entry.threads === threads && timesOf(entry).length > 0);
}

/** The share of the machine's rate of products that an update reaches. */
function shareOf(size: Size, entry: Measured, sgemm: Measured | undefined): string {
  if (!sgemm) return "";
  const share = operations(size) / median(timesOf(entry)) / (SGEMM / median(timesOf(sgemm)));
  return `${(100 * share).toFixed(0)} %`;
}

/** A table in Markdown. */
function markdown(rows: readonly Readonly<Record<string, string | number>>[]): string {
  const columns = Object.keys(rows[0] ?? {}).map((key) => [key, rows.map((row) => row[key])]);
  return table(Object.fromEntries(columns)).toMarkdown().trim();
}

/** How many times as fast, by size, with dropout and on all threads: what the README quotes. */
export function summaryOf(made: Made): string {
  const rows = Object.entries(made.results).flatMap(([name, measured]) => {
    const find = finder(measured), threads = Math.max(...measured.map(({ threads }) => threads));
    const kit = find("this kit, BLAS", threads), torch = find("PyTorch eager", threads);
    if (!kit || sizes[name]!.dropout === 0) return [];
    const times = (a: Measured | undefined, b: Measured | undefined) =>
      a && b ? digits(ratio(a, b).median) : "";
    const undropped = finder(made.results[`${name}-undropped`] ?? []);
    return [{
      size: name,
      "tokens/s": digits(sizes[name]!.batch * sizes[name]!.context / median(timesOf(kit)) * 1e3),
      "× PyTorch": times(kit, torch),
      "× PyTorch, no dropout": times(
        undropped("this kit, BLAS", threads),
        undropped("PyTorch eager", threads),
      ),
      "× PyTorch, kit without BLAS": times(find("this kit, own kernel", threads), torch),
      "× stock tfjs": times(kit, find("tfjs wasm, stock operations", 1)),
      "× gpt-tfjs": times(kit, find("gpt-tfjs", 1)),
    }];
  });
  return `${[headline(made), markdown(rows)].join("\n\n")}\n`;
}

/** All that was measured, and what is compared. */
export function reportOf(made: Made): string {
  const parts: string[] = [headline(made)];
  for (const [name, measured] of Object.entries(made.results)) {
    const size = sizes[name]!;
    const find = finder(measured);
    const rows = measured.filter(({ name }) => name !== "sgemm").map((entry) => {
      const { name: program, threads, peak, failure } = entry;
      const laps = timesOf(entry);
      if (laps.length === 0) {
        return { program, threads, ms: failure ?? "", "tokens/s": "", MFU: "", memory: "", "× PyTorch": "" };
      }
      const ms = median(laps);
      const onGpu = /WebGPU|CUDA/.test(program);
      const torch = find(onGpu ? "PyTorch eager, CUDA" : "PyTorch eager", threads);
      return {
        program,
        threads,
        ms: `${digits(ms)} [${digits(Math.min(...laps))}, ${digits(Math.max(...laps))}]`,
        "tokens/s": digits(size.batch * size.context / ms * 1e3),
        MFU: onGpu ? "" : shareOf(size, entry, find("sgemm", threads)),
        memory: peak ? `${digits(peak / 2 ** 30)} GiB` : "",
        "× PyTorch": torch ? ratio(entry, torch).median.toFixed(2) : "",
      };
    });
    const { layers, width, heads, context, vocabulary, batch, dropout } = size;
    parts.push(
      `**${name}**: ${layers} layers, width ${width}, ${heads} heads, context ${context}, vocabulary ${vocabulary}, ` +
        `batch ${batch}, dropout ${dropout}`,
      markdown(rows),
    );
    const compared: [string, number, string, number][] = [
      ["this kit, WebGPU", 1, "PyTorch eager, CUDA", 1],
    ];
    for (const threads of new Set(measured.map(({ threads }) => threads))) {
      for (
        const kit of ["BLAS", "BLAS, paper", "own kernel", "PyTorch's BLAS"].map((what) =>
          `this kit, ${what}`
        )
      ) {
        compared.push([kit, threads, "PyTorch eager", threads]);
      }
      compared.push(["this kit, BLAS", threads, "tfjs wasm, stock operations", 1]);
      compared.push(["this kit, BLAS", threads, "gpt-tfjs", 1]);
      if (threads > 1) compared.push(["this kit, BLAS", threads, "this kit, BLAS", 1]);
    }
    const lines = compared.flatMap(([a, aThreads, b, bThreads]) => {
      const [first, second] = [find(a, aThreads), find(b, bThreads)];
      if (!first || !second) return [];
      const { median, low, high } = ratio(first, second);
      const threads = (count: number) => `${count} thread${count === 1 ? "" : "s"}`;
      const range = low && high
        ? `(rounds: ${digits(low)} to ${digits(high)})`
        : "(not in turns: of the medians)";
      return [
        `- ${a}, ${threads(aThreads)}: ${digits(median)} × as fast as ${b}, ${threads(bThreads)} ${range}`,
      ];
    });
    parts.push(lines.join("\n"));
  }
  if (made.arms) parts.push(armsReport(made.arms));
  return parts.join("\n\n") + "\n";
}

/** A run that was fed. */
export interface FeedingRun {
  readonly run: string;
  /** Milliseconds to encode all that it reads, evaluation included, once. */
  readonly encoding: number;
  /** Milliseconds to lay out an epoch's batches and to make the first. */
  readonly layout: number;
  /** Milliseconds to make each batch. */
  readonly batches: readonly number[];
  /** Milliseconds of the updates on them. */
  readonly updates: readonly number[];
  /** Updates of an epoch. */
  readonly perEpoch: number;
  /** Share of positions that hold padding, with batches by length and with batches at random. */
  readonly padding?: { readonly byLength: number; readonly shuffled: number };
}

/** What feeding the model costs, as `feeding.ts` measures it. */
export interface Feeding extends Omit<Made, "results" | "arms"> {
  /** What was measured. */
  readonly runs: readonly FeedingRun[];
}

/** Parts of an update's time that its feeding takes: the batch, and its part of what is done once an epoch at most. */
export function feedingShares(
  { encoding, layout, batches, updates, perEpoch }: FeedingRun,
): { batch: number; layout: number; encoding: number; all: number } {
  const batch = median(batches.map((ms, i) => ms / updates[i]!));
  const epoch = median(updates) * perEpoch;
  const shares = { batch, layout: layout / epoch, encoding: encoding / epoch };
  return { ...shares, all: shares.batch + shares.layout + shares.encoding };
}

/** What feeding costs, in a table. */
export function feedingReport(made: Feeding): string {
  const percent = (share: number) => `${(100 * share).toPrecision(2)} %`;
  const rows = made.runs.map((run) => {
    const shares = feedingShares(run);
    return {
      run: run.run,
      "update, ms": digits(median(run.updates)),
      "batch, ms": digits(median(run.batches)),
      batch: percent(shares.batch),
      "epoch's order": percent(shares.layout),
      "encoding, over one epoch": percent(shares.encoding),
      "all feeding": percent(shares.all),
      "padding, by length": run.padding ? percent(run.padding.byLength) : "",
      "padding, at random": run.padding ? percent(run.padding.shuffled) : "",
    };
  });
  const { deno } = made.versions;
  return `Feeding \`mini\`, as parts of an update's time, on ${made.machine}; Deno ${deno}. Medians of ${
    made.runs[0]!.updates.length
  } updates, each beside its batch.\n\n${markdown(rows)}\n`;
}
