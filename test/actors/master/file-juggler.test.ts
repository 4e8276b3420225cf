/** File Juggler and what it collects: whatever a wheel says of itself, its build comes to an end. */
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { EndpointMessages } from "../../../actors/master/endpoint.ts";
import { type FileJugglerMessages, fileJuggler } from "../../../actors/master/file-juggler.ts";
import { Refusals } from "../../../actors/master/refusals.ts";
import type { CheckedWheel } from "../../../actors/master/wheel-check.ts";
import type { DatabaseMessages } from "../../../db/requests.ts";
import type { ToFileSender } from "../../../protocol/links/files.ts";
import { fileJugglerProtocol } from "../../../protocol/links/tasks/file-juggler.ts";
import type { ToImportDesk } from "../../../protocol/links/tasks/import-desk.ts";
import type { Collected } from "../../../protocol/model/delivery.ts";
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

const log = Buffer.from("it went well");
const wheel = Buffer.from("a wheel");
const peer = { id: "p1", identity: "slave", slot: "main" };
const filename = "pkg-1.0-py3-none-any.whl";

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
      const bytes = body.filename === filename ? wheel : log;
      const data = bytes.subarray(body.offset, body.offset + body.lengthBytes);
      const { token, offset } = body;
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
});
afterEach(async () => {
  await system?.stop();
  rmSync(folder, { recursive: true });
});

const sha256 = (bytes: Buffer) => createHash("sha256").update(bytes).digest("hex");

/** Has the build collected, with that for the result of its wheel's check. */
async function collect(checked: CheckedWheel): Promise<Collected> {
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
          link: ref<EndpointMessages<ToFileSender>>("/link"),
          importDesk: ref<ToImportDesk>("/nobody"),
          transfersPath: "/transfers",
          database: ref<DatabaseMessages>("/nobody"),
          storage,
          checkWheel: () => Promise.resolve(checked),
          fetchRetryMs: 1_000,
          stallMs: 10_000,
          sweepMs: 1_000_000,
          blobGraceMs: 1_000_000,
        }),
      ]),
  });
  const collected = await system.ref<FileJugglerMessages>("/juggler").ask("COLLECT", {
    delivery: {
      token: 1,
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
    },
    files: [{ filename, sizeBytes: wheel.length, sha256: sha256(wheel), aptDependencies: [] }],
    log: { sizeBytes: log.length, sha256: sha256(log) },
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
