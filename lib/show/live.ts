import { curve } from "./curve.ts";
import { bundle } from "./figure.ts";
import { duration, type ProgressDisplay, type ProgressEvent } from "./progress.ts";
import type { Kernel } from "../kernel.ts";
import { escapeText } from "../markup.ts";

/** Minimum interval between updates of the display, in ms. */
const INTERVAL = 1000;

/**
 * Progress in a notebook, in one output that is updated in place: the loss curve of a training run, or a progress bar
 * of a study. Only the last state is kept in the notebook's file.
 */
export function liveProgress({ display }: Kernel): ProgressDisplay {
  const display_id = crypto.randomUUID();
  const begin = performance.now();
  const [updates, losses]: [number[], number[]] = [[], []];
  let [displayedAt, last]: [number, ProgressEvent | undefined] = [-Infinity, undefined];

  async function put(content: Record<string, unknown>) {
    await display(content, { raw: true, display_id, update: displayedAt > -Infinity });
    displayedAt = performance.now();
  }
  return {
    async show(event) {
      last = event;
      if (event.point) {
        updates.push(event.point.update);
        losses.push(event.point.loss);
      }
      if (performance.now() - displayedAt < INTERVAL) return;
      const { done, left, text } = event;
      const line = `${(100 * done).toFixed(0)} %, ${duration(left)} left: ${text}`;
      if (!event.point) return await put({ "text/html": bar(done, line), "text/plain": line });
      await put({ "application/vnd.plotly.v1+json": lossCurve(line, event), "text/plain": line });
    },
    async end() {
      if (!last) return;
      const { done, text } = last;
      const line = `${done < 1 ? "Stopped after " : ""}${
        duration((performance.now() - begin) / 1e3)
      }: ${text}`;
      if (!last.point) return await put({ "text/html": bar(done, line), "text/plain": line });
      await put(await bundle(lossCurve(line, last)));
    },
  };

  function lossCurve(title: string, { done, point }: ProgressEvent) {
    const line = { name: "loss", x: updates, y: losses };
    const figure = curve([line], { title, x: "updates", y: "loss, nats" });
    Object.assign(figure.layout["xaxis"]!, { range: [0, Math.round(point!.update / done)] });
    return figure;
  }
}

/** A progress bar in HTML that GitHub does not sanitise. */
function bar(done: number, text: string): string {
  return `<progress value="${done.toFixed(4)}" max="1"></progress> ${escapeText(text)}`;
}
