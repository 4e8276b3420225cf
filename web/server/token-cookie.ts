/** The token of a request: as a header, which programs say, or as a cookie, which browsers keep. */
import type { IncomingMessage } from "node:http";

const NAME = "piw_token";

export interface SaidToken {
  readonly text: string;
  /** A browser may send it without its user's will. */
  readonly isCookie: boolean;
}

/** Undefined where none was said; what was said may be no token. The header comes first. */
export function findToken({ headers }: IncomingMessage): SaidToken | undefined {
  const { authorization, cookie } = headers;
  if (authorization !== undefined)
    return { text: /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? "", isCookie: false };
  for (const part of (cookie ?? "").split(";")) {
    const [name, ...value] = part.split("=");
    if (name?.trim() === NAME) return { text: value.join("=").trim(), isCookie: true };
  }
  return undefined;
}

export interface CookieOptions {
  /** It is sent below this path only. */
  readonly path: string;
  /** Whether the site is served over TLS: then it is sent over nothing else. */
  readonly isTls: boolean;
}

/** A Set-Cookie header: no script reads it, no other site has it sent. It goes when the browser is closed, or the token ends. */
export const tokenCookie = (token: string, { path, isTls }: CookieOptions): string =>
  `${NAME}=${token}; Path=${path}; HttpOnly; SameSite=Strict${isTls ? "; Secure" : ""}`;

/** Takes it away. */
export const noTokenCookie = (options: CookieOptions): string =>
  `${tokenCookie("", options)}; Max-Age=0`;

/**
 * Whether a request comes from a page of this site: browsers say so over TLS and on this machine, and name the origin of what
 * changes something everywhere.
 */
export function isSameOrigin({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined) return site === "same-origin";
  const { origin, host } = headers;
  return origin !== undefined && URL.canParse(origin) && new URL(origin).host === host;
}
