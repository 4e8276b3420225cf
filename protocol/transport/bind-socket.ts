/**
 * Gives a socket its address: tcp as resolved, ipc with the mode of a private socket. Turns what can be
 * wrong with an address into one sentence for a person. Used by endpoints and publishers.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Socket } from "zeromq";
import { resolveToBind, type ZeromqAddress } from "./address.ts";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { bindIpc } from "./ipc-socket.ts";

export interface BoundSocket {
  /** With the real port. */
  readonly address: string;
  /** Stops listening; connections that stand stay. Never throws. */
  unbind(): void;
}

const FREED_WITHIN_MS = 500;

/** @throws EndpointConfigError */
export async function bindSocket(socket: Socket, address: ZeromqAddress): Promise<BoundSocket> {
  if (address.kind === "ipc") {
    let endpoint = "";
    const remove = await bindIpc(address.path, (made) => {
      endpoint = made;
      socket.bindSync(made);
    });
    return {
      address: address.text,
      unbind: () => {
        remove();
        unbind(socket, endpoint);
      },
    };
  }
  const target = await resolveToBind(address);
  try {
    socket.ipv6 = target.ipv6;
    await bindPatiently(socket, target.endpoint);
  } catch (error) {
    throw new EndpointConfigError(`${address.text}: ${describe(error)}`, { cause: error });
  }
  const bound = socket.lastEndpoint ?? target.endpoint;
  return {
    address: bound,
    unbind: () => {
      unbind(socket, bound);
    },
  };
}

/** ZeroMQ frees an address a moment after its socket was closed: a restarted owner finds it still taken. */
async function bindPatiently(socket: Socket, endpoint: string): Promise<void> {
  const startedAtMs = performance.now();
  for (;;) {
    try {
      await socket.bind(endpoint);
      return;
    } catch (error) {
      const isOver = performance.now() - startedAtMs > FREED_WITHIN_MS;
      if (isOver || codeOf(error) !== "EADDRINUSE") throw error;
      await delay(10);
    }
  }
}

function unbind(socket: Socket, endpoint: string): void {
  try {
    // The asynchronous form would refuse every send and receive meanwhile.
    socket.unbindSync(endpoint);
  } catch {
    // Closing the socket, which follows, ends the listener too.
  }
}

function describe(error: unknown): string {
  const code = codeOf(error);
  if (code === "EADDRINUSE") return "the address is in use by another process";
  if (code === "EADDRNOTAVAIL") return "this machine has no such address";
  if (code === "EACCES") return "not allowed to use this port";
  return error instanceof Error ? error.message : String(error);
}

const codeOf = (error: unknown): unknown =>
  error instanceof Error && "code" in error ? error.code : undefined;
