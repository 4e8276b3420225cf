/**
 * Addresses of endpoints: `tcp://HOST:PORT` and `ipc:///PATH` go over ZeroMQ, `inproc://NAME` stays in the
 * process, `memory://NETWORK/NAME` goes over an in-memory network of a test. Decides which of them may be used without keys.
 */
import { lookup } from "node:dns/promises";
import { isIP, isIPv6 } from "node:net";
import { EndpointConfigError } from "./endpoint-config-error.ts";

export type ZeromqAddress =
  | {
      readonly kind: "tcp";
      readonly text: string;
      /** Without brackets; `*` is every interface. */
      readonly host: string;
      /** `*` and `0` ask for any free port. */
      readonly port: string;
    }
  | { readonly kind: "ipc"; readonly text: string; readonly path: string };

/** Only reached from this process. */
export type InnerAddress =
  | { readonly kind: "inproc"; readonly text: string; readonly name: string }
  | {
      readonly kind: "memory";
      readonly text: string;
      readonly network: string;
      readonly name: string;
    };

export type Address = ZeromqAddress | InnerAddress;

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
  const inproc = /^inproc:\/\/([\w./-]{1,100})$/.exec(text)?.[1];
  if (inproc !== undefined) return { kind: "inproc", text, name: inproc };
  const [, network, name] = /^memory:\/\/([\w.-]{1,100})\/([\w./-]{1,100})$/.exec(text) ?? [];
  if (network !== undefined && name !== undefined) return { kind: "memory", text, network, name };
  const tcp = /^tcp:\/\/(?:\[([0-9a-f:.%\w]+)\]|([\w.*-]+)):(\*|\d{1,5})$/i.exec(text);
  const host = tcp?.[1] ?? tcp?.[2];
  const port = tcp?.[3];
  if (host === undefined || port === undefined || Number(port === "*" ? 0 : port) > 65_535) {
    throw new EndpointConfigError(
      `${text}: not an address; use tcp://HOST:PORT (tcp://*:5555, tcp://[::]:5555), ipc:///PATH, ` +
        "inproc://NAME within a process, or memory://NETWORK/NAME over a network made by a test",
    );
  }
  return { kind: "tcp", text, host, port };
}

/** Whether only this machine can reach it. */
export function isLocal(address: Address): boolean {
  if (address.kind !== "tcp") return true;
  const host = address.host.toLowerCase();
  return host === "localhost" || host === "::1" || /^(::ffff:)?127(\.\d{1,3}){3}$/.test(host);
}

/** @throws EndpointConfigError for an address that networks can reach, where there are no keys. */
export function refuseWithoutKeys(address: Address): void {
  if (isLocal(address)) return;
  throw new EndpointConfigError(
    `${address.text} can be reached from other machines and needs keys: make one with piw keygen, ` +
      "give its file with --key, and the master's public key with --master-key; for a master the directory of its slaves' " +
      "public keys with --authorized-keys (or use a loopback or ipc address)",
  );
}

/** @throws EndpointConfigError for an address within the process. */
export function refuseInner(address: Address): ZeromqAddress {
  if (address.kind === "tcp" || address.kind === "ipc") return address;
  throw new EndpointConfigError(
    `${address.text}: what is published goes over tcp:// or ipc:// only; within a process tell by reference`,
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
export async function resolveToConnect(address: ZeromqAddress, attempt: number): Promise<Target> {
  if (address.kind === "ipc") return { endpoint: address.text, ipv6: false };
  if (isIP(address.host) !== 0) return target(address.host, address.port);
  const answers = await lookup(address.host, { all: true });
  const answer = answers[attempt % answers.length];
  if (answer === undefined) throw new Error(`no address for ${address.host}`);
  return target(answer.address, address.port);
}

/** @throws EndpointConfigError for an address that can only be bound. */
export function refuseWildcard(address: Address): void {
  if (address.kind !== "tcp") return;
  if (["*", "0.0.0.0", "::"].includes(address.host) || ["*", "0"].includes(address.port)) {
    throw new EndpointConfigError(`${address.text}: name the host and the port to connect to`);
  }
}

function target(host: string, port: string): Target {
  const ipv6 = isIPv6(host);
  return { endpoint: `tcp://${ipv6 ? `[${host}]` : host}:${port}`, ipv6 };
}
