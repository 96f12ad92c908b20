import { dirname } from "node:path";
import { jobScript, word } from "../../lib/cli/slurm.ts";
import { exists } from "../../lib/files.ts";
import { assert, assertEquals } from "../assert.ts";
import { endOf, outputOf, processes, root, startTask } from "../programs.ts";
import { hasSlurm, startCluster } from "./cluster.ts";
import { smallModel } from "./weather.ts";

const folder = await Deno.makeTempDir();
globalThis.addEventListener("unload", () => Deno.removeSync(folder, { recursive: true }));
const run = (name: string, ...args: string[]) => endOf(startTask(name, args));
const hasBash = await outputOf("bash", "-c", "true") !== undefined;
const hasSleep = await outputOf("bash", "-c", "type sleep touch") !== undefined;

/** What a shell, or Slurm, might take for something else than itself. */
const hostile = `it's "a" $HOME \${x} $(id) \`id\` #x; & | < > * ? ~ ! %j {a,b} [0-9] Ω`;

const weather = await smallModel(folder), corpus = weather.slice(0, 2);
/** Options of a study of seconds, without its corpus and folder. */
const tiny = [
  ...["--tasks", "kind", "--train-examples", "16", "--test-examples", "16", "--seeds", "2"],
  ...["--lambda", "0,0.5", ...weather.slice(2)],
];

/**
 * Runs a job script where Deno and scontrol are programs that note their arguments.
 *
 * @param end Sends SIGTERM to the script's shell, at which Deno takes a while and then ends with this code.
 */
async function runScript(script: string, end?: number): Promise<{
  readonly code: number;
  readonly args: readonly string[];
  readonly cwd: string;
  /** The first folder in which it looks for programs. */
  readonly path: string;
  /** Arguments of scontrol; empty if it was not called. */
  readonly scontrol: string;
}> {
  const own = await Deno.makeTempDir({ dir: folder });
  const write = (name: string, ...lines: string[]) =>
    Deno.writeTextFile(`${own}/${name}`, ["#!/bin/bash", ...lines].join("\n"), { mode: 0o755 });
  await write(
    "deno",
    `printf '%s\\0' "$@" > '${own}/args'; pwd > '${own}/cwd'; echo "\${PATH%%:*}" > '${own}/path'`,
    end === undefined ? "" : `trap 'sleep 0.3; exit ${end}' TERM
      sleep 0.2; touch '${own}/runs'; for i in {1..500}; do sleep 0.02; done`,
  );
  await write("scontrol", `echo "$@" > '${own}/scontrol.txt'`);
  await Deno.writeTextFile(`${own}/job`, script.replaceAll(word(Deno.execPath()), `${own}/deno`));
  const env = {
    ...{ PATH: `${own}:${Deno.env.get("PATH")}`, SLURM_CPUS_PER_TASK: "7" },
    ...{ SLURM_ARRAY_JOB_ID: "12", SLURM_ARRAY_TASK_ID: "3" },
  };
  const child = new Deno.Command("bash", { args: [`${own}/job`], env }).spawn();
  if (end !== undefined) {
    let isOver = false;
    void child.status.then(() => isOver = true);
    while (!isOver && !await exists(`${own}/runs`)) await new Promise((next) => setTimeout(next, 20));
    if (!isOver) child.kill("SIGTERM");
  }
  const { code } = await child.status;
  const read = (name: string) => Deno.readTextFile(`${own}/${name}`).catch(() => "");
  return {
    code,
    args: (await read("args")).split("\0").slice(0, -1),
    cwd: (await read("cwd")).trim(),
    path: (await read("path")).trim(),
    scontrol: (await read("scontrol.txt")).trim(),
  };
}

Deno.test("--slurm writes a job script, prints how to submit it, and starts nothing", async () => {
  const own = `${folder}/plain`, study = [...tiny, ...corpus, "--folder", own];
  const { code, out, err } = await run("ablate", ...study, "--slurm", "4", "--workers", "2");
  assertEquals([code, out], [0, `sbatch ${own}/slurm.sh`], err);
  assert(/^12 of 12 runs to do: about .* with 8 in parallel, and \d+ MB in /m.test(err), err);
  assertEquals([...Deno.readDirSync(own)].map(({ name }) => name), ["slurm.sh"]);
  const script = await Deno.readTextFile(`${own}/slurm.sh`);
  assertEquals(script.match(/^#.*$/gm)!.slice(0, 8), [
    "#!/bin/bash",
    "#SBATCH --job-name=ablate",
    "#SBATCH --array=0-3",
    "#SBATCH --cpus-per-task=2",
    "#SBATCH --signal=B:TERM@60",
    "#SBATCH --requeue",
    "#SBATCH --open-mode=append",
    `#SBATCH --output=${own}/slurm-%A_%a.log`,
  ]);
  const again = await run("compare", ...study, "--slurm=1", "--json");
  assertEquals(again.code, 0, again.err);
  const { settings, script: path } = JSON.parse(again.out);
  assertEquals([path, settings.folder, settings.trainExamples], [`${own}/slurm.sh`, own, 16]);
  const second = await Deno.readTextFile(path);
  for (const line of ["#SBATCH --job-name=compare", "#SBATCH --array=0-0", "#SBATCH --cpus-per-task=1"]) {
    assert(second.split("\n").includes(line), `${line} is not in ${second}`);
  }
});

