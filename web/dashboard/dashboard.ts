/**
 * The dashboard of a farm below `/farm`: its routes on a fastify application of its own, which whoever mounts it hands
 * requests to. Everybody whom the gate lets in may look; orders are taken from a token of right `control` alone, and of
 * a browser only where its page is one of these.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import fastify, { type FastifyReply, type FastifyRequest } from "fastify";
import type { Farm } from "./contract.ts";
import { EventStream } from "./event-stream.ts";
import { Gate, Refusal, type TokenGate, type WhoMayLook } from "./gate.ts";
import { HistoryDesk, historyAskedSchema } from "./history-desk.ts";
import { LivePages } from "./live-pages.ts";
import { LogStream } from "./log-stream.ts";
import { orderSchema } from "./orders.ts";
import { isFromOwnPage } from "./own-page.ts";
import { buildBody } from "./pages/build.ts";
import { eventsBody } from "./pages/events.ts";
import { frame, messagePage, type Visitor } from "./pages/frame.ts";
import { loginPage } from "./pages/login.ts";
import { queueBody } from "./pages/queue.ts";
import { slaveBody } from "./pages/slave.ts";
import { Readers } from "./readers.ts";
import { findView, plainPages, type ViewName } from "./views.ts";

export interface DashboardOptions {
  readonly farm: Farm;
  readonly tokens: TokenGate;
  readonly whoMayLook: WhoMayLook;
  readonly log: { error(fields: object, message: string): void };
  /** How often who reads a stream is looked at again. Default 2,000. */
  readonly lookAgainMs?: number;
}

export interface Dashboard {
  readonly handle: (request: IncomingMessage, response: ServerResponse) => void;
  /** The picture of the farm has changed. */
  readonly changed: () => void;
  /** Ends all streams. */
  readonly close: () => Promise<void>;
}

const LOOK_AGAIN_MS = 2_000;
const MAX_BODY_BYTES = 16_384;
/** Each is a question that the master has open. */
const MOST_ORDERS_IN_HAND = 8;
const ORDERS_SHOWN = 200;

