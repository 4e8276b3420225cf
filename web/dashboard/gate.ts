/** Who may look: the option `--dashboard` and the tokens, as the routes ask of them. Orders ask for a token themselves. */
import type { IncomingMessage } from "node:http";
import type { FastifyReply } from "fastify";
import { isAskedHere } from "../server/own-machine.ts";
import { findToken } from "../server/token-cookie.ts";
import { type Admitted, type Refused, sendRefusal, type TokenGate } from "../server/token-gate.ts";
import type { Visitor } from "./pages/frame.ts";

/** `local`: who asks at this machine, and who has a token. */
export type WhoMayLook = "everyone" | "local" | "token";

/** What this asks of the farm's gate (web/server/token-gate.ts). */
export type Tokens = Pick<TokenGate, "admit" | "admitToken" | "hold">;

/** Who was let in, and by what; null: by nothing, since everyone may look. */
export interface Entry {
  readonly visitor: Visitor;
  readonly admitted: Admitted | null;
}

export const nobody: Visitor = { name: null, mayControl: false };

export const visitorOf = ({ holder }: Admitted): Visitor => ({
  name: holder.name,
  mayControl: holder.right === "control",
});

export async function enter(
  request: IncomingMessage,
  tokens: Tokens,
  who: WhoMayLook,
): Promise<Entry | Refused> {
  // Nobody has refused anything to those who may look without one.
  const needsNone = who === "everyone" || (who === "local" && isAskedHere(request));
  if (needsNone && findToken(request) === undefined) return { visitor: nobody, admitted: null };
  const admission = await tokens.admit(request, "watch");
  if (admission.isAdmitted) return { visitor: visitorOf(admission), admitted: admission };
  return needsNone ? { visitor: nobody, admitted: null } : admission;
}

/** An answer of one line. */
export function refuse(reply: FastifyReply, status: number, text: string): FastifyReply {
  if (status === 429 || status === 503) void reply.header("retry-after", "5");
  return reply.code(status).type("text/plain; charset=utf-8").send(`${text}\n`);
}

/** The gate's own answer. */
export function sendRefused(reply: FastifyReply, refused: Refused): FastifyReply {
  reply.hijack();
  sendRefusal(reply.raw, refused);
  return reply;
}
