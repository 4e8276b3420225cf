/**
 * The protocols of the master's tasks by path: what may be said to each of them from another process. A path
 * that is not here cannot be reached from there. `tree.ts` hands this to the runtime.
 */
import { architectProtocol } from "../../protocol/links/tasks/architect.ts";
import { bigBrotherProtocol } from "../../protocol/links/tasks/big-brother.ts";
import { cloudGazerProtocol } from "../../protocol/links/tasks/cloud-gazer.ts";
import { controlProtocol } from "../../protocol/links/tasks/control.ts";
import { fileJugglerProtocol } from "../../protocol/links/tasks/file-juggler.ts";
import { httpProtocol } from "../../protocol/links/tasks/http.ts";
import { importDeskProtocol } from "../../protocol/links/tasks/import-desk.ts";
import { partProtocol } from "../../protocol/links/tasks/part.ts";
import { scribeProtocol } from "../../protocol/links/tasks/scribe.ts";
import { secretaryProtocol } from "../../protocol/links/tasks/secretary.ts";
import { slaveDriverProtocol } from "../../protocol/links/tasks/slave-driver.ts";
import { statusProtocol } from "../../protocol/links/tasks/status.ts";
import type { Protocol } from "../../supervisor/index.ts";
import { paths } from "./colleagues.ts";
import { databaseProtocol } from "./database.ts";

export const taskProtocols: ReadonlyMap<string, Protocol> = new Map<string, Protocol>([
  [paths.agent, partProtocol],
  [paths.status, statusProtocol],
  [paths.control, controlProtocol],
  [paths.seraph, databaseProtocol],
  [paths.fileJuggler, fileJugglerProtocol],
  [paths.architect, architectProtocol],
  [paths.slaveDriver, slaveDriverProtocol],
  [paths.scribe, scribeProtocol],
  [paths.secretary, secretaryProtocol],
  [paths.importDesk, importDeskProtocol],
  [paths.cloudGazer, cloudGazerProtocol],
  [paths.bigBrother, bigBrotherProtocol],
  [paths.http, httpProtocol],
]);
