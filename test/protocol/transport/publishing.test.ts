import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, describe, expect, it } from "vitest";
import { Publisher as RawPublisher } from "zeromq";
import {
  bindPublisher,
  type ClientKeys,
  connectSubscriber,
  generateKeyPair,
} from "../../../protocol/transport/index.ts";
import { encodePublished } from "../../../protocol/transport/published-frame.ts";
import { silentLogger } from "../../../supervisor/index.ts";
import { closeAll, closeLater, echoLink, until } from "./echo-link.ts";

const folder = mkdtempSync(join(tmpdir(), "publishing-"));
afterEach(closeAll);
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const server = generateKeyPair();
const keysOf = (own = generateKeyPair()) => ({ own, serverPublicKey: server.publicKey });

async function publish(address = "tcp://127.0.0.1:0") {
  const publisher = await bindPublisher(echoLink, { address, log: silentLogger, heartbeatMs: 20 });
  closeLater(publisher);
  return publisher;
}

function listen(address: string, keys?: ClientKeys) {
  const events: (number | string)[] = [];
  const subscription = connectSubscriber(echoLink, {
    address,
    ...(keys && { keys }),
    log: silentLogger,
    onMessage: (message) => {
      events.push(message.type === "NEWS" ? message.body.n : message.type);
    },
    onGap: (missed) => {
      events.push(`missed ${missed}`);
    },
  });
  closeLater(subscription);
  return events;
}

const WITHIN_MS = 30_000;

describe("a publisher with keys", { timeout: 120_000 }, () => {
  it("is heard by those alone whose key it lets in, and no more by one that has lost it", async () => {
    const [stays, leaves] = [keysOf(), keysOf()];
    const keys = new Set([stays.own.publicKey, leaves.own.publicKey]);
    let asked = 0;
    const publisher = await bindPublisher(echoLink, {
      ...{ address: "tcp://127.0.0.1:0", log: silentLogger, heartbeatMs: 40 },
      keys: {
        secret: server,
        isAuthorised: (key) => {
          if (key === leaves.own.publicKey) asked += 1;
          return keys.has(key);
        },
        mayStay: (key) => keys.has(key),
      },
    });
    closeLater(publisher);
    const honest = listen(publisher.address, stays);
    const leaver = listen(publisher.address, leaves);
    const strangers = [
      listen(publisher.address, keysOf()),
      listen(publisher.address),
      listen(publisher.address, { own: stays.own, serverPublicKey: generateKeyPair().publicKey }),
    ];
    let n = 0;
    const say = () => {
      n += 1;
      publisher.publish("NEWS", { n });
    };
    await until(
      () => {
        say();
        return honest.length > 0 && leaver.length > 0;
      },
      "both are in",
      WITHIN_MS,
    );
    await until(
      () => (publisher.counters()["handshake failed"] ?? 0) > 2,
      "strangers are counted",
      WITHIN_MS,
    );
    expect(publisher.counters()["key not authorised"]).toBeGreaterThan(0);

    keys.delete(leaves.own.publicKey);
    const before = n;
    asked = 0;
    // It was thrown out, and is at the door again.
    await until(() => asked > 0, "cut", WITHIN_MS);
    await until(
      () => {
        say();
        return Number(honest.at(-1)) > before;
      },
      "the other one is back",
      WITHIN_MS,
    );
    // It knows what it missed.
    const first = honest.findIndex((event) => Number(event) > before);
    if (honest[first] !== before + 1) expect(honest[first - 1]).toMatch(/^missed /);
    expect(leaver.filter((event) => Number(event) > before)).toEqual([]);
    expect(strangers).toEqual([[], [], []]);
  });

  it("demands them where other machines could reach it", async () => {
    const address = "tcp://192.0.2.1:5558";
    await expect(publish(address)).rejects.toThrow(/needs keys/);
    expect(() => listen(address)).toThrow(/needs keys/);
  });
});

