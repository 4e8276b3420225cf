/**
 * The options that both ends of a link give to ZeroMQ, whose defaults wait for ever, hold 1,000 frames of
 * any size and never notice a dead peer.
 */
import { context } from "zeromq";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { DEFAULT_WINDOW, LARGEST_WINDOW } from "./inflow.ts";

// The process may end while sockets still linger.
context.blocky = false;

/** How long what was handed to ZeroMQ may still be on its way after a close. */
export const LINGER_MS = 500;
const DEFAULT_HEARTBEAT_MS = 2_000;
export const DEFAULT_OUTBOX_BOUND = 1_000;
const DEFAULT_LARGEST_FRAME_BYTES = 16 * 1024 * 1024;
/** Frames are packed, so that few of them are many messages. */
const HIGH_WATER_MARK = 64;

export interface SocketLimits {
  readonly heartbeatMs: number;
  readonly maxFrameBytes: number;
  readonly receiveHighWaterMark: number;
}

export function limitsOf(options: {
  readonly heartbeatMs?: number;
  readonly maxFrameBytes?: number;
  readonly receiveHighWaterMark?: number;
}): SocketLimits {
  return {
    heartbeatMs: options.heartbeatMs ?? DEFAULT_HEARTBEAT_MS,
    maxFrameBytes: options.maxFrameBytes ?? DEFAULT_LARGEST_FRAME_BYTES,
    receiveHighWaterMark: options.receiveHighWaterMark ?? HIGH_WATER_MARK,
  };
}

/** @throws EndpointConfigError for a window that is none. */
export function windowOf({ window = DEFAULT_WINDOW }: { readonly window?: number }): number {
  if (Number.isInteger(window) && window >= 1 && window <= LARGEST_WINDOW) return window;
  throw new EndpointConfigError(
    `a window of ${window} messages: it is from 1 to ${LARGEST_WINDOW}`,
  );
}

const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1_000));

/**
 * For every socket. Not ZeroMQ's own heartbeats: libzmq 4.3.5 ends the whole process (`!_io_error`) when
 * their timer fires for a peer that has gone while its frames lay unread up to the mark. Sessions have
 * heartbeats of their own; a connection that is half open is found by TCP.
 */
export const connectionOptions = (limits: SocketLimits) => ({
  linger: LINGER_MS,
  maxMessageSize: limits.maxFrameBytes,
  handshakeInterval: 10_000,
  tcpKeepalive: 1,
  tcpKeepaliveIdle: seconds(4 * limits.heartbeatMs),
  tcpKeepaliveInterval: seconds(limits.heartbeatMs),
  tcpKeepaliveCount: 4,
});

/** For sockets that speak both ways. */
export const socketOptions = (limits: SocketLimits) => ({
  ...connectionOptions(limits),
  sendTimeout: 0,
  sendHighWaterMark: HIGH_WATER_MARK,
  receiveHighWaterMark: limits.receiveHighWaterMark,
});
