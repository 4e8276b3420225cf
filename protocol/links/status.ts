/** The status link (`--status-queue`): published to whoever listens; lossy, numbered so that gaps show. */
import { farmEventSchema } from "../model/status.ts";
import { declareLink, type MessagesOf } from "./declare.ts";

const toServer = {};
const toClient = { EVENT: { body: farmEventSchema } };

export const statusLink = declareLink({ name: "status", version: 1, toServer, toClient });
export type StatusMessages = MessagesOf<typeof toClient>;
