/**
 * The master's side of the bench `transfer`: the file link, File Juggler, its transfers, the check of wheels and the
 * storage as piw-master has them, without a database: what is collected is published here. Or a raw PULL. Started by
 * `transfer.bench.ts`; ends when its channel closes.
 */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import type { Pull } from "zeromq";
import { RETRY_MS } from "../actors/master/again.ts";
import {
  defineEndpoint,
  type EndpointMessages,
  newEndpointMemory,
} from "../actors/master/endpoint.ts";
import { type FileJugglerMessages, fileJuggler } from "../actors/master/file-juggler.ts";
import { Meters } from "../actors/master/metrics/meters.ts";
import { Refusals } from "../actors/master/refusals.ts";
import { startWheelChecker } from "../actors/master/wheel-check.ts";
import type { DatabaseMessages } from "../db/requests.ts";
import { filesLink, type ToFileSender } from "../protocol/links/files.ts";
import type { ToImportDesk } from "../protocol/links/tasks/import-desk.ts";
import {
  type ActorRef,
  child,
  dynamicSupervisor,
  Refusal,
  silentLogger,
  startSystem,
  supervisor,
} from "../supervisor/index.ts";
import { metadataKey, wheelKey } from "../web/public-key.ts";
import { openLocalStorage, type Storage } from "../web/storage.ts";
import { obeyOrders } from "./bench-child.ts";
import { bindPull, receiveFile } from "./transfer/raw-copy.ts";
import {
  type HeldBuild,
  PACKAGE,
  type ReceiverOrder,
  type ReceiverSays,
  type SenderName,
  VERSION,
} from "./transfer/words.ts";

type Lists = Extract<ReceiverOrder, { type: "go" }>["lists"];

interface Line {
  readonly address: string;
  /** Ends when all is public. */
  receive(lists: Lists): Promise<Received>;
  close(): Promise<void>;
}

interface Received {
  /** What the checks of wheels took. */
  readonly checkMs: number;
  /** Transfers that ended before their end and were begun again, as a slave session does. */
  readonly again: number;
}

/** As a slave session takes them. */
const BUILDS_AT_ONCE = 4;
/** Of a build: more say that something is wrong. */
const MOST_TRIES = 5;
const LOOP_RESOLUTION_MS = 5;
const project = PACKAGE.replaceAll("_", "-");
const say = (words: ReceiverSays): void => void process.send?.(words);
let line: Line | undefined;

obeyOrders(obey);
if (process.connected) await once(process, "disconnect");
await line?.close();

async function obey(order: ReceiverOrder): Promise<void> {
  if (order.type === "open") {
    mkdirSync(order.output, { recursive: true });
    const isRaw = order.way === "raw";
    line = await (isRaw ? openRaw : openMaster)(order.output, order.secret);
    say({ type: "opened", address: line.address });
  } else if (order.type === "go") {
    const loop = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    loop.enable();
    const startedAt = performance.now();
    const usedBefore = process.cpuUsage();
    const { checkMs, again } = (await line?.receive(order.lists)) ?? { checkMs: 0, again: 0 };
    const seconds = (performance.now() - startedAt) / 1_000;
    const used = process.cpuUsage(usedBefore);
    loop.disable();
    const heldMs = Math.max(0, loop.max / 1e6 - LOOP_RESOLUTION_MS);
    const processorSeconds = (used.user + used.system) / 1e6;
    const figures = { seconds, checkSeconds: checkMs / 1_000, heldMs, processorSeconds, again };
    say({ type: "done", figures });
  } else {
    await line?.close();
    line = undefined;
    say({ type: "closed" });
  }
}

async function openRaw(output: string, secret: Keys): Promise<Line> {
  const pull: Pull = await bindPull(secret);
  return {
    address: pull.lastEndpoint ?? "",
    receive: async (lists) => {
      const file = lists[0]?.builds[0]?.result.files[0];
      if (file === undefined) throw new Error("nothing to copy");
      const path = join(output, file.filename);
      if ((await receiveFile(pull, path, file.sizeBytes)) !== file.sha256)
        throw new Error("the raw copy is not what was sent");
      return { checkMs: 0, again: 0 };
    },
    close: async () => pull.close(),
  };
}

