/**
 * How often somebody may try in vain: a leaky bucket per address and one for all together, whose bound also bounds how many
 * addresses there can be to remember. IPv6 counts by /64, which is what one customer is given.
 */
import { isIPv4, isIPv6 } from "node:net";

export interface AttemptRates {
  /** Attempts that may come at once. */
  readonly burst: number;
  /** Attempts that are forgotten in a second. */
  readonly perSecond: number;
}

export interface AttemptLimitOptions {
  readonly perAddress: AttemptRates;
  readonly inAll: AttemptRates;
  /** In ms; for tests. */
  readonly now?: () => number;
}

interface Bucket {
  level: number;
  /** When the level was that. */
  at: number;
}

/** Far beyond what `inAll` lets through while a bucket empties; the oldest are forgotten then. */
const MAX_ADDRESSES = 10_000;

export class AttemptLimits {
  readonly #perAddress: AttemptRates;
  readonly #inAll: AttemptRates;
  readonly #now: () => number;
  /** Those that were touched last at the end. */
  readonly #buckets = new Map<string, Bucket>();
  readonly #all: Bucket = { level: 0, at: 0 };

  constructor({ perAddress, inAll, now = () => performance.now() }: AttemptLimitOptions) {
    this.#perAddress = perAddress;
    this.#inAll = inAll;
    this.#now = now;
  }

  /** Takes up an attempt. Gives 0, or where there is no room for it after how many seconds there may be. */
  take(address: string): number {
    const key = addressKey(address);
    const bucket = this.#buckets.get(key) ?? { level: 0, at: this.#now() };
    const waitS = Math.max(
      this.#waitS(bucket, this.#perAddress),
      this.#waitS(this.#all, this.#inAll),
    );
    if (waitS > 0) return waitS;
    bucket.level += 1;
    this.#all.level += 1;
    this.#buckets.delete(key);
    this.#buckets.set(key, bucket);
    this.#forget();
    return 0;
  }

  /** It was not in vain. */
  giveBack(address: string): void {
    const bucket = this.#buckets.get(addressKey(address));
    if (bucket !== undefined) bucket.level = Math.max(0, bucket.level - 1);
    this.#all.level = Math.max(0, this.#all.level - 1);
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  #waitS(bucket: Bucket, { burst, perSecond }: AttemptRates): number {
    const now = this.#now();
    bucket.level = Math.max(0, bucket.level - ((now - bucket.at) / 1_000) * perSecond);
    bucket.at = now;
    const excess = bucket.level + 1 - burst;
    return excess <= 0 ? 0 : Math.ceil(excess / perSecond);
  }

  /** Whoever was not seen for so long that its bucket is empty. */
  #forget(): void {
    const emptyMs = (this.#perAddress.burst / this.#perAddress.perSecond) * 1_000;
    const oldest = this.#now() - emptyMs;
    for (const [key, { at }] of this.#buckets) {
      if (at >= oldest && this.#buckets.size <= MAX_ADDRESSES) return;
      this.#buckets.delete(key);
    }
  }
}

/** What counts as one address: an IPv4 one however it is written, the first 64 bits of an IPv6 one. */
export function addressKey(address: string): string {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (isIPv4(address)) return address;
  const [plain = ""] = address.split("%");
  if (!isIPv6(plain)) return "elsewhere";
  const [head = "", tail] = plain.split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  // The last group may be written as an IPv4 address, which is two.
  const count = after.length + (after.at(-1)?.includes(".") ? 1 : 0);
  const missing = tail === undefined ? 0 : 8 - groups.length - count;
  const whole = [...groups, ...Array.from({ length: missing }, () => "0"), ...after];
  return whole
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(":");
}
