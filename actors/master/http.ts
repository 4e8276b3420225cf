/** The master's own HTTP server as an actor: serves the output folder, and says where. */
import type { ToHttp } from "../../protocol/links/tasks/http.ts";
import { defineActor } from "../../supervisor/index.ts";
import { startWebServer, type WebServer } from "../../web/server.ts";

export type HttpMessages = ToHttp;

export interface HttpArgs {
  /** `http://HOST:PORT`; undefined: no server. */
  readonly address: string | undefined;
  readonly outputPath: string;
  /** Where projects are that have no page here; undefined: nowhere. */
  readonly upstreamSimpleUrl: string | undefined;
}

export const http = defineActor<HttpMessages, HttpArgs, WebServer | null>({
  name: "serves the site",
  async init(ctx, { address, outputPath, upstreamSimpleUrl }) {
    if (address === undefined) return null;
    const server = await startWebServer({
      address,
      outputPath,
      log: ctx.log,
      upstreamSimpleUrl,
    });
    ctx.log.info({ url: server.url }, "the site is served");
    return server;
  },
  handle: {
    ADDRESS: (server) => ({ url: server === null ? null : server.url.replace(/\/+$/, "") }),
  },
  async stop(server) {
    await server?.close();
  },
});
