/**
 * A Slurm cluster of one node, this machine, for a test: its daemons, ports and files are its own.
 *
 * @module
 */
import { outputOf } from "../programs.ts";

/** Whether this machine has Slurm's daemons and its authentication. */
export const hasSlurm: boolean = (await Promise.all([
  outputOf("slurmctld", "-V"),
  outputOf("slurmd", "-V"),
  outputOf("munged", "--version"),
])).every((version) => version !== undefined);

/** A running cluster; disposed of, it has ended every job and daemon, and removed its files. */
export interface Cluster extends AsyncDisposable {
  /** The folder of its files. */
  readonly folder: string;
  /** What a program of Slurm prints, such as `squeue`; fails where the program does. */
  run(program: string, ...args: string[]): Promise<string>;
  /** Waits until this holds, and fails after a minute, with the daemons' logs. */
  until(what: string, holds: () => Promise<boolean>): Promise<void>;
}

/** Starts a cluster of as many cores, whether this machine has them or not. */
export async function startCluster(cores: number): Promise<Cluster> {
  const folder = await Deno.makeTempDir({ prefix: "slurm" });
  await Deno.chmod(folder, 0o711); // munged's socket must be open to all.
  const path = (name: string) => `${folder}/${name}`;
  for (const name of ["state", "spool"]) await Deno.mkdir(path(name));
  await Deno.writeFile(path("key"), crypto.getRandomValues(new Uint8Array(128)), { mode: 0o400 });
  const user = (await outputOf("id", "-un"))!.trim();
  const [host] = Deno.hostname().split(".");
  const [port, nodePort] = freePorts(2);
  await Deno.writeTextFile(
    path("slurm.conf"),
    `ClusterName=test
SlurmctldHost=${host}(127.0.0.1)
SlurmctldPort=${port}
SlurmdPort=${nodePort}
SlurmUser=${user}
SlurmdUser=${user}
AuthType=auth/munge
AuthInfo=socket=${path("socket")}
CredType=cred/munge
StateSaveLocation=${path("state")}
SlurmdSpoolDir=${path("spool")}
SlurmctldPidFile=${path("slurmctld.pid")}
SlurmdPidFile=${path("slurmd.pid")}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
NodeName=${host} NodeAddr=127.0.0.1 CPUs=${cores}
PartitionName=main Nodes=ALL Default=YES
`,
  );
  const env = { SLURM_CONF: path("slurm.conf") };
  const daemons: { name: string; child: Deno.ChildProcess; log: Promise<string> }[] = [];
  const start = (name: string, ...args: string[]) => {
    const child = new Deno.Command(name, { args, env, stdin: "null", stdout: "null", stderr: "piped" })
      .spawn();
    daemons.push({ name, child, log: new Response(child.stderr).text() });
  };
  const run = async (program: string, ...args: string[]) => {
    const { success, stdout, stderr } = await new Deno.Command(program, { args, env }).output();
    if (success) return new TextDecoder().decode(stdout).trim();
    throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  };
  const within = async (seconds: number, holds: () => Promise<boolean>) => {
    for (const end = performance.now() + 1000 * seconds; performance.now() < end;) {
      if (await holds()) return true;
      await new Promise((resume) => setTimeout(resume, 200));
    }
    return false;
  };
  const stop = async () => {
    await run("scancel", `--user=${user}`).catch(() => {});
    await within(60, () => run("squeue", "--noheader").then((jobs) => jobs === "", () => true));
    const logs = [];
    for (const { name, child, log } of daemons.splice(0).reverse()) {
      try {
        child.kill("SIGTERM");
      } catch { /* It has ended. */ }
      await child.status;
      logs.push(`${name}:\n${await log}`);
    }
    await Deno.remove(folder, { recursive: true });
    return logs.join("\n");
  };
  const until = async (what: string, holds: () => Promise<boolean>) => {
    if (!await within(60, holds)) throw new Error(`No ${what} within a minute.\n${await stop()}`);
  };
  start(
    "munged",
    ...["--foreground", `--key-file=${path("key")}`, `--socket=${path("socket")}`],
    ...[`--pid-file=${path("munged.pid")}`, `--log-file=${path("munged.log")}`],
    `--seed-file=${path("munged.seed")}`,
  );
  await until("socket of munged", () => Deno.stat(path("socket")).then(() => true, () => false));
  start("slurmctld", "-D", "-f", env.SLURM_CONF);
  start("slurmd", "-D", "-f", env.SLURM_CONF);
  await until(
    "idle node",
    () => run("sinfo", "--noheader", "-o", "%t").then((at) => at === "idle", () => false),
  );
  return {
    folder,
    run,
    until,
    [Symbol.asyncDispose]: async () => {
      if (daemons.length > 0) await stop();
    },
  };
}

/** Ports that nobody listens on. */
function freePorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () => Deno.listen({ hostname: "127.0.0.1", port: 0 }));
  return listeners.map((listener) => {
    listener.close();
    return listener.addr.port;
  });
}
