/** `/farm/login` and `/farm/logout`: a browser is shown a token once, and keeps it as a cookie that no script can read. */
import type { FastifyInstance } from "fastify";
import { isSameOrigin, noTokenCookie, tokenCookie } from "../server/token-cookie.ts";
import type { DashboardOptions } from "./dashboard.ts";
import { enter, nobody, refuse } from "./gate.ts";
import { loginPage } from "./pages/login.ts";

const HTML = "text/html; charset=utf-8";
const FOREIGN = "This is taken from the farm's own pages only.";

export function takeTokens(
  app: FastifyInstance,
  { tokens, whoMayLook, cookie }: Pick<DashboardOptions, "tokens" | "whoMayLook" | "cookie">,
): void {
  app.get("/farm/login", async (request, reply) => {
    const entry = await enter(request.raw, tokens, whoMayLook);
    const { next } = request.query as { next?: unknown };
    const visitor = "visitor" in entry ? entry.visitor : nobody;
    return reply.type(HTML).send(loginPage(visitor, "", nextOf(next)));
  });

  app.post("/farm/login", async (request, reply) => {
    if (!isSameOrigin(request.raw)) return refuse(reply, 403, FOREIGN);
    const form = new URLSearchParams(String(request.body ?? ""));
    const next = nextOf(form.get("next"));
    const token = (form.get("token") ?? "").trim().slice(0, 500);
    const admission = await tokens.admitToken(token, request.raw, "watch");
    if (admission.isAdmitted)
      return reply.header("set-cookie", tokenCookie(token, cookie)).redirect(next, 303);
    const { status, text, headers } = admission;
    return reply
      .code(status)
      .headers(headers)
      .type(HTML)
      .send(loginPage(nobody, text, next));
  });

  app.post("/farm/logout", (request, reply) => {
    if (!isSameOrigin(request.raw)) return refuse(reply, 403, FOREIGN);
    return reply.header("set-cookie", noTokenCookie(cookie)).redirect("/farm/", 303);
  });
}

/** Where one goes after the login: a page of the dashboard, whatever was asked for. */
function nextOf(asked: unknown): string {
  if (typeof asked !== "string" || !/^\/farm\/[a-z0-9/?=&.%-]*$/i.test(asked)) return "/farm/";
  return asked.startsWith("/farm/login") ? "/farm/" : asked;
}
