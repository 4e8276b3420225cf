/**
 * The dashboard of a farm below `/farm`: its pages and streams on a fastify application of its own, which whoever mounts it
 * hands requests to. Everybody whom the gate lets in may look; what changes something is in sign-in.ts and order-route.ts.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import type { CookieOptions } from "../server/token-cookie.ts";
import { giveAssets } from "./asset-route.ts";
import type { Farm } from "./contract.ts";
import { EventStream } from "./event-stream.ts";
import { enter, nobody, refuse, sendRefused, type Tokens, type WhoMayLook } from "./gate.ts";
import { HistoryDesk, historyAskedSchema } from "./history-desk.ts";
import { inWords } from "./in-words.ts";
import { LivePages } from "./live-pages.ts";
import { LogStream } from "./log-stream.ts";
import { takeOrders } from "./order-route.ts";
import { buildBody } from "./pages/build.ts";
import { eventsBody } from "./pages/events.ts";
import { frame, messagePage, type Visitor } from "./pages/frame.ts";
import { queueBody } from "./pages/queue.ts";
import { slaveBody } from "./pages/slave.ts";
import { Readers } from "./readers.ts";
import { takeTokens } from "./sign-in.ts";
import { findView, plainPages, type ViewName } from "./views.ts";

export interface DashboardOptions {
  readonly farm: Farm;
  readonly tokens: Tokens;
  readonly whoMayLook: WhoMayLook;
  readonly cookie: CookieOptions;
  readonly log: { error(fields: object, message: string): void };
  /** Told of what goes wrong while no request is answered: the dashboard is of no use then. */
  readonly onCrash: (error: unknown) => void;
  /** A reader of a stream who takes nothing for so long is gone. Default 30,000. */
  readonly stallMs?: number;
}

export interface Dashboard {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** The picture of the farm has changed. */
  readonly changed: () => void;
  /** Ends all streams. */
  readonly close: () => Promise<void>;
}

const MAX_BODY_BYTES = 16_384;
const ORDERS_SHOWN = 200;
const HTML = "text/html; charset=utf-8";

