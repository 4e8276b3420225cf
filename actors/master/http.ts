/** The master's own HTTP server as an actor: serves the output folder, says where, and logs what was asked for. */
import type { ToHttp } from "../../protocol/links/tasks/http.ts";
import { defineActor } from "../../supervisor/index.ts";
import {
  type AccessLog,
  type CertificateFiles,
  type Mount,
  type Mounts,
  openAccessLog,
  startWebServer,
  type WebServer,
} from "../../web/server.ts";

export type HttpMessages = ToHttp;

export interface HttpArgs {
  /** `http://HOST:PORT`; undefined: no server. */
  readonly address: string | undefined;
  readonly outputPath: string;
  /** What other tasks of the branch answer. */
  readonly mounts: Mounts;
  /** Where this task says that its process lives: no other one is asked for it. */
  readonly healthz: Mount;
  /** Undefined: plain HTTP. */
  readonly tls: CertificateFiles | undefined;
  /** A file; undefined: none is kept. */
  readonly accessLog: string | undefined;
  /** Where projects are that have no page here; undefined: nowhere. */
  readonly upstreamSimpleUrl: string | undefined;
}

interface State {
  readonly server: WebServer | undefined;
  readonly log: AccessLog | undefined;
}

export const http = defineActor<HttpMessages, HttpArgs, State>({
  name: "serves the site",
  async init(ctx, { address, outputPath, mounts, healthz, upstreamSimpleUrl, tls, accessLog }) {
    if (address === undefined) return { server: undefined, log: undefined };
    const log =
      accessLog === undefined
        ? undefined
        : await openAccessLog(accessLog, (trouble) => {
            ctx.log.warn(trouble, "lines of the access log are lost");
          });
    try {
      healthz.serve((_request, response) => {
        response.setHeader("content-type", "text/plain; charset=utf-8");
        response.end("ok\n");
      });
      const server = await startWebServer({
        address,
        outputPath,
        mounts,
        upstreamSimpleUrl,
        tls,
        log: ctx.log,
        onAnswered: log === undefined ? undefined : (answered) => log.add(answered),
      });
      ctx.log.info({ url: server.url }, "the site is served");
      return { server, log };
    } catch (error) {
      await log?.close();
      throw error;
    }
  },
  handle: {
    ADDRESS: ({ server }) => ({
      url: server === undefined ? null : server.url.replace(/\/+$/, ""),
    }),
  },
  async stop({ server, log }) {
    await server?.close();
    await log?.close();
  },
});
