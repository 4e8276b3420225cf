/**
 * Whether a request that changes something was made by a page of this very site, and not by another one that a browser
 * with a token has open (cross-site request forgery). Browsers send Origin with every POST, and no page can
 * change it; the token's cookie is SameSite=Strict besides. A proxy before the farm must pass Host on.
 */
import type { IncomingMessage } from "node:http";

export function isFromOwnPage({ headers }: IncomingMessage): boolean {
  const site = headers["sec-fetch-site"];
  if (site !== undefined && site !== "same-origin") return false;
  const { origin, host } = headers;
  if (origin === undefined || host === undefined || !URL.canParse(origin)) return false;
  const { protocol, host: ofPage } = new URL(origin);
  // The port that its scheme implies is left out of an Origin, and may stand in a Host.
  const implied = protocol === "https:" ? /:443$/ : /:80$/;
  return ofPage === host.toLowerCase().replace(implied, "");
}