export async function buildDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { farm, tokens, whoMayLook, log } = options;
  const pages = new LivePages(
    () => farm.picture,
    farm.lookAtTree,
    options.onCrash,
    options.stallMs,
  );
  const history = new HistoryDesk(farm);
  const readers = new Readers();
  const open = new Set<EventStream>();
  const app = newApp(log);

  for (const { path, view, title, hasPlots, body } of plainPages)
    page(path, (visitor) => {
      const { shown, id } = pages.render(view, visitor);
      const stream = streamOf(view, id);
      return frame({ title, path, visitor, hasPlots, stream }, body(shown, visitor));
    });

  page("/farm/slaves/:id", (visitor, request) => {
    const { id: asked } = request.params as { id: string };
    const slave = farm.picture.slaves.find(({ id }) => String(id) === asked);
    if (slave === undefined) return undefined;
    const view: ViewName = `slave-${slave.id}`;
    const { shown, id } = pages.render(view, visitor);
    const [title, path, stream] = [slave.label, "/farm/slaves", streamOf(view, id)];
    return frame({ title, path, visitor, hasPlots: true, stream }, slaveBody(shown, slave));
  });

  page("/farm/queue", async (visitor, request) => {
    const { package: name } = request.query as { package?: unknown };
    const asked = typeof name === "string" ? name.trim().slice(0, 200) : "";
    const report = asked === "" ? undefined : await inWords(() => farm.explain(asked));
    const { shown, id } = pages.render("queue", visitor);
    const [title, path, stream] = ["Queue", "/farm/queue", streamOf("queue", id)];
    return frame(
      { title, path, visitor, hasPlots: true, stream },
      queueBody(shown, { name: asked, report }),
    );
  });

  page("/farm/events", async (visitor) => {
    const orders = await inWords(() => farm.readOrders(ORDERS_SHOWN));
    const { shown, id } = pages.render("events", visitor);
    const [title, path, stream] = ["Events", "/farm/events", streamOf("events", id)];
    return frame({ title, path, visitor, stream }, eventsBody(shown, orders));
  });

  page("/farm/builds/:token", async (visitor, request) => {
    const token = tokenOf(request);
    if (token === undefined) return undefined;
    const answer = await inWords(() => farm.readLog(token, 0, 0));
    const build = typeof answer === "string" ? null : answer.build;
    if (build === null && typeof answer !== "string" && !answer.isForNow) return undefined;
    const title = build === null ? `Build ${token}` : `${build.package} ${build.version}`;
    const scripts = ["dashboard-log.js"];
    return frame({ title, path: "/farm/builds", visitor, scripts }, buildBody(token, build));
  });

  stream("/farm/stream", (visitor, request, reply, onEnd) => {
    const { view: asked, from } = request.query as Record<string, unknown>;
    const view = typeof asked === "string" ? findView(asked) : undefined;
    if (view === undefined) return undefined;
    const lastId = request.headers["last-event-id"] ?? from;
    const id = typeof lastId === "string" ? lastId : undefined;
    return pages.open(view, visitor, reply.raw, id, onEnd);
  });

  stream("/farm/builds/:token/log", (_visitor, request, reply, onEnd) => {
    const token = tokenOf(request);
    if (token === undefined) return undefined;
    const { from } = request.query as { from?: unknown };
    const said = request.headers["last-event-id"] ?? from;
    const position = typeof said === "string" && /^\d{1,15}$/.test(said) ? Number(said) : 0;
    return showLog(token, position, reply.raw, onEnd);
  });

  app.get("/farm/history", async (request, reply) => {
    const entry = await enter(request.raw, tokens, whoMayLook);
    if (!("visitor" in entry)) return sendRefused(reply, entry);
    const asked = historyAskedSchema.safeParse(request.query);
    if (!asked.success)
      return refuse(reply, 400, "Ask with kind, subject and span (hour, day, week, year).");
    const columns = await inWords(() => history.read(asked.data));
    return typeof columns === "string" ? refuse(reply, 503, columns) : reply.send(columns);
  });

  giveAssets(app);
  takeTokens(app, options);
  takeOrders(app, options);
  await app.ready();
  return {
    handle: (request, response) => app.routing(request, response),
    changed: () => pages.changed(),
    close: async () => {
      pages.close();
      for (const stream of [...open]) stream.end();
      await app.close();
    },
  };

  /** @param render undefined: there is no such page */
  function page(
    path: string,
    render: (
      visitor: Visitor,
      request: FastifyRequest,
    ) => string | undefined | Promise<string | undefined>,
  ): void {
    app.get(path, async (request, reply) => {
      const entry = await enter(request.raw, tokens, whoMayLook);
      if (!("visitor" in entry)) {
        if (entry.status !== 401) return sendRefused(reply, entry);
        return reply.redirect(`/farm/login?next=${encodeURIComponent(request.url)}`, 303);
      }
      const text = await render(entry.visitor, request);
      if (text !== undefined) return reply.type(HTML).send(text);
      const why = "The farm knows nothing by that number.";
      return reply
        .code(404)
        .type(HTML)
        .send(messagePage("Nothing here", why, entry.visitor));
    });
  }

  /** @param begin undefined: there is no such thing; nothing was sent then */
  function stream(
    path: string,
    begin: (
      visitor: Visitor,
      request: FastifyRequest,
      reply: FastifyReply,
      onEnd: () => void,
    ) => EventStream | undefined,
  ): void {
    app.get(path, { exposeHeadRoute: false }, async (request, reply) => {
      const entry = await enter(request.raw, tokens, whoMayLook);
      if (!("visitor" in entry)) return sendRefused(reply, entry);
      // Who has gone meanwhile would never be told to leave.
      if (reply.raw.destroyed) return reply.hijack();
      const leave = readers.enter(request.raw);
      if (leave === undefined)
        return refuse(reply, 503, "As many pages of the dashboard are open as may be.");
      let release: () => void = () => undefined;
      const begun = begin(entry.visitor, request, reply, () => {
        leave();
        release();
        if (begun !== undefined) open.delete(begun);
      });
      if (begun === undefined) {
        leave();
        return refuse(reply, 404, "There is no such stream.");
      }
      reply.hijack();
      open.add(begun);
      // Whose token was revoked, or has expired, is shown no more.
      if (entry.admitted !== null) release = tokens.hold(entry.admitted, () => begun.end());
      return reply;
    });
  }

  function showLog(
    token: number,
    position: number,
    response: ServerResponse,
    onEnd: () => void,
  ): EventStream {
    const stream: EventStream = new EventStream(response, {
      free: () => reading.wake(),
      end: () => {
        reading.wake();
        onEnd();
      },
    });
    const reading = new LogStream(farm.readLog, token, position, stream);
    reading.run().catch((err: unknown) => {
      log.error({ err, token }, "a log could not be shown");
      stream.end();
    });
    return stream;
  }
}

/** What all routes share: bodies as texts, and what is said where something is wrong. */
function newApp(log: DashboardOptions["log"]): FastifyInstance {
  const app = fastify({ logger: false, bodyLimit: MAX_BODY_BYTES });
  app.removeAllContentTypeParsers();
  for (const type of ["application/json", "application/x-www-form-urlencoded"])
    app.addContentTypeParser(type, { parseAs: "string" }, (_request, body, done) => {
      done(null, String(body));
    });
  app.setErrorHandler((error, request, reply) => {
    const status = (error as { statusCode?: unknown }).statusCode;
    if (typeof status === "number" && status >= 400 && status < 500)
      return refuse(reply, status, "The farm does not understand this request.");
    log.error({ err: error, url: request.url.slice(0, 500) }, "the dashboard could not answer");
    return refuse(reply, 500, "The farm could not answer this request.");
  });
  app.setNotFoundHandler((request, reply) => {
    if (request.method !== "GET" && request.method !== "HEAD")
      return refuse(reply, 404, "There is nothing to be sent to.");
    const text = messagePage("Nothing here", "The dashboard has no such page.", nobody);
    return reply.code(404).type(HTML).send(text);
  });
  app.get("/farm", (_request, reply) => reply.redirect("/farm/", 301));
  return app;
}

const streamOf = (view: ViewName, id: string) => ({ url: `/farm/stream?view=${view}`, id });

function tokenOf(request: FastifyRequest): number | undefined {
  const { token } = request.params as { token: string };
  return /^[1-9]\d{0,14}$/.test(token) ? Number(token) : undefined;
}
