/** File Juggler and what it collects: whatever a wheel says of itself, its build comes to an end. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { EndpointMessages } from "../../../actors/master/endpoint.ts";
import { type FileJugglerMessages, fileJuggler } from "../../../actors/master/file-juggler.ts";
import { Meters } from "../../../actors/master/metrics/meters.ts";
import { Refusals } from "../../../actors/master/refusals.ts";
import type { CheckedWheel } from "../../../actors/master/wheel-check.ts";
import type { DatabaseMessages } from "../../../db/requests.ts";
import type { ToFileSender } from "../../../protocol/links/files.ts";
import { fileJugglerProtocol } from "../../../protocol/links/tasks/file-juggler.ts";
import type { ToImportDesk } from "../../../protocol/links/tasks/import-desk.ts";
import { type BuiltFile, LOG_FILENAME } from "../../../protocol/model/build.ts";
import type { Collected, Delivery } from "../../../protocol/model/delivery.ts";
import {
  type ActorRef,
  child,
  defineActor,
  dynamicSupervisor,
  type System,
  silentLogger,
  startSystem,
  supervisor,
} from "../../../supervisor/index.ts";
import { openLocalStorage } from "../../../web/storage.ts";
import { until } from "../slave/scripted-master.ts";

const log = Buffer.from("it went well");
const wheel = Buffer.from("a wheel");
const peer = { id: "p1", identity: "slave", slot: "main" };
const filename = "pkg-1.0-py3-none-any.whl";
const second = "pkg-1.0-2-py3-none-any.whl";

/** Files that the slave says it has not, and files about which it says nothing. */
const lost = new Set<string>();
const withheld = new Set<string>();
/** Builds of which anything was asked. */
const fetched = new Set<number>();

/** The slave and its link: hands over what is fetched. */
const slaveEnd = defineActor<
  EndpointMessages<ToFileSender>,
  ActorRef<FileJugglerMessages>,
  ActorRef<FileJugglerMessages>
>({
  name: "has the files of one build",
  init: (_ctx, juggler) => juggler,
  handle: {
    ATTACH(juggler) {
      juggler.tell("PEER_OPENED", peer);
      return "nowhere";
    },
    SEND(juggler, { message: { body } }) {
      const { token, offset } = body;
      fetched.add(token);
      if (withheld.has(body.filename)) return "sent";
      if (lost.has(body.filename)) {
        const missing = { token, filename: body.filename, reason: "it is gone" };
        juggler.tell("PEER_MESSAGE", { peer, message: { type: "MISSING", body: missing } });
        return "sent";
      }
      const bytes = body.filename === LOG_FILENAME ? log : wheel;
      const data = bytes.subarray(offset, offset + body.lengthBytes);
      const message = {
        type: "CHUNK" as const,
        body: { token, filename: body.filename, offset, data },
      };
      juggler.tell("PEER_MESSAGE", { peer, message });
      return "sent";
    },
    DROP: () => undefined,
  },
});

let folder: string;
let system: System | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "juggler-"));
  lost.clear();
  withheld.clear();
  fetched.clear();
});
afterEach(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true });
});

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

const wheelFile: BuiltFile = {
  filename,
  sizeBytes: wheel.length,
  sha256: sha256(wheel),
  aptDependencies: [],
};

async function start(checked: CheckedWheel, stallMs = 10_000, paceMs = 1_000_000) {
  const storage = await openLocalStorage(folder);
  system = await startSystem({
    name: "test",
    logger: silentLogger,
    root: ({ ref }) =>
      supervisor("main", {}, [
        child("link", slaveEnd, ref<FileJugglerMessages>("/juggler")),
        dynamicSupervisor("transfers"),
        child("juggler", fileJuggler, {
          refusals: new Refusals().at("/juggler"),
          meters: new Meters().transfers(),
          link: ref<EndpointMessages<ToFileSender>>("/link"),
          importDesk: ref<ToImportDesk>("/nobody"),
          transfersPath: "/transfers",
          database: ref<DatabaseMessages>("/nobody"),
          storage,
          signer: undefined,
          wheels: { check: () => Promise.resolve(checked), follow: () => notFollowed },
          fetchRetryMs: 1_000,
          stallMs,
          paceMs,
          sweepMs: 1_000_000,
          blobGraceMs: 1_000_000,
        }),
      ]),
  });
  return system.ref<FileJugglerMessages>("/juggler");
}

const deliveryOf = (token: number): Delivery => ({
  token,
  source: "slave",
  slaveId: 1,
  slaveIdentity: peer.identity,
  slaveSlot: peer.slot,
  package: "pkg",
  version: "1.0",
  target: "cp311-linux_x86_64",
  targetTags: ["py3-none-any"],
  buildTag: null,
  isSettled: false,
});

const notFollowed = {
  grew: () => undefined,
  seen: () => Promise.resolve([]),
  stop: () => undefined,
};

const logOf = (bytes: Buffer) => ({ sizeBytes: bytes.length, sha256: sha256(bytes) });

/** Has the build collected, with that for the result of its wheel's check. */
async function collect(
  checked: CheckedWheel,
  { files = [wheelFile], log: logFile = logOf(log) } = {},
  stallMs = 10_000,
): Promise<Collected> {
  const juggler = await start(checked, stallMs);
  const collected = await juggler.ask("COLLECT", {
    delivery: deliveryOf(1),
    files,
    log: logFile,
  });
  expect(fileJugglerProtocol.checkReply("COLLECT", collected)).toEqual({
    ok: true,
    value: collected,
  });
  return collected;
}

