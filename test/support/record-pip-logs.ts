/**
 * Records what pip really says when a build goes wrong, for test/actors/slave/pip-logs/: each interpreter given
 * builds samples against an index that misbehaves, with the slave's own command line and environment. Run by hand
 * when a new pip is out; the tests read what it wrote:
 *
 *     npx tsx test/support/record-pip-logs.ts PYTHON…
 */

import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { type AddressInfo, createServer as createPlainServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { buildEnvironment } from "../../actors/slave/environment.ts";
import { type Interpreter, probeInterpreter } from "../../actors/slave/interpreter.ts";
import { runCommand } from "../../actors/slave/launch.ts";
import { pipCommand } from "../../actors/slave/runner-pip.ts";
import { packSdist, type RequestHook, startSampleUpstream } from "../../samples/index.ts";
import { wheelPieces } from "../protocol/packaging/wheel-builder.ts";
import { buildZip } from "../protocol/packaging/zip-builder.ts";

const FOLDER = new URL("../actors/slave/pip-logs/", import.meta.url);
/** pip asks six times; a stall must not take minutes. */
const READ_TIMEOUT_S = "2";

interface Situation {
  readonly requires?: readonly string[];
  /** Body of the back-end's build_wheel. */
  readonly body?: string;
  /** What get_requires_for_build_wheel asks for. */
  readonly asks?: readonly string[];
  readonly onRequest?: RequestHook;
  /** Stands in for the sample index. */
  readonly index?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly requiresPython?: string;
}

const answer = (status: number, body = ""): RequestHook => {
  return ({ path }) =>
    path.includes("helper") ? { kind: "answer", answer: { status, body } } : undefined;
};
const ofFile =
  (kind: "cut" | "stall" | "hang-up"): RequestHook =>
  ({ path }) =>
    path.endsWith(".whl") ? { kind } : undefined;

const HELPER = ["helper-pkg>=1"];
/** A port that nobody listens on. */
const NOBODY = "http://127.0.0.1:9";

const situations: Readonly<Record<string, Situation>> = {
  "no such project": { requires: ["no-such-thing>=2"] },
  "no such release": { requires: ["helper-pkg>=7"] },
  "nothing for this Python": { requires: ["later-pkg"] },
  "a requirement of a requirement is missing": { requires: ["needy-pkg"] },
  "the back-end asks for what is missing": { asks: ["no-such-thing>=2"] },
  "requirements that exclude each other": { requires: ["helper-pkg==1.0", "strict-pkg"] },
  "the index refuses connections": { requires: HELPER, index: `${NOBODY}/simple` },
  "the index has no address": { requires: HELPER, index: "http://index.invalid/simple" },
  "the page answers 500": { requires: HELPER, onRequest: answer(500) },
  "the page answers 502": { requires: HELPER, onRequest: answer(502) },
  "the page answers 503": { requires: HELPER, onRequest: answer(503) },
  "the page answers 504": { requires: HELPER, onRequest: answer(504) },
  "the page answers 429": { requires: HELPER, onRequest: answer(429) },
  "the page answers 403": { requires: HELPER, onRequest: answer(403) },
  "the page hangs up": {
    requires: HELPER,
    onRequest: ({ path }) => (path.includes("helper") ? { kind: "hang-up" } : undefined),
  },
  "the page stalls": {
    requires: HELPER,
    onRequest: ({ path }) => (path.includes("helper") ? { kind: "stall" } : undefined),
  },
  "the file answers 503": {
    requires: HELPER,
    onRequest: ({ path }) =>
      path.endsWith(".whl") ? { kind: "answer", answer: { status: 503 } } : undefined,
  },
  "the file answers 404": {
    requires: HELPER,
    onRequest: ({ path }) =>
      path.endsWith(".whl") ? { kind: "answer", answer: { status: 404 } } : undefined,
  },
  "the file is cut off": { requires: HELPER, onRequest: ofFile("cut") },
  "the file stalls": { requires: HELPER, onRequest: ofFile("stall") },
  "the file hangs up": { requires: HELPER, onRequest: ofFile("hang-up") },
  "the file is another one": {
    requires: HELPER,
    onRequest: ({ path }) =>
      path.endsWith(".whl")
        ? { kind: "answer", answer: { body: buildZip(wheelPieces()) } }
        : undefined,
  },
  "the certificate is nobody's": { requires: HELPER, index: "https" },
  "the proxy is away": {
    requires: HELPER,
    index: "http://index.example/simple",
    env: { http_proxy: NOBODY },
  },
  "the proxy hangs up": {
    requires: HELPER,
    index: "https://index.example/simple",
    env: { https_proxy: "sample" },
  },
  "the proxy refuses": {
    requires: HELPER,
    index: "https://index.example/simple",
    env: { https_proxy: "forbidding" },
  },
  "a compiler's error": {
    body: `open("a.c", "w").write("int f(void) { return missing_name; }\\n")\nsubprocess.check_call(["cc", "-c", "a.c"])`,
  },
  "a header is missing": {
    body: `open("a.c", "w").write("#include <no_such_header.h>\\n")\nsubprocess.check_call(["cc", "-c", "a.c"])`,
  },
  "an exception of the project's": { body: `raise RuntimeError("needs the Frobnicator")` },
  "a message and exit": { body: `sys.exit("error: libfrob not found")` },
  "the back-end's own download fails": {
    body: `import urllib.request; urllib.request.urlopen("${NOBODY}/model.bin")`,
  },
  "the back-end is not there": { requires: HELPER, body: "import not_there_at_all" },
  "memory runs out": {
    body: `import resource; resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29)); x = bytearray(1 << 30)`,
  },
  "the compiler is killed": {
    body: `subprocess.check_call([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"])`,
  },
  "the disk is full": { body: `open("/dev/full", "w").write("x" * 100000)` },
  "too many open files": {
    body: `import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20)); held = [open("/dev/null") for n in range(30)]`,
  },
  "a file over the limit": {
    body: `import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); open("big", "w").write("x" * 100000)`,
  },
  "no more processes": {
    body: `import errno; raise BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable", "fork")`,
  },
  "a wheel of another project": { body: `name = "other_pkg"` },
  "another Python is required": { requiresPython: ">=4" },
  built: { requires: HELPER, asks: ["needless-pkg>=1"] },
};

const backEnd = ({ body = "pass", asks = [] }: Situation) => `
import base64, hashlib, os, subprocess, sys, time, zipfile

def get_requires_for_build_wheel(config_settings=None):
    return ${JSON.stringify(asks)}

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "demo_pkg"
${body
  .split("\n")
  .map((line) => `    ${line}`)
  .join("\n")}
    info = name + "-1.0.dist-info/"
    files = {
        name + ".py": b"answer = 42\\n",
        info + "METADATA": ("Metadata-Version: 2.1\\nName: %s\\nVersion: 1.0\\n" % name).encode(),
        info + "WHEEL": b"Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }
    record = ""
    path = name + "-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(folder, path), "w") as wheel:
        for inside, data in files.items():
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += "%s,sha256=%s,%d\\n" % (inside, digest, len(data))
            wheel.writestr(inside, data)
        wheel.writestr(info + "RECORD", record + info + "RECORD,,\\n")
    return path
`;

function sdistOf(situation: Situation): Buffer {
  const required = situation.requiresPython;
  const pyproject = `[build-system]\nrequires = ${JSON.stringify(situation.requires ?? [])}\nbuild-backend = "back_end"\nbackend-path = ["."]\n${
    required === undefined
      ? ""
      : `[project]\nname = "demo-pkg"\nversion = "1.0"\nrequires-python = "${required}"\n`
  }`;
  return packSdist(
    [
      {
        path: "PKG-INFO",
        data: Buffer.from(
          `Metadata-Version: 2.1\nName: demo-pkg\nVersion: 1.0\n${required === undefined ? "" : `Requires-Python: ${required}\n`}`,
        ),
      },
      { path: "pyproject.toml", data: Buffer.from(pyproject) },
      { path: "back_end.py", data: Buffer.from(backEnd(situation)) },
    ],
    "demo_pkg-1.0",
  );
}

function wheelOf(name: string, version: string, more = ""): { filename: string; contents: Buffer } {
  const spelled = name.replaceAll("-", "_");
  return {
    filename: `${spelled}-${version}-py2.py3-none-any.whl`,
    contents: buildZip(
      wheelPieces({
        distInfo: `${spelled}-${version}.dist-info`,
        metadata: `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n${more}`,
        wheel:
          "Wheel-Version: 1.0\nGenerator: by hand\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
        files: [{ name: `${spelled}.py`, data: "answer = 42\n" }],
      }),
    ),
  };
}

async function startNobodysHttps(folder: string): Promise<Server> {
  const [key, cert] = [join(folder, "key.pem"), join(folder, "cert.pem")];
  await promisify(execFile)("openssl", [
    ..."req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=nobody".split(" "),
    ...["-keyout", key, "-out", cert],
  ]);
  const server = createServer({ key: await readFile(key), cert: await readFile(cert) });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

/** A proxy that lets nothing through. */
async function startForbidding(): Promise<Server> {
  const server = createPlainServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => socket.end("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n"));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

async function record(
  interpreter: Interpreter,
  situation: Situation,
  folder: string,
): Promise<string> {
  for (const name of ["home", "tmp", "out", "source", "cwd"])
    await mkdir(join(folder, name), { recursive: true });
  const upstream = await startSampleUpstream({
    files: [
      wheelOf("helper-pkg", "1.0"),
      wheelOf("helper-pkg", "2.0"),
      wheelOf("needless-pkg", "1.5"),
      wheelOf("needy-pkg", "1.0", "Requires-Dist: no-such-thing>=2\n"),
      wheelOf("strict-pkg", "1.0", "Requires-Dist: helper-pkg>=2\n"),
      wheelOf("later-pkg", "1.0", "Requires-Python: >=4\n"),
    ],
    ...(situation.onRequest === undefined ? {} : { onRequest: situation.onRequest }),
  });
  const https = situation.index === "https" ? await startNobodysHttps(folder) : undefined;
  const forbidding = await startForbidding();
  const proxies: Readonly<Record<string, string>> = {
    sample: upstream.url,
    forbidding: `http://127.0.0.1:${portOf(forbidding)}`,
  };
  const sdistPath = join(folder, "source", "demo_pkg-1.0.tar.gz");
  await writeFile(sdistPath, sdistOf(situation));
  const buildId = createHash("sha256").update(folder).digest("hex");
  const chunks: Buffer[] = [];
  const env = Object.fromEntries(
    Object.entries({
      ...buildEnvironment(
        { PATH: process.env["PATH"] },
        {
          executable: interpreter.executable,
          home: join(folder, "home"),
          temporary: join(folder, "tmp"),
          buildId,
        },
      ),
      PIP_DEFAULT_TIMEOUT: READ_TIMEOUT_S,
      ...situation.env,
    }).map(([name, value]) => [name, proxies[value] ?? value]),
  );
  const exit = await runCommand(
    {
      argv: pipCommand({
        interpreter,
        package: "demo-pkg",
        sdistPath,
        outFolder: join(folder, "out"),
        upstreamIndex:
          https === undefined
            ? (situation.index ?? upstream.simpleUrl)
            : `https://localhost:${portOf(https)}/simple`,
        farmIndex: null,
      }),
      cwd: join(folder, "cwd"),
      env,
      buildId,
    },
    { timeoutMs: 300_000 },
    (chunk) => void chunks.push(chunk),
    new AbortController().signal,
  );
  await upstream.close();
  https?.close();
  forbidding.close();
  const log = Buffer.concat(chunks)
    .toString("utf8")
    .replaceAll(folder, "/b")
    .replaceAll(interpreter.executable, "/opt/python")
    .replaceAll(/\/\S*?\/site-packages\//g, "/opt/")
    .replaceAll(/\/\S*?\/lib\/python[\d.]+\//g, "/usr/lib/python/");
  return `exit ${exit.code ?? exit.signal}\n${log.trimEnd()}\n`;
}

async function recordAll(command: string): Promise<void> {
  const interpreter = await probeInterpreter(command);
  const speaksPep517 = Number(interpreter.pipVersion.split(".")[0]) >= 20;
  // Older ones know no back-end in the sdist itself: they are asked for requirements only.
  const names = Object.entries(situations)
    .filter(
      ([name, each]) =>
        speaksPep517 || (each.requires !== undefined && !/built|back-end|exclude/.test(name)),
    )
    .map(([name]) => name);
  const root = await mkdtemp(join(tmpdir(), "pip-logs-"));
  const texts: string[] = [];
  const next = names.entries();
  const work = async () => {
    for (const [at, name] of next) {
      const situation = situations[name];
      if (situation === undefined) continue;
      texts[at] = `=== ${name}\n${await record(interpreter, situation, join(root, String(at)))}`;
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  await rm(root, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  await writeFile(new URL(`pip-${interpreter.pipVersion}.txt`, FOLDER), texts.join(""));
  process.stdout.write(`pip ${interpreter.pipVersion}: ${texts.length} situations\n`);
}

for (const command of process.argv.slice(2)) await recordAll(command);
