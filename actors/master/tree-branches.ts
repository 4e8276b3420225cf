/**
 * The branches of the master's tree, each with the tasks of the parts that this process runs. `tree.ts` puts
 * them together; here is what every task is given.
 */
import { needsOf, type PartName, partNames } from "../../config/parts.ts";
import type { ListenAddress, MasterSettings } from "../../config/settings.ts";
import type { ProcessIdentity } from "../../db/own-process.ts";
import { type ControlAnswers, controlLink } from "../../protocol/links/control.ts";
import { filesLink, type ToFileSender } from "../../protocol/links/files.ts";
import { type ImportAnswers, importLink } from "../../protocol/links/import.ts";
import { type LogAnswers, logLink } from "../../protocol/links/log.ts";
import { slaveLink, type ToSlave } from "../../protocol/links/slave.ts";
import { type KeyPair, keysOverTcp, type ServerKeys } from "../../protocol/transport/index.ts";
import type { UpstreamClient } from "../../protocol/upstream/index.ts";
import {
  type ActorRef,
  type ChildSpec,
  child,
  dynamicSupervisor,
  type Nodes,
  supervisor,
} from "../../supervisor/index.ts";
import type { Mounts, TokenGate } from "../../web/server.ts";
import type { Storage } from "../../web/storage.ts";
import { architect } from "./architect.ts";
import { bigBrother } from "./big-brother.ts";
import { cloudGazer } from "./cloud-gazer.ts";
import { type Colleagues, paths } from "./colleagues.ts";
import { type ControlMessages, control } from "./control.ts";
import { dashboard } from "./dashboard.ts";
import { defineEndpoint, type EndpointMessages, newEndpointMemory } from "./endpoint.ts";
import { type FileJugglerMessages, fileJuggler } from "./file-juggler.ts";
import { type Hook, herald } from "./herald.ts";
import { http } from "./http.ts";
import { type ImportDeskMessages, importDesk } from "./import-desk.ts";
import { leader } from "./leader.ts";
import { listener } from "./listener.ts";
import { type LumberjackMessages, lumberjack } from "./lumberjack.ts";
import type { Meters } from "./metrics/meters.ts";
import { metrics } from "./metrics.ts";
import { localCaller, type MonitorDoor } from "./monitor-door.ts";
import { type MrChaseMessages, mrChase } from "./mr-chase.ts";
import { type OracleMessages, oracle } from "./oracle.ts";
import { type MasterPart, partAgent } from "./part.ts";
import { partDialer } from "./part-dialer.ts";
import { partDoor } from "./part-door.ts";
import { readiness } from "./readiness.ts";
import type { Refusals } from "./refusals.ts";
import { scribe } from "./scribe.ts";
import { secretary } from "./secretary.ts";
import { seraph } from "./seraph.ts";
import type { Signer } from "./signing.ts";
import { type SlaveDriverMessages, slaveDriver } from "./slave-driver.ts";
import { statusPublisher } from "./status-publisher.ts";
import type { WheelCheck } from "./wheel-check.ts";

/** What the branches are made from. What a part needs that does not run here is undefined. */
export interface Means {
  readonly settings: MasterSettings;
  readonly colleagues: Colleagues;
  readonly ref: <M>(path: string) => ActorRef<M>;
  readonly nodes: Nodes;
  /** Of the slave and file links. */
  readonly keys: ServerKeys | undefined;
  /** The master's own pair: parts let in nobody else. */
  readonly ownKeys: KeyPair | undefined;
  /** Of the control and status links, over tcp. */
  readonly monitors: MonitorDoor | undefined;
  readonly storage: Storage | undefined;
  readonly signer: Signer | undefined;
  readonly wheels: WheelCheck | undefined;
  readonly upstream: UpstreamClient | undefined;
  readonly hooks: readonly Hook[];
  /** Who this process is to the database, where its tasks run here. */
  readonly leading: ProcessIdentity | undefined;
  /** Ends the master, since another one has the database. */
  readonly superseded: (reason: string) => void;
  /** What is refused in this process. */
  readonly refusals: Refusals;
  /** What they count. */
  readonly meters: Meters;
  /** Places of the site that tasks answer, where the web server is here. */
  readonly mounts: Mounts;
  /** Who is let in there. */
  readonly gate: TokenGate;
  /** The master's processes as Control sees them, this one last. */
  readonly parts: readonly MasterPart[];
}

