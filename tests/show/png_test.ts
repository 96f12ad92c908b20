import { decode } from "fast-png";
import plotly from "plotly.js-dist/plotly.js" with { type: "text" };
import type { Figure } from "../../lib/show/mod.ts";
import { draw, start } from "../../lib/show/png.ts";
import { assert, assertClose, assertEquals } from "../assert.ts";
import { open, useChromium } from "../notebooks/chromium.ts";
import { chromium } from "../programs.ts";
import { figures } from "./figures.ts";

interface Picture {
  readonly width: number;
  readonly height: number;
  /** Lightness of each pixel. */
  readonly grey: Float32Array;
}

function picture(file: Uint8Array): Picture {
  const { width, height, data, channels, palette } = decode(file);
  const grey = Float32Array.from({ length: width * height }, (_, i) => {
    const [red, green, blue] = palette?.[data[i]!] ?? data.slice(channels * i, channels * i + 3);
    return 0.299 * red! + 0.587 * green! + 0.114 * blue!;
  });
  return { width, height, grey };
}

/** Means of 7 × 7 pixels, so that edges, letters and hatching a fraction of a pixel aside are alike. */
function blurred({ width, height, grey }: Picture): Float32Array {
  const means = (values: Float32Array, step: number, at: (i: number) => number, length: number) =>
    values.map((_, i) => {
      const [from, to] = [Math.max(-3, -at(i)), Math.min(3, length - 1 - at(i))];
      let sum = 0;
      for (let offset = from; offset <= to; offset++) sum += values[i + offset * step]!;
      return sum / (to - from + 1);
    });
  return means(means(grey, 1, (i) => i % width, width), width, (i) => Math.floor(i / width), height);
}

/** The largest share of a 50 × 50 tile's pixels that differ by more than 20 of 255: something small and local counts. */
function difference(a: Picture, b: Picture): number {
  const [left, right] = [blurred(a), blurred(b)];
  const tiles = new Map<number, number>();
  left.forEach((value, i) => {
    if (Math.abs(value - right[i]!) <= 20) return;
    const tile = Math.floor(i / a.width / 50) * 1000 + Math.floor(i % a.width / 50);
    tiles.set(tile, (tiles.get(tile) ?? 0) + 1);
  });
  return Math.max(0, ...tiles.values()) / 2500;
}

/** Found: at most 0.03 for a figure as it is, at least 0.06 for one of {@linkcode spoilt}. */
const LIMIT = 0.045;

/** The same figure with one thing wrong. */
function spoilt({ data, layout }: Figure): Record<string, Pick<Figure, "data" | "layout">> {
  const margin = layout["margin"] as { l: number; t: number };
  const labels = layout["annotations"] as object[] | undefined;
  const clipped = JSON.parse(JSON.stringify(data).replace("from scratch", "from scr"));
  return {
    "axes 3 pixels aside": {
      data,
      layout: { ...layout, margin: { ...margin, l: margin.l + 3, t: margin.t + 3 } },
    },
    "a smaller font": {
      data,
      layout: {
        ...layout,
        font: { ...layout["font"] as object, size: 18 },
        // A drawing's texts have sizes of their own.
        ...labels && data.length === 0 &&
          { annotations: labels.map((label) => ({ ...label, font: { size: 13 } })) },
      },
    },
    ...(data.length > 1 ? { "a trace missing": { data: data.slice(0, -1), layout } } : {}),
    ...(labels ? { "a label missing": { data, layout: { ...layout, annotations: labels.slice(1) } } } : {}),
    ...(layout["showlegend"] ? { "a clipped legend": { data: clipped, layout } } : {}),
  };
}

/** Figures one below the other, as Chromium draws them. */
async function inChromium(all: readonly Figure[]): Promise<Picture[]> {
  const folder = await Deno.makeTempDir(), file = `${folder}/page.html`;
  const font = await Deno.readFile(
    new URL(import.meta.resolve("npm:dejavu-fonts-ttf@2.37.3/ttf/DejaVuSans.ttf")),
  );
  await Deno.writeTextFile(
    file,
    `<!doctype html><meta charset="utf-8"><style>
      @font-face { font-family: "DejaVu Sans"; src: url(data:font/ttf;base64,${font.toBase64()}) }
      body { margin: 0 }
    </style><script>${plotly}</script><script>
      const drawn = document.fonts.load("20px 'DejaVu Sans'").then(async () => {
        for (const { data, layout } of ${JSON.stringify(all).replaceAll("<", "\\u003c")}) {
          const place = document.body.appendChild(document.createElement("div"));
          await Plotly.newPlot(place, data, layout, { staticPlot: true });
        }
      });
    </script>`,
  );
  try {
    await using page = await open(file, { width: 900 });
    await page.evaluate("drawn");
    const { width, grey } = picture(await page.screenshot());
    let top = 0;
    return all.map(({ layout: { height } }) => {
      const part = { width, height, grey: grey.slice(top * width, (top + height) * width) };
      top += height;
      return part;
    });
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

useChromium();
if (!chromium) console.log("no Chromium here: what PNGs look like beside a browser's is not tested");

Deno.test({ name: "a figure's PNG is what a browser draws", ignore: !chromium }, async (t) => {
  const all = figures();
  const theirs = await inChromium(Object.values(all));
  for (const [i, [name, figure]] of Object.entries(all).entries()) {
    const browser = theirs[i]!;
    await t.step(name, async () => {
      const own = picture(await draw(figure, 1));
      assertEquals([own.width, own.height], [browser.width, browser.height]);
      const found = difference(own, browser);
      assert(found <= LIMIT, `${found} of a tile differ where ${LIMIT} are allowed`);
      for (const [what, wrong] of Object.entries(spoilt(figure))) {
        const share = difference(picture(await draw(wrong, 1)), browser);
        assert(share > LIMIT, `${what} should be noticed: ${share} of a tile differ`);
      }
    });
  }
});

Deno.test("texts are as wide as a browser sets them, kerning and ligatures included", async () => {
  const { advance } = await start();
  // getComputedTextLength in Chromium 156, of DejaVu Sans at 20 px; AVAVA is kerned, ffl is one letter.
  const texts = ["AVAVA", "sinusoidal-trained", "λ = 0.5 − fi", "Kneser–Ney", "office fluff"];
  const found = texts.map((text) => 20 * advance(text));
  assertClose(found, [63.296875, 178.828125, 115.1875, 118.15625, 100.296875], "widths", { relative: 2e-4 });
});
