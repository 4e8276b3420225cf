/** Builds with the real pip of this machine, from sdists that need no download. */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { beforeAll, expect, onTestFinished, test } from "vitest";
import { runBuild } from "../../actors/slave/build.ts";
import { BuildLogs } from "../../actors/slave/build-logs.ts";
import { findBuildProcesses } from "../../actors/slave/build-processes.ts";
import { type Interpreter, probeInterpreter } from "../../actors/slave/interpreter.ts";
import { Outbox } from "../../actors/slave/outbox.ts";
import type { BuildRequest, BuildSite } from "../../actors/slave/workshop.ts";
import type { BuildOrder } from "../../protocol/model/build.ts";
import { packSdist, type SampleUpstream, startSampleUpstream } from "../../samples/index.ts";
import { until } from "../actors/slave/scripted-master.ts";
import { temporaryFolder } from "../actors/slave/temporary-folder.ts";
import { wheelPieces } from "../protocol/packaging/wheel-builder.ts";
import { buildZip } from "../protocol/packaging/zip-builder.ts";
import { openSandbox } from "../support/open-sandbox.ts";

let interpreter: Interpreter;
beforeAll(async () => {
  interpreter = await probeInterpreter("python3");
});

/** A PEP 517 back-end in the sdist itself; `body` runs before the wheel is written. */
const backEnd = (
  body: string,
  name = "demo_pkg",
  version = "1.0",
  asks: readonly string[] = [],
  tag = "py3-none-any",
) => `
import base64, hashlib, os, subprocess, sys, time, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return ${JSON.stringify(asks)}

def build_wheel(folder, config_settings=None, metadata_directory=None):
${body
  .trim()
  .split("\n")
  .map((line) => `    ${line}`)
  .join("\n")}
    info = "${name}-${version}.dist-info/"
    files = {
        "${name}.py": b"answer = 42\\n",
        info + "METADATA": b"Metadata-Version: 2.1\\nName: ${name}\\nVersion: ${version}\\n",
        info + "WHEEL": b"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: ${tag}\\n",
    }
    record = ""
    path = "${name}-${version}-${tag}.whl"
    with zipfile.ZipFile(os.path.join(folder, path), "w") as wheel:
        for inside, data in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += "%s,sha256=%s,%d\\n" % (inside, digest, len(data))
            wheel.writestr(zipfile.ZipInfo(inside, time.gmtime(int(os.environ["SOURCE_DATE_EPOCH"]))[:6]), data)
        wheel.writestr(zipfile.ZipInfo(info + "RECORD"), record + info + "RECORD,,\\n")
    return path
`;

interface Project {
  readonly body?: string;
  readonly requires?: readonly string[];
  readonly wheelName?: string;
  readonly wheelVersion?: string;
  /** What the back-end asks for beyond `requires`. */
  readonly asks?: readonly string[];
  readonly tag?: string;
}

function sdistOf({
  body = "pass",
  requires = [],
  wheelName,
  wheelVersion,
  asks,
  tag,
}: Project): Buffer {
  const pyproject = `[build-system]\nrequires = ${JSON.stringify(requires)}\nbuild-backend = "back_end"\nbackend-path = ["."]\n`;
  return packSdist(
    [
      {
        path: "PKG-INFO",
        data: Buffer.from("Metadata-Version: 2.1\nName: demo-pkg\nVersion: 1.0\n"),
      },
      { path: "pyproject.toml", data: Buffer.from(pyproject) },
      { path: "back_end.py", data: Buffer.from(backEnd(body, wheelName, wheelVersion, asks, tag)) },
    ],
    "demo_pkg-1.0",
  );
}

interface Yard {
  readonly site: BuildSite;
  readonly upstream: SampleUpstream;
  request(order?: Partial<BuildOrder>): BuildRequest;
  log(token: number): Promise<string>;
}

