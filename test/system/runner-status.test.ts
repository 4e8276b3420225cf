/** What a runner says of its build, over the whole way: runner, slave, master, status link. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { statusLink } from "../../protocol/links/status.ts";
import type { FarmEvent } from "../../protocol/model/status.ts";
import { connectSubscriber } from "../../protocol/transport/index.ts";
import { packSdist, startSampleUpstream } from "../../samples/index.ts";
import { silentLogger } from "../../supervisor/index.ts";
import { until } from "../actors/slave/scripted-master.ts";
import { createTestDatabase } from "../support/postgres.ts";
import { TestFarm } from "../support/test-farm.ts";

/** Says the same until it is let go: a monitor may come late. */
const RUNNER = `#!/bin/sh
while [ ! -e "$(dirname "$0")/go" ]; do
  echo "Compiling stage one" > "$1"
  sleep 1
done
echo "Failed for a reason of its own" > "$1"
`;

it("what a runner says reaches those who watch the farm, and its last word is the result", async () => {
  const folder = mkdtempSync(join(tmpdir(), "ww-runner-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "bin");
  mkdirSync(path);
  writeFileSync(join(path, "own-runner"), RUNNER, { mode: 0o755 });
  const configuration = join(folder, "slave.conf");
  writeFileSync(
    configuration,
    `[runner:own]\nrunner = shell!own-runner %STATUS\nmatch = demo-pkg\npath = ${path}\n`,
  );
  const database = await createTestDatabase();
  const sdist = packSdist([{ path: "setup.py", data: Buffer.from("1/0\n") }], "demo_pkg-1.0");
  const upstream = await startSampleUpstream({
    files: [{ filename: "demo_pkg-1.0.tar.gz", contents: sdist }],
  });
  const farm = new TestFarm({ dsn: database.dsn, upstream, slave: ["-c", configuration] });
  const events: FarmEvent[] = [];
  const monitor = connectSubscriber(statusLink, {
    address: `ipc://${farm.folder}/status`,
    log: silentLogger,
    onMessage: ({ body }) => void events.push(body),
    onGap: () => undefined,
  });
  const of = <K extends FarmEvent["kind"]>(kind: K) =>
    events.find((event): event is Extract<FarmEvent, { kind: K }> => event.kind === kind);
  try {
    await farm.startMaster();
    await farm.startSlave();
    const said = await until("the runner's words", () => of("build-status"), 90_000);
    expect(said).toMatchObject({
      package: "demo-pkg",
      version: "1.0",
      slave: "slave-1",
      status: "Compiling",
      text: "stage one",
    });
    writeFileSync(join(path, "go"), "");
    const ended = await until("the end of the build", () => of("build-ended"), 90_000);
    expect(ended).toMatchObject({ package: "demo-pkg", cause: "build-failed", files: [] });
    expect(ended.message).toContain("for a reason of its own");
  } finally {
    await monitor.close();
    await farm.end();
    await upstream.close();
    await database.end();
  }
}, 240_000);
