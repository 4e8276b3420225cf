/** Who may look and who may give orders: the option `--dashboard` and the tokens, as the routes ask of them. */
import type { FastifyReply, FastifyRequest } from "fastify";
import type { Visitor } from "./pages/frame.ts";

/** What became of the token that a request shows, or of one that was typed. */
export type Admission =
  | { readonly kind: "token"; readonly name: string; readonly right: "watch" | "control" }
  | { readonly kind: "none" }
  | { readonly kind: "refused"; readonly status: 401 | 429 | 503; readonly text: string };

/** Knows the tokens. */
export interface TokenGate {
  /** What a request shows, by header or cookie. */
  readonly look: (request: FastifyRequest["raw"]) => Promise<Admission>;
  /** What somebody typed at the login. */
  readonly check: (request: FastifyRequest["raw"], token: string) => Promise<Admission>;
  /** A value of Set-Cookie: has the browser keep a token, or forget it (null). */
  readonly cookie: (token: string | null) => string;
}

export type WhoMayLook = "everyone" | "token";

const nobody: Visitor = { name: null, mayControl: false };

export class Gate {
  readonly #tokens: TokenGate;
  readonly #who: WhoMayLook;

  constructor(tokens: TokenGate, who: WhoMayLook) {
    this.#tokens = tokens;
    this.#who = who;
  }

  /** Who asks; a refusal where that is nobody who may look. */
  async visitor(request: FastifyRequest["raw"]): Promise<Visitor | Refusal> {
    const admission = await this.#tokens.look(request);
    if (admission.kind === "token") {
      return { name: admission.name, mayControl: admission.right === "control" };
    }
    if (this.#who === "everyone") return nobody;
    return admission.kind === "none"
      ? new Refusal(401, "The farm's dashboard is for those who have a token: piw token create")
      : new Refusal(admission.status, admission.text);
  }
}

/** An answer in place of what was asked for. */
export class Refusal {
  readonly status: number;
  readonly text: string;

  constructor(status: number, text: string) {
    this.status = status;
    this.text = text;
  }

  send(reply: FastifyReply): FastifyReply {
    if (this.status === 401) void reply.header("www-authenticate", 'Bearer realm="farm"');
    if (this.status === 429 || this.status === 503) void reply.header("retry-after", "10");
    return reply.code(this.status).type("text/plain; charset=utf-8").send(`${this.text}\n`);
  }
}