Deno.test({
  name: "a task of the job runs the command with the same settings, whatever signs they have",
  ignore: !hasBash,
  async fn() {
    const corpus = `${folder}/${hostile}\n\\end'`, own = `${folder}/${hostile}`;
    await Deno.copyFile(weather[1]!, corpus);
    const study = [
      ...["--smoke", "--positions", "learned,none", "--lambda", "0,0.5", "--transfer", "all,-1"],
      ...["--tasks", "kind", "--seeds", "1", "--corpus", corpus],
      ...["--pretrain-rate", "1e-7", "--train-examples", "Infinity", "--test-examples", "16"],
      ...["--folder", own, "--layers", "1", "--quiet", "--backend", "wasm"],
    ];
    const { code, out, err } = await run("ablate", ...study, "--slurm", "2", "--workers", "3");
    assertEquals(code, 0, err);
    assertEquals(await outputOf("bash", "-c", out.replace("sbatch", "printf %s")), `${own}/slurm.sh`);
    const task = await runScript(await Deno.readTextFile(`${own}/slurm.sh`));
    assertEquals([task.code, task.cwd, task.scontrol], [0, root.replace(/\/$/, ""), ""]);
    assertEquals(task.path, dirname(Deno.execPath())); // Or a study would start no workers.
    const [name, args, workers] = [task.args.slice(0, 3), task.args.slice(3, -2), task.args.slice(-2)];
    assertEquals([name, workers], [["task", "--quiet", "ablate"], ["--workers", "7"]]);
    assertEquals(args.toSorted(), study.toSorted());
    const [listed, expected] = await Promise.all([args, study].map(async (args) => {
      const { code, out, err } = await run("ablate", ...args, "--list", "--json");
      assertEquals(code, 0, err);
      return JSON.parse(out).settings;
    }));
    assertEquals(listed, expected);
  },
});

Deno.test({
  name: "each word of the job script is the one that was given",
  ignore: !hasBash,
  async fn() {
    const args = [hostile, "a\nb", "\\", "'", "", "-x", `\\'"\n$(id)`];
    const script = jobScript({ name: "suite", args, tasks: 1, workers: 1, folder: "/tmp" });
    const task = await runScript(script);
    assertEquals(task.args, ["task", "--quiet", "suite", ...args, "--workers", "7"]);
  },
});

Deno.test({
  name:
    "a task that is signalled waits for its checkpoints, and is queued again unless it is done or fails (needs sleep)",
  ignore: !hasSleep,
  async fn() {
    const script = jobScript({ name: "ablate", args: [], tasks: 4, workers: 1, folder: "/tmp" });
    for (const [end, scontrol] of [[143, "requeue Incomplete 12_3"], [0, ""], [1, ""]] as const) {
      const task = await runScript(script, end);
      assertEquals([task.code, task.scontrol], [end, scontrol]);
    }
  },
});

const refused: [sentence: RegExp, ...options: string[]][] = [
  [/^Cannot use --slurm 0 as it must be a whole number from 1 to 1,000$/, "--slurm", "0"],
  [/^Cannot use --slurm 1\.5 as it must be a whole number from 1 to 1,000$/, "--slurm", "1.5"],
  [
    /^Cannot use --slurm with --list as a list starts no runs: leave one of them out$/,
    ...["--slurm", "2", "--list"] as const,
  ],
  [
    /^Cannot use --list with --csv as it lists runs, and has no scores: leave either out$/,
    ...["--list", "--csv", `${folder}/runs.csv`] as const,
  ],
  [
    /^Cannot use --slurm with --csv as each task would write it: repeat the command with --csv when they are done$/,
    ...["--slurm", "2", "--csv", `${folder}/runs.csv`] as const,
  ],
  [
    /^Cannot write a job script to folder ".*\\n.*" as Slurm cannot name logs there: choose one without control /,
    ...["--slurm", "2", "--folder", `${folder}/a\nb`] as const,
  ],
  [
    /^Cannot write a job script to folder ".*\\\\.*" as Slurm cannot name logs there: choose one without control /,
    ...["--slurm", "2", "--folder", `${folder}/a\\b`] as const,
  ],
  [/^Cannot split 10 features over 4 heads as /, "--slurm", "2", "--width", "10", "--heads", "4"],
  [/^Cannot open corpus "boks" as there is no such /, "--slurm", "2", "--corpus", "boks"],
  [/^Cannot .*empty\.txt/, "--slurm", "2", "--corpus", `${folder}/empty.txt`],
  [
    /^Cannot write .*weather\.txt\/x as .*weather\.txt is a file and not a folder: /,
    "--slurm",
    "2",
    "--folder",
    `${folder}/weather.txt/x`,
  ],
];
await Deno.writeTextFile(`${folder}/empty.txt`, "");