/** A place to build in, and an index that holds the project. */
async function yardFor(project: Project, site: Partial<BuildSite> = {}): Promise<Yard> {
  const folder = await temporaryFolder();
  const sdist = sdistOf(project);
  const upstream = await startSampleUpstream({
    files: [{ filename: "demo_pkg-1.0.tar.gz", contents: sdist }],
  });
  onTestFinished(() => upstream.close());
  const { outbox } = await Outbox.open(join(folder, "outbox"));
  const logs = new BuildLogs(outbox, join(folder, "lost-logs"));
  const workFolder = join(folder, "work");
  await mkdir(workFolder);
  const url = await sdistUrl(upstream);
  return {
    site: {
      outbox,
      logs,
      sandbox: await openSandbox(folder, interpreter),
      workFolder,
      timeoutMs: 60_000,
      killGraceMs: 300,
      ...site,
    },
    upstream,
    request: (order = {}) => ({
      order: {
        token: 1,
        package: "demo-pkg",
        version: "1.0",
        target: interpreter.target.name,
        sdist: {
          filename: "demo_pkg-1.0.tar.gz",
          url,
          sha256: createHash("sha256").update(sdist).digest("hex"),
          sizeBytes: sdist.length,
        },
        buildTag: null,
        ...order,
      },
      interpreter,
      upstreamIndex: upstream.simpleUrl,
      farmIndex: null,
    }),
    log: (token) => readFile(outbox.logPath(token), "utf8"),
  };
}

async function sdistUrl(upstream: SampleUpstream): Promise<string> {
  const page = await (
    await fetch(`${upstream.simpleUrl}/demo-pkg/`, { headers: { accept: "text/html" } })
  ).text();
  const href = /href="([^"#]+)/.exec(page)?.[1] ?? "";
  return new URL(href, `${upstream.simpleUrl}/demo-pkg/`).href;
}

const never = new AbortController().signal;

const build = (yard: Yard, order: Partial<BuildOrder> = {}) =>
  runBuild(yard.request(order), yard.site, never);

test("a build gives a wheel that pip installs, and the same one each time", async () => {
  const yard = await yardFor({});
  const first = await build(yard);
  expect(first).toMatchObject({ cause: "built", message: "", missing: [] });
  expect(first.files).toMatchObject([
    { filename: "demo_pkg-1.0-py3-none-any.whl", aptDependencies: [] },
  ]);
  const second = await build(yard, { token: 2 });
  expect(second.files[0]?.sha256).toBe(first.files[0]?.sha256);
  expect(await readdir(yard.site.workFolder)).toEqual([]);
  expect(await yard.log(1)).toMatch(
    /^Building demo-pkg 1\.0 for cp3[\s\S]*Successfully built demo[-_]pkg/,
  );
});

test("a wheel with a build tag has it in its name, its WHEEL and its RECORD, and installs", async () => {
  const yard = await yardFor({});
  const { files } = await build(yard, { buildTag: "2" });
  const filename = "demo_pkg-1.0-2-py3-none-any.whl";
  expect(files.map((file) => file.filename)).toEqual([filename]);
  const wheel = yard.site.outbox.logPath(1).replace("build.log", filename);
  const target = await temporaryFolder();
  const env = { PATH: process.env["PATH"] ?? "", PIP_CONFIG_FILE: "/dev/null" };
  await execa(
    interpreter.executable,
    ["-m", "pip", "install", "--no-index", "--target", target, wheel],
    { env, extendEnv: false },
  );
  expect(await readFile(join(target, "demo_pkg-1.0.dist-info", "WHEEL"), "utf8")).toMatch(
    /^Build: 2$/m,
  );
  expect(await readFile(join(target, "demo_pkg.py"), "utf8")).toBe("answer = 42\n");
});

test("the sample projects come out as they are meant to, with the packages that they need", async () => {
  const yard = await yardFor({});
  const samples = await startSampleUpstream();
  onTestFinished(() => samples.close());
  const expected = {
    "wheelwright-hub": "built",
    "wheelwright-spoke": "built",
    "wheelwright-linchpin": "build-failed",
  };
  let token = 10;
  for (const [name, cause] of Object.entries(expected)) {
    token += 1;
    const page = await fetch(`${samples.simpleUrl}/${name}/`, {
      headers: { accept: "application/vnd.pypi.simple.v1+json" },
    });
    const { files } = (await page.json()) as {
      files: { filename: string; url: string; hashes: { sha256: string } }[];
    };
    const sdist = files.find(({ filename }) => filename.endsWith(".tar.gz"));
    if (sdist === undefined) throw new Error(`no sdist of ${name}`);
    const request = yard.request({
      token,
      package: name,
      version: /-([^-]+)\.tar\.gz$/.exec(sdist.filename)?.[1] ?? "",
      sdist: {
        filename: sdist.filename,
        url: new URL(sdist.url, page.url).href,
        sha256: sdist.hashes.sha256,
        sizeBytes: null,
      },
    });
    const result = await runBuild(
      { ...request, upstreamIndex: samples.simpleUrl },
      yard.site,
      never,
    );
    expect({ name, cause: result.cause }).toEqual({ name, cause });
    if (name === "wheelwright-linchpin") expect(result.message).toMatch(/\.c:\d+:\d+: error: /);
    if (name === "wheelwright-spoke" && process.platform === "linux") {
      expect(result.files[0]?.filename).toContain(`-${interpreter.target.platformTag}.whl`);
    }
  }
});