export async function buildDashboard(options: DashboardOptions): Promise<Dashboard> {
  const { farm, tokens, log } = options;
  const gate = new Gate(tokens, options.whoMayLook);
  const pages = new LivePages(() => farm.picture, farm.lookAtTree);
  const history = new HistoryDesk(farm);
  const readers = new Readers();
  const open = new Map<EventStream, IncomingMessage>();
  const looking = setInterval(() => void lookAgain(), options.lookAgainMs ?? LOOK_AGAIN_MS);
  looking.unref();
  let ordersInHand = 0;

  const app = fastify({
    logger: false,
    bodyLimit: MAX_BODY_BYTES,
    routerOptions: { ignoreTrailingSlash: false },
  });
  app.removeAllContentTypeParsers();
  for (const type of ["application/json", "application/x-www-form-urlencoded"])
    app.addContentTypeParser(type, { parseAs: "string" }, (_request, body, done) => {
      done(null, String(body));
    });
  app.setErrorHandler((error, request, reply) => {
    const status = (error as { statusCode?: unknown }).statusCode;
    if (typeof status === "number" && status >= 400 && status < 500)
      return new Refusal(status, "The farm does not understand this request.").send(reply);
    log.error({ err: error, url: request.url.slice(0, 500) }, "the dashboard could not answer");
    return new Refusal(500, "The farm could not answer this request.").send(reply);
  });
  app.setNotFoundHandler((_request, reply) =>
    reply
      .code(404)
      .type(HTML)
      .send(messagePage("Nothing here", "The dashboard has no such page.", nobody)),
  );

  app.get("/farm", (_request, reply) => reply.redirect("/farm/", 301));

  for (const { path, view, title, hasPlots, body } of plainPages)
    page(path, (visitor) => {
      const { shown, id } = pages.render(view, visitor);
      return frame(
        { title, path, visitor, hasPlots, stream: streamOf(view, id) },
        body(shown, visitor),
      );
    });

  page("/farm/slaves/:id", (visitor, request) => {
    const { id: asked } = request.params as { id: string };
    const slave = farm.picture.slaves.find(({ id }) => String(id) === asked);
    if (slave === undefined) return undefined;
    const view: ViewName = `slave-${slave.id}`;
    const { shown, id } = pages.render(view, visitor);
    return frame(
      {
        title: slave.label,
        path: "/farm/slaves",
        visitor,
        hasPlots: true,
        stream: streamOf(view, id),
      },
      slaveBody(shown, slave),
    );
  });

  page("/farm/queue", async (visitor, request) => {
    const { package: name } = request.query as { package?: unknown };
    const asked = typeof name === "string" ? name.trim().slice(0, 200) : "";
    const report = asked === "" ? undefined : await inWords(() => farm.explain(asked));
    const { shown, id } = pages.render("queue", visitor);
    return frame(
      {
        title: "Queue",
        path: "/farm/queue",
        visitor,
        hasPlots: true,
        stream: streamOf("queue", id),
      },
      queueBody(shown, { name: asked, report }),
    );
  });

  page("/farm/events", async (visitor) => {
    const orders = await inWords(() => farm.readOrders(ORDERS_SHOWN));
    const { shown, id } = pages.render("events", visitor);
    return frame(
      { title: "Events", path: "/farm/events", visitor, stream: streamOf("events", id) },
      eventsBody(shown, orders),
    );
  });

  page("/farm/builds/:token", async (visitor, request) => {
    const token = tokenOf(request);
    if (token === undefined) return undefined;
    const answer = await inWords(() => farm.readLog(token, 0, 0));
    const build = typeof answer === "string" ? null : answer.build;
    if (build === null && typeof answer !== "string" && !answer.isForNow) return undefined;
    const title = build === null ? `Build ${token}` : `${build.package} ${build.version}`;
    return frame(
      { title, path: "/farm/builds", visitor, scripts: ["dashboard-log.js"] },
      buildBody(token, build),
    );
  });

  stream("/farm/stream", (visitor, request, reply, leave) => {
    const { view: asked, from } = request.query as Record<string, unknown>;
    const view = typeof asked === "string" ? findView(asked) : undefined;
    if (view === undefined) return undefined;
    const lastId = request.headers["last-event-id"] ?? from;
    const id = typeof lastId === "string" ? lastId : undefined;
    return pages.open(view, visitor, reply.raw, id, leave);
  });

  stream("/farm/builds/:token/log", (_visitor, request, reply, leave) => {
    const token = tokenOf(request);
    if (token === undefined) return undefined;
    const { from } = request.query as { from?: unknown };
    const said = request.headers["last-event-id"] ?? from;
    const position = typeof said === "string" && /^\d{1,15}$/.test(said) ? Number(said) : 0;
    let reading: LogStream | undefined;
    const stream = new EventStream(reply.raw, {
      free: () => reading?.wake(),
      end: () => {
        reading?.wake();
        leave();
      },
    });
    reading = new LogStream(farm.readLog, token, position, stream);
    reading.run().catch((err: unknown) => {
      log.error({ err, token }, "a log could not be shown");
      stream.end();
    });
    return stream;
  });

  app.get("/farm/history", async (request, reply) => {
    const visitor = await gate.visitor(request.raw);
    if (visitor instanceof Refusal) return visitor.send(reply);
    const asked = historyAskedSchema.safeParse(request.query);
    if (!asked.success)
      return new Refusal(400, "Ask with kind, subject and span (hour, day, week, year).").send(
        reply,
      );
    const columns = await inWords(() => history.read(asked.data));
    if (typeof columns === "string") return new Refusal(503, columns).send(reply);
    return reply.send(columns);
  });

  app.post("/farm/orders", async (request, reply) => {
    const { raw } = request;
    // A browser sends this header of its own accord from nowhere, and another site's page may not set it.
    const isOwn = raw.headers.authorization !== undefined || isFromOwnPage(raw);
    if (!isOwn || raw.headers["x-farm-order"] !== "1")
      return new Refusal(
        403,
        "Orders are taken from the farm's own pages, or with a token in Authorization and the header X-Farm-Order: 1.",
      ).send(reply);
    const admission = await tokens.look(raw);
    if (admission.kind === "refused")
      return new Refusal(admission.status, admission.text).send(reply);
    if (admission.kind === "none")
      return new Refusal(401, "Log in with a token of the right control to give orders.").send(
        reply,
      );
    if (admission.right !== "control")
      return new Refusal(
        403,
        `The token ${admission.name} may look, and may not give orders.`,
      ).send(reply);
    const order = orderSchema.safeParse(jsonOf(request.body));
    if (!order.success)
      return new Refusal(400, "This is no order that the farm knows.").send(reply);
    if (ordersInHand >= MOST_ORDERS_IN_HAND)
      return new Refusal(429, "Other orders are being carried out: try again in a moment.").send(
        reply,
      );
    ordersInHand += 1;
    try {
      const outcome = await inWords(() =>
        farm.order(order.data, `token ${admission.name} (dashboard)`),
      );
      return await reply.send(
        typeof outcome === "string" ? { isDone: false, text: outcome } : outcome,
      );
    } finally {
      ordersInHand -= 1;
    }
  });

  app.get("/farm/login", async (request, reply) => {
    const visitor = await gate.visitor(request.raw);
    const { next } = request.query as { next?: unknown };
    return reply
      .type(HTML)
      .send(loginPage(visitor instanceof Refusal ? nobody : visitor, "", nextOf(next)));
  });

  app.post("/farm/login", async (request, reply) => {
    if (!isFromOwnPage(request.raw)) return foreign.send(reply);
    const form = new URLSearchParams(String(request.body ?? ""));
    const next = nextOf(form.get("next"));
    const token = (form.get("token") ?? "").trim().slice(0, 500);
    const admission = await tokens.check(request.raw, token);
    if (admission.kind === "token")
      return reply.header("set-cookie", tokens.cookie(token)).redirect(next, 303);
    const [status, trouble] =
      admission.kind === "refused"
        ? [admission.status, admission.text]
        : ([401, "Give a token."] as const);
    return reply
      .code(status)
      .type(HTML)
      .send(loginPage(nobody, trouble, next));
  });

  app.post("/farm/logout", (request, reply) => {
    if (!isFromOwnPage(request.raw)) return foreign.send(reply);
    return reply.header("set-cookie", tokens.cookie(null)).redirect("/farm/", 303);
  });

  await app.ready();
  return {
    handle: (request, response) => app.routing(request, response),
    changed: () => pages.changed(),
    close: async () => {
      clearInterval(looking);
      pages.close();
      for (const stream of open.keys()) stream.end();
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
      const visitor = await gate.visitor(request.raw);
      if (visitor instanceof Refusal) {
        if (visitor.status !== 401) return visitor.send(reply);
        return reply.redirect(`/farm/login?next=${encodeURIComponent(request.url)}`, 303);
      }
      const text = await render(visitor, request);
      if (text !== undefined) return reply.type(HTML).send(text);
      const nothing = messagePage(
        "Nothing here",
        "The farm knows nothing by that number.",
        visitor,
      );
      return reply.code(404).type(HTML).send(nothing);
    });
  }

  /** @param begin undefined: there is no such thing; nothing was sent then */
  function stream(
    path: string,
    begin: (
      visitor: Visitor,
      request: FastifyRequest,
      reply: FastifyReply,
      leave: () => void,
    ) => EventStream | undefined,
  ): void {
    app.get(path, { exposeHeadRoute: false }, async (request, reply) => {
      const visitor = await gate.visitor(request.raw);
      if (visitor instanceof Refusal) return visitor.send(reply);
      const leave = readers.enter(request.raw);
      if (leave === undefined)
        return new Refusal(503, "As many pages of the dashboard are open as may be.").send(reply);
      // Whoever has gone meanwhile closes nothing any more.
      if (reply.raw.destroyed) {
        leave();
        return reply;
      }
      let begun: EventStream | undefined;
      begun = begin(visitor, request, reply, () => {
        leave();
        if (begun !== undefined) open.delete(begun);
      });
      if (begun === undefined) {
        leave();
        return new Refusal(404, "There is no such stream.").send(reply);
      }
      open.set(begun, request.raw);
      return reply.hijack();
    });
  }

  /** Whose token was revoked, or has expired, is shown no more. */
  async function lookAgain(): Promise<void> {
    for (const [stream, request] of open) {
      const visitor = await gate.visitor(request).catch(() => undefined);
      if (visitor instanceof Refusal && visitor.status === 401) stream.end();
    }
  }
}

const HTML = "text/html; charset=utf-8";
const nobody: Visitor = { name: null, mayControl: false };
const foreign = new Refusal(403, "This is taken from the farm's own pages only.");

const streamOf = (view: ViewName, id: string) => ({ url: `/farm/stream?view=${view}`, id });

function tokenOf(request: FastifyRequest): number | undefined {
  const { token } = request.params as { token: string };
  return /^[1-9]\d{0,14}$/.test(token) ? Number(token) : undefined;
}

/** Where one goes after the login: a page of the dashboard, whatever was asked for. */
function nextOf(asked: unknown): string {
  if (typeof asked !== "string" || !/^\/farm\/[a-z0-9/?=&.%-]*$/i.test(asked)) return "/farm/";
  return asked.startsWith("/farm/login") ? "/farm/" : asked;
}

/** Undefined for what is no JSON. */
function jsonOf(body: unknown): unknown {
  try {
    return JSON.parse(String(body));
  } catch {
    return undefined;
  }
}

/** What there is no answer to is said on the page. */
async function inWords<T>(ask: () => Promise<T>): Promise<T | string> {
  try {
    return await ask();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
