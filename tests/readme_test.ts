import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "./assert.ts";
import { formatEstimate, openStudy } from "../mod.ts";
import { studyJson } from "../lib/study/study.ts";
import {
  type Feeding,
  feedingReport,
  feedingShares,
  type Made,
  reportOf,
  summaryOf,
} from "./bench/report.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../${path}`, import.meta.url));

/** A page's text, however its lines are broken. */
const unbroken = async (path: string) => (await read(path)).replace(/\s+/g, " ");

/** A study of data/studies. */
const published = (name: string) =>
  openStudy(fileURLToPath(new URL(`../data/studies/${name}`, import.meta.url)));

/** A text without what the formatter changes: it aligns tables. */
const bare = (text: string) => text.replace(/-{2,}:?/g, "-").replace(/[\s|:]+/g, " ").replace(/\\|_|\*/g, "");

/** The files that a page links to, from the top of the checkout. */
const linksOf = (page: string, text: string) =>
  [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, path]) =>
    new URL(path!, `file:///${page}`).pathname.slice(1)
  );

Deno.test("each study in data/studies is whole, and its page there links its report; a notebook or the page says how it was made", async () => {
  const page = await read("data/studies/README.md"), links = linksOf("data/studies/README.md", page);
  const names: string[] = [];
  for await (const { name, isDirectory } of Deno.readDir(new URL("../data/studies", import.meta.url))) {
    if (!isDirectory) continue;
    names.push(name);
    const report = await read(`data/studies/${name}/report.md`);
    const { result } = JSON.parse(await read(`data/studies/${name}/study.json`));
    assertEquals(result.complete, true);
    const study = await published(name), { runs: _, ...tables } = result;
    assertEquals(study.report, report); // Of today's statistics: tests/study/republish.ts writes both again.
    assertEquals(tables, JSON.parse(JSON.stringify(studyJson(study))));
    assert(report.length > (result.findings.length > 0 ? 300 : 100)); // An arm alone has nothing to differ from.
    assert(links.includes(`data/studies/${name}/report.md`), `data/studies/README.md does not link ${name}`);
  }
  assert(names.length > 3);
});

Deno.test("what the README and the pages beside it link is there, and so are the README's headings that it links", async () => {
  for (
    const page of [
      "README.md",
      "README.zh.md",
      "CONTRIBUTING.md",
      "notebooks/README.md",
      "data/studies/README.md",
    ]
  ) {
    const text = await read(page);
    const links = linksOf(page, text);
    assert(links.length > 2, page);
    for (const path of links) {
      await Deno.stat(new URL(`../${path}`, import.meta.url)).catch(() =>
        assert(false, `${page} links ${path}`)
      );
    }
    const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
      title!.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    );
    for (const [, anchor] of text.matchAll(/\]\(#([^)]+)\)/g)) {
      assert(headings.includes(anchor!), `${page}#${anchor}`);
    }
  }
});

Deno.test("the README has at most 1,500 words, and begins with a figure, a command and a notebook", async () => {
  const text = await read("README.md");
  const words = text.replaceAll(/\]\([^)]*\)|<!--.*?-->|[|#*_`\[\]]|-{3,}/g, " ").split(/\s+/).filter((
    word,
  ) => /\p{L}/u.test(word));
  assert(words.length <= 1500, `${words.length} words`);
  const [first = ""] = text.split("## ");
  for (
    const part of [
      /!\[[^\]]{40,}\]\(data\/positions\.png\)/,
      /```sh\n.*task ablate --smoke\n```/,
      /\]\(notebooks\/00_tour\.ipynb\)/,
    ]
  ) {
    assert(part.test(first), `${part}`);
  }
  const { cells } = JSON.parse(await read("notebooks/02_model.ipynb"));
  const images = cells.flatMap((cell: { outputs?: { data?: Record<string, string> }[] }) =>
    (cell.outputs ?? []).map(({ data }) => data?.["image/png"]?.replaceAll("\n", ""))
  );
  const figure = (await Deno.readFile(new URL("../data/positions.png", import.meta.url))).toBase64();
  assert(images.includes(figure), "data/positions.png is no figure of notebook 02");
});