/** A branch that gives up is revived by and by: a broken corner does not end the farm. */
const revive = { minMs: 5_000, maxMs: 300_000 };
/** Attempts at a build that fails for reasons of its surroundings. */
const MAX_ATTEMPTS = 5;
/** Requests to the dashboard in hand at once: each reader of a page has a stream open. */
const MOST_FARM_PAGES = 400;
/** How soon a hook hears of what happened. */
const HOOK_LOOK_MS = 1_000;
/** Frames of 1 MiB that may lie unread per sender of files. */
const FILE_HIGH_WATER_MARK = 8;

/** The parts that those of this process speak to and that run elsewhere. */
export function partsElsewhere(here: readonly PartName[]): PartName[] {
  const needed = new Set(here.flatMap(needsOf));
  return [...needed].filter((part) => !here.includes(part));
}

/** How this process is called by the others. */
export const processName = (here: readonly PartName[]): string => here.join("-");

const isProcessName = (name: string): boolean =>
  name.split("-").every((part) => partNames.some((known) => known === part));

/** What this process says of itself to the others. */
export const greetingOf = ({ version, devMode, parts }: MasterSettings): string =>
  `${version} ${devMode ? "dev" : "production"} ${processName(parts)}`;

/** Why the process behind a channel cannot be a part of this master. */
export function refusalOf(
  settings: MasterSettings,
  channel: string,
  greeting: string,
): string | undefined {
  const [version = "", mode, name = ""] = greeting.split(" ");
  const own = settings.devMode ? "dev" : "production";
  if (version !== settings.version) {
    return `it is of version ${version}, and this is ${settings.version}`;
  }
  if (mode !== own) return `it runs with the times of ${mode}, and this with those of ${own}`;
  const isPart = partNames.some((part) => part === channel);
  if (isPart && !name.split("-").includes(channel)) {
    return `at the address of ${channel} runs ${name}: give all processes the same queues`;
  }
  return undefined;
}

/** First, so that it ends last: the database is given back when nobody works on it any more. */
export function leadershipBranch({ settings, leading, superseded }: Means): ChildSpec {
  const { dsn, times } = settings;
  return supervisor("leadership", { revive }, [
    child("leader", leader, {
      dsn,
      process: needed(leading),
      leaderMs: times.leaderMs,
      superseded,
    }),
  ]);
}

/** Doors for the others and connections to them; nothing in a master that is one process. */
export function partsBranch({ settings, nodes, ownKeys, parts }: Means): ChildSpec {
  const { parts: here, partQueues, times } = settings;
  const { heartbeatMs } = times;
  const doorKeys = ownKeys && {
    secret: ownKeys,
    isAuthorised: (key: string) => key === ownKeys.publicKey,
  };
  const dialerKeys = ownKeys && { own: ownKeys, serverPublicKey: ownKeys.publicKey };
  const doors = here
    .filter((part) => !partQueues[part].startsWith("inproc:"))
    .map((part) =>
      child(`${part}-door`, partDoor, {
        part,
        address: partQueues[part],
        keys: doorKeys,
        nodes,
        isProcessName,
        heartbeatMs,
      }),
    );
  const dialers = partsElsewhere(here).map((part) =>
    child(part, partDialer, {
      part,
      address: partQueues[part],
      keys: dialerKeys,
      channel: nodes.channel(part),
      slot: processName(here),
      heartbeatMs,
    }),
  );
  const own = parts.at(-1);
  const agent = doors.length > 0 && own !== undefined ? [child("agent", partAgent, own)] : [];
  return supervisor("parts", {}, [...agent, ...doors, ...dialers]);
}

