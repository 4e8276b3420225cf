/** What the transport asks of a logger; the runtime's and pino's fit as they are. */
import type { Logger } from "../../supervisor/index.ts";

export type TransportLog = Pick<Logger, "debug" | "info" | "warn" | "error">;
