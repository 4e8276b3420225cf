/**
 * Whether the connection of a request still lives, for answers that take time. A response that waits behind another
 * one of the same connection (pipelining) is told of neither its turn nor its end by one event, and a listener per answer
 * would be too many on one socket.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";

const waiting = new WeakMap<Socket, Set<() => void>>();

/** Calls back once when the connection is gone. Returns how to be forgotten. */
function whenGone(socket: Socket, callback: () => void): () => void {
  let callbacks = waiting.get(socket);
  if (callbacks === undefined) {
    const all = new Set<() => void>();
    socket.once("close", () => {
      for (const each of all) each();
    });
    waiting.set(socket, all);
    callbacks = all;
  }
  callbacks.add(callback);
  return () => callbacks.delete(callback);
}

/**
 * Waits until all earlier answers on the connection are sent: so that a client who asks for a thousand files in one
 * breath has one of them open, not a thousand. False when the connection is gone.
 */
export async function hasTurn(socket: Socket, response: ServerResponse): Promise<boolean> {
  if (response.socket === null && !socket.destroyed) {
    await new Promise<void>((resolve) => {
      const forget = whenGone(socket, resolve);
      response.once("socket", () => {
        forget();
        resolve();
      });
    });
  }
  return !socket.destroyed;
}

/** Writes a part of a body and waits until the system has it. False when the connection is gone. */
export async function isWritten(
  socket: Socket,
  response: ServerResponse,
  part: Uint8Array,
): Promise<boolean> {
  if (socket.destroyed) return false;
  await new Promise<void>((resolve) => {
    const forget = whenGone(socket, resolve);
    response.write(part, () => {
      forget();
      resolve();
    });
  });
  return !socket.destroyed;
}
