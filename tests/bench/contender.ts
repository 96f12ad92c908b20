/**
 * The benchmark's protocol. A contender is a process of its own; it says that it is ready, makes one update of
 * its model for each line that it reads, and answers with what the update took.
 *
 * @module
 */
import { resourceUsage } from "node:process";
import { lines } from "../../lib/files.ts";

/** A model's size, and what it is trained on. */
export interface Size {
  /** Blocks. */
  readonly layers: number;
  /** d */
  readonly width: number;
  /** H */
  readonly heads: number;
  /** T */
  readonly context: number;
  /** V */
  readonly vocabulary: number;
  /** Sequences of an update. */
  readonly batch: number;
  /** Share dropped at each site. */
  readonly dropout: number;
}

/** What one update took. */
export interface Lap {
  /** Milliseconds of forward pass, backward pass and update. */
  readonly ms: number;
  /** The loss before the update, in nats. */
  readonly loss: number;
  /** Most memory that the process has held so far, in bytes. */
  readonly peak: number;
}

/** A model that learns. */
export interface Learner {
  /** What computes, in words. */
  readonly about: string;
  /** Makes one update on these sequences. @returns The loss before it, in nats. */
  update(ids: Int32Array): Promise<number>;
}

/** Serves the size in the process' argument. */
export async function serve(start: (size: Size) => Promise<Learner>): Promise<void> {
  const size = JSON.parse(Deno.args.at(-1)!) as Size;
  const learner = await start(size);
  const tokens = size.batch * size.context;
  console.log(JSON.stringify({ about: learner.about }));
  let n = 0;
  for await (const _ of lines(Deno.stdin.readable)) {
    // Any tokens cost the same; these are the same in each program.
    const ids = Int32Array.from({ length: tokens }, (_, i) => (i * 7919 + n * 104729) % size.vocabulary);
    n++;
    const begin = performance.now();
    const loss = await learner.update(ids);
    const ms = performance.now() - begin;
    const lap: Lap = { ms, loss, peak: resourceUsage().maxRSS * 1024 };
    console.log(JSON.stringify(lap));
  }
}

/** A contender under way. */
export class Contender {
  #child: Deno.ChildProcess;
  #answers: AsyncGenerator<string, void>;
  #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #complaint: Promise<string>;

  /** Starts a process. */
  constructor(command: string, args: readonly string[], env: Record<string, string> = {}) {
    const piped = { stdin: "piped", stdout: "piped", stderr: "piped" } as const;
    this.#child = new Deno.Command(command, { args: [...args], env: { NO_COLOR: "1", ...env }, ...piped })
      .spawn();
    this.#answers = lines(this.#child.stdout);
    this.#input = this.#child.stdin.getWriter();
    this.#complaint = new Response(this.#child.stderr).text();
  }

  /** Waits until it is ready. @returns What it says of itself. */
  async ready(): Promise<string> {
    return (JSON.parse(await this.#answer()) as { about: string }).about;
  }

  /** One update. */
  async lap(): Promise<Lap> {
    await this.#input.write(new TextEncoder().encode("go\n"));
    return JSON.parse(await this.#answer()) as Lap;
  }

  /** Ends it, whatever it does. */
  async end(): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch { /* gone */ }
    await this.#child.status;
  }

  async #answer(): Promise<string> {
    const { value } = await this.#answers.next();
    if (typeof value === "string") return value;
    const said = (await this.#complaint).trim().split("\n");
    const reason = said.findLast((line) => /error|cannot/i.test(line)) ?? said.at(-1) ?? "it ended";
    throw new Error(reason.replace(/^error: (Uncaught )?(\(in promise\) )?/, ""));
  }
}
