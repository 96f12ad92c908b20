import { curve } from "./curve.ts";
import { bundle } from "./figure.ts";
import { downsample } from "./downsample.ts";
import { duration, type ProgressDisplay, type ProgressEvent } from "./progress.ts";
import type { Kernel } from "../kernel.ts";
import { escapeText } from "../markup.ts";

/** Minimum interval between updates of the display, in ms. */
const INTERVAL = 1000;
/** Maximum number of points of a loss curve. */
const MAX_POINTS = 50;

/**
 * Progress in a notebook, in one output that is updated in place: the loss curve of a training run, or a progress bar
 * of a study. Only the last state is kept in the notebook's file.
 *
 * @param kernel The kernel, which displays it.
 * @param title What the run is.
 */
export function liveProgress({ display }: Kernel, title?: string): ProgressDisplay {
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
      const begun = `${(100 * event.done).toFixed(0)} %, ${duration(event.left)} left`;
      if (!event.point) return await put(bar(event, begun));
      const { line, figure } = lossCurve(event, begun);
      await put({ "application/vnd.plotly.v1+json": figure, "text/plain": line });
    },
    async end() {
      if (!last) return;
      const { done, point } = last, took = duration((performance.now() - begin) / 1e3);
      if (!point) return await put(bar(last, done < 1 ? `stopped after ${took}` : took));
      const ended = done < 1
        ? `stopped at update ${point.update} of ${totalOf(last)}`
        : `${point.update} updates in ${took}`;
      await put(await bundle(lossCurve(last, ended).figure));
    },
  };

  function bar({ done, text }: ProgressEvent, time: string) {
    const line = titled(`${time}: ${text}`);
    const html = `<progress value="${done.toFixed(4)}" max="1"></progress> ${escapeText(line)}`;
    return { "text/html": html, "text/plain": line };
  }

  function lossCurve(event: ProgressEvent, time: string) {
    const block = Math.ceil(losses.length / MAX_POINTS);
    const y = means(losses, block);
    const line = titled(`${time}: loss ${y.at(-1)!.toFixed(3)}`);
    const figure = curve([{ name: "loss", x: means(updates, block), y }], {
      title: line,
      x: "updates",
      y: block === 1 ? "loss, nats" : `loss, nats (mean of ${block} updates)`,
    });
    Object.assign(figure.layout["xaxis"]!, { range: [0, totalOf(event)] });
    return { line, figure };
  }

  function titled(text: string): string {
    return title === undefined ? text[0]!.toUpperCase() + text.slice(1) : `${title}, ${text}`;
  }
}

/** Number of updates of the run. */
const totalOf = ({ done, point }: ProgressEvent): number => Math.round(point!.update / done);

/** Means of blocks, which are counted from the end: the last one is whole. */
function means(values: readonly number[], block: number): number[] {
  const missing = (block - values.length % block) % block; // Of the first block: NaN is left out of a mean.
  return downsample([[...Array<number>(missing).fill(NaN), ...values]], 1, block)[0]!;
}
