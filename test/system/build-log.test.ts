/**
 * The log of a build as a person follows it: a real piw-slave builds, the test's proxy between it and the real
 * master cuts the link, the master is killed, and what `piw log --follow` printed is the log, byte by byte.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { startSampleUpstream } from "../../samples/sample-upstream.ts";
import { logKey } from "../../web/public-key.ts";
import { until } from "../actors/slave/scripted-master.ts";
import { createTestDatabase, type TestDatabase } from "../support/postgres.ts";
import { slowSdist } from "../support/slow-sdist.ts";
import { TestFarm } from "../support/test-farm.ts";

vi.setConfig({ testTimeout: 150_000, hookTimeout: 120_000 });

let database: TestDatabase;
let farm: TestFarm;

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database.end();
});

const piw = new URL("../../dist/bin/piw.js", import.meta.url).pathname;

/** A piw log that runs, and what it has said. */
class Follower {
  readonly #child: ChildProcess;
  readonly ended: Promise<number | null>;
  stdout = "";
  stderr = "";

  constructor(...args: readonly string[]) {
    this.#child = spawn(process.execPath, [piw, "log", ...args], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      this.stdout += text;
    });
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.#child, "close").then(() => this.#child.exitCode);
    onTestFinished(() => void this.#child.kill("SIGKILL"));
  }

  async says(line: string): Promise<void> {
    await until(`${line} in the log; there is\n${this.stdout}\n${this.stderr}`, () =>
      this.stdout.includes(line) ? true : undefined,
    );
  }
}

/** Stands between the slave and an address of the master, and can be cut. */
class Link {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #target: URL;
  isCut = false;

  constructor(target: string) {
    this.#target = new URL(target);
    this.#server = createServer((inner) => {
      if (this.isCut) {
        inner.destroy();
        return;
      }
      const outer = connect(Number(this.#target.port), this.#target.hostname);
      for (const [one, other] of [
        [inner, outer],
        [outer, inner],
      ] as const) {
        this.#sockets.add(one);
        one.on("error", () => other.destroy());
        one.on("close", () => {
          this.#sockets.delete(one);
          other.destroy();
        });
        one.pipe(other);
      }
    });
  }

  async open(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    onTestFinished(() => {
      this.cut();
      this.#server.close();
    });
    return address.port;
  }

  cut(): void {
    this.isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** A build that prints, a secret over two writes too, and waits for the test at each of its steps. */
async function startFarm(name: string): Promise<{ step(n: number): void; link: Link }> {
  const upstream = await startSampleUpstream({ files: [] });
  onTestFinished(() => upstream.close());
  // Its steps wait for files beside the farm, which no sandbox would show them.
  farm = new TestFarm({ dsn: database.dsn, upstream, slave: ["--sandbox", "none"] });
  onTestFinished(() => farm.end());
  const gate = join(farm.folder, "step-");
  await farm.startMaster();
  const link = new Link(`tcp://127.0.0.1:${farm.linkPorts.slave}`);
  await farm.startSlave(1, { slave: await link.open(), file: farm.linkPorts.file });
  upstream.publish(
    slowSdist({
      name,
      version: "1.0",
      before: `
import sys
for step in range(1, 4):
    sys.stdout.write("step %d: https://joe:hunt" % step)
    sys.stdout.flush()
    time.sleep(0.02)
    sys.stdout.write("er22@host/\\n" + "".join("line %d of step %d\\n" % (n, step) for n in range(2000)))
    sys.stdout.flush()
    while not os.path.exists(${JSON.stringify(gate)} + str(step)):
        time.sleep(0.02)
`,
    }),
  );
  return { step: (n) => writeFileSync(`${gate}${n}`, ""), link };
}

/** What is placed in the output folder. */
const placedLog = (token: number): string | undefined => {
  const path = join(farm.output, logKey(token));
  return existsSync(path) ? gunzipSync(readFileSync(path)).toString() : undefined;
};

test("a running build's log is followed through a cut link and a killed master, and is the placed one to the byte", async () => {
  const { step, link } = await startFarm("talker");
  await farm.until("the build to run", ({ leased }) => leased === 1);
  const control = ["--control-queue", farm.controlAddress];
  const follower = new Follower("slave-1", "--follow", ...control);
  await follower.says("line 1999 of step 1\n");
  link.cut();
  step(1);
  // The build goes on and is heard of again only over a new connection.
  await untilSaid("a cut link", () => follower.stderr.includes("slave-1: the slave"));
  expect(follower.stdout).not.toContain("of step 2");
  link.isCut = false;
  await follower.says("line 1999 of step 2\n");
  await farm.kill("master");
  step(2);
  await untilSaid("a master that is away", () =>
    /asking again for what follows byte/.test(follower.stderr),
  );
  await farm.startMaster();
  await follower.says("line 1999 of step 3\n");
  const token = Number(/build (\d+): talker 1\.0/.exec(follower.stderr)?.[1]);
  const late = new Follower(
    String(token),
    "--from",
    String(follower.stdout.indexOf("step 2")),
    ...control,
  );
  expect(await late.ended).toBe(0);
  step(3);
  expect(await follower.ended).toBe(0);
  expect(follower.stderr).toMatch(/build \d+ ended: built\n$/);
  await farm.untilIdle();
  const placed = await until("the placed log", () => placedLog(token));
  expect(follower.stdout).toBe(placed);
  expect(late.stdout).not.toBe("");
  expect(placed.slice(placed.indexOf("step 2")).startsWith(late.stdout)).toBe(true);
  expect(placed).toContain("step 1: https://***@host/\n");
  expect(placed).not.toContain("hunt");
  const after = new Follower(String(token), ...control);
  expect(await after.ended).toBe(0);
  expect(after.stdout).toBe(placed);
});

test("of a build whose slave was killed the log stays on the slave, and is shown while it is connected", async () => {
  await startFarm("victim");
  await farm.until("the build to run", ({ leased }) => leased === 1);
  const control = ["--control-queue", farm.controlAddress];
  const follower = new Follower("slave-1", "--follow", ...control);
  await follower.says("line 1999 of step 1\n");
  const token = Number(/build (\d+): victim 1\.0/.exec(follower.stderr)?.[1]);
  await farm.kill("slave-1");
  await farm.startSlave(1);
  expect(await follower.ended).toBe(0);
  expect(follower.stdout).toMatch(
    /line 1999 of step 1\n\n\[\.\.\. the slave ended in the middle of this build \.\.\.\]\n$/,
  );
  expect(follower.stderr).toMatch(/build \d+ ended: slave-lost\n$/);
  const again = new Follower(String(token), ...control);
  expect(await again.ended).toBe(0);
  expect(again.stdout).toBe(follower.stdout);
  expect(placedLog(token)).toBeUndefined();
});

const untilSaid = (what: string, isSo: () => boolean): Promise<true> =>
  until(what, () => (isSo() ? true : undefined));
