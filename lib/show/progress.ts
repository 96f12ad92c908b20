// @ts-types="npm:@types/cli-progress@3.11.6"
import cliProgress from "cli-progress";
import process from "node:process";

/** What a progress line tells. */
export interface Step {
  /** From 0 to 1. */
  readonly done: number;
  /** Seconds that are left; not a number if nobody knows yet. */
  readonly left: number;
  /** What is under way, in a few words. */
  readonly text: string;
  /** The update and its loss, where a curve can be made of them. */
  readonly point?: { readonly update: number; readonly loss: number };
}

/** What shows steps, and what they came to. */
export interface Face {
  /** Shows a step, or leaves it out if the last one was just now. */
  show(step: Step): void | Promise<void>;
  /** Shows the last step for good. */
  end(): void | Promise<void>;
}

/** Seconds from one line to the next where nobody watches. */
const EVERY = 5;

/**
 * Progress on standard error: a bar in a terminal, a plain line every few seconds in a pipe or a file.
 * Standard output is left to results.
 */
export function progress(): { show(step: Step): void; end(): void } {
  if (!Deno.stderr.isTerminal()) {
    let last = -Infinity;
    return {
      show({ done, left, text }) {
        const now = performance.now() / 1e3;
        if (now - last < EVERY) return;
        last = now;
        console.error(`${(100 * done).toFixed(0).padStart(3)} %  ${duration(left)} left  ${text}`);
      },
      end() {},
    };
  }
  process.stderr.on("error", () => {}); // A terminal may be closed; what is under way is to be saved all the same.
  const bar = new cliProgress.SingleBar({
    format: "{bar} {percentage} %  {time} left  {text}",
    barsize: 24,
    hideCursor: true,
    fps: 5,
    linewrap: false,
  }, cliProgress.Presets.shades_classic);
  bar.start(1000, 0, { time: "…", text: "reading" });
  return {
    show: ({ done, left, text }) => bar.update(Math.round(1000 * done), { time: duration(left), text }),
    end: () => bar.stop(),
  };
}

/** Seconds as a person says them: `48 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "…";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}
