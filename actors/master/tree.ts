/**
 * The master's tree: every task, who watches over it, and who knows whom. `bin` starts it with plain
 * settings. What is wrong with the machine (no database, no rights, a taken address) is one error
 * before or while it starts, and leaves nothing running.
 */
import type { ListenAddress, MasterSettings } from "../../config/settings.ts";
import { openConnection } from "../../db/connection.ts";
import { checkMasterRights, checkSchema } from "../../db/migrate.ts";
import { type ControlAnswers, controlLink } from "../../protocol/links/control.ts";
import { filesLink, type ToFileSender } from "../../protocol/links/files.ts";
import { type ImportAnswers, importLink } from "../../protocol/links/import.ts";
import { slaveLink, type ToSlave } from "../../protocol/links/slave.ts";
import {
  readAuthorizedKeys,
  readKeyFile,
  type ServerKeys,
} from "../../protocol/transport/index.ts";
import { UpstreamClient } from "../../protocol/upstream/index.ts";
import {
  child,
  dynamicSupervisor,
  eachNode,
  type Logger,
  type System,
  startSystem,
  supervisor,
} from "../../supervisor/index.ts";
import { openLocalStorage } from "../../web/storage.ts";
import { type ArchitectMessages, architect } from "./architect.ts";
import { type CloudGazerMessages, cloudGazer } from "./cloud-gazer.ts";
import { type ControlMessages, control } from "./control.ts";
import type { DatabaseRef } from "./database.ts";
import { defineEndpoint, type EndpointMessages, newEndpointMemory } from "./endpoint.ts";
import { type FileJugglerMessages, fileJuggler } from "./file-juggler.ts";
import { type HttpMessages, http } from "./http.ts";
import { listener } from "./listener.ts";
import { type MrChaseMessages, mrChase } from "./mr-chase.ts";
import { type OracleMessages, oracle } from "./oracle.ts";
import { type ScribeMessages, scribe } from "./scribe.ts";
import { type SecretaryMessages, secretary } from "./secretary.ts";
import { seraph } from "./seraph.ts";
import { type SlaveDriverMessages, slaveDriver } from "./slave-driver.ts";
import { type StatusMessages, statusPublisher } from "./status-publisher.ts";
import { startWheelChecker } from "./wheel-check.ts";

const paths = {
  slaveLink: "/links/slave",
  fileLink: "/links/file",
  controlLink: "/links/control",
  importLink: "/links/import",
  status: "/observers/status",
  control: "/observers/control",
  oracles: "/database/oracles",
  seraph: "/database/seraph",
  transfers: "/services/storage/transfers",
  fileJuggler: "/services/storage/file-juggler",
  architect: "/services/farm/architect",
  sessions: "/services/farm/sessions",
  slaveDriver: "/services/farm/slave-driver",
  scribe: "/services/publishing/scribe",
  secretary: "/services/publishing/secretary",
  mrChase: "/services/tools/mr-chase",
  cloudGazer: "/services/upstream/cloud-gazer",
  http: "/services/http",
} as const;

/** A branch that gives up is revived by and by: a broken corner does not end the farm. */
const revive = { minMs: 5_000, maxMs: 300_000 };
/** Attempts at a build that fails for reasons of its surroundings. */
const MAX_ATTEMPTS = 5;
/** Frames of 1 MiB that may lie unread per file sender. */
const FILE_HIGH_WATER_MARK = 8;

/**
 * Starts the master. Its promise settles when every task is ready.
 * @throws an error whose message is one line that says what to do; nothing is left running then.
 */