test("a build dependency that no index has blocks the build on it", async () => {
  const result = await build(await yardFor({ requires: ["no-such-thing>=2"] }));
  expect(result).toMatchObject({ cause: "dependency-missing", missing: ["no-such-thing>=2"] });
});

test("an index that answers 503 for a dependency is unreachable, never the package's failure", async () => {
  const yard = await yardFor({ requires: ["no-such-thing>=2"] });
  yard.upstream.onRequest = ({ path }) =>
    path.includes("no-such-thing") ? { kind: "answer", answer: { status: 503 } } : undefined;
  const result = await build(yard);
  expect(result).toMatchObject({ cause: "index-unreachable", missing: [] });
  expect(result.message).toMatch(/gave no answer about no-such-thing: .*503/);
});

test("a dependency that only the farm's own index has is found", async () => {
  const helper = wheelPieces({
    distInfo: "helper_pkg-1.0.dist-info",
    metadata: "Metadata-Version: 2.1\nName: helper-pkg\nVersion: 1.0\n",
    files: [{ name: "helper_pkg.py", data: "answer = 42\n" }],
  });
  const farm = await startSampleUpstream({
    files: [{ filename: "helper_pkg-1.0-py3-none-any.whl", contents: buildZip(helper) }],
  });
  onTestFinished(() => farm.close());
  const yard = await yardFor({ requires: ["helper-pkg"], body: "import helper_pkg" });
  const request = { ...yard.request(), farmIndex: farm.simpleUrl };
  expect(await runBuild(request, yard.site, never)).toMatchObject({ cause: "built" });
});

test("what was installed to build with is told with its versions and hashes, and what the back-end asked for", async () => {
  const wheel = (name: string, metadata = "") =>
    buildZip(
      wheelPieces({
        distInfo: `${name}-1.0.dist-info`,
        metadata: `Metadata-Version: 2.1\nName: ${name}\nVersion: 1.0\n${metadata}`,
        files: [{ name: `${name}.py`, data: "answer = 42\n" }],
      }),
    );
  const wheels = {
    direct: wheel("direct", "Requires-Dist: indirect\n"),
    indirect: wheel("indirect"),
    asked: wheel("asked"),
  };
  const farm = await startSampleUpstream({
    files: Object.entries(wheels).map(([name, contents]) => ({
      filename: `${name}-1.0-py3-none-any.whl`,
      contents,
    })),
  });
  onTestFinished(() => farm.close());
  const yard = await yardFor({
    requires: ["direct>=1"],
    body: "import direct, indirect, asked",
    asks: ["asked>=0.5"],
  });
  const request = { ...yard.request(), farmIndex: farm.simpleUrl };
  const result = await runBuild(request, yard.site, never);
  expect(result).toMatchObject({ cause: "built", buildRequires: ["direct>=1", "asked>=0.5"] });
  const [major = 0, minor = 0] = interpreter.pipVersion.split(".").map(Number);
  const saysHashes = major > 22 || (major === 22 && minor >= 2);
  const resolved = Object.entries(wheels).map(([name, contents]) => ({
    name,
    version: "1.0",
    sha256: saysHashes ? createHash("sha256").update(contents).digest("hex") : null,
  }));
  const byName = [...(result.resolved ?? [])].sort((a, b) => (a.name < b.name ? -1 : 1));
  expect(byName).toEqual(resolved.sort((a, b) => (a.name < b.name ? -1 : 1)));
});

test("a wheel for a platform without machine code is noted as suspicious", async () => {
  const tag = `py3-none-${interpreter.target.platformTag}`;
  const yard = await yardFor({ tag });
  const result = await build(yard);
  expect(result).toMatchObject({ cause: "built" });
  expect(await yard.log(1)).toMatch(/^Suspicious: demo_pkg-1\.0-py3-none-.*no shared object/m);
});

