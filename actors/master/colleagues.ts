/**
 * Who knows whom: the paths of the master's tasks, and the refs by which tasks speak to each other, wherever
 * they run. Made once, by the tree; no task looks for another one by itself.
 */
import type { ToArchitect } from "../../protocol/links/tasks/architect.ts";
import type { ToBigBrother } from "../../protocol/links/tasks/big-brother.ts";
import type { ToCloudGazer } from "../../protocol/links/tasks/cloud-gazer.ts";
import type { ToControl } from "../../protocol/links/tasks/control.ts";
import type { ToFileJuggler } from "../../protocol/links/tasks/file-juggler.ts";
import type { ToHttp } from "../../protocol/links/tasks/http.ts";
import type { ToImportDesk } from "../../protocol/links/tasks/import-desk.ts";
import type { ToScribe } from "../../protocol/links/tasks/scribe.ts";
import type { ToSecretary } from "../../protocol/links/tasks/secretary.ts";
import type { ToSlaveDriver } from "../../protocol/links/tasks/slave-driver.ts";
import type { ToStatus } from "../../protocol/links/tasks/status.ts";
import type { ActorRef } from "../../supervisor/index.ts";
import type { DatabaseRef } from "./database.ts";

export const paths = {
  agent: "/parts/agent",
  slaveLink: "/links/slave",
  fileLink: "/links/file",
  controlLink: "/links/control",
  importLink: "/links/import",
  logLink: "/links/log",
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
  importDesk: "/services/tools/import-desk",
  lumberjack: "/services/statistics/lumberjack",
  cloudGazer: "/services/upstream/cloud-gazer",
  bigBrother: "/services/statistics/big-brother",
  http: "/services/web/http",
  dashboard: "/services/web/dashboard",
} as const;

export interface Colleagues {
  readonly database: DatabaseRef;
  readonly architect: ActorRef<ToArchitect>;
  readonly slaveDriver: ActorRef<ToSlaveDriver>;
  readonly fileJuggler: ActorRef<ToFileJuggler>;
  readonly scribe: ActorRef<ToScribe>;
  readonly secretary: ActorRef<ToSecretary>;
  readonly http: ActorRef<ToHttp>;
  readonly importDesk: ActorRef<ToImportDesk>;
  readonly cloudGazer: ActorRef<ToCloudGazer>;
  readonly control: ActorRef<ToControl>;
  readonly status: ActorRef<ToStatus>;
  readonly bigBrother: ActorRef<ToBigBrother>;
}

/** `whereIs` gives what comes before the paths of a part: nothing here, `NAME:` in another process. */
export function findColleagues(
  ref: <M>(path: string) => ActorRef<M>,
  whereIs: (part: "main" | "db" | "builds" | "driver" | "fs" | "web" | "front") => string,
): Colleagues {
  return {
    database: ref(whereIs("db") + paths.seraph),
    architect: ref(whereIs("builds") + paths.architect),
    slaveDriver: ref(whereIs("driver") + paths.slaveDriver),
    fileJuggler: ref(whereIs("fs") + paths.fileJuggler),
    scribe: ref(whereIs("web") + paths.scribe),
    secretary: ref(whereIs("web") + paths.secretary),
    http: ref(whereIs("web") + paths.http),
    importDesk: ref(whereIs("front") + paths.importDesk),
    cloudGazer: ref(whereIs("front") + paths.cloudGazer),
    control: ref(whereIs("main") + paths.control),
    status: ref(whereIs("main") + paths.status),
    bigBrother: ref(whereIs("main") + paths.bigBrother),
  };
}