type Keys = Extract<ReceiverOrder, { type: "open" }>["secret"];

async function openMaster(output: string, secret: Keys): Promise<Line> {
  const storage = await openLocalStorage(output);
  const checker = startWheelChecker();
  const refusals = new Refusals();
  let checkMs = 0;
  const system = await startSystem({
    name: "receiver",
    logger: silentLogger,
    root: ({ ref }) =>
      supervisor("main", {}, [
        child("link", defineEndpoint(filesLink), {
          address: "tcp://127.0.0.1:0",
          keys: secret && { secret, isAuthorised: () => true },
          heartbeatMs: 2_000,
          receiveHighWaterMark: 8,
          consumer: ref<FileJugglerMessages>("/juggler"),
          memory: newEndpointMemory(),
          refusals: refusals.at("/link"),
        }),
        dynamicSupervisor("transfers"),
        child("juggler", fileJuggler, {
          link: ref<EndpointMessages<ToFileSender>>("/link"),
          importDesk: ref<ToImportDesk>("/nobody"),
          transfersPath: "/transfers",
          database: ref<DatabaseMessages>("/nobody"),
          storage,
          signer: undefined,
          meters: new Meters().transfers(),
          wheels: {
            follow: (path) => checker.follow(path),
            async check(question) {
              const startedAt = performance.now();
              const checked = await checker.check(question);
              checkMs += performance.now() - startedAt;
              return checked;
            },
          },
          refusals: refusals.at("/juggler"),
          fetchRetryMs: 20_000,
          stallMs: 60_000,
          paceMs: 600_000,
          sweepMs: 1e9,
          blobGraceMs: 1e9,
        }),
      ]),
  });
  const juggler = system.ref<FileJugglerMessages>("/juggler");
  return {
    address: await system.ref<EndpointMessages<ToFileSender>>("/link").ask("ATTACH"),
    receive: async (lists) => {
      checkMs = 0;
      let again = 0;
      await Promise.all(
        lists.flatMap(({ sender, builds }) => {
          const queue = [...builds];
          return Array.from({ length: BUILDS_AT_ONCE }, async () => {
            for (let next = queue.shift(); next !== undefined; next = queue.shift())
              again += await take(juggler, storage, sender, next);
          });
        }),
      );
      return { checkMs, again };
    },
    close: async () => {
      await system.stop();
      await checker.close();
    },
  };
}

/** One build: pulled, verified, in the blobs, and public. Gives how often it was begun again. */
async function take(
  juggler: ActorRef<FileJugglerMessages>,
  storage: Storage,
  sender: SenderName,
  { token, result, tags }: HeldBuild,
): Promise<number> {
  const question = {
    delivery: {
      token,
      source: "slave" as const,
      slaveId: 1,
      slaveIdentity: sender.identity,
      slaveSlot: sender.slot,
      package: project,
      version: VERSION,
      target: "cp311-linux_x86_64",
      targetTags: [...tags],
      buildTag: null,
      isSettled: false,
    },
    files: result.files,
    log: result.log,
  };
  const collect = () =>
    juggler
      .ask("COLLECT", question, { timeoutMs: Number.POSITIVE_INFINITY })
      .catch(async (error: unknown) => {
        if (!(error instanceof Refusal) || again >= MOST_TRIES) throw error;
        again += 1;
        await delay(RETRY_MS);
        return undefined;
      });
  let again = 0;
  let collected = await collect();
  while (collected === undefined) collected = await collect();
  const { files, refusal } = collected;
  if (refusal !== null) throw new Error(refusal.message);
  if (files.length !== result.files.length) throw new Error(`${files.length} files have come`);
  for (const { filename, sha256, metadataSha256 } of files) {
    await storage.publishOnce(metadataKey(project, filename), metadataSha256);
    await storage.publishOnce(wheelKey(project, filename), sha256);
  }
  return again;
}