export function linksBranch({ settings, ref, keys, monitors, refusals }: Means): ChildSpec {
  const { parts, queues, times } = settings;
  const { heartbeatMs } = times;
  const local = { keys: undefined, heartbeatMs };
  return supervisor("links", {}, [
    ...only(parts, "driver", () => [
      child("slave", defineEndpoint(slaveLink), {
        address: queues.slave,
        keys,
        heartbeatMs,
        dropsUnread: true,
        consumer: ref<SlaveDriverMessages>(paths.slaveDriver),
        memory: newEndpointMemory(),
        refusals: refusals.at(paths.slaveLink),
      }),
    ]),
    ...only(parts, "fs", () => [
      child("file", defineEndpoint(filesLink), {
        address: queues.file,
        keys,
        heartbeatMs,
        receiveHighWaterMark: FILE_HIGH_WATER_MARK,
        consumer: ref<FileJugglerMessages>(paths.fileJuggler),
        memory: newEndpointMemory(),
        refusals: refusals.at(paths.fileLink),
      }),
    ]),
    ...only(parts, "main", () => [
      child("control", defineEndpoint(controlLink), {
        keys: keysOverTcp(queues.control, monitors)?.keys,
        heartbeatMs,
        address: queues.control,
        consumer: ref<ControlMessages>(paths.control),
        memory: newEndpointMemory(),
        refusals: refusals.at(paths.controlLink),
      }),
    ]),
    ...only(parts, "front", () => [
      child("import", defineEndpoint(importLink), {
        ...local,
        address: queues.import,
        receiveHighWaterMark: FILE_HIGH_WATER_MARK,
        consumer: ref<MrChaseMessages>(paths.mrChase),
        memory: newEndpointMemory(),
        refusals: refusals.at(paths.importLink),
      }),
      child("log", defineEndpoint(logLink), {
        ...local,
        address: queues.log,
        consumer: ref<LumberjackMessages>(paths.lumberjack),
        memory: newEndpointMemory(),
        refusals: refusals.at(paths.logLink),
      }),
    ]),
  ]);
}

export function observersBranch(means: Means): ChildSpec {
  const { settings, colleagues, ref, monitors, refusals, parts } = means;
  const { queues, times } = settings;
  const { database, slaveDriver: driver, bigBrother: watcher } = colleagues;
  return supervisor("observers", { revive }, [
    child("status", statusPublisher, {
      address: queues.status,
      keys: keysOverTcp(queues.status, monitors)?.keys,
      heartbeatMs: times.heartbeatMs,
      refusals: refusals.at(paths.status),
    }),
    child("control", control, {
      link: ref<EndpointMessages<ControlAnswers>>(paths.controlLink),
      database,
      architect: colleagues.architect,
      slaveDriver: driver,
      drainMs: times.drainMs,
      fileJuggler: colleagues.fileJuggler,
      bigBrother: watcher,
      status: colleagues.status,
      callerOf: keysOverTcp(queues.control, monitors)?.callerOf ?? localCaller,
      refusals: refusals.at(paths.control),
      parts,
    }),
  ]);
}

export function databaseBranch(means: Means): ChildSpec {
  const { settings, colleagues, ref } = means;
  const { dsn, oracles, times } = settings;
  const leading = needed(means.leading);
  const names = Array.from({ length: oracles }, (_, at) => `oracle-${at + 1}`);
  return supervisor("database", { strategy: "rest_for_one", revive }, [
    supervisor(
      "oracles",
      {},
      names.map((name) => child(name, oracle, { dsn, task: name, process: leading })),
    ),
    child("seraph", seraph, {
      meters: means.meters.database(),
      oracles: names.map((name) => ref<OracleMessages>(`${paths.oracles}/${name}`)),
    }),
    child("listener", listener, {
      dsn,
      process: leading,
      architect: colleagues.architect,
      probeMs: times.sweepMs,
    }),
  ]);
}

export function servicesBranch(means: Means): ChildSpec {
  const { parts } = means.settings;
  const isAnyOf = (...names: readonly PartName[]) => names.some((name) => parts.includes(name));
  return supervisor("services", {}, [
    ...only(parts, "fs", () => [storageBranch(means)]),
    ...(isAnyOf("builds", "driver") ? [farmBranch(means)] : []),
    ...only(parts, "web", () => [publishingBranch(means)]),
    ...only(parts, "front", () => frontBranches(means)),
    ...(isAnyOf("main", "front") ? [statisticsBranch(means)] : []),
    ...only(parts, "web", () => [webBranch(means)]),
  ]);
}

