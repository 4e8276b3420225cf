/**
 * Where the chunks of a transfer come from: the slave that built the files, over the file link, or a tool
 * that imports them, by way of the import desk. A transfer asks; the answers, CHUNK and MISSING, reach it
 * through File Juggler, which lets nobody else answer. Nothing here is reliable: the transfer asks again.
 */
import type { FromFileSender, ToFileSender } from "../../protocol/links/files.ts";
import type { ToImportDesk } from "../../protocol/links/tasks/import-desk.ts";
import type { ActorRef, BodyOf, MessageOf, Peer } from "../../supervisor/index.ts";
import type { EndpointMessages } from "./endpoint.ts";

export type ChunkAnswer = MessageOf<FromFileSender>;

export interface ChunkSource {
  /** As a refusal names it: `the slave`. */
  readonly holder: string;
  /** Asks for a range. False where nobody is there to be asked. */
  fetch(range: BodyOf<ToFileSender, "FETCH">): boolean;
}

/** @param findPeer the present file connection of the slave */
export const slaveSource = (
  link: ActorRef<EndpointMessages<ToFileSender>>,
  findPeer: () => Peer | undefined,
): ChunkSource => ({
  holder: "the slave",
  fetch(body) {
    const peer = findPeer();
    if (peer === undefined) return false;
    return link.tell("SEND", { peer, message: { type: "FETCH", body } }) === "queued";
  },
});

export const importSource = (desk: ActorRef<ToImportDesk>): ChunkSource => ({
  holder: "piw-import",
  fetch: (body) => desk.tell("FETCH", body) === "queued",
});
