import { dirname } from "node:path";
import type { Task } from "../data/mod.ts";
import { abbreviated, sha256 } from "../digest.ts";
import { InputError } from "../errors.ts";
import { exists, readFile } from "../files.ts";
import { encodeTask } from "../train/mod.ts";
import {
  baselinesOf,
  isPretraining,
  type Plan,
  type PlannedFinetune,
  type PlannedPretrain,
  type Run,
} from "./plan.ts";
import { type Finetuned, type Pretrained, type TaskResult, textRow } from "./rows.ts";
import {
  isCausal,
  settleOptions,
  type StudyModel,
  type StudyOptions,
  type StudySettings,
} from "./settings.ts";
import { type Study, studyOf } from "./study.ts";
import { planOf } from "./tuning.ts";

/**
 * Opens a published study of version 0.1 in `data/studies`; it neither trains nor writes. These results have an older
 * format, whose keys do not include all inputs: a change of test labels or held-out text would not be noticed. This
 * function will be removed when the studies have been run again.
 *
 * @param options The study's settings, including its folder.
 * @throws {InputError} If a run's result is missing, or its file is not that result.
 *
 * @example
 * ```ts ignore
 * import { published, studies } from "../mod.ts";
 *
 * const suite = await published({ ...studies.suite, folder: "data/studies/suite" });
 * suite.table.print();
 * ```
 */
export async function published(options: StudyOptions): Promise<Study> {
  const { signal: _, workers: __, ...settled } = settleOptions(options);
  const study: StudySettings = { ...settled, sample: "once" }; // As version 0.1 did.
  const plan = await planOf(study), baselines = baselinesOf(plan);
  const pretrained: Pretrained[] = [], finetuned: Finetuned[] = [];
  for (const run of plan.runs) {
    const { arms, seed, tuned } = run, common = commonOf(plan, run, study);
    if (isPretraining(run)) {
      const row = await read<Pretrained>(study, run.file, pretrainSettings(plan, run, common));
      const zeroShot = row.zeroShot?.map(withStuck);
      const own = { ...row, ...zeroShot && { zeroShot }, ...textRow(row.heldout, baselines[run.text]) };
      pretrained.push(...arms.map((levels) => ({ ...own, levels, seed, tuned })));
      continue;
    }
    const { task, inputs: { lambda, transfer, options: finetune } } = run;
    const examples = digestOf(task, plan, run);
    const own = { task: task.name, examples, test: task.test.length, lambda, transfer, finetune };
    const row = await read<Finetuned>(study, run.file, { run: "finetune", ...common, ...own });
    finetuned.push(...arms.map((levels) => ({ ...withStuck(row), levels, seed, tuned })));
  }
  return studyOf({ study, pretrained, finetuned, tried: [], choices: 0, complete: true, failures: [] });
}

const withStuck = <Row extends TaskResult>(row: Row): Row => ({ ...row, stuck: row.low <= row.constant });

type Settings = Readonly<Record<string, unknown>>;

/** The common inputs of runs, in the order of version 0.1, as file names are hashes of them. */
function commonOf(
  { texts: [text] }: Plan,
  run: Run,
  { merges, pretrain, pretrained }: StudySettings,
): Settings {
  const { preset, seed } = run;
  if (!text) {
    return { ...preset, seed, pretrained, model: abbreviated((run as PlannedFinetune).start.digest) };
  }
  const { name, train } = text.corpus;
  return { ...preset, seed, merges, corpus: name, text: abbreviated(sha256(train)), pretrain };
}

function pretrainSettings(
  plan: Plan,
  { evaluation: { windows: heldoutWindows, zeroShot: tasks }, ...run }: PlannedPretrain,
  common: Settings,
): Settings {
  const zeroShot = tasks.map((task) => (
    { task: task.name, examples: digestOf(task, plan, run), test: task.test.length }
  ));
  return { run: "pretrain", ...common, heldoutWindows, ...zeroShot.length > 0 && { zeroShot } };
}

/** The digest of a task's tokenised training examples. */
function digestOf(
  task: Task,
  { tokenizers }: Plan,
  { preset, tokenizer }: Pick<Run, "preset" | "tokenizer">,
): string {
  const { train } = encodeTask(task, tokenizers[tokenizer]!, preset.context);
  const parts = train.flatMap(({ sequences, label }) => [
    ...sequences.map((ids) => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)),
    String(label),
  ]);
  return abbreviated(sha256(parts));
}

/** Reads a run from a study's folder, or from one beside it that continues its name, as `auxiliary-250` does. */
async function read<Row>({ folder }: StudySettings, name: string, settings: Settings): Promise<Row> {
  const file = `${name}-${sha256(JSON.stringify(settings)).slice(0, 8)}.json`;
  const parent = dirname(folder), others = await Array.fromAsync(Deno.readDir(parent)).catch(() => []);
  const folders = others.map(({ name }) => `${parent}/${name}`).filter((other) =>
    other.startsWith(`${folder}-`)
  );
  let path = `${folder}/${file}`;
  for (const other of folders) if (await exists(`${other}/${file}`)) path = `${other}/${file}`;
  const text = new TextDecoder().decode(await readFile(path, "a run of a published study"));
  try {
    const found = JSON.parse(text);
    checkNumbers(found.result);
    if (
      matchesSettings(settings, found.result) && JSON.stringify(found.settings) === JSON.stringify(settings)
    ) {
      return found.result as Row;
    }
  } catch { /* The error below is thrown. */ }
  throw new InputError(`Cannot use ${path} as the run ${name} of a published study`);
}

/** What a run of version 0.1 says of itself. */
type Recorded = Pretrained & Partial<Finetuned> & {
  readonly model?: StudyModel;
  readonly positions?: string;
  readonly lambda?: number;
  readonly transfer?: number;
};

/** Whether a result matches its settings, and its score its primary metric. */
function matchesSettings(settings: Settings, result: Recorded): boolean {
  const { positions } = settings as { readonly positions: { readonly kind: string } };
  if (!result.model || result.seed !== settings["seed"] || result.positions !== positions.kind) return false;
  if (settings["run"] === "pretrain") return !isCausal(result.model) || result.heldout !== undefined;
  const { task, lambda, transfer, measure, measures, value } = result;
  return task === settings["task"] && lambda === settings["lambda"] && transfer === settings["transfer"] &&
    typeof value === "number" && measures?.[measure!]?.value === value;
}

/** Checks that scores are between −1 and 1, and all numbers finite. */
function checkNumbers(value: unknown, name = ""): void {
  if (typeof value === "object" && value !== null) {
    for (const [name, part] of Object.entries(value)) checkNumbers(part, name);
  } else if (typeof value === "number") {
    const isScore = name === "value" || name === "constant";
    if (!Number.isFinite(value) || (isScore && Math.abs(value) > 1)) throw new RangeError(name);
  } else if (typeof value !== "string") throw new TypeError(name);
}
