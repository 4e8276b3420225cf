/**
 * What each slave does, as far as the Slave Driver knows it, told to those who watch whenever it changes. The sessions say it
 * of those that are here; of those that have gone the last is kept, for as long as the driver lives. Every change has a
 * number, so that an answer to who asks for all and the news can be put in order.
 */
import { randomUUID } from "node:crypto";
import type { Presence } from "../../protocol/links/tasks/slave-driver.ts";
import type { BuildInHand, SlaveFacts, SlaveNow } from "../../protocol/model/slave-now.ts";
import { MOST_SLAVES_LISTED } from "../../protocol/model/sleeper.ts";
import type { FarmEvent } from "../../protocol/model/status.ts";
import type { PeerEnd } from "../../supervisor/index.ts";

/** What a session says of its slave. */
export interface SlaveWord {
  readonly presence: Presence;
  readonly build: BuildInHand | null;
  readonly delivering: number;
  /** When a session begins, or is asked: what the slave said at HELLO, and why a person has put it to sleep. */
  readonly greeting: { readonly facts: SlaveFacts; readonly asleep: string | null } | null;
}

export type Asleep = SlaveNow["asleep"];

interface Known {
  /** Undefined: it is not connected. */
  readonly peerId: string | undefined;
  readonly now: SlaveNow;
}

export class Whereabouts {
  readonly #tell: (event: FarmEvent) => void;
  readonly #life = randomUUID();
  #change = 0;
  /** By id, whoever has gone last at the end. */
  readonly #known = new Map<number, Known>();
  readonly #ids = new Map<string, number>();
  #steered = 0;

  constructor(tell: (event: FarmEvent) => void) {
    this.#tell = tell;
  }

  says(peerId: string, { presence, build, delivering, greeting }: SlaveWord): void {
    const { slaveId: id, label, phase } = presence;
    const before = this.#known.get(id);
    const isHere = before?.peerId === peerId;
    const said = greeting?.asleep ?? null;
    const asleep: Asleep =
      said === null ? (before?.now.asleep ?? null) : { by: "person", why: said };
    this.#ids.set(peerId, id);
    this.#put(
      peerId,
      {
        ...{ id, label, state: stateOf(phase, asleep), sinceAt: Date.now(), asleep, build },
        delivering,
        connectedAt: (isHere ? before.now.connectedAt : null) ?? Date.now(),
      },
      greeting?.facts ?? null,
    );
  }

  lost(peerId: string, end: PeerEnd): void {
    const id = this.#ids.get(peerId);
    this.#ids.delete(peerId);
    const known = id === undefined ? undefined : this.#known.get(id);
    // A newer session of the same slave may have taken its place.
    if (id === undefined || known?.peerId !== peerId) return;
    const hasLeft = end === "left" || end === "revoked";
    this.#known.delete(id);
    const { now } = known;
    this.#put(undefined, {
      ...now,
      state: hasLeft ? "gone" : "silent",
      sinceAt: Date.now(),
      build: hasLeft ? null : now.build,
      delivering: hasLeft ? 0 : now.delivering,
      connectedAt: null,
    });
    for (const [eldest, { peerId: connection }] of this.#known) {
      if (this.#known.size <= MOST_SLAVES_LISTED) return;
      if (connection === undefined) this.#known.delete(eldest);
    }
  }

  /** A person has put it to sleep, or has woken it. */
  steered(id: number, asleep: Asleep): void {
    this.#steered += 1;
    const known = this.#known.get(id);
    if (known !== undefined) this.#sleeps(known, asleep);
  }

  /** To be given back with what the database says: what was ordered meanwhile it does not know. */
  get orders(): number {
    return this.#steered;
  }

  /** Who is asleep, as the database had it. */
  sleepers(all: ReadonlyMap<number, Asleep>, orders: number): void {
    if (orders !== this.#steered) return;
    for (const known of [...this.#known.values()])
      this.#sleeps(known, all.get(known.now.id) ?? null);
  }

  snapshot(): { life: string; change: number; slaves: SlaveNow[] } {
    const slaves = Array.from(this.#known.values(), ({ now }) => now);
    return { life: this.#life, change: this.#change, slaves: slaves.slice(-MOST_SLAVES_LISTED) };
  }

  #sleeps({ peerId, now }: Known, asleep: Asleep): void {
    const { state } = now;
    const phase = state === "asleep" ? "idle" : state;
    this.#put(peerId, { ...now, asleep, state: stateOf(phase, asleep), sinceAt: Date.now() });
  }

  /** Says it where it is news. */
  #put(peerId: string | undefined, now: SlaveNow, facts: SlaveFacts | null = null): void {
    const before = this.#known.get(now.id)?.now;
    const isSameWork = before?.state === now.state && before.build?.token === now.build?.token;
    const told = isSameWork ? { ...now, sinceAt: before.sinceAt } : now;
    this.#known.set(now.id, { peerId, now: told });
    if (facts === null && before !== undefined && isSame(before, told)) return;
    this.#change += 1;
    this.#tell({ kind: "slave", life: this.#life, change: this.#change, facts, ...told });
  }
}

const stateOf = (phase: SlaveNow["state"], asleep: Asleep): SlaveNow["state"] =>
  phase === "idle" && asleep !== null ? "asleep" : phase;

const isSame = (a: SlaveNow, b: SlaveNow): boolean =>
  a.label === b.label &&
  a.state === b.state &&
  a.asleep?.by === b.asleep?.by &&
  a.asleep?.why === b.asleep?.why &&
  a.build?.token === b.build?.token &&
  a.build?.package === b.build?.package &&
  a.delivering === b.delivering &&
  a.connectedAt === b.connectedAt;