/** The web server, and the tasks that answer below its mounts: each may be away without the others. */
function webBranch({
  settings,
  colleagues,
  storage,
  mounts,
  gate,
  parts,
  ownKeys,
}: Means): ChildSpec {
  const { database, control: controlTask } = colleagues;
  const { metricsAccess, version } = settings;
  const { http: listen, httpTls: tls, accessLog, outputPath } = settings;
  const address = listen === undefined ? undefined : httpAddress(listen);
  const { mergeUpstream, upstream } = settings;
  const upstreamSimpleUrl = mergeUpstream ? upstream.simpleUrl : undefined;
  const healthz = mounts.reserve("/healthz");
  const site = { address, tls, accessLog, outputPath, mounts, healthz, upstreamSimpleUrl };
  const readyz = { mount: mounts.reserve("/readyz"), database, storage: needed(storage) };
  const { control: controlAddress, status: statusAddress } = settings.queues;
  const keys = ownKeys && { own: ownKeys, serverPublicKey: ownKeys.publicKey };
  const whoMayLook = settings.dashboard;
  const farmPages = (): ChildSpec[] =>
    address === undefined || whoMayLook === "none"
      ? []
      : [
          child(
            "dashboard",
            dashboard,
            {
              mount: mounts.reserve("/farm", { maxInHand: MOST_FARM_PAGES }),
              gate,
              whoMayLook,
              controlAddress: reachable(controlAddress),
              statusAddress: reachable(statusAddress),
              keys,
              isTls: tls !== undefined || siteUrl(settings)?.startsWith("https:") === true,
            },
            { revive },
          ),
        ];
  const figures = (): ChildSpec[] =>
    metricsAccess === "none"
      ? []
      : [
          child(
            "metrics",
            metrics,
            {
              mount: mounts.reserve("/metrics"),
              gate,
              access: metricsAccess,
              control: controlTask,
              database,
              own: needed(parts.at(-1)),
              version,
            },
            { revive },
          ),
        ];
  return supervisor("web", { revive }, [
    child("http", http, site, { revive }),
    ...farmPages(),
    child("readiness", readiness, readyz, { revive }),
    ...figures(),
  ]);
}

function storageBranch({
  settings,
  colleagues,
  ref,
  storage,
  signer,
  wheels,
  refusals,
  meters,
}: Means): ChildSpec {
  const { fetchRetryMs, leaseMs, sweepMs, blobGraceMs, transferPaceMs } = settings.times;
  return supervisor("storage", { strategy: "rest_for_one", revive }, [
    dynamicSupervisor("transfers"),
    child("file-juggler", fileJuggler, {
      link: ref<EndpointMessages<ToFileSender>>(paths.fileLink),
      importDesk: colleagues.importDesk,
      transfersPath: paths.transfers,
      database: colleagues.database,
      storage: needed(storage),
      wheels: needed(wheels),
      signer,
      refusals: refusals.at(paths.fileJuggler),
      meters: meters.transfers(),
      fetchRetryMs,
      stallMs: leaseMs,
      paceMs: transferPaceMs,
      sweepMs,
      blobGraceMs,
    }),
  ]);
}

function farmBranch({ settings, colleagues, ref, refusals }: Means): ChildSpec {
  const { parts, times, version, upstream, indexUrl } = settings;
  const { leaseMs, leaseGraceMs, sweepMs, busyIntervalMs, idleIntervalMs } = times;
  const retry = { baseMs: times.retryBaseMs, maxMs: times.retryMaxMs, maxAttempts: MAX_ATTEMPTS };
  const link = ref<EndpointMessages<ToSlave>>(paths.slaveLink);
  return supervisor("farm", { strategy: "rest_for_one", revive }, [
    ...only(parts, "builds", () => [
      child("architect", architect, {
        database: colleagues.database,
        slaveDriver: colleagues.slaveDriver,
        bigBrother: colleagues.bigBrother,
        leaseMs,
        graceMs: leaseGraceMs,
        sweepMs,
        retry,
      }),
    ]),
    ...only(parts, "driver", () => [
      dynamicSupervisor("sessions"),
      child("slave-driver", slaveDriver, {
        link,
        sessionsPath: paths.sessions,
        session: {
          ...colleagues,
          link,
          slaveDriver: ref<SlaveDriverMessages>(paths.slaveDriver),
          refusals: refusals.at(paths.slaveDriver),
          productVersion: version,
          upstreamIndex: upstream.simpleUrl,
          farmIndex: indexUrl,
          busyIntervalMs,
          idleIntervalMs,
          leaseMs,
          retry,
        },
      }),
    ]),
  ]);
}

