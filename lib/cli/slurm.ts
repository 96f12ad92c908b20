import { dirname } from "node:path";
import { InputError, isPrintable, quoted } from "../errors.ts";

/** An array of Slurm tasks that all run one command of this kit. */
export interface JobArray {
  /** Name of the task in deno.json: `ablate`. */
  readonly name: string;
  /** The command's arguments, without `--workers`. */
  readonly args: readonly string[];
  /** Number of tasks. */
  readonly tasks: number;
  /** Cores, and so workers, of a task. */
  readonly workers: number;
  /** Folder of the study, for the tasks' logs: an absolute path. */
  readonly folder: string;
}

/**
 * A job script for `sbatch`: each of its tasks runs the same command, in the current folder, with the Deno that runs
 * this. Shortly before its time limit a task saves checkpoints and is queued again.
 *
 * @returns Its text, for bash.
 * @throws {InputError} If Slurm cannot name a log in the folder.
 */
export function jobScript({ name, args, tasks, workers, folder }: JobArray): string {
  if (!isPrintable(folder) || folder.includes("\\")) { // Options are lines, and after a backslash %a is no number.
    throw new InputError(
      `Cannot write a job script to folder ${quoted(folder)} as Slurm cannot name logs there: ` +
        "choose one without control characters and backslashes",
    );
  }
  const deno = Deno.execPath();
  return `#!/bin/bash
#SBATCH --job-name=${name}
#SBATCH --array=0-${tasks - 1}
#SBATCH --cpus-per-task=${workers}
#SBATCH --signal=B:TERM@60
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=${word(`${folder.replaceAll("%", "%%")}/slurm-%A_%a.log`)}

# Every task runs this command; each takes runs of the study that no other has.
cd ${word(Deno.cwd())} || exit
export PATH=${word(dirname(deno))}:"$PATH" # Workers are started by name.
${[deno, "task", "--quiet", name, ...args].map(word).join(" ")} --workers "$SLURM_CPUS_PER_TASK" &
command=$!

# Slurm signals this shell only: the command saves checkpoints and ends with code 143.
trap 'kill "$command" 2> /dev/null' TERM
wait "$command"
code=$?
while kill -0 "$command" 2> /dev/null; do # The signal ended the wait.
  wait "$command"
  code=$?
done
if [ "$code" -eq 143 ]; then # At the time limit: a task that was cancelled is not queued again.
  scontrol requeue Incomplete "\${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
fi
exit "$code"
`;
}

/** A text as one word for a shell, and for Slurm's options, which know the same quotes. */
export function word(text: string): string {
  return /^[\w./:=,@%+-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
