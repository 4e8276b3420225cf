/** The master's own HTTP server as an actor: serves the output folder, and says where. */
import { defineActor } from "../../supervisor/index.ts";
import { startWebServer, type WebServer } from "../../web/server.ts";

export interface HttpMessages {
  /** Where the site is, with a scheme and no slash at the end; null where no server was asked for. */
  ADDRESS(): { readonly url: string | null };
}

export interface HttpArgs {
  /** `http://HOST:PORT`; undefined: no server. */
  readonly address: string | undefined;
  readonly outputPath: string;
}

export const http = defineActor<HttpMessages, HttpArgs, WebServer | null>({
  name: "serves the site",
  async init(ctx, { address, outputPath }) {
    if (address === undefined) return null;
    const server = await startWebServer({ address, outputPath, log: ctx.log });
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