Deno.test("the README says of the first start what data/bench/first-start.json measured", async () => {
  const { steps: [first, , again] } = JSON.parse(await read("data/bench/first-start.json"));
  const [, said = ""] = (await read("README.md")).split(/<!-- \/?first-start -->/);
  assertEquals(
    said.replaceAll(/\s+/g, " "),
    `${first.received} MB, ${first.cached} MB when unpacked in Deno's cache, and takes ${first.seconds} seconds`,
  );
  assert(again.seconds < first.seconds && again.received < 5);
});

Deno.test("the Chinese README has the same commands, programs, tables of numbers and links as the English one", async () => {
  const [english, chinese] = await Promise.all(["README.md", "README.zh.md"].map(read));
  const blocks = (text: string) =>
    text.match(/```[^]*?```/g)!.map((block) => block.replaceAll(/ *\/\/.*$/gm, ""));
  const urls = (text: string) =>
    [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].map(([, url]) =>
      url!.replace("notebooks/zh/", "notebooks/") // The Chinese page links to notebooks in Chinese where there are any.
    ).sort();
  const numbers = (text: string) =>
    text.replaceAll(/```[^]*?```|\]\([^)]*\)|`[^`]*`/g, " ").match(/\d+(?:[.,]\d+)*/g)!.sort();
  assertEquals(blocks(chinese!), blocks(english!));
  assertEquals(urls(chinese!), urls(english!));
  assertEquals(numbers(chinese!), numbers(english!));
});

Deno.test("the README's benchmark is the one that stands in data/bench", async () => {
  const [, shown = ""] = (await read("README.md")).split("<!-- bench -->");
  const made = JSON.parse(await read("data/bench/bench.json")) as Made;
  assertEquals(await read("data/bench/report.md"), reportOf(made));
  assertEquals(await read("data/bench/summary.md"), summaryOf(made));
  assert(bare(shown).includes(bare(summaryOf(made)).trim()), "README.md does not hold data/bench/summary.md");
  const { results, arms } = made;
  assertEquals(Object.keys(results), ["small", "small-undropped", "middle", "middle-undropped", "gpt1"]);
  assert(arms!.one.length >= 3);
});

Deno.test("feeding the model takes under 5 % of an update, as data/bench says", async () => {
  const made = JSON.parse(await read("data/bench/feeding.json")) as Feeding;
  assertEquals(await read("data/bench/feeding.md"), feedingReport(made));
  assertEquals(made.runs.length, 3);
  for (const run of made.runs) {
    assert(run.updates.length >= 30 && run.batches.length === run.updates.length);
    const { all } = feedingShares(run);
    assert(all > 0 && all < 0.05, `${run.run}: ${all}`);
    if (run.padding) assert(run.padding.byLength < run.padding.shuffled / 2, run.run);
  }
});

Deno.test("the README says of the included models what the files beside them say", async () => {
  const readme = await unbroken("README.md");
  for (const kind of ["learned", "sinusoidal"]) {
    const { result: { heldout, baselines } } = JSON.parse(await read(`data/models/mini-${kind}.json`));
    const [bits, low, high, count] = [heldout, heldout.low, heldout.high, baselines.kneserNey]
      .map(({ bitsPerCharacter }) => bitsPerCharacter.toFixed(3));
    assert(new RegExp(`${kind} positions (reach )?${bits} \\[${low}, ${high}\\]`).test(readme), kind);
    assert(readme.includes(`Kneser–Ney n-grams ${count}`));
  }
});

Deno.test("the README says of the default study what its report says", async () => {
  const readme = await unbroken("README.md");
  const report = await read("data/studies/ablate/report.md");
  const [, found, seeds, p] = report.match(
    /held-out text: (learned − sinusoidal = .*? bits per character), (\d+ seeds × \d+ windows): higher, (p = [\d.]+)/,
  )!;
  for (const said of [found!, seeds!, `${p} (Holm`]) assert(readme.includes(said), said);
  const ofLambda = report.split("\n").filter((line) => /^- .*: λ = 0.5 − λ = 0 = /.test(line));
  const powers = ofLambda.map((line) => line.match(/: not significant, .* power at ±([\d.]+)/)![1]!);
  const [least, most] = [Math.min, Math.max].map((of) => of(...powers.map(Number)));
  const studies = await unbroken("data/studies/README.md");
  assert(
    powers.length === 4 && studies.includes(`80 % power only at ${least} to ${most} points`),
    `${powers}`,
  );
  assert(readme.includes("](data/studies/README.md)"));
});

Deno.test("the README says of positions what their study has found", async () => {
  const study = await published("crossing");
  const [first, , , last] = study.mainContrasts, over = "pretrain.updates";
  const { mean, low, high } = study.crossing("positions", { over, between: ["learned", "sinusoidal"] });
  const millions = (updates: number) => (updates * 16 * 128 / 1e6).toFixed(1);
  for (const page of ["README.md", "README.zh.md"]) {
    const readme = await unbroken(page);
    for (const effect of [first!, last!]) {
      assert(readme.includes(formatEstimate(effect)), `${page}: ${effect.sentence}`);
    }
    for (const { name, ...effect } of (await published("crossing-again")).mainContrasts.slice(0, 2)) {
      assert(readme.includes(formatEstimate(effect)), `${page}: ${name} again`);
    }
    assert(readme.includes(`p = ${last!.p.toFixed(3)}`), page);
    assert(readme.includes(`${millions(mean)} [${millions(low)}, ${millions(high)}]`), page);
  }
});

Deno.test("the README says of λ what its study has found", async () => {
  const study = await published("auxiliary");
  const main = study.mainContrasts;
  assert(main.every(({ finding }) => !/^(higher|lower)/.test(finding)), "an effect of λ is significant");
  assertEquals(main[0]!.finding, "equal within ±2");
  for (const page of ["README.md", "README.zh.md"]) {
    const readme = await unbroken(page);
    for (const effect of main.slice(0, 4)) {
      assert(readme.includes(`+${formatEstimate(effect)}`), `${page}: ${effect.sentence}`);
    }
    assert(readme.includes(`p = ${main[2]!.p.toFixed(3)}`), page);
    for (const { name, ...effect } of (await published("auxiliary-again")).mainContrasts) {
      assert(readme.includes(formatEstimate(effect)), `${page}: ${name} again`);
    }
    const [, , , onKind] = (await published("auxiliary-dropout")).mainContrasts;
    assertEquals(onKind!.finding, "higher");
    for (const said of [formatEstimate(onKind!), `p = ${onKind!.p.toFixed(3)}`]) {
      assert(readme.includes(said), page);
    }
  }
});

Deno.test("the README says of pre-training what its study has found", async () => {
  const study = await published("pretraining");
  const [imdb, , least, kind, most] = study.mainContrasts;
  assertEquals(
    study.mainContrasts.map(({ finding, p }) => finding === "higher" && p < 0.001),
    Array(5).fill(true),
  );
  const byMean = study.mainContrasts.filter((one) => one !== imdb && one !== kind).toSorted((a, b) =>
    a.mean - b.mean
  );
  assertEquals([byMean[0]!.name, byMean.at(-1)!.name], [least!.name, most!.name]);
  const stuck = study.scores.filter(({ stuck, values }) => stuck === values.length);
  assertEquals(stuck.map(({ levels }) => levels["transfer"]), [-1, -1, -1]);
  for (const page of ["README.md", "README.zh.md"]) {
    const readme = await unbroken(page);
    for (const effect of [imdb!, least!, kind!, most!]) {
      assert(readme.includes(formatEstimate(effect)), `${page}: ${effect.sentence}`);
    }
  }
});

Deno.test("every command that the README gives is a task", async () => {
  const { tasks } = JSON.parse(await read("deno.json"));
  const named = [...(await read("README.md")).matchAll(/deno(?:@[\d.]+)? task (\w+)/g)].map(([, name]) =>
    name!
  );
  assert(named.length > 5);
  for (const name of named) assert(Object.hasOwn(tasks, name), `there is no task ${name}`);
});