for (const [sentence, ...options] of refused) {
  const shown = JSON.stringify(options.join(" ").replaceAll(folder, "…"));
  Deno.test(`ablate ${shown} is refused with exit code 2, and no job script is written`, async () => {
    const filesIn = () => [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
    const before = filesIn();
    const others = [corpus, ["--folder", `${folder}/refused`]].filter(([flag]) => !options.includes(flag!));
    const { code, out, err } = await run("ablate", ...tiny, ...others.flat(), ...options);
    assertEquals([code, out], [2, ""], err);
    assert(sentence.test(err) && !/\n\s+at /.test(err), err);
    assertEquals(filesIn(), before);
  });
}

Deno.test({
  name: `on a cluster of Slurm, tasks that are stopped and cancelled give the results of one process${
    hasSlurm ? "" : " (needs slurmctld, slurmd and munged)"
  }`,
  ignore: !hasSlurm,
  async fn() {
    const study = [...tiny, ...corpus, "--positions", "learned,sinusoidal", "--pretrain-updates", "1500"];
    const whole = await run("ablate", ...study, "--folder", `${folder}/whole`, "--workers", "1");
    assertEquals(whole.code, 0, whole.err);
    const own = `${folder}/it's "a" $HOME 100%j; tasks`;
    const written = await run("ablate", ...study, "--folder", own, "--slurm", "4");
    assertEquals(written.code, 0, written.err);

    await using cluster = await startCluster(4);
    const id = await cluster.run("sbatch", "--parsable", `${own}/slurm.sh`);
    const log = (task: number) => Deno.readTextFile(`${own}/slurm-${id}_${task}.log`).catch(() => "");
    const stateOf = async (task: number) => {
      const job = await cluster.run("scontrol", "show", "job", `${id}_${task}`);
      const [state, restarts, code] = ["JobState", "Restarts", "ExitCode"].map((name) =>
        new RegExp(`\\b${name}=(\\S+)`).exec(job)?.[1]
      );
      return `${state}, restarts ${restarts}, code ${code}`;
    };
    for (const task of [0, 1]) {
      await cluster.until(`training in task ${task}`, async () => /, loss /.test(await log(task)));
    }
    // What --signal does before the time limit; scancel may complain that the job has changed meanwhile.
    await cluster.run("scancel", "--signal=TERM", "--batch", `${id}_0`).catch(() => {});
    await cluster.run("scancel", `${id}_1`);
    await cluster.until("requeued task", async () => (await stateOf(0)).startsWith("PENDING, restarts 1, "));
    assert(
      /^Stopped before the end: the same command resumes from here\n(Terminated\n)?$/m.test(await log(0)),
      await log(0),
    );
    // Not after two minutes; but within a second a node refuses what it has just ended.
    await cluster.run("scontrol", "update", `JobId=${id}_0`, "StartTime=now+2");
    await cluster.until("end", async () => await cluster.run("squeue", "--noheader") === "");
    assertEquals(await Promise.all([0, 1, 2, 3].map(stateOf)), [
      "COMPLETED, restarts 1, code 0:0",
      "CANCELLED, restarts 0, code 143:0",
      "COMPLETED, restarts 0, code 0:0",
      "COMPLETED, restarts 0, code 0:0",
    ], await log(0));
    for (const task of [0, 2, 3]) assert(/^Done in \d+ s\n$/m.test(await log(task)), await log(task));

    const resultsIn = async (folder: string) => {
      const names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
      const results = names.filter((name) => name.endsWith(".json")).map(async (name) => {
        const { runs: _, ...result } = JSON.parse(await Deno.readTextFile(`${folder}/${name}`)).result;
        return [name, result] as const; // Less the digest of a file that has times.
      });
      return { names: names.filter((name) => !/^slurm/.test(name)), results: await Promise.all(results) };
    };
    const results = await resultsIn(own);
    assertEquals(results.results.length, 13);
    assertEquals(results, await resultsIn(`${folder}/whole`));
    await cluster[Symbol.asyncDispose]();
    assertEquals((await processes())?.filter(({ command }) => command.includes(cluster.folder)) ?? [], []);
  },
});
