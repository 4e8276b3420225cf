/** Who comes from the machine that the server runs on: people at it, and web servers that stand before it. */
import type { IncomingMessage } from "node:http";

/** "" is a socket that is closed already. */
export const isThisMachine = (address: string): boolean =>
  /^(::ffff:)?127\.|^::1$|^$/.test(address);

const FORWARDED = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

/**
 * Somebody at this machine, as far as can be told: from a loopback address, to a name of it, with no sign of a web server between.
 * The name matters, since a page of a stranger may be given an address of this machine (DNS rebinding).
 */
export function isAskedHere({ socket, headers }: IncomingMessage): boolean {
  const host = (headers.host ?? "").replace(/:\d+$/, "");
  return (
    socket.remoteAddress !== undefined &&
    isThisMachine(socket.remoteAddress) &&
    /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/i.test(host) &&
    FORWARDED.every((name) => headers[name] === undefined)
  );
}
