/**
 * A worker that draws each figure that it is sent, and says when it is done: it is for others to see that it is not.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import { png } from "../show/mod.ts";

/** Milliseconds after which a figure that waits, as for an image of the network, does not loop. */
const WAITS = 3000;

for (const way of ["error", "info", "log", "trace", "warn"] as const) console[way] = () => {}; // What plotly.js thinks of it.

// Of a figure that is drawn already, as when its menu's animation fails: the next one is not to blame.
for (const type of ["error", "unhandledrejection"]) {
  globalThis.addEventListener(type, (event) => event.preventDefault());
}

parentPort!.on("message", async (json: string) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const { data, layout } = JSON.parse(json);
    await Promise.race([
      png({ data, layout: { ...layout, width: 700, height: 450 } }),
      new Promise((go) => timer = setTimeout(go, WAITS)),
    ]);
  } catch {
    // What it refuses, the page's plotly.js refuses by itself.
  }
  clearTimeout(timer);
  parentPort!.postMessage("done");
});
await png({ data: [], layout: { width: 700, height: 450 } }); // What starts with the first one is not that one's time.
parentPort!.postMessage("ready");
