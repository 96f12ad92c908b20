// @ts-types="npm:@types/cli-progress@3.11.6"
import cliProgress from "npm:cli-progress@3.12.0";
import process from "node:process";

/** One update of a progress display. */
export interface ProgressEvent {
  /** Fraction of the work done, from 0 to 1. */
  readonly done: number;
  /** Estimated seconds left; NaN if unknown. */
  readonly left: number;
  /** What is running, in a few words. */
  readonly text: string;
  /** Update and loss, for a loss curve. */
  readonly point?: { readonly update: number; readonly loss: number };
}

/** Displays progress: a bar, a loss curve or lines of text. */
export interface ProgressDisplay {
  /** Displays an event, or skips it if the last one was too recent. */
  show(event: ProgressEvent): void | Promise<void>;
  /** Displays the final state. */
  end(): void | Promise<void>;
}

/** Seconds between lines when standard error is not a terminal. */
const INTERVAL = 5;

/**
 * Progress on standard error: a bar in a terminal, a line every few seconds in a pipe or file. Standard output is
 * reserved for results.
 */
export function progress(): { show(event: ProgressEvent): void; end(): void } {
  if (!Deno.stderr.isTerminal()) {
    let last = -Infinity;
    return {
      show({ done, left, text }) {
        const now = performance.now() / 1e3;
        if (now - last < INTERVAL) return;
        last = now;
        console.error(`${(100 * done).toFixed(0).padStart(3)} %  ${duration(left)} left  ${text}`);
      },
      end() {},
    };
  }
  process.stderr.on("error", () => {}); // The terminal may be closed while results still have to be saved.
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

/** Formats seconds: `48 s`, `3 min 5 s`, `2 h 10 min`. */
export function duration(seconds: number): string {
  if (!Number.isFinite(seconds)) return "…";
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor(whole % 3600 / 60)} min`;
}