const good: CheckedWheel = {
  ok: true,
  tags: ["py3-none-any"],
  requiresPython: null,
  requiresDist: ["numpy"],
  metadata: Buffer.from("Metadata-Version: 2.1"),
  suspicious: null,
};

it("a wheel that passes is collected, with its log", async () => {
  const { files, log: logged, refusal } = await collect(good);
  expect(files.map((file) => [file.filename, file.requiresDist])).toEqual([[filename, ["numpy"]]]);
  expect(logged?.sha256).toBe(sha256(log));
  expect(refusal).toBeNull();
});

it.each([
  ["requiresDist", { requiresDist: new Array<string>(10_001).fill("x") }],
  ["requiresDist.0", { requiresDist: ["x".repeat(10_001)] }],
  ["requiresPython", { requiresPython: "x".repeat(2_001) }],
])("a wheel with more %s than a message holds is a bad wheel", async (part, excess) => {
  const { files, refusal } = await collect({ ...good, ...excess });
  expect(files).toEqual([]);
  expect(refusal).toEqual({
    cause: "bad-wheel",
    message: `${filename}: its ${part} is more than a wheel may have`,
  });
});

it("a reason without end is cut to what a message holds", async () => {
  const { refusal } = await collect({ ok: false, reason: "x".repeat(5_000) });
  expect(refusal?.message).toHaveLength(2_000);
});

it("a refusal is told at once, whatever the slave withholds of the other files", async () => {
  lost.add(filename);
  withheld.add(second);
  const files = [wheelFile, { ...wheelFile, filename: second, sha256: sha256(log) }];
  const { log: logged, refusal } = await collect(good, { files });
  expect(refusal).toMatchObject({ cause: "slave-lost" });
  expect(logged?.sha256).toBe(sha256(log));
});

it("a refusal is told without the log where that does not come", async () => {
  lost.add(filename);
  withheld.add(LOG_FILENAME);
  const { log: logged, refusal } = await collect(good, {}, 300);
  expect(refusal).toMatchObject({ cause: "slave-lost" });
  expect(logged).toBeNull();
});

const huge = Number.MAX_SAFE_INTEGER;

it.each([
  ["log", LOG_FILENAME, { log: { sizeBytes: huge, sha256: sha256(log) } }],
  ["wheel", filename, { files: [{ ...wheelFile, sizeBytes: huge }] }],
])(
  "a %s that says it is larger than any disk is refused, not waited for",
  async (_, name, told) => {
    const { files, refusal } = await collect(good, told);
    expect(files).toEqual([]);
    const message = `${name}: ${huge} bytes are over the limit`;
    expect(refusal).toEqual({ cause: "bad-wheel", message });
  },
);

it("another size than that of the file that is stored already is refused", async () => {
  await (await openLocalStorage(folder)).putBlob(wheel);
  const { refusal } = await collect(good, { files: [{ ...wheelFile, sizeBytes: 1 }] });
  expect(refusal).toEqual({
    cause: "bad-wheel",
    message: `${filename}: the file of its SHA-256 has 7 bytes, not 1`,
  });
});

it("of one slave a bounded number is pulled at once; who waits has a turn, but for whom nobody asks any more", async () => {
  const juggler = await start(good);
  withheld.add(LOG_FILENAME);
  const gone = new AbortController();
  const asked = Array.from({ length: 20 }, (_, at) =>
    juggler.ask(
      "COLLECT",
      { delivery: deliveryOf(at + 1), files: [], log: logOf(log) },
      { timeoutMs: 60_000, signal: at + 1 === 17 ? gone.signal : undefined },
    ),
  );
  const settled = Promise.allSettled(asked);
  await until("sixteen are asked for", () => (fetched.size >= 16 ? true : undefined));
  gone.abort();
  await expect(asked[16]).rejects.toThrow();
  expect([...fetched].every((token) => token <= 16)).toBe(true);
  withheld.clear();
  const ends = (await settled).map(({ status }, at) => [at + 1, status]);
  expect(ends.filter(([, status]) => status !== "fulfilled")).toEqual([[17, "rejected"]]);
  expect(fetched.has(17)).toBe(false);
  expect(fetched.size).toBe(19);
}, 60_000);

it("who brings nothing for ever gives way to one that waits, and goes on when its turn comes", async () => {
  const juggler = await start(good, 1_000_000, 200);
  withheld.add(LOG_FILENAME);
  const asked = Array.from({ length: 17 }, (_, at) =>
    juggler
      .ask(
        "COLLECT",
        { delivery: deliveryOf(at + 1), files: [], log: logOf(log) },
        { timeoutMs: 60_000 },
      )
      .then(
        () => "collected",
        (error: unknown) => (error as { code?: string }).code,
      ),
  );
  await until("the last one is asked for", () => (fetched.has(17) ? true : undefined));
  withheld.clear();
  const ends = await Promise.all(asked);
  expect(ends.at(-1)).toBe("collected");
  expect(ends).toContain("transfer-ended");
  const again = juggler.ask("COLLECT", { delivery: deliveryOf(1), files: [], log: logOf(log) });
  expect((await again).log?.sha256).toBe(sha256(log));
}, 60_000);
