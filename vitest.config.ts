import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

/** Tests of one room that take seconds: killed processes, silent servers, long random histories. */
const patient = [
  "test/actors/farm/program.test.ts",
  "test/actors/slave/folder-lock.test.ts",
  "test/actors/slave/sdist-download.test.ts",
  "test/conformance/chaos.test.ts",
  "test/conformance/process.test.ts",
  "test/conformance/threads.test.ts",
  "test/conformance/threads-process.test.ts",
  "test/conformance/references/ask.test.ts",
  "test/conformance/references/hostile-node.test.ts",
  "test/conformance/references/lossy-network.test.ts",
  "test/conformance/references/mailbox.test.ts",
  "test/conformance/references/nodes.test.ts",
  "test/conformance/references/watch.test.ts",
  "test/conformance/transport-processes.test.ts",
  "test/db/connection.test.ts",
  "test/db/history.test.ts",
  "test/db/queue.test.ts",
  "test/db/tools.test.ts",
  "test/db/tallies.test.ts",
  "test/db/wanted-closure.test.ts",
  "test/protocol/transport/codec.test.ts",
  "test/protocol/transport/hostile-peers.test.ts",
  "test/protocol/transport/key-register.test.ts",
  "test/protocol/transport/keys.test.ts",
  "test/protocol/transport/odd-servers.test.ts",
  "test/protocol/transport/processes.test.ts",
  "test/protocol/transport/memory-network.test.ts",
  "test/protocol/upstream/event-loop.test.ts",
  "test/protocol/upstream/upstream-faults.test.ts",
  "test/supervisor/nodes/remote-refs.test.ts",
];

/** System tests that take the master as it comes: in one process, in three, or through the codec. */
const wholeFarms = ["corpus", "keys", "walk"].map((name) => `test/system/${name}.test.ts`);

/**
 * Of tests of several processes on a machine whose pace is not ours. One that needs it in CI is named there
 * (`test/support/second-tries.ts`): a wrong promise fails twice.
 */
const retry = process.env["CI"] === "true" ? 1 : 0;

/** Suites by what they need. `npm run check` runs unit and conformance; `npm test` runs all. */
export default defineConfig({
  test: {
    // Most tests of whole farms wait: one at a time leaves a small machine idle for half of the hour.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      {
        test: {
          name: "unit",
          include: ["test/{supervisor,protocol,db,web,actors,config,bin}/**/*.test.ts"],
          exclude: patient,
          // Each takes milliseconds; the limit is for a machine that is busy with something else.
          testTimeout: 10_000,
        },
      },
      {
        test: {
          name: "conformance",
          include: ["test/conformance/**/*.test.ts"],
          exclude: patient,
          testTimeout: 10_000,
        },
      },
      { test: { name: "patient", include: patient, testTimeout: 20_000, retry } },
      {
        test: {
          name: "system",
          include: ["test/system/**/*.test.ts"],
          testTimeout: 60_000,
          retry,
        },
      },
      // The same tests of whole farms on a master of another shape (`test/support/test-farm.ts`).
      ...["ipc", "tcp", "codec"].map((shape) => ({
        test: {
          name: `system-${shape}`,
          include: wholeFarms,
          env: { WHEELWRIGHT_TEST_MASTER: shape },
          testTimeout: 60_000,
          retry,
        },
      })),
      {
        test: {
          name: "faults",
          include: ["test/faults/**/*.test.ts"],
          testTimeout: 120_000,
          retry,
        },
      },
      {
        test: {
          name: "browser",
          include: ["test/browser/**/*.test.ts"],
          testTimeout: 60_000,
          retry,
        },
      },
    ],
    coverage: {
      provider: "v8",
      include: ["supervisor/**", "protocol/**", "db/**", "actors/**", "web/**", "config/**"],
    },
  },
});
