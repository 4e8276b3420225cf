/**
 * Addresses of endpoints: `tcp://HOST:PORT` and `ipc:///PATH`. Decides which of them may be used without
 * keys. Addresses of actors in the same process (`inproc://`) never come here.
 */
import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";
import { EndpointConfigError } from "./endpoint-config-error.ts";

export type Address =
  | {
      readonly kind: "tcp";
      readonly text: string;
      /** Without brackets; `*` is every interface. */
      readonly host: string;
      /** `*` and `0` ask for any free port. */
      readonly port: string;
    }
  | { readonly kind: "ipc"; readonly text: string; readonly path: string };

/** @throws EndpointConfigError where the text is no address of this transport. */
export function parseAddress(text: string): Address {
  const ipc = /^ipc:\/\/(.*)$/s.exec(text);
  if (ipc?.[1] !== undefined) {
    const path = ipc[1];
    if (!path.startsWith("/") || path.includes("\0")) {
      throw new EndpointConfigError(
        `${text}: an ipc address is ipc:// and an absolute path, as in ipc:///run/piwheels/import`,
      );
    }
    return { kind: "ipc", text, path };
  }
  const tcp = /^tcp:\/\/(?:\[([0-9a-f:.%\w]+)\]|([\w.*-]+)):(\*|\d{1,5})$/i.exec(text);
  const host = tcp?.[1] ?? tcp?.[2];
  const port = tcp?.[3];
  if (host === undefined || port === undefined || Number(port === "*" ? 0 : port) > 65_535) {
    throw new EndpointConfigError(
      `${text}: not an address; use tcp://HOST:PORT (tcp://*:5555, tcp://[::]:5555) or ipc:///PATH`,
    );
  }
  return { kind: "tcp", text, host, port };
}

/** Whether only this machine can reach it. */
export function isLocal(address: Address): boolean {
  if (address.kind === "ipc") return true;
  const host = address.host.toLowerCase();
  return host === "localhost" || host === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host);
}

/** @throws EndpointConfigError for an address that networks can reach, where there are no keys. */
export function refuseWithoutKeys(address: Address): void {
  if (isLocal(address)) return;
  throw new EndpointConfigError(
    `${address.text} can be reached from other machines and needs keys: make one with piw keygen, ` +
      "give its file with --key, and for a master the directory of its slaves' public keys with --authorized-keys " +
      "(or use a loopback or ipc address)",
  );
}

/** What ZeroMQ is given for an address; names are looked up here, since ZeroMQ binds none and looks at the first answer only. */
export interface Target {
  readonly endpoint: string;
  readonly ipv6: boolean;
}

export async function resolveToBind(address: Extract<Address, { kind: "tcp" }>): Promise<Target> {
  const { host, port } = address;
  if (host === "*" || isIP(host) !== 0) return target(host, port);
  if (host.toLowerCase() === "localhost") return target("127.0.0.1", port);
  try {
    return target((await lookup(host)).address, port);
  } catch (error) {
    throw new EndpointConfigError(`${address.text}: no such host: ${host}`, { cause: error });
  }
}

/**
 * Looks the name up anew each time, so that a server that moved is found. `attempt` walks through the answers.
 * @throws Error where the name cannot be looked up now.
 */
export async function resolveToConnect(address: Address, attempt: number): Promise<Target> {
  if (address.kind === "ipc") return { endpoint: address.text, ipv6: false };
  if (isIP(address.host) !== 0) return target(address.host, address.port);
  const answers = await lookup(address.host, { all: true });
  const answer = answers[attempt % answers.length];
  if (answer === undefined) throw new Error(`no address for ${address.host}`);
  return target(answer.address, address.port);
}

/** @throws EndpointConfigError for an address that can only be bound. */
export function refuseWildcard(address: Address): void {
  if (address.kind === "ipc") return;
  if (["*", "0.0.0.0", "::"].includes(address.host) || ["*", "0"].includes(address.port)) {
    throw new EndpointConfigError(`${address.text}: name the host and the port to connect to`);
  }
}

function target(host: string, port: string): Target {
  const ipv6 = isIPv6(host);
  return { endpoint: `tcp://${ipv6 ? `[${host}]` : host}:${port}`, ipv6 };
}