function publishingBranch({ settings, colleagues, storage, meters }: Means): ChildSpec {
  const { database } = colleagues;
  return supervisor("publishing", { revive }, [
    child("scribe", scribe, {
      database,
      storage: needed(storage),
      http: colleagues.http,
      publicUrl: siteUrl(settings),
      version: settings.version,
      meters: meters.pages(),
    }),
    child("secretary", secretary, {
      database,
      scribe: colleagues.scribe,
      gatherMs: settings.times.pageGatherMs,
    }),
  ]);
}

function frontBranches({ settings, colleagues, ref, upstream, hooks, meters }: Means): ChildSpec[] {
  const { database } = colleagues;
  const { version } = settings;
  return [
    supervisor("tools", { revive }, [
      child("mr-chase", mrChase, {
        link: ref<EndpointMessages<ImportAnswers>>(paths.importLink),
        database,
        cloudGazer: colleagues.cloudGazer,
        fileJuggler: colleagues.fileJuggler,
        importDesk: ref<ImportDeskMessages>(paths.importDesk),
      }),
      child("import-desk", importDesk, {
        ...colleagues,
        link: ref<EndpointMessages<ImportAnswers>>(paths.importLink),
        productVersion: version,
      }),
    ]),
    supervisor("upstream", { revive }, [
      child("cloud-gazer", cloudGazer, {
        database,
        upstream: needed(upstream),
        control: colleagues.control,
        follow: settings.follow,
        order: settings.order,
        upstreamWheels: settings.upstreamWheels,
        mergeUpstream: settings.mergeUpstream,
        meters: meters.upstream(),
        pollMs: settings.times.cloudGazerPollMs,
        listingMs: settings.times.listingMs,
        lookAgainMs: settings.times.lookAgainMs,
        backoffMaxMs: settings.times.upstreamBackoffMaxMs,
      }),
    ]),
    supervisor("hooks", { revive }, [
      child("herald", herald, {
        database,
        hooks,
        meters: meters.hooks(),
        lookMs: HOOK_LOOK_MS,
        retryMs: settings.times.retryBaseMs,
      }),
    ]),
  ];
}

function statisticsBranch({ settings, colleagues, ref, meters }: Means): ChildSpec {
  const { statisticsMs, diskCheckMs } = settings.times;
  return supervisor("statistics", { revive }, [
    ...only(settings.parts, "main", () => [
      child("big-brother", bigBrother, {
        ...colleagues,
        statisticsMs,
        diskCheckMs,
        diskReserveBytes: settings.diskReserveBytes,
      }),
    ]),
    ...only(settings.parts, "front", () => [
      child("lumberjack", lumberjack, {
        link: ref<EndpointMessages<LogAnswers>>(paths.logLink),
        database: colleagues.database,
        meters: meters.access(),
      }),
    ]),
  ]);
}

const only = (
  parts: readonly PartName[],
  part: PartName,
  children: () => ChildSpec[],
): ChildSpec[] => (parts.includes(part) ? children() : []);

function needed<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError("the part runs here without what it needs");
  return value;
}

/** Where the site is for its readers, without a slash at the end; undefined where nobody said it. */
export const siteUrl = ({ publicUrl, indexUrl }: MasterSettings): string | undefined =>
  publicUrl ?? indexUrl?.replace(/\/simple\/*$/, "");

/** The address of a queue as this machine connects to it. */
const reachable = (queue: string): string =>
  queue.replace(/^tcp:\/\/(\*|0\.0\.0\.0|\[::\])(?=:)/, "tcp://127.0.0.1");

const httpAddress = ({ host, port }: ListenAddress): string =>
  `http://${host.includes(":") ? `[${host}]` : host}:${port}`;
