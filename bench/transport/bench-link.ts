/** What both ends of the bench `transport` say to each other: the link of the endpoints, and the same body for raw ZeroMQ. */
import { Packr } from "msgpackr";
import { z } from "zod";
import { declareLink, declareProtocol, type MessagesOf } from "../../protocol/links/declare.ts";
import type { MessagesOfProtocol } from "../../supervisor/index.ts";

const jobSchema = z.object({
  id: z.number().int(),
  project: z.string().max(200),
  version: z.string().max(200),
  tags: z.array(z.string().max(100)).max(100),
});
export type Job = z.infer<typeof jobSchema>;

const toServer = {
  ECHO: { body: jobSchema, reply: jobSchema },
  NOTE: { body: jobSchema },
};
const toClient = {};

export const benchLink = declareLink({ name: "bench", version: 1, toServer, toClient });
export type ToServer = MessagesOf<typeof toServer>;
export type ToClient = MessagesOf<typeof toClient>;

/** The same of an actor of another node. */
const echoProtocol = declareProtocol({ name: "echo", messages: toServer });
export type EchoMessages = MessagesOfProtocol<typeof echoProtocol>;
export const echoPath = "/echo";
export const protocols = (path: string) => (path === echoPath ? echoProtocol : undefined);

/** The nodes of the child: each has a door of its own, plain or with CURVE. The other end is this. */
export const nodeNames = { plain: "echo-plain", curve: "echo-curve", caller: "bench" } as const;

/** Some 90 bytes as msgpack. The last of a row of notes has the id -1. */
export const job = (id: number): Job => ({
  id,
  project: "numpy-financial",
  version: "1.26.4",
  tags: ["cp311", "abi3", "manylinux_2_28_x86_64"],
});
export const LAST = -1;

/** For raw ZeroMQ: as it comes, without records (which a peer of another version could not read). */
export const packr = new Packr({ useRecords: false });

/** What the child says over its channel. */
export type ChildSays =
  | { readonly type: "ready"; readonly addresses: Addresses; readonly publicKey: string }
  /** The last note of a row has come. */
  | { readonly type: "counted"; readonly notes: number };

export interface Addresses {
  readonly rawTcp: string;
  readonly rawIpc: string;
  readonly rawPull: string;
  readonly tcp: string;
  readonly curve: string;
  readonly ipc: string;
  readonly node: string;
  readonly nodeCurve: string;
}

/** What it is told: where ipc addresses may lie, and whose key it is to let in. */
export interface ChildOrder {
  readonly folder: string;
  readonly clientPublicKey: string;
}
