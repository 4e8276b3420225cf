/**
 * A network within the process, for tests: sockets that behave as ZeroMQ's do over a wire that can lose,
 * delay, repeat and reorder frames by seed, be cut and be a black hole. Reached by address
 * (`memory://NETWORK/NAME`); `inproc://` uses one without faults.
 */
import { setTimeout as delay } from "node:timers/promises";
import { EndpointConfigError } from "./endpoint-config-error.ts";
import { FrameReference } from "./frame.ts";
import type { BoundFrameSocket, Dial, FrameSocket } from "./frame-socket.ts";
import { MemoryDealer, type MemoryLine, MemoryRouter } from "./memory-sockets.ts";
import { MemoryWire, type NetworkFaults, NO_FAULTS, type WireEvent } from "./memory-wire.ts";
import type { SocketLimits } from "./socket-options.ts";

export interface MemoryNetworkOptions {
  /** As in `memory://NAME/…`. One network of a name at a time. */
  readonly name: string;
  /** Default 1. The nth connection to a name has the same faults for the same frames, whatever others do. */
  readonly seed?: number;
  /** Default none. In both directions. */
  readonly faults?: Partial<NetworkFaults>;
}

export type Direction = "toServer" | "toClient";

/** Which connections are meant: all, or those to a bound name, of an identity (`local:…`), or both. */
export interface Which {
  readonly name?: string;
  readonly identity?: string;
}

interface Line extends MemoryLine {
  readonly name: string;
  readonly identity: string;
  readonly dealer: MemoryDealer;
  router: MemoryRouter | undefined;
}

/** ZeroMQ holds as many on each side of a connection, by `socket-options.ts`. */
const SENDERS_SHARE = 64;
/** A name is free a moment after its endpoint was closed. */
const FREED_WITHIN_MS = 500;

const networks = new Map<string, MemoryNetwork>();

/** @throws EndpointConfigError where a network of that name is open. */
export function createMemoryNetwork(options: MemoryNetworkOptions): MemoryNetwork {
  if (networks.has(options.name)) {
    throw new EndpointConfigError(`there is a memory network of the name ${options.name} already`);
  }
  const network = new MemoryNetwork(options);
  networks.set(options.name, network);
  return network;
}

/** @throws EndpointConfigError where there is none. */
export function getMemoryNetwork(name: string): MemoryNetwork {
  const network = networks.get(name);
  if (network !== undefined) return network;
  throw new EndpointConfigError(
    `there is no memory network of the name ${name}: make it first with createMemoryNetwork`,
  );
}

