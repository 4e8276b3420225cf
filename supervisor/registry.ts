/**
 * Names for actors, so that those who need somebody need not know where he lives: in the spirit of OTP's
 * `pg` and of Akka's receptionist. Several actors may have one name. A name is freed when its actor ends
 * for good, and not when it restarts. Local actors only.
 */
import type { ActorRef, AnyRef } from "./actor-ref.ts";
import type { Envelope, Guard } from "./mailbox.ts";
import { isRemotePath } from "./nodes/nodes.ts";
import type { Runtime } from "./runtime.ts";
import { SupervisionError } from "./supervision-error.ts";

/** Who has a name. `M` is what the asker says that they understand; it is not checked. */
export interface Listing<M = unknown> {
  readonly name: string;
  /** In the order of their registration; empty when nobody has it. */
  readonly refs: readonly ActorRef<M>[];
}

/** The subscribing incarnation. */
export interface Subscriber {
  deliverNews(envelope: Envelope): void;
}

/**
 * What a subscriber gets: one envelope, sent again at each change, at most one of which waits. Its body is
 * the listing as of the moment when it is taken.
 */
class Subscription implements Guard, Envelope {
  readonly type: string;
  readonly ask = undefined;
  readonly guard = this;
  readonly #subscriber: Subscriber;
  readonly #list: () => Listing;
  #isWaiting = false;
  #isActive = true;

  constructor(subscriber: Subscriber, type: string, list: () => Listing) {
    this.#subscriber = subscriber;
    this.type = type;
    this.#list = list;
  }

  get body(): Listing {
    return this.#list();
  }

  changed(): void {
    if (this.#isWaiting) return;
    this.#isWaiting = true;
    this.#subscriber.deliverNews(this);
  }

  end(): void {
    this.#isActive = false;
  }

  admit(): "take" | "drop" {
    this.#isWaiting = false;
    return this.#isActive ? "take" : "drop";
  }
}

interface Entry {
  readonly refs: Map<string, ActorRef<unknown>>;
  readonly subscriptions: Map<Subscriber, Subscription>;
}

const longestName = 200;

export class Registry {
  readonly #runtime: Pick<Runtime, "receivers" | "ref">;
  readonly #entries = new Map<string, Entry>();
  readonly #namesByPath = new Map<string, Set<string>>();
  readonly #namesBySubscriber = new Map<Subscriber, Set<string>>();

  constructor(runtime: Pick<Runtime, "receivers" | "ref">) {
    this.#runtime = runtime;
  }

  /**
   * Twice is as once.
   *
   * @throws SupervisionError `not_found` (nobody who takes messages lives there), `not_local`, `malformed`.
   */
  register(name: string, { path }: AnyRef): void {
    if (name === "" || name.length > longestName) {
      throw new SupervisionError("malformed", `a name has 1 to ${longestName} characters`);
    }
    if (isRemotePath(path)) {
      throw new SupervisionError("not_local", `${path}: lives on another node`);
    }
    if (!this.#runtime.receivers.get(path)?.isOpen) {
      throw new SupervisionError("not_found", `${path}: nobody lives there`);
    }
    const entry = this.#entry(name);
    if (entry.refs.has(path)) return;
    entry.refs.set(path, this.#runtime.ref(path));
    addTo(this.#namesByPath, path, name);
    publish(entry);
  }

  unregister(name: string, { path }: AnyRef): void {
    if (!this.#namesByPath.get(path)?.delete(name)) return;
    if (this.#namesByPath.get(path)?.size === 0) this.#namesByPath.delete(path);
    this.#remove(name, path);
  }

  listing<M>(name: string): Listing<M> {
    const refs = [...(this.#entries.get(name)?.refs.values() ?? [])] as ActorRef<M>[];
    return { name, refs };
  }

  subscribe(subscriber: Subscriber, name: string, type: string): void {
    const { subscriptions } = this.#entry(name);
    if (subscriptions.has(subscriber)) return;
    const subscription = new Subscription(subscriber, type, () => this.listing(name));
    subscriptions.set(subscriber, subscription);
    addTo(this.#namesBySubscriber, subscriber, name);
    subscription.changed();
  }

  unsubscribe(subscriber: Subscriber, name: string): void {
    this.#namesBySubscriber.get(subscriber)?.delete(name);
    this.#unsubscribe(subscriber, name);
  }

  /** An actor has ended for good. */
  terminated(path: string): void {
    const names = this.#namesByPath.get(path);
    if (!names) return;
    this.#namesByPath.delete(path);
    for (const name of names) this.#remove(name, path);
  }

  /** A subscriber's incarnation has ended. */
  forget(subscriber: Subscriber): void {
    const names = this.#namesBySubscriber.get(subscriber);
    if (!names) return;
    this.#namesBySubscriber.delete(subscriber);
    for (const name of names) this.#unsubscribe(subscriber, name);
  }

  #entry(name: string): Entry {
    const entry = this.#entries.get(name) ?? { refs: new Map(), subscriptions: new Map() };
    this.#entries.set(name, entry);
    return entry;
  }

  #remove(name: string, path: string): void {
    const entry = this.#entries.get(name);
    if (!entry?.refs.delete(path)) return;
    publish(entry);
    this.#dropIfUnused(name, entry);
  }

  #unsubscribe(subscriber: Subscriber, name: string): void {
    const entry = this.#entries.get(name);
    if (!entry) return;
    entry.subscriptions.get(subscriber)?.end();
    entry.subscriptions.delete(subscriber);
    this.#dropIfUnused(name, entry);
  }

  #dropIfUnused(name: string, { refs, subscriptions }: Entry): void {
    if (refs.size === 0 && subscriptions.size === 0) this.#entries.delete(name);
  }
}

function publish({ subscriptions }: Entry): void {
  for (const subscription of subscriptions.values()) subscription.changed();
}

function addTo<K>(names: Map<K, Set<string>>, key: K, name: string): void {
  const own = names.get(key) ?? new Set();
  own.add(name);
  names.set(key, own);
}
