/** A real pip against the web server: it finds, checks, installs and imports what lies there. */
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { SimpleFile } from "../../protocol/model/simple-page.ts";
import { renderSimpleProject } from "../../web/index/simple-project.ts";
import { metadataKey, simplePageKeys, wheelKey } from "../../web/public-key.ts";
import { startWebServer, type WebServer } from "../../web/server.ts";
import { openLocalStorage, type Storage } from "../../web/storage.ts";

const run = promisify(execFile);
const asked: string[] = [];
let folder: string;
let storage: Storage;
let server: WebServer;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "index-pip-"));
  storage = await openLocalStorage(join(folder, "site"));
  const log = { error: (fields: object) => asked.push(JSON.stringify(fields)) };
  server = await startWebServer({
    address: "http://127.0.0.1:0",
    outputPath: join(folder, "site"),
    log,
    onAnswered: ({ target }) => asked.push(target),
  });
  const files = [
    await publish("1.0", {}),
    await publish("1.1+local.2", { requiresPython: ">=3.6,<4" }),
    await publish("1.2", { yanked: "wrong <tides>" }),
    await publish("1.3", { requiresPython: ">=99" }),
  ];
  const page = renderSimpleProject({ name: "tide-pool", files, upstream: null });
  await storage.replace(simplePageKeys("tide-pool").html, page.html);
  await storage.replace(simplePageKeys("tide-pool").json, page.json);
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});

const makeWheel = `
import sys, zipfile
version, path = sys.argv[1:]
info = f"tide_pool-{version}.dist-info/"
metadata = f"Metadata-Version: 2.1\\nName: Tide.Pool\\nVersion: {version}\\n"
with zipfile.ZipFile(path, "w") as wheel:
    wheel.writestr("tide_pool.py", f"version = {version!r}\\n")
    wheel.writestr(info + "METADATA", metadata)
    wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    wheel.writestr(info + "RECORD", "".join(f"{name},,\\n" for name in wheel.namelist() + [info + "RECORD"]))
sys.stdout.write(metadata)
`;

/** Takes a wheel the way of a build: staged, committed, published, its metadata before its listing. */
async function publish(version: string, more: Partial<SimpleFile>): Promise<SimpleFile> {
  const filename = `tide_pool-${version}-py3-none-any.whl`;
  const { stdout } = await run("python3", ["-c", makeWheel, version, join(folder, filename)]);
  const wheel = await readFile(join(folder, filename));
  const staged = await storage.openStaged(1, filename);
  await staged.append(wheel);
  const sha256 = staged.sha256();
  await staged.close();
  await storage.commitBlob(1, filename, sha256);
  await storage.publishOnce(wheelKey("tide-pool", filename), sha256);
  await storage.replace(metadataKey("tide-pool", filename), stdout);
  return {
    filename,
    version,
    sha256,
    sizeBytes: wheel.length,
    requiresPython: null,
    metadataSha256: createHash("sha256").update(stdout).digest("hex"),
    provenanceSha256: null,
    yanked: null,
    uploadedAt: Date.now(),
    ...more,
  };
}

/** What pip installed, by importing it. */
async function install(requirement: string): Promise<string> {
  const others = Object.entries(process.env).filter(([name]) => !name.startsWith("PIP_"));
  const env = { ...Object.fromEntries(others), PIP_CONFIG_FILE: "/dev/null" };
  const target = await mkdtemp(join(folder, "target-"));
  const options = ["--no-cache-dir", "--disable-pip-version-check", "--target", target];
  const index = ["--index-url", `${server.url}simple/`];
  await run("python3", ["-m", "pip", "install", ...options, ...index, requirement], { env });
  const program = "import tide_pool; print(tide_pool.version, end='')";
  const { stdout } = await run("python3", ["-c", program], { env: { ...env, PYTHONPATH: target } });
  return stdout;
}

test("pip installs the newest that is neither yanked nor for another Python, by any spelling", async () => {
  expect(await install("Tide_Pool")).toBe("1.1+local.2");
  expect(asked.some((line) => line.includes(".whl"))).toBe(true);
});

test("pip installs a yanked version that is asked for exactly", async () => {
  expect(await install("tide.pool==1.2")).toBe("1.2");
});
