import { fileURLToPath } from "node:url";
import { assert, assertEquals } from "../assert.ts";

const root = new URL("../../", import.meta.url);
const code = `
  import { findBlas } from "${new URL("lib/engine/blas.ts", root)}";
  console.log(await findBlas().then((blas) => blas?.path ?? "none", (error) => error.name + ": " + error.message));
`;

/** What a program that looks for a BLAS finds, in a folder and an environment of its own. */
async function found(env: Record<string, string>, cwd: string): Promise<string> {
  const program = await Deno.makeTempFile({ suffix: ".ts" });
  await Deno.writeTextFile(program, code);
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "--allow-read",
      "--allow-env",
      "--allow-ffi",
      "--config",
      fileURLToPath(new URL("deno.json", root)),
      program,
    ],
    env: { NO_COLOR: "1", GPT1_BLAS: "", LD_LIBRARY_PATH: "", ...env },
    cwd,
  }).output();
  await Deno.remove(program);
  const [said, failed] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes).trim());
  return said || failed!;
}

/** A library that this machine has, where Debian puts it. */
const library = `/usr/lib/${Deno.build.arch}-linux-gnu/libopenblas.so.0`;
const ignore = Deno.build.os !== "linux" || await Deno.stat(library).then(() => false, () => true);

/** Runs with a folder below one that all users may write to, which holds a library of the name that is looked for. */
async function planted(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ dir: "/tmp" });
  await Deno.mkdir(`${folder}/lib`);
  await Deno.copyFile(library, `${folder}/lib/libopenblas.so.0`);
  await Deno.copyFile(library, `${folder}/lib/libplanted.so.0`);
  try {
    await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test({
  name: "a BLAS is named by its absolute path, or by a name that the system finds",
  ignore,
  async fn() {
    for (const chosen of [library, "libopenblas.so.0", `/usr/../usr//lib/./${library.slice(9)}`]) {
      assertEquals(await found({ GPT1_BLAS: chosen }, "/"), chosen);
    }
    assertEquals(await found({ GPT1_BLAS: "none" }, "/"), "none");
    const refused = (why: string) =>
      new RegExp(`^InputError: Cannot use GPT1_BLAS="\\P{C}*" as ${why}$`, "u");
    for (
      const [chosen, why] of [
        ["lib/libopenblas.so.0", "its path must be absolute"],
        [`.${library}`, "its path must be absolute"],
        ["..", "it must be an absolute path, or a library's name"],
        ["\u001b[31m", "it must be an absolute path, or a library's name"],
        ["/none/libopenblas.so.0", "it is not there"],
        ["/etc/passwd", 'it does not open: ".*'],
        ["libplanted.so.0", 'it does not open: ".*'],
      ] as const
    ) {
      const said = await found({ GPT1_BLAS: chosen }, "/usr");
      assert(refused(why).test(said), said);
    }
  },
});

Deno.test({
  name: "no BLAS is loaded from where all users may write, by a link neither, nor from the current folder",
  ignore,
  async fn() {
    await planted(async (folder) => {
      const refused = async (env: Record<string, string>, why: RegExp) => {
        const said = await found(env, `${folder}/lib`);
        assert(why.test(said), said);
      };
      const writable = /^InputError: Cannot use GPT1_BLAS=".*" as all users may write to "\/tmp"$/;
      await refused({ GPT1_BLAS: `${folder}/lib/libplanted.so.0` }, writable);
      await Deno.symlink(library, `${folder}/link.so`); // It can be made to lead elsewhere.
      await refused({ GPT1_BLAS: `${folder}/link.so` }, writable);
      await refused({ GPT1_BLAS: "libplanted.so.0" }, /as it does not open: /);
      for (const entries of [":", ".", "/usr/lib:lib", `${folder}/lib`, `/none;${folder}/lib`]) {
        await refused(
          { GPT1_BLAS: "libplanted.so.0", LD_LIBRARY_PATH: entries },
          /as the system would look for it in ".*" of LD_LIBRARY_PATH: name its absolute path$/,
        );
      }
      // The search passes over such folders.
      const numpy = `${folder}/lib/python3.11/site-packages/numpy.libs`;
      await Deno.mkdir(numpy, { recursive: true });
      await Deno.copyFile(library, `${numpy}/libscipy_openblas64_-1.so`);
      for (const name of ["CONDA_PREFIX", "VIRTUAL_ENV", "PATH", "HOME"]) {
        for (
          const place of [name === "PATH" ? `${folder}/bin` : folder, name === "PATH" ? "../bin" : "..", "."]
        ) {
          const said = await found({ [name]: place, LD_LIBRARY_PATH: "." }, `${folder}/lib`);
          assert(said === "none" || said.startsWith("/usr/"), `${name}=${place}: ${said}`);
        }
      }
    });
  },
});

Deno.test({
  name: "OpenBLAS' kernels are named, and what holds it back is said where the environment may be read",
  ignore: ignore || Deno.build.arch !== "x86_64",
  async fn() {
    const started = async (core: string, env = "--allow-env=GPT1_BLAS,OPENBLAS_CORETYPE") => {
      const module = new URL("lib/engine/mod.ts", root);
      const code =
        `import { backend } from "${module}"; console.log(JSON.stringify(await backend("wasm", { threads: 1 })));`;
      const program = await Deno.makeTempFile({ suffix: ".ts" });
      await Deno.writeTextFile(program, code);
      const config = ["--config", fileURLToPath(new URL("deno.json", root))];
      const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
        args: ["run", "--no-prompt", "--allow-read", "--allow-ffi", env, ...config, program],
        env: { NO_COLOR: "1", GPT1_BLAS: library, OPENBLAS_CORETYPE: core },
      }).output();
      await Deno.remove(program);
      const text = new TextDecoder();
      assert(stdout.length > 0, text.decode(stderr));
      return JSON.parse(text.decode(stdout)) as { matmul: string; faster?: string };
    };
    const free = await started("");
    assert(/^OpenBLAS \(\w+ kernels\) through FFI, 1 thread$/.test(free.matmul), free.matmul);
    assertEquals(free.faster, undefined);
    const unknown = await started("Nonesuch");
    assertEquals([unknown.matmul, unknown.faster], [free.matmul, undefined]);
    const held = await started("Nehalem"); // Of 2008: whatever runs this has more.
    assertEquals(held.matmul, "OpenBLAS (Nehalem kernels) through FFI, 1 thread");
    assert(
      /^OPENBLAS_CORETYPE=Nehalem holds OpenBLAS to SSE kernels on a processor with AVX(2|-512)?: unset it$/
        .test(held.faster ?? ""),
      held.faster,
    );
    const silent = await started("Nehalem", "--allow-env=GPT1_BLAS");
    assertEquals([silent.matmul, silent.faster], [held.matmul, undefined]);
  },
});
