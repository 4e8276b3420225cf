/**
 * Real installers against all that may serve a farm's site: every pip of this machine from Python 3.9's on, each against the
 * built-in server, nginx and Apache. What they asked for is read from the servers' own logs.
 */
import { execFile } from "node:child_process";
import { readdirSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IndexTree } from "../support/index-tree.ts";
import { findPips, type PipOf, pipEnvironment } from "../support/pythons.ts";
import { type SiteServer, siteServers } from "../support/web-servers.ts";

const run = promisify(execFile);
const MEGABYTE = 1_000_000;
const LARGE_BYTES = 5 * MEGABYTE;
const MANY = 500;

const pips = await findPips();
const newest = pips.at(-1);
let tree: IndexTree;

beforeAll(async () => {
  tree = await IndexTree.make();
  await tree.addWheel({ name: "Tide.Pool", version: "1.0" });
  await tree.addWheel({ name: "Tide.Pool", version: "1.2", requires: ["deep_end>=1"] });
  await tree.addWheel({ name: "Tide.Pool", version: "1.3", yanked: "wrong <tides>" });
  await tree.addWheel({ name: "Tide.Pool", version: "1.4", requiresPython: ">=99" });
  await tree.addWheel({ name: "deep-end", version: "1.0" });
  // All of these want what there is not. Pips download what they have chosen, in the end, also for --dry-run: where nothing
  // can be chosen, what they asked for is what choosing costs.
  const impossible = { requires: ["deep-end>=2"] };
  const large = { version: "1.0", ballastBytes: LARGE_BYTES, ...impossible };
  await tree.addWheel({ name: "large", ...large });
  await tree.addWheel({ name: "untold", ...large, isMetadataServed: false });
  for (let version = 1; version <= MANY; version++)
    await tree.addWheel({ name: "many", version: String(version), ...impossible });
  await tree.writePages();
}, 120_000);
afterAll(() => rm(tree.folder, { recursive: true, force: true }));

test(`there is a pip to test with: ${pips.map(({ pip }) => pip.join(".")).join(", ")}`, () => {
  expect(pips).not.toEqual([]);
});

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly bytes: number;
}

