/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
/**
 * The live cells of a page: models compute in the reader's browser. This is the entry of a bundle that runs without
 * Deno; `page.ts` puts it into pages, `build.ts` makes it.
 *
 * @module
 */
import { setWasmPaths } from "npm:@tensorflow/tfjs-backend-wasm@4.22.0";
import { backend } from "../../engine/mod.ts";
import type { LanguageModel } from "../../model/mod.ts";
import * as tf from "../../tfjs.ts";
import { loadModel } from "../../train/checkpoint.ts";
import type { LiveSpot } from "../cell.ts";
import { joined } from "../planes.ts";
import { startReading } from "./reading.ts";
import { startTasks } from "./tasks.ts";

/** When the browser has read all of the page: this program starts before. */
const whole = new Promise<void>((resolve) => {
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", () => resolve());
  else resolve();
});

/** The content of a block of the page's, which the script that starts this program decompresses. */
declare const inflate: (name: string) => Promise<Response>;

const unpacked = async (name: string) => new Uint8Array(await (await inflate(name)).arrayBuffer());

/** Starts tfjs' wasm backend from bytes in the page, as a page from a file can load nothing. */
async function startEngine(): Promise<void> {
  const wasm = await unpacked("wasm");
  tf.env().platform!.fetch = () =>
    Promise.resolve(new Response(wasm, { headers: { "content-type": "application/wasm" } }));
  tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false); // Its kernels with threads are another file.
  setWasmPaths("page:", true);
  await backend();
}

const models = new Map<string, Promise<LanguageModel>>();

/** A model of the page, loaded once however many cells have it; unpacked while the engine starts. */
function modelOf(block: string, engine: Promise<void>): Promise<LanguageModel> {
  let lm = models.get(block);
  if (!lm) {
    models.set(
      block,
      lm = unpacked(block).then(async (bytes) => {
        await engine;
        return loadModel(joined(bytes));
      }),
    );
  }
  return lm;
}

/** Starts the page's live cells, one after another. What stands in one that does not start, stays. */
async function start(): Promise<void> {
  const engine = startEngine();
  engine.catch(() => {}); // Each cell says so.
  await whole;
  for (const place of document.querySelectorAll<HTMLElement>("[data-live]")) {
    try {
      const { models, text, example } = JSON.parse(place.dataset["live"]!) as LiveSpot;
      const loaded = await Promise.all(
        models.map(async ({ block, name }) => ({ name, lm: await modelOf(block, engine) })),
      );
      const cell = document.createElement("div");
      if (example) startTasks(cell, loaded, example);
      else startReading(cell, loaded, text);
      place.replaceChildren(...cell.childNodes);
      place.classList.add("live");
    } catch (error) {
      console.info(`A live cell stays as it is: ${error}`);
    }
  }
}

start().catch((error) => console.info(`Live cells stay as they are: ${error}`));