test("an index that had an outage and is back is not blamed on the package", async () => {
  const helper = wheelPieces({
    distInfo: "helper_pkg-1.0.dist-info",
    metadata: "Metadata-Version: 2.1\nName: helper-pkg\nVersion: 1.0\n",
    files: [{ name: "helper_pkg.py", data: "answer = 42\n" }],
  });
  const farm = await startSampleUpstream({
    files: [{ filename: "helper_pkg-1.0-py3-none-any.whl", contents: buildZip(helper) }],
  });
  onTestFinished(() => farm.close());
  farm.onRequest = ({ headers }) =>
    String(headers["user-agent"]).startsWith("pip/")
      ? { kind: "answer", answer: { status: 404 } }
      : undefined;
  const yard = await yardFor({ requires: ["helper-pkg"] });
  const result = await runBuild({ ...yard.request(), farmIndex: farm.simpleUrl }, yard.site, never);
  expect(result).toMatchObject({ cause: "index-unreachable", missing: [] });
  expect(result.message).toMatch(/has helper_pkg-1\.0-py3-none-any\.whl now/);
});

test.each([403, 429, 500, 502, 504])(
  "an index that answers %i for a dependency is unreachable",
  async (status) => {
    const yard = await yardFor({ requires: ["no-such-thing>=2"] });
    yard.upstream.onRequest = ({ path }) =>
      path.includes("no-such-thing") ? { kind: "answer", answer: { status } } : undefined;
    expect(await build(yard)).toMatchObject({ cause: "index-unreachable", missing: [] });
  },
);

test("a wheel of another project is never handed on", async () => {
  const result = await build(await yardFor({ wheelName: "other_pkg" }));
  expect(["bad-wheel", "build-failed"]).toContain(result.cause);
  expect(result.files).toEqual([]);
  expect(result.message).toMatch(/other[-_]pkg/);
});

test("a build sees its own environment and nothing of the slave's, and its folder goes though it was made read-only", async () => {
  process.env["PIP_INDEX_URL"] = "http://127.0.0.1:1/elsewhere";
  process.env["SLAVE_SECRET"] = "s3cret";
  onTestFinished(() => {
    delete process.env["PIP_INDEX_URL"];
    delete process.env["SLAVE_SECRET"];
  });
  const yard = await yardFor({
    body: `print("ENV", sorted(os.environ.items()))\nprint("READ", repr(sys.stdin.read()))\nprint("UMASK", oct(os.umask(0)))\nos.makedirs(os.path.expanduser("~/cache/deep"))\nos.chmod(os.path.expanduser("~/cache"), 0o500)`,
  });
  expect(await build(yard)).toMatchObject({ cause: "built" });
  const log = await yard.log(1);
  expect(log).not.toMatch(/s3cret|elsewhere/);
  expect(log).toContain("READ ''");
  expect(log).toContain("UMASK 0o22");
  expect(log).toContain("('SOURCE_DATE_EPOCH', '315532800')");
  expect(await readdir(yard.site.workFolder)).toEqual([]);
});

test("at its time limit a build ends with its daemon, and the log ends where it was", async () => {
  const yard = await yardFor(
    {
      body: `subprocess.Popen(["sleep", "1000"], start_new_session=True)\nprint("waiting", flush=True)\ntime.sleep(1000)`,
    },
    { timeoutMs: 5_000 },
  );
  const result = await build(yard);
  expect(result).toMatchObject({ cause: "timeout", files: [] });
  expect(result.message).toMatch(/5 s/);
  expect(await yard.log(1)).toMatch(/waiting/);
  const { buildId } = JSON.parse(
    await readFile(join(yard.site.outbox.logPath(1), "..", "..", "order.json"), "utf8"),
  ) as { buildId: string };
  expect(await findBuildProcesses(buildId)).toEqual([]);
});

test("endless output costs neither memory nor the build, and its last lines are kept", async () => {
  const yard = await yardFor(
    { body: `for n in range(20_000): print("line", n)\nraise SystemExit("the very last words")` },
    { logLimitBytes: 50_000 },
  );
  const result = await build(yard);
  expect(result).toMatchObject({
    cause: "build-failed",
    message: expect.stringContaining("the very last words") as string,
  });
  expect(result.log.sizeBytes).toBeLessThan(51_000);
  expect(await yard.log(1)).toMatch(/bytes cut here/);
});

test("dropping a build ends it, and neither outbox nor workspace knows of it", async () => {
  const yard = await yardFor({ body: "time.sleep(1000)" });
  const abort = new AbortController();
  const running = runBuild(yard.request(), yard.site, abort.signal);
  await until("pip to run", async () => {
    const log = await yard.log(1).catch(() => "");
    return log.includes("Processing") ? true : undefined;
  });
  abort.abort();
  await expect(running).rejects.toThrow("dropped");
  expect(yard.site.outbox.finished()).toEqual([]);
  expect(await readdir(yard.site.workFolder)).toEqual([]);
});