export class MemoryNetwork {
  readonly #name: string;
  readonly #seed: number;
  readonly #faults: Record<Direction, NetworkFaults>;
  readonly #routers = new Map<string, MemoryRouter>();
  readonly #lines = new Set<Line>();
  readonly #connections = new Map<string, number>();
  #partitions: Which[] = [];
  readonly #counts: Record<WireEvent, number> = {
    sent: 0,
    lost: 0,
    delayed: 0,
    repeated: 0,
    reordered: 0,
  };

  constructor({ name, seed = 1, faults = {} }: MemoryNetworkOptions) {
    this.#name = name;
    this.#seed = seed;
    this.#faults = {
      toServer: { ...NO_FAULTS, ...faults },
      toClient: { ...NO_FAULTS, ...faults },
    };
  }

  /** For frames that are sent from now on; both directions, or one. What is not named stays as it is. */
  setFaults(faults: Partial<NetworkFaults>, direction?: Direction): void {
    for (const one of direction === undefined ? directions : [direction]) {
      this.#faults[one] = { ...this.#faults[one], ...faults };
    }
  }

  /** Breaks connections: both sides find out as with a real one. New ones can be made at once. */
  cut(which: Which = {}): void {
    for (const line of [...this.#lines]) {
      if (line.state === "open" && isMeant(line, which)) this.#end(line, "cut");
    }
  }

  /** From now on nothing that is sent arrives, though connections stand; new ones do not come about. */
  partition(which: Which = {}): void {
    this.#partitions.push(which);
  }

  /** Ends all partitions; what was sent meanwhile is lost. */
  heal(): void {
    this.#partitions = [];
    for (const line of [...this.#lines]) this.#tryToOpen(line);
  }

  /** Of all frames since the network was made. */
  counts(): Readonly<Record<WireEvent, number>> {
    return { ...this.#counts };
  }

  /** Cuts all and frees the name. */
  close(): void {
    if (networks.get(this.#name) === this) networks.delete(this.#name);
    for (const line of [...this.#lines]) this.#end(line, "cut");
  }

  /** Called by `transports.ts`. @throws EndpointConfigError where the name is taken. */
  async bind(
    name: string,
    address: string,
    { maxFrameBytes }: SocketLimits,
  ): Promise<BoundFrameSocket> {
    const startedAtMs = performance.now();
    while (this.#routers.has(name)) {
      if (performance.now() - startedAtMs > FREED_WITHIN_MS) {
        throw new EndpointConfigError(`${address}: the address is in use by another endpoint`);
      }
      await delay(5);
    }
    const socket: MemoryRouter = new MemoryRouter(maxFrameBytes, () => {
      unbind();
      for (const line of [...this.#lines]) if (line.router === socket) this.#end(line, "cut");
    });
    const unbind = () => {
      if (this.#routers.get(name) === socket) this.#routers.delete(name);
    };
    this.#routers.set(name, socket);
    for (const line of [...this.#lines]) this.#tryToOpen(line);
    return { socket, address, unbind, release: () => undefined };
  }

  /** A dealer waits for as long as nobody is bound to the name. Called by `transports.ts`. */
  dialler(name: string, identity: string, limits: SocketLimits): Dial {
    return (routingId, events): FrameSocket => {
      const count = (this.#connections.get(name) ?? 0) + 1;
      this.#connections.set(name, count);
      const wire = (direction: Direction) =>
        new MemoryWire({
          seed: this.#seed,
          name: `${name} ${count} ${direction}`,
          bound: limits.receiveHighWaterMark + SENDERS_SHARE,
          faults: () => this.#faults[direction],
          isBlackHole: () => this.#isPartitioned(line),
          count: (event) => {
            this.#counts[event] += 1;
          },
          isTooLarge: (frame) => {
            const most =
              direction === "toServer" ? line.router?.maxFrameBytes : limits.maxFrameBytes;
            if (most === undefined || frame instanceof FrameReference) return false;
            return frame.length > most;
          },
          broke: () => {
            this.#end(line, "cut");
          },
          arrived: () => {
            if (direction === "toServer") line.router?.arrived(line);
            else line.dealer.arrived();
          },
        });
      const line: Line = {
        name,
        identity,
        routingId: Buffer.from(routingId),
        toServer: wire("toServer"),
        toClient: wire("toClient"),
        events,
        dealer: new MemoryDealer(
          () => line,
          (how) => {
            this.#end(line, how);
          },
        ),
        router: undefined,
        state: "dialling",
      };
      this.#lines.add(line);
      this.#tryToOpen(line);
      return line.dealer;
    };
  }

  #tryToOpen(line: Line): void {
    const router = this.#routers.get(line.name);
    if (line.state !== "dialling" || router === undefined || this.#isPartitioned(line)) return;
    if (!router.admit(line)) return;
    line.router = router;
    line.state = "open";
    setImmediate(() => {
      if (line.state === "open") line.events.connected();
    });
  }

  #isPartitioned(line: Line): boolean {
    return this.#partitions.some((which) => isMeant(line, which));
  }

  #end(line: Line, how: "cut" | "lingering" | "at once"): void {
    const wasOpen = line.state === "open";
    line.state = "over";
    this.#lines.delete(line);
    line.router?.forget(line);
    line.toClient.cut();
    // A client's last words are on their way.
    if (how !== "lingering") line.toServer.cut();
    if (how !== "cut" || !wasOpen) return;
    setImmediate(() => {
      line.events.broken();
    });
  }
}

const directions = ["toServer", "toClient"] as const;

const isMeant = (line: Line, { name, identity }: Which) =>
  (name === undefined || name === line.name) &&
  (identity === undefined || identity === line.identity);
