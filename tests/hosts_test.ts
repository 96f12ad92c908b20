import kit from "../.devcontainer/devcontainer.json" with { type: "json" };
import { assert, assertEquals } from "./assert.ts";
import { endOf, outputOf, root } from "./programs.ts";

const read = (path: string) => Deno.readTextFile(`${root}${path}`);
const version = /deno@(\d+\.\d+\.\d+)/.exec(await read("README.md"))![1]!;
const npm = await outputOf("npm", "--version") !== undefined;
if (!npm) console.log("There is no npm here: .binder/postBuild is not run");

Deno.test("Binder and containers install the Deno that the README names, in one way", async () => {
  assert((await read(".binder/postBuild")).includes(`npm install --global deno@${version}\n`));
  assert(kit.postCreateCommand.endsWith("bash .binder/postBuild"));
  for (const name of ["jupyterlab", "nodejs=20"]) {
    assert((await read(".binder/environment.yml")).includes(`- ${name}\n`));
  }
});

Deno.test({
  name: "what Binder runs installs Deno and its Jupyter kernel, where there is but npm",
  ignore: !npm || Deno.build.os === "windows",
}, async () => {
  const home = await Deno.makeTempDir();
  try {
    const { PATH, DENO_DIR, HOME } = Deno.env.toObject();
    const { code, err } = await endOf(
      new Deno.Command("bash", {
        args: [".binder/postBuild"],
        cwd: root,
        env: {
          HOME: home,
          npm_config_prefix: `${home}/npm`,
          PATH: `${home}/npm/bin:${PATH}`,
          DENO_DIR: DENO_DIR ?? `${HOME}/.cache/deno`, // What this machine has downloaded already.
          NO_COLOR: "1",
        },
        stdin: "null",
        stdout: "piped",
        stderr: "piped",
      }).spawn(),
    );
    assertEquals(code, 0, err);
    const { argv } = JSON.parse(
      await Deno.readTextFile(`${home}/.local/share/jupyter/kernels/deno/kernel.json`),
    );
    assertEquals(argv.slice(1, 3), ["jupyter", "--kernel"]);
    assertEquals((await outputOf(argv[0], "--version"))?.split(" ").slice(0, 2), ["deno", version]);
  } finally {
    await Deno.remove(home, { recursive: true });
  }
});
