import { basename, dirname } from "node:path";
import { InputError, quoted } from "../errors.ts";
import { fileError } from "../files.ts";
import type { Schedule } from "./schedules.ts";

/**
 * Checks that a schedule has a trunk, if a run is to share one.
 *
 * @throws {InputError} If it has none.
 */
export function checkTrunk(trunk: string | undefined, schedule: Schedule): void {
  if (trunk === undefined || schedule === "warmup_stable_decay") return;
  throw new InputError(
    `Cannot pre-train with trunk ${quoted(trunk)} as with schedule ${schedule} ` +
      "runs of other lengths have no updates in common: warmup_stable_decay works",
  );
}

/** The file of a trunk's state after an update. */
export function trunkFile(trunk: string, update: number): string {
  return `${trunk}-${update}.part`;
}

/**
 * The update of a trunk's latest state that is not after another update; 0 if there is none.
 *
 * @throws {InputError} If the trunk's folder cannot be read.
 */
export async function latestState(trunk: string, notAfter: number): Promise<number> {
  const folder = dirname(trunkFile(trunk, 0)), start = basename(trunkFile(trunk, 0), "0.part");
  let latest = 0;
  try {
    for await (const { name } of Deno.readDir(folder)) {
      const update = Number(
        name.startsWith(start) && /^([1-9]\d*)\.part$/.exec(name.slice(start.length))?.[1],
      );
      if (update > latest && update <= notAfter) latest = update;
    }
  } catch (error) {
    throw fileError("read", folder, error);
  }
  return latest;
}
