/**
 * The other nodes that this system knows, by name. A path that begins with `NAME:` lives on one of them;
 * everything else about refs is as for an actor that lives here.
 */
import type { Protocol } from "../protocol.ts";
import type { Receiver, Runtime } from "../runtime.ts";
import { LocalService } from "./local-service.ts";
import { NodeChannel } from "./node-channel.ts";
import type { Item } from "./node-message.ts";
import { RemoteCalls } from "./remote-calls.ts";

export interface NodeOptions {
  /** The name of this node, for logs. */
  readonly name: string;
  /** What this node says of itself when it meets another one; at most 100 characters. Default: its name. */
  readonly greeting?: string;
  /**
   * Why the node at the other end of a channel is not to be spoken to, going by its greeting (another
   * version, say); undefined where it may be. Default: it may.
   */
  refuses?(channel: string, greeting: string): string | undefined;
  /**
   * The protocol of the actor at a path (without the node's name), here or on any other node; undefined
   * for one that is not spoken to from elsewhere.
   */
  protocols(path: string): Protocol | undefined;
  /** How long a node may be away before what waits for it is given up. Default 10,000. */
  readonly awayMs?: number;
  /** Letters that may wait for a node. Default 10,000. */
  readonly bound?: number;
}

/** The nodes of a system, for whoever owns a connection to one of them. */
export interface Nodes {
  /** The channel to a node, made when it is first asked for. Names: letters, digits, `.`, `_`, `-`. */
  channel(name: string): NodeChannel;
  /** Those that were asked for. */
  readonly channels: readonly NodeChannel[];
}

/** Answers and ends that a former life of a node was owed mean nothing to the next one. */
const withoutAnswers = (item: Item): Item => (answers.has(item[0]) ? ["void"] : item);
const answers: ReadonlySet<unknown> = new Set(["ok", "refused", "error", "ended"]);

interface OtherNode {
  readonly channel: NodeChannel;
  readonly calls: RemoteCalls;
}

const remotePath = /^([\w.-]{1,100}):(\/.*)$/s;

/** Whether a channel can have this name. */
export const isNodeName = (name: string): boolean => /^[\w.-]{1,100}$/.test(name);

export const isRemotePath = (path: string): boolean => remotePath.test(path);

export class RemoteNodes implements Nodes {
  readonly #runtime: Runtime;
  readonly #options: NodeOptions;
  readonly #others = new Map<string, OtherNode>();
  #isClosed = false;

  constructor(runtime: Runtime, options: NodeOptions) {
    this.#runtime = runtime;
    this.#options = options;
  }

  get channels(): readonly NodeChannel[] {
    return [...this.#others.values()].map(({ channel }) => channel);
  }

  /** @throws RangeError for a name that cannot be one. */
  channel(name: string): NodeChannel {
    return this.#other(name).channel;
  }

  /** Who receives what is said to a remote path. */
  receiver(path: string): Receiver | undefined {
    const parts = remotePath.exec(path);
    if (parts?.[1] === undefined || parts[2] === undefined) return undefined;
    return this.#other(parts[1]).calls.receiver(parts[2]);
  }

  pinned(path: string): Receiver | undefined {
    const parts = remotePath.exec(path);
    if (parts?.[1] === undefined || parts[2] === undefined) return undefined;
    return this.#other(parts[1]).calls.pinned(parts[2]);
  }

  watch(path: string): void {
    const parts = remotePath.exec(path);
    if (parts?.[1] && parts[2]) this.#other(parts[1]).calls.watch(parts[2]);
  }

  /** The last watcher of a remote path has gone. */
  unwatch(path: string): void {
    const parts = remotePath.exec(path);
    if (parts?.[1] && parts[2]) this.#others.get(parts[1])?.calls.unwatch(parts[2]);
  }

  close(): void {
    this.#isClosed = true;
    for (const { channel } of this.#others.values()) channel.close();
  }

  #other(name: string): OtherNode {
    const known = this.#others.get(name);
    if (known) return known;
    if (!isNodeName(name)) throw new RangeError(`${JSON.stringify(name)}: no node name`);
    const { protocols, awayMs = 10_000, bound = 10_000 } = this.#options;
    const greeting = (this.#options.greeting ?? this.#options.name).slice(0, 100);
    const refuses = (theirs: string) => this.#options.refuses?.(name, theirs);
    const runtime = this.#runtime;
    const shared = { node: name, runtime, protocols, channel: (): NodeChannel => channel };
    const calls = new RemoteCalls(shared);
    const service = new LocalService(shared);
    const { clock } = runtime;
    const log = runtime.logger.child({ node: name });
    const channel = new NodeChannel(
      name,
      { clock, log, greeting, refuses, awayMs, bound },
      {
        take: (item) => {
          if (!calls.take(item)) service.take(item);
        },
        renewed: (taken) => {
          calls.renewed(taken);
          service.forget();
          return withoutAnswers;
        },
        gone: (lost) => {
          calls.gone(lost);
          service.forget();
        },
        unsendable: (item, error) => calls.unsendable(item, error),
        leaving: (items) => calls.leaving(items),
      },
    );
    const other = { channel, calls };
    this.#others.set(name, other);
    if (this.#isClosed) channel.close();
    return other;
  }
}
