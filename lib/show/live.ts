import { curve } from "./curve.ts";
import { bundle } from "./figure.ts";
import { duration, type Face, type Step } from "./progress.ts";
import type { Kernel } from "./show.ts";

/** Updates of the display are this far apart at the least, in ms. */
const EVERY = 1000;

/** Points of the curve at the most; of more, neighbours are put together. */
const POINTS = 200;

/**
 * Progress in a notebook, in one output that is replaced as it goes: of a training the curve of its loss, which grows
 * to the right as a bar does; of a study a bar. Only the last state stays in the notebook's file.
 */
export function liveProgress({ display }: Kernel): Face {
  const display_id = crypto.randomUUID();
  const begin = performance.now();
  const curveOf = means();
  let [shown, last]: [number, Step | undefined] = [-Infinity, undefined];

  async function put(content: Record<string, unknown>) {
    await display(content, { raw: true, display_id, update: shown > -Infinity });
    shown = performance.now();
  }
  return {
    async show(step) {
      last = step;
      if (step.point) curveOf.push(step.point);
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
    const figure = curve([{ name: "loss", ...curveOf.lists() }], { title, x: "updates", y: "loss, nats" });
    const updates = Math.round(point!.update / done);
    Object.assign(figure.layout["xaxis"]!, { range: [0, updates] });
    return figure;
  }
}

/** A curve's points as they come; when there are too many, each two neighbours become their mean. */
function means() {
  let size = 1; // Updates of a point.
  let points: { update: number; loss: number; count: number }[] = [];
  return {
    push({ update, loss }: { readonly update: number; readonly loss: number }) {
      const last = points.at(-1);
      if (last && last.count < size) {
        last.count++;
        last.update += (update - last.update) / last.count;
        last.loss += (loss - last.loss) / last.count;
        return;
      }
      if (points.length === POINTS) {
        size *= 2;
        points = points.flatMap((a, i) => {
          const b = points[i + 1]!;
          return i % 2
            ? []
            : [{ update: (a.update + b.update) / 2, loss: (a.loss + b.loss) / 2, count: size }];
        });
      }
      points.push({ update, loss, count: 1 });
    },
    lists: () => ({ x: points.map(({ update }) => update), y: points.map(({ loss }) => loss) }),
  };
}

/** A share as a bar, in HTML that GitHub leaves as it is. */
function bar(done: number, text: string): string {
  const escaped = text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  return `<progress value="${done.toFixed(4)}" max="1"></progress> ${escaped}`;
}
