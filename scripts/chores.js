/**
 * The repository's verbs: each installs what is missing, builds what is out of date, and then runs the
 * real thing in the foreground. Plain JavaScript without dependencies, since it runs before they are
 * there. A chore that cannot be done is one line on standard error and exit code 1.
 */
import { existsSync, readdirSync } from "node:fs";
import { build } from "./build.js";
import { check } from "./check.js";
import { ChoreError, root } from "./chore.js";
import { runForeground } from "./foreground.js";
import { install } from "./install.js";

const verbs = {
  farm: async (args) => {
    await prepare();
    // Relative paths of the arguments are the user's, who may stand in another folder.
    return runForeground(built("bin/piw.js"), ["farm", ...args], process.env.INIT_CWD);
  },
  test: async (args) => {
    await prepare();
    return runForeground(tool("vitest/vitest.mjs"), ["run", ...args]);
  },
  bench: async ([name, ...args]) => {
    const names = benchNames();
    if (!names.includes(name)) {
      const known = names.length === 0 ? "there are none yet" : `there are: ${names.join(", ")}`;
      throw new ChoreError(`${name ? `no bench "${name}"` : "which bench?"}; ${known}`);
    }
    await prepare();
    return runForeground(built(`bench/${name}.bench.js`), args);
  },
  chaos: async (args) => {
    await prepare();
    // From source, as all tests run.
    return runForeground(["--import", "tsx", `${root}/test/faults/chaos/program.ts`], args);
  },
  check: async () => {
    // Looks at the sources only, so nothing needs to be built.
    await install();
    return check();
  },
};

/** @param {string[]} argv verb and arguments */
export async function run([verb, ...args]) {
  try {
    const chore = Object.hasOwn(verbs, verb ?? "") ? verbs[verb] : undefined;
    if (chore === undefined) {
      throw new ChoreError(`usage: bootstrap.js ${Object.keys(verbs).join(" | ")} [ARGUMENT...]`);
    }
    process.exitCode = await chore(args);
  } catch (error) {
    process.stderr.write(`${error instanceof ChoreError ? error.message : error?.stack}\n`);
    process.exitCode = 1;
  }
}

async function prepare() {
  await install();
  await build();
}

function built(path) {
  return ["--enable-source-maps", `${root}/dist/${path}`];
}

function tool(path) {
  return [`${root}/node_modules/${path}`];
}

function benchNames() {
  const folder = `${root}/bench`;
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files.flatMap((file) => /^(.+)\.bench\.ts$/.exec(file)?.[1] ?? []);
}
