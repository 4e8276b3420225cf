import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { inspectWheel } from "../../protocol/packaging/wheel-archive.ts";
import { type SampleUpstream, sampleProjects, startSampleUpstream } from "../../samples/index.ts";

const run = promisify(execFile);

let folder = "";
let upstream: SampleUpstream;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sample-sdists-"));
  await mkdir(join(folder, "wheels"));
  upstream = await startSampleUpstream();
});
afterAll(async () => {
  await upstream.close();
  await rm(folder, { recursive: true, force: true });
});

/** As a slave would run it: no configuration of this machine, no cache, a home of its own. */
async function python(args: readonly string[]): Promise<{ isOk: boolean; output: string }> {
  const env = {
    PATH: process.env["PATH"],
    HOME: folder,
    LC_ALL: "C",
    PIP_CONFIG_FILE: "/dev/null",
    PIP_DISABLE_PIP_VERSION_CHECK: "1",
    PIP_NO_CACHE_DIR: "1",
    SOURCE_DATE_EPOCH: "1700000000",
  };
  try {
    const { stdout, stderr } = await run("python3", args, { env, cwd: folder });
    return { isOk: true, output: `${stdout}${stderr}` };
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    return { isOk: false, output: `${stdout}${stderr}` };
  }
}

async function build(project: string, version: string, into: string) {
  const index = ["--index-url", `${upstream.simpleUrl}/`];
  const wanted = `${project}==${version}`;
  const out = join(folder, into);
  const args = ["-m", "pip", "wheel", "--no-deps", "--no-binary", project, wanted, "-w", out];
  return python([...args, ...index]);
}

/** What comes of each; the tags of extensions are those of the interpreter at hand. */
const wheels: Readonly<Record<string, RegExp>> = {
  "wheelwright-hub": /^wheelwright_hub-1\.2\.0-py3-none-any\.whl$/,
  "wheelwright-spoke": /^wheelwright_spoke-2\.0\.1-cp3\d+-cp3\d+m?t?-\w+\.whl$/,
  "wheelwright-rim": /^wheelwright_rim-0\.3\.0-cp3\d+-cp3\d+m?t?-\w+\.whl$/,
  "wheelwright-axle": /^wheelwright_axle-1\.0\.0-py3-none-any\.whl$/,
  "Wheelwright.Felloe": /^wheelwright_felloe-1\.[01]\.0-py3-none-any\.whl$/,
  "wheelwright-cart": /^wheelwright_cart-3\.1\.0-py3-none-any\.whl$/,
};

describe("a sample sdist, built by pip from the sample upstream", () => {
  const building = sampleProjects.filter(({ kind }) => kind !== "fails to build");
  it.each(building)("$project $version ($kind) gives a sound wheel", async (sample) => {
    const { isOk, output } = await build(sample.project, sample.version, sample.version);
    expect(output).toContain("Successfully built");
    expect(isOk).toBe(true);
    const [wheel = "", ...others] = await readdir(join(folder, sample.version));
    expect(others).toEqual([]);
    expect(wheel).toMatch(wheels[sample.project] ?? /^$/);
    const facts = await inspectWheel(join(folder, sample.version, wheel));
    expect(facts.metadata).toMatchObject({
      nameAsWritten: sample.project,
      version: sample.version,
      requiresPython: ">=3.6",
    });
    expect(facts.sharedObjects).toBe(/spoke|rim/.test(sample.project) ? 1 : 0);
    await rename(join(folder, sample.version, wheel), join(folder, "wheels", wheel));
  });

  it("wheelwright-linchpin fails, with what the compiler says", async () => {
    const { isOk, output } = await build("wheelwright-linchpin", "0.1.0", "none");
    expect(isOk).toBe(false);
    expect(output).toMatch(/_linchpin\.c:10:\d+: error: .*PINS_PER_WHEEL/);
    expect(output).toContain("cc ended with exit code 1");
  });

  it("comes out the same byte for byte when it is built again", async () => {
    await build("wheelwright-hub", "1.2.0", "again");
    const [wheel = ""] = await readdir(join(folder, "again"));
    const first = await readFile(join(folder, "wheels", wheel));
    expect((await readFile(join(folder, "again", wheel))).equals(first)).toBe(true);
  });
});

describe("the wheels of the samples", () => {
  it("are installed by pip with what they need, and work", async () => {
    const index = await startSampleUpstream({ folders: [join(folder, "wheels")] });
    index.yank("wheelwright-felloe", "1.1.0");
    const target = join(folder, "installed");
    const wanted = [
      "wheelwright-cart",
      "wheelwright-axle",
      "wheelwright-rim",
      "Wheelwright.Felloe",
    ];
    const args = ["-m", "pip", "install", "--only-binary", ":all:", "--target", target];
    const installed = await python([...args, "--index-url", index.simpleUrl, ...wanted]);
    await index.close();
    expect(installed.output).toContain("Successfully installed");
    expect(installed.output).toContain("wheelwright-hub-1.2.0");
    const program = [
      `import sys; sys.path.insert(0, ${JSON.stringify(target)})`,
      "import wheelwright_cart, wheelwright_axle, wheelwright_rim, wheelwright_felloe",
      "print(round(wheelwright_cart.journey(100, 1.2)['turns'], 2))",
      "print(round(wheelwright_cart.spoke_length(22.5, 300.0, 36, 3), 1))",
      "print(wheelwright_axle.TURNS_PER_KILOMETRE[50])",
      "print(wheelwright_rim.threads() >= 1, round(wheelwright_rim.weight(0.3, 0.01, 0.0), 6))",
      "print(wheelwright_felloe.__version__)",
    ];
    const { output } = await python(["-c", program.join("\n")]);
    expect(output.trim().split("\n")).toEqual([
      "26.53",
      "289.4",
      "636.62",
      "True 0.000148",
      "1.0.0",
    ]);
  });

  it("name a system library beyond libc where the sample says so", async () => {
    const [library = ""] = await readdir(join(folder, "installed", "wheelwright_rim")).then(
      (names) => names.filter((name) => name.endsWith(".so")),
    );
    const path = join(folder, "installed", "wheelwright_rim", library);
    const { stdout } = await run("ldd", [path]);
    expect(stdout).toMatch(/libgomp\.so\.1 => \//);
  });
});