export async function startMaster(
  settings: MasterSettings,
  logger: Logger,
  signal?: AbortSignal,
): Promise<System> {
  const { times, queues } = settings;
  await checkDatabase(settings.dsn);
  const keys = serverKeys(settings);
  const storage = await openLocalStorage(settings.outputPath);
  const wheelChecker = startWheelChecker();
  const retry = {
    baseMs: times.retryBaseMs,
    maxMs: times.retryMaxMs,
    maxAttempts: MAX_ATTEMPTS,
  };
  const upstream = new UpstreamClient({
    ...settings.upstream,
    userAgent: `wheelwright/${settings.version}`,
  });

  const address = settings.http === undefined ? undefined : httpAddress(settings.http);
  let system: System | undefined;
  try {
    system = await startSystem({
      name: "master",
      logger,
      debug: settings.debug,
      stopDeadlineMs: times.shutdownMs,
      ...(signal && { signal }),
      root: ({ ref }) => {
        const database: DatabaseRef = ref(paths.seraph);
        const architectRef = ref<ArchitectMessages>(paths.architect);
        const slaveDriverRef = ref<SlaveDriverMessages>(paths.slaveDriver);
        const cloudGazerRef = ref<CloudGazerMessages>(paths.cloudGazer);
        const fileJugglerRef = ref<FileJugglerMessages>(paths.fileJuggler);
        const httpRef = ref<HttpMessages>(paths.http);
        const slaveLinkRef = ref<EndpointMessages<ToSlave>>(paths.slaveLink);
        const fileLinkRef = ref<EndpointMessages<ToFileSender>>(paths.fileLink);
        const { heartbeatMs } = times;
        const local = { keys: undefined, heartbeatMs };

        return supervisor("main", { strategy: "rest_for_one" }, [
          supervisor("links", {}, [
            child("slave", defineEndpoint(slaveLink), {
              address: queues.slave,
              keys,
              heartbeatMs,
              consumer: slaveDriverRef,
              memory: newEndpointMemory(),
            }),
            child("file", defineEndpoint(filesLink), {
              address: queues.file,
              keys,
              heartbeatMs,
              receiveHighWaterMark: FILE_HIGH_WATER_MARK,
              consumer: fileJugglerRef,
              memory: newEndpointMemory(),
            }),
            child("control", defineEndpoint(controlLink), {
              ...local,
              address: queues.control,
              consumer: ref<ControlMessages>(paths.control),
              memory: newEndpointMemory(),
            }),
            child("import", defineEndpoint(importLink), {
              ...local,
              address: queues.import,
              consumer: ref<MrChaseMessages>(paths.mrChase),
              memory: newEndpointMemory(),
            }),
          ]),
          supervisor("observers", { revive }, [
            child("status", statusPublisher, { address: queues.status }),
            child("control", control, {
              link: ref<EndpointMessages<ControlAnswers>>(paths.controlLink),
              database,
              slaveDriver: slaveDriverRef,
              troubles: () => troublesOf(system),
              pause: (pattern) => system?.pause(pattern) ?? [],
              resume: (pattern) => system?.resume(pattern) ?? [],
              quit: () => void system?.stop(),
            }),
          ]),
          supervisor("database", { strategy: "rest_for_one", revive }, [
            supervisor(
              "oracles",
              {},
              oracleNames(settings.oracles).map((name) =>
                child(name, oracle, { dsn: settings.dsn, applicationName: `wheelwright ${name}` }),
              ),
            ),
            child("seraph", seraph, {
              oracles: oracleNames(settings.oracles).map((name) =>
                ref<OracleMessages>(`${paths.oracles}/${name}`),
              ),
            }),
            child("listener", listener, {
              dsn: settings.dsn,
              architect: architectRef,
              probeMs: times.sweepMs,
            }),
          ]),
          supervisor("services", {}, [
            supervisor("storage", { strategy: "rest_for_one", revive }, [
              dynamicSupervisor("transfers"),
              child("file-juggler", fileJuggler, {
                link: fileLinkRef,
                transfersPath: paths.transfers,
                database,
                storage,
                checkWheel: wheelChecker.check,
                fetchRetryMs: times.fetchRetryMs,
                stallMs: times.leaseMs,
                sweepMs: times.sweepMs,
                blobGraceMs: times.blobGraceMs,
              }),
            ]),
            supervisor("farm", { strategy: "rest_for_one", revive }, [
              child("architect", architect, {
                database,
                slaveDriver: slaveDriverRef,
                leaseMs: times.leaseMs,
                graceMs: times.leaseGraceMs,
                sweepMs: times.sweepMs,
                retry,
              }),
              dynamicSupervisor("sessions"),
              child("slave-driver", slaveDriver, {
                link: slaveLinkRef,
                sessionsPath: paths.sessions,
                session: {
                  link: slaveLinkRef,
                  database,
                  architect: architectRef,
                  slaveDriver: slaveDriverRef,
                  fileJuggler: fileJugglerRef,
                  secretary: ref<SecretaryMessages>(paths.secretary),
                  status: ref<StatusMessages>(paths.status),
                  http: httpRef,
                  productVersion: settings.version,
                  upstreamIndex: settings.upstream.simpleUrl,
                  farmIndex: settings.indexUrl,
                  busyIntervalMs: times.busyIntervalMs,
                  idleIntervalMs: times.idleIntervalMs,
                  leaseMs: times.leaseMs,
                  retry,
                },
              }),
            ]),
            supervisor("publishing", { revive }, [
              child("scribe", scribe, {
                database,
                storage,
                http: httpRef,
                publicUrl: settings.indexUrl?.replace(/\/simple\/*$/, ""),
              }),
              child("secretary", secretary, {
                database,
                scribe: ref<ScribeMessages>(paths.scribe),
                gatherMs: times.pageGatherMs,
              }),
            ]),
            supervisor("tools", { revive }, [
              child("mr-chase", mrChase, {
                link: ref<EndpointMessages<ImportAnswers>>(paths.importLink),
                database,
                cloudGazer: cloudGazerRef,
              }),
            ]),
            supervisor("upstream", { revive }, [
              child("cloud-gazer", cloudGazer, {
                database,
                upstream,
                control: ref<ControlMessages>(paths.control),
                follow: settings.follow,
                order: settings.order,
                pollMs: times.cloudGazerPollMs,
                backoffMaxMs: times.upstreamBackoffMaxMs,
              }),
            ]),
            child("http", http, { address, outputPath: settings.outputPath }, { revive }),
          ]),
        ]);
      },
    });
  } catch (error) {
    await closeAll();
    throw error;
  }
  void system.terminated.then(closeAll);
  return system;

  async function closeAll(): Promise<void> {
    await Promise.allSettled([wheelChecker.close(), upstream.close()]);
  }
}

/** @throws SchemaError, DsnError, or an error for which `isUnavailable` holds: each one line. */
async function checkDatabase(dsn: string): Promise<void> {
  const sql = openConnection(dsn, { applicationName: "wheelwright master" });
  try {
    await checkSchema(sql);
    await checkMasterRights(sql);
  } finally {
    await sql.end();
  }
}

/** The master's key pair and whom it lets in; undefined where links go without keys. */
function serverKeys(settings: MasterSettings): ServerKeys | undefined {
  if (settings.keyFile === undefined) return undefined;
  const secret = readKeyFile(settings.keyFile);
  const authorized =
    settings.authorizedKeysDir === undefined
      ? undefined
      : readAuthorizedKeys(settings.authorizedKeysDir);
  return { secret, isAuthorised: (key) => authorized?.isAuthorised(key) ?? false };
}

function troublesOf(system: System | undefined): string[] {
  if (system === undefined) return [];
  const troubles: string[] = [];
  for (const { id, state, degraded } of eachNode(system.tree())) {
    if (degraded !== undefined) troubles.push(`${id}: ${degraded.reason}`);
    else if (state === "failed") troubles.push(`${id}: has failed and will be revived`);
  }
  return troubles;
}

const oracleNames = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => `oracle-${at + 1}`);

const httpAddress = ({ host, port }: ListenAddress): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