describe.each(siteServers)("from $name", (kind) => {
  let server: SiteServer;
  let close = async (): Promise<void> => undefined;
  let marks = 0;

  beforeAll(async () => {
    if (kind.missing !== undefined) return;
    server = await kind.start(join(tree.folder, kind.name), tree.output);
    close = () => server.close();
  }, 90_000);
  afterAll(() => close());

  if (kind.missing !== undefined) test.skip(`is not tested: ${kind.missing}`, () => undefined);
  const it = test.skipIf(kind.missing !== undefined);
  const itNewest = test.skipIf(kind.missing !== undefined || newest === undefined);

  const pip = async (
    { python }: Pick<PipOf, "python">,
    ...args: readonly string[]
  ): Promise<{ stdout: string; stderr: string }> => {
    const [command = "", ...rest] = args;
    const options = command === "index" ? [rest.shift() ?? ""] : [];
    return await run(
      python,
      ["-m", "pip", command, ...options, "--index-url", `${server.url}simple/`, ...rest],
      { env: pipEnvironment(), maxBuffer: 20 * MEGABYTE, cwd: tree.folder },
    );
  };
  const fresh = (name: string): Promise<string> => mkdtemp(join(tree.folder, `${name}-`));

  /** All that was asked so far; a request of our own marks the end, and is waited for. */
  const asked = async (): Promise<Asked[]> => {
    marks += 1;
    const mark = `/mark-${marks}`;
    await fetch(new URL(mark, server.url)).then((answer) => answer.arrayBuffer());
    const read = () => readFile(server.accessLog, "latin1").catch(() => "");
    await expect.poll(read, { timeout: 30_000 }).toContain(`GET ${mark} `);
    const lines = (await read()).split("\n");
    const from = lines.findIndex((line) => line.includes(`GET /mark-${marks - 1} `)) + 1;
    return lines.slice(from).flatMap((line) => {
      const match = /"(\S+) (\S+) [^"]*" (\d+) (\d+|-)/.exec(line);
      const [, method = "", path = "", status, bytes] = match ?? [];
      if (match === null || path.startsWith("/mark-")) return [];
      return [{ method, path, status: Number(status), bytes: Number(bytes) || 0 }];
    });
  };
  const isWheel = ({ path }: Asked): boolean => path.endsWith(".whl");
  const hashedLine = (project: string, version: string): string => {
    const file = tree.filesOf(project).find((known) => known.version === version);
    return `${project}==${version} --hash=sha256:${file?.sha256}\n`;
  };

  it.each(pips)(
    "Python $pythonVersion's pip installs with hashes, and takes the newest that is not yanked and fits",
    async (each) => {
      const requirements = join(await fresh("hashed"), "requirements.txt");
      await writeFile(requirements, hashedLine("tide-pool", "1.2") + hashedLine("deep-end", "1.0"));
      const target = await fresh("target");
      const hashed = ["--require-hashes", "--only-binary", ":all:", "-r", requirements];
      await pip(each, "install", ...hashed, "--no-compile", "--target", target);
      const program = "import tide_pool, deep_end; print(tide_pool.version, deep_end.version)";
      const { stdout } = await run(each.python, ["-c", program], { env: { PYTHONPATH: target } });
      expect(stdout.trim()).toBe("1.2 1.0");

      const folder = await fresh("download");
      await pip(each, "download", "--dest", folder, "Tide_Pool");
      expect(readdirSync(folder).sort()).toEqual([
        "deep_end-1.0-py3-none-any.whl",
        "tide_pool-1.2-py3-none-any.whl",
      ]);
    },
    120_000,
  );

  itNewest(
    "a file with another hash is refused",
    async () => {
      const requirements = join(await fresh("hashed"), "requirements.txt");
      const line = hashedLine("deep-end", "1.0").replace(/[0-9a-f]{64}/, "0".repeat(64));
      await writeFile(requirements, line);
      const folder = await fresh("target");
      const install = pip(newest as PipOf, "download", "--dest", folder, "-r", requirements);
      await expect(install).rejects.toMatchObject({
        stderr: expect.stringContaining("DO NOT MATCH THE HASHES") as string,
      });
    },
    120_000,
  );

  itNewest(
    "a yanked version is installed where it is asked for, with its reason",
    async () => {
      const [pinned, exact] = [newest as PipOf, await fresh("yanked")];
      const { stdout, stderr } = await pip(pinned, "install", "--target", exact, "tide.pool==1.3");
      expect(readdirSync(exact)).toContain("tide_pool-1.3.dist-info");
      expect(stdout + stderr).toContain("wrong <tides>");
      const range = pip(pinned, "download", "--dest", exact, "tide-pool>1.2,<1.4");
      await expect(range).rejects.toMatchObject({
        stderr: expect.stringContaining("No matching distribution") as string,
      });
    },
    120_000,
  );

  itNewest(
    "pip index versions lists what can be had",
    async () => {
      const { stdout } = await pip(newest as PipOf, "index", "versions", "tide-pool");
      expect(stdout).toContain("Available versions: 1.2, 1.0");
    },
    120_000,
  );

  /** What pip asked for until it knew that there is no solution. */
  const resolve = async (...args: readonly string[]): Promise<Asked[]> => {
    await asked();
    const options = ["install", "--dry-run", "--ignore-installed", "--only-binary", ":all:"];
    await expect(pip(newest as PipOf, ...options, ...args)).rejects.toMatchObject({
      stderr: expect.stringMatching(/deep-end>=2|ResolutionImpossible/) as string,
    });
    return asked();
  };

  // The first that reads what JSON pages say of metadata (PEP 714).
  const knowsMetadata = newest !== undefined && isAtLeast(newest, 23, 2);
  const itResolves = test.skipIf(kind.missing !== undefined || !knowsMetadata);

  itResolves(
    "what a wheel of 5 MB needs is known without it",
    async () => {
      const requests = await resolve("large");
      expect(requests.filter(isWheel)).toEqual([]);
      expect(requests.some(({ path }) => path.endsWith(".whl.metadata"))).toBe(true);
      expect(requests.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(20_000);
    },
    120_000,
  );

  itResolves(
    "a project with 500 wheels is resolved without one of them",
    async () => {
      const requests = await resolve("many");
      expect(requests.filter(isWheel)).toEqual([]);
      const looked = requests.filter(({ path }) => path.endsWith(".whl.metadata"));
      expect(new Set(looked.map(({ path }) => path)).size).toBe(MANY);
      expect(requests.filter(({ status }) => status >= 400)).toEqual([]);
    },
    120_000,
  );

  itResolves(
    "the metadata of a wheel of 5 MB that serves none is read in parts of it",
    async () => {
      const wheels = (await resolve("--use-feature=fast-deps", "untold")).filter(isWheel);
      expect(wheels.some(({ method }) => method === "HEAD")).toBe(true);
      const gets = wheels.filter(({ method }) => method === "GET");
      expect(gets.length).toBeGreaterThan(0);
      expect(gets.map(({ status }) => status)).toEqual(gets.map(() => 206));
      expect(gets.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThan(MEGABYTE);
    },
    120_000,
  );
});

const isAtLeast = ({ pip }: PipOf, major: number, minor: number): boolean =>
  pip[0] > major || (pip[0] === major && pip[1] >= minor);
