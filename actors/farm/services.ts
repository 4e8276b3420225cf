/**
 * The two parts of the farm that bin hands in as functions, as actors: the database server and the sample
 * upstream. tree.ts starts them before the programs and stops them after.
 */
import { defineActor } from "../../supervisor/index.ts";
import type { DatabaseServer, FarmParts, UpstreamServer } from "./parts.ts";

/** They are told nothing. */
export type ServiceMessages = Record<never, never>;

export interface DatabaseArgs {
  readonly start: FarmParts["startDatabase"];
  readonly folder: string;
  readonly show: (line: string) => void;
  /** Told at each start where the database is; that stays the same. */
  readonly onDsn: (dsn: string) => void;
}

/** Crashes when the server ends; the master rides out its absence until the supervisor has it back. */
export const database = defineActor<ServiceMessages, DatabaseArgs, DatabaseServer>({
  name: "runs PostgreSQL",
  async init(ctx, args) {
    const server = await args.start({ folder: args.folder, log: args.show });
    if (ctx.signal.aborted) {
      await server.stop();
      ctx.signal.throwIfAborted();
    }
    args.onDsn(server.dsn);
    ctx.run(async (signal) => {
      await server.exited;
      if (!signal.aborted) throw new Error("PostgreSQL has ended");
    });
    return server;
  },
  handle: {},
  stop: (server) => server.stop(),
});

export interface UpstreamArgs {
  readonly start: FarmParts["startUpstream"];
  /** The port that it had before, since files that are still to be built are fetched from there. */
  readonly findPort: () => number;
  readonly portFile: string;
  readonly onStarted: (upstream: UpstreamServer) => void;
}

export const sampleUpstream = defineActor<ServiceMessages, UpstreamArgs, UpstreamServer>({
  name: "serves the sample packages",
  async init(_ctx, args) {
    const port = args.findPort();
    const upstream = await args.start(port).catch((error: unknown) => {
      const isTaken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!isTaken) throw error;
      throw new Error(
        `port ${port} of the sample packages is in use: stop what uses it, or remove ${args.portFile}`,
        { cause: error },
      );
    });
    args.onStarted(upstream);
    return upstream;
  },
  handle: {},
  stop: (upstream) => upstream.close(),
});
