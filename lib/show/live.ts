import { curve } from "./curve.ts";
import { bundle } from "./figure.ts";
import { duration, type Face, type Step } from "./progress.ts";
import type { Kernel } from "../kernel.ts";
import { escapeText } from "../markup.ts";

/** Updates of the display are this far apart at the least, in ms. */
const EVERY = 1000;

/**
 * Progress in a notebook, in one output that is replaced as it goes: of a training the curve of its loss, which grows
 * to the right as a bar does; of a study a bar. Only the last state stays in the notebook's file.
 */
export function liveProgress({ display }: Kernel): Face {
  const display_id = crypto.randomUUID();
  const begin = performance.now();
  const [updates, losses]: [number[], number[]] = [[], []];
  let [shown, last]: [number, Step | undefined] = [-Infinity, undefined];

  async function put(content: Record<string, unknown>) {
    await display(content, { raw: true, display_id, update: shown > -Infinity });
    shown = performance.now();
  }
  return {
    async show(step) {
      last = step;
      if (step.point) {
        updates.push(step.point.update);
        losses.push(step.point.loss);
      }
      if (performance.now() - shown < EVERY) return;
      const { done, left, text } = step;
      const line = `${(100 * done).toFixed(0)} %, ${duration(left)} left: ${text}`;
      if (!step.point) return await put({ "text/html": bar(done, line), "text/plain": line });
      await put({ "application/vnd.plotly.v1+json": picture(line, step), "text/plain": line });
    },
    async end() {
      if (!last) return;
      const { done, text } = last;
      const line = `${done < 1 ? "Stopped after " : ""}${
        duration((performance.now() - begin) / 1e3)
      }: ${text}`;
      if (!last.point) return await put({ "text/html": bar(done, line), "text/plain": line });
      await put(await bundle(picture(line, last)));
    },
  };

  function picture(title: string, { done, point }: Step) {
    const line = { name: "loss", x: updates, y: losses };
    const figure = curve([line], { title, x: "updates", y: "loss, nats" });
    Object.assign(figure.layout["xaxis"]!, { range: [0, Math.round(point!.update / done)] });
    return figure;
  }
}

/** A share as a bar, in HTML that GitHub leaves as it is. */
function bar(done: number, text: string): string {
  return `<progress value="${done.toFixed(4)}" max="1"></progress> ${escapeText(text)}`;
}
