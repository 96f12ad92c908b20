import { allowed, block, INFLATE } from "../block.ts";
import { escapeAttribute } from "../markup.ts";
import style from "./browser/app.css" with { type: "text" };
import bundle from "./browser/bundle.js" with { type: "text" };
import type { LiveSpot } from "./cell.ts";
import { split } from "./planes.ts";

/** What a page with live cells has beside them. */
export interface LiveParts {
  /** The style of its cells. */
  readonly style: string;
  /** Data and scripts, in their order: the program starts while the browser still reads the models. */
  readonly html: string;
  /** What the page's policy allows: both scripts, by their digests, and WebAssembly. */
  readonly sources: readonly string[];
}

/** The place of a live cell, which holds what is shown where it does not start. */
export function liveHtml(spot: LiveSpot, still: string): string {
  return `<div data-live="${escapeAttribute(JSON.stringify(spot))}">${still}</div>`;
}

/** The parts of a page with live cells: the models are blocks, by name. */
export async function liveParts(models: ReadonlyMap<string, Uint8Array>): Promise<LiveParts> {
  program ??= [block("wasm", await kernels()), block("app", bundle), `<script>${START}</script>`].join("\n");
  const blocks = Array.from(models, ([name, bytes]) => block(name, split(bytes)));
  return {
    style,
    html: [program, ...blocks].join("\n"),
    sources: ["'wasm-unsafe-eval'", ...[bundle, START].map(allowed)],
  };
}

let program: string | undefined; // Made once a process: it is the same in all pages.

/** The kernels of tfjs' wasm backend. */
async function kernels(): Promise<Uint8Array> {
  const file = "npm:@tensorflow/tfjs-backend-wasm@4.22.0/dist/tfjs-backend-wasm-simd.wasm";
  return await Deno.readFile(new URL(import.meta.resolve(file)));
}

const START = `{${INFLATE}
  globalThis.inflate = inflate; // For the program.
  run("app").catch((error) => console.info("Live cells stay as they are: " + error));
}`;
