/**
 * A worker that draws each figure it receives and reports when it is done; the caller detects a timeout.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import { png } from "../show/mod.ts";

/** A figure that is still pending after this time in ms waits, as for an image on the network, and does not loop. */
const PENDING = 3000;

// Silences plotly.js.
for (const method of ["error", "info", "log", "trace", "warn"] as const) console[method] = () => {};

// A late error belongs to the previous figure, such as a failed animation of its menu.
for (const type of ["error", "unhandledrejection"]) {
  globalThis.addEventListener(type, (event) => event.preventDefault());
}

parentPort!.on("message", async (json: string) => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  try {
    const { data, layout } = JSON.parse(json);
    await Promise.race([
      png({ data, layout: { ...layout, width: 700, height: 450 } }),
      new Promise((resolve) => timer = setTimeout(resolve, PENDING)),
    ]);
  } catch {
    // The page's plotly.js rejects it, too, or draws it: a violin or 3-D needs more than jsdom has.
  }
  clearTimeout(timer);
  parentPort!.postMessage("done");
});
await png({ data: [], layout: { width: 700, height: 450 } }); // So that the first figure's time does not include start-up.
parentPort!.postMessage("ready");
