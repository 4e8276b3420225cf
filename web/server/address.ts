/** Where the HTTP server listens, and what can go wrong there, in one clear line each. */

/**
 * - `bad-address`: not `http://HOST:PORT`.
 * - `address-in-use`: another program listens there.
 * - `address-denied`: this user may not (ports below 1024).
 * - `address-unavailable`: this machine does not have that host.
 * - `bad-certificate`: the files for TLS cannot be read, or do not fit together.
 * - `failed`: anything else; see `cause`.
 */
export type WebServerErrorCode =
  | "bad-address"
  | "address-in-use"
  | "address-denied"
  | "address-unavailable"
  | "bad-certificate"
  | "failed";

export class WebServerError extends Error {
  readonly code: WebServerErrorCode;
  constructor(code: WebServerErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "WebServerError";
    this.code = code;
  }
}

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

/**
 * Reads `http://127.0.0.1:8080`, `http://[::1]:8080` or `127.0.0.1:8080`; port 0 is any free one,
 * no port is 80.
 * @throws WebServerError `bad-address`
 */
export function parseListenAddress(text: string): ListenAddress {
  const full = text.includes("://") ? text : `http://${text}`;
  const url = URL.canParse(full) ? new URL(full) : undefined;
  const isPlain =
    url?.pathname === "/" && url.search === "" && url.hash === "" && url.username === "";
  if (url?.protocol !== "http:" || !isPlain || url.hostname === "") {
    throw new WebServerError(
      "bad-address",
      `${JSON.stringify(text)} is no address for the web server: give one like http://127.0.0.1:8080`,
    );
  }
  return {
    host: url.hostname.replace(/^\[|\]$/g, ""),
    port: url.port === "" ? 80 : Number(url.port),
  };
}

/** The URL under which a listening server can be asked from its own machine. */
export function urlOf({ host, port }: ListenAddress, scheme: "http" | "https" = "http"): string {
  const reachable = host === "0.0.0.0" ? "127.0.0.1" : host === "::" ? "::1" : host;
  const shown = reachable.includes(":") ? `[${reachable}]` : reachable;
  return new URL(`${scheme}://${shown}:${port}/`).href;
}

const reasons: Readonly<Record<string, readonly [WebServerErrorCode, string]>> = {
  EADDRINUSE: ["address-in-use", "is in use by another program: stop that, or choose another port"],
  EACCES: ["address-denied", "needs rights that this user does not have: choose a port above 1023"],
  EADDRNOTAVAIL: ["address-unavailable", "is not an address of this machine"],
  ENOTFOUND: ["address-unavailable", "is not a host name that can be found"],
  EAI_AGAIN: ["address-unavailable", "is not a host name that can be found"],
};

export function listenErrorFrom(error: unknown, { host, port }: ListenAddress): WebServerError {
  const systemCode =
    error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
  const [code, reason] = reasons[systemCode] ?? [
    "failed",
    `could not be opened: ${error instanceof Error ? error.message : String(error)}`,
  ];
  return new WebServerError(code, `the web address ${host} port ${port} ${reason}`, {
    cause: error,
  });
}