describe.each([{ way: "tcp://127.0.0.1:0" }, { way: `ipc://${folder}/status` }])(
  "a publisher on $way",
  { timeout: 10_000 },
  ({ way }) => {
    it("is heard in order by each listener from when it came", async () => {
      const publisher = await publish(way);
      publisher.publish("NEWS", { n: 0 });
      const listeners = [listen(publisher.address), listen(publisher.address)];
      let n = 0;
      await until(() => {
        n += 1;
        publisher.publish("NEWS", { n });
        return listeners.every((events) => events.length > 0);
      }, "both hear");
      const last = n + 100;
      while (n < last) {
        n += 1;
        publisher.publish("NEWS", { n });
      }
      await until(() => listeners.every((events) => events.at(-1) === last), "the last one");
      for (const events of listeners) {
        const first = Number(events[0]);
        expect(events).toEqual(Array.from({ length: last - first + 1 }, (_, at) => first + at));
      }
    });

    it("that is restarted is found again, and the listener knows that it may have missed something", async () => {
      const first = await publish(way);
      const events = listen(first.address);
      await until(() => {
        first.publish("NEWS", { n: 1 });
        return events.length > 0;
      }, "heard");
      await first.close();
      const second = await publish(first.address);
      await until(() => events.includes("missed 0"), "the gap, before anything is said");
      await until(() => {
        second.publish("NEWS", { n: 2 });
        return events.includes(2);
      }, "heard again");
      expect(events.slice(events.lastIndexOf(1) + 1, events.indexOf(2))).toEqual(["missed 0"]);
    });
  },
);

it("a publisher encodes nothing while nobody listens, and numbers it all the same", {
  timeout: 10_000,
}, async () => {
  const publisher = await publish();
  let reads = 0;
  const body = {
    get n() {
      reads += 1;
      return reads;
    },
  };
  publisher.publish("NEWS", body);
  expect(reads).toBe(0);
  const events = listen(publisher.address);
  await until(() => {
    publisher.publish("NEWS", body);
    return events.length > 0;
  }, "heard");
  expect(reads).toBeGreaterThan(0);
  await closeAll();
});

it("each listener that comes hears how far the numbers are, and after the last one nothing is encoded", {
  timeout: 30_000,
}, async () => {
  const publisher = await bindPublisher(echoLink, {
    ...{ address: "tcp://127.0.0.1:0", log: silentLogger },
    heartbeatMs: 3_600_000,
  });
  closeLater(publisher);
  const come = async () => {
    let isHearing = false;
    const subscription = connectSubscriber(echoLink, {
      ...{ address: publisher.address, log: silentLogger },
      ...{ onMessage: () => undefined, onGap: () => undefined },
      onSign: () => {
        isHearing = true;
      },
    });
    closeLater(subscription);
    await until(() => isHearing, "heard");
    return subscription;
  };
  const [first, second] = [await come(), await come()];
  await first.close();
  const third = await come();
  await Promise.all([second.close(), third.close()]);
  await until(() => {
    let wasRead = false;
    publisher.publish("NEWS", {
      get n() {
        wasRead = true;
        return 1;
      },
    });
    return !wasRead;
  }, "nobody listens");
});

describe("a listener", { timeout: 10_000 }, () => {
  it("is told how many it missed, also where nothing follows, and takes no nonsense", async () => {
    const raw = new RawPublisher({ linger: 0 });
    closeLater({
      close: () => {
        raw.close();
      },
    });
    await raw.bind("tcp://127.0.0.1:0");
    const events = listen(raw.lastEndpoint ?? "");
    const news = (sequence: number, body: unknown = { n: sequence }) =>
      raw.send(encodePublished({ epoch: "e", sequence, message: { type: "NEWS", body } }));
    const startedAtMs = performance.now();
    while (events.length === 0) {
      expect(performance.now() - startedAtMs).toBeLessThan(5_000);
      await news(1);
      await new Promise((resolve) => {
        setTimeout(resolve, 5);
      });
    }
    await news(2);
    await news(5);
    await news(5);
    await raw.send("nonsense");
    await raw.send(["two", "parts"]);
    await news(6, "not a body");
    await raw.send(
      encodePublished({ epoch: "e", sequence: 6, message: { type: "DANCE", body: 1 } }),
    );
    await raw.send(encodePublished({ epoch: "e", sequence: 9, message: null }));
    await news(10);
    await until(() => events.at(-1) === 10, "the last one");
    expect(events.slice(events.lastIndexOf(1))).toEqual([1, 2, "missed 2", 5, "missed 3", 10]);
  });

  it("and a publisher have no keys and stay on this machine", async () => {
    await expect(publish("tcp://*:0")).rejects.toThrow(/needs keys/);
    expect(() => listen("tcp://192.0.2.1:1")).toThrow(/needs keys/);
  });
});
