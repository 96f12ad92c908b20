import type { Task } from "../data/mod.ts";
import { abbreviated, sha256 } from "../digest.ts";
import { InputError } from "../errors.ts";
import { readFile } from "../files.ts";
import { encodeTask } from "../train/mod.ts";
import { type Arm, baselinesOf, type Plan, planOf } from "./plan.ts";
import type { Finetuned, Pretrained } from "./rows.ts";
import { isCausal, settleStudy, studies, type StudyOptions, type StudySettings } from "./settings.ts";
import { type Study, studyOf } from "./tables.ts";

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
  const { signal: _, workers: __, ...study } = settleStudy(studies.ablate, options);
  const plan = await planOf(study);
  const pretrained: Pretrained[] = [], finetuned: Finetuned[] = [];
  for (const arm of plan.arms) {
    const common = commonOf(plan, arm, study);
    if (arm.pretrain) {
      pretrained.push(await read(study, arm.pretrain.name, pretrainSettings(plan, study, common)));
    }
    for (const { name, task, inputs: { lambda, transfer, options: finetune } } of arm.finetune) {
      const examples = digestOf(task, plan, arm);
      const own = { task: task.name, examples, test: task.test.length, lambda, transfer, finetune };
      finetuned.push(await read(study, name, { run: "finetune", ...common, ...own }));
    }
  }
  return studyOf(pretrained, finetuned, baselinesOf(plan, study), true);
}

type Settings = Readonly<Record<string, unknown>>;

/** The common inputs of an arm's runs, in the order of version 0.1, as file names are hashes of them. */
function commonOf(
  { corpus }: Plan,
  { preset, seed, start }: Arm,
  { merges, pretrain, pretrained }: StudySettings,
): Settings {
  if (!corpus) return { ...preset, seed, pretrained, model: abbreviated(start.digest) };
  return { ...preset, seed, merges, corpus: corpus.name, text: abbreviated(sha256(corpus.train)), pretrain };
}

function pretrainSettings(plan: Plan, { heldoutWindows }: StudySettings, common: Settings): Settings {
  const [arm] = plan.arms;
  const zeroShot = plan.zeroShot.map((task) => (
    { task: task.name, examples: digestOf(task, plan, arm!), test: task.test.length }
  ));
  return { run: "pretrain", ...common, heldoutWindows, ...zeroShot.length > 0 && { zeroShot } };
}

/** The digest of a task's tokenised training examples. */
function digestOf(task: Task, { tokenizer }: Plan, { preset }: Arm): string {
  const { train } = encodeTask(task, tokenizer, preset.context);
  const parts = train.flatMap(({ sequences, label }) => [
    ...sequences.map((ids) => new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength)),
    String(label),
  ]);
  return abbreviated(sha256(parts));
}

async function read<Row>({ folder }: StudySettings, name: string, settings: Settings): Promise<Row> {
  const path = `${folder}/${name}-${sha256(JSON.stringify(settings)).slice(0, 8)}.json`;
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

/** Whether a result matches its settings, and its score its primary metric. */
function matchesSettings(settings: Settings, result: Pretrained & Partial<Finetuned>): boolean {
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
