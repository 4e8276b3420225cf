/** Conformance: what is noticed of a peer process that is killed, or that stood still. */
import { afterEach, describe, expect, it } from "vitest";
import type { Peer, PeerEnd } from "../../supervisor/index.ts";
import { startChild } from "../protocol/transport/child-process.ts";
import { closeAll, until } from "../protocol/transport/echo-link.ts";
import { goBy, wireWays } from "../protocol/transport/ways.ts";

afterEach(closeAll);

const numbersIn = (text: string) =>
  [...text.matchAll(/^heard (\d+)$/gm)].map(([, number]) => Number(number));

describe.each(wireWays)("over $way", { timeout: 20_000 }, (way) => {
  const { serve, call, childKeys } = goBy(way);

  it("58: a peer killed with -9 and started again is found, nothing comes twice, and what may be lost is told", async () => {
    const first = startChild("child-server.ts", way.address, childKeys);
    await until(() => first.text().includes("bound"), "bound", 10_000);
    const address = /^bound (\S+)/.exec(first.text())?.[1] ?? "";
    const client = await call(address);
    /** What `send` said `sent` to, by session. */
    const sent: number[][] = [[], [], []];
    let n = 0;
    const talking = setInterval(() => {
      n += 1;
      if (client.send("NOTE", { n }) === "sent") sent[client.ups()]?.push(n);
    }, 1);
    try {
      await until(() => numbersIn(first.text()).length > 50, "some are heard");
      first.process.kill("SIGKILL");
      await until(() => client.downs.length > 0, "the client is told");
      const gone = n + 1;
      await until(() => n > gone + 5, "some have nowhere to go");
      const second = startChild("child-server.ts", address, childKeys);
      await until(() => client.ups() === 2, "up again", 10_000);
      await until(() => numbersIn(second.text()).length > 50, "more are heard");
      clearInterval(talking);
      await until(() => numbersIn(second.text()).at(-1) === sent[2]?.at(-1), "the last one");
      const heard = [numbersIn(first.text()), numbersIn(second.text())];
      // The gap is the end of a session, and nothing else.
      expect(heard[0]).toEqual(sent[1]?.slice(0, heard[0]?.length));
      expect(heard[1]).toEqual(sent[2]);
      expect(client.downs).toHaveLength(1);
      expect(heard.flat()).not.toContain(gone);
    } finally {
      clearInterval(talking);
    }
  });

  it("62: a peer that fills what may lie unread and goes does not end the process that stood still meanwhile", async () => {
    const child = startChild("child-server.ts", way.address, childKeys);
    await until(() => child.text().includes("bound"), "bound", 10_000);
    const address = /^bound (\S+)/.exec(child.text())?.[1] ?? "";
    const honest = await call(address, { heartbeatMs: 5_000 });
    const flooding = await call(address, { heartbeatMs: 5_000, slot: "flooding" });
    expect(honest.send("NOTE", { n: -2_000 })).toBe("sent");
    await until(() => child.text().includes("stands still"), "it stands still");
    const data = Buffer.alloc(200_000);
    for (let sent = 0; sent < 200; sent += 1) {
      flooding.send("BLOB", { data });
      await new Promise((resolve) => setImmediate(resolve));
    }
    await flooding.close();
    await until(() => child.text().includes("heard -2000"), "it goes on", 10_000);
    const again = await call(address, { slot: "later" });
    again.send("NOTE", { n: 7 });
    await until(() => child.text().includes("heard 7"), "it serves");
    expect(child.process.exitCode).toBeNull();
    expect(child.process.signalCode).toBeNull();
  });

  it("63: a peer stopped for three seconds loses its session, and goes on with a new one that has nothing of the old", async () => {
    const opened: Peer[] = [];
    const closed: { peer: Peer; end: PeerEnd }[] = [];
    const heard: { peer: Peer; n: number }[] = [];
    const replies: ((outcome: { value: unknown }) => void)[] = [];
    const server = await serve({
      heartbeatMs: 200,
      handlers: {
        opened: (peer) => void opened.push(peer),
        closed: (peer, end) => void closed.push({ peer, end }),
        message: (peer, message, reply) => {
          if (message.type === "NOTE") heard.push({ peer, n: message.body.n });
          if (reply) replies.push(reply);
        },
      },
    });
    const child = startChild("child-client.ts", server.address, {
      ...childKeys,
      heartbeatMs: 200,
      isTalkative: true,
    });
    await until(() => heard.length > 20 && replies.length === 1, "it talks", 10_000);
    child.process.kill("SIGSTOP");
    const stoppedAtMs = performance.now();
    await until(() => closed.length === 1, "its session ends");
    expect(closed).toEqual([{ peer: opened[0], end: "silent" }]);
    const heardBefore = heard.length;
    replies[0]?.({ value: {} });
    expect(server.counters()["reply dropped"]).toBe(1);
    expect(server.send(opened[0] ?? expect.fail(), "NEWS", { n: 1 })).toBe("gone");
    await until(() => performance.now() - stoppedAtMs > 3_000, "three seconds");
    child.process.kill("SIGCONT");
    await until(() => opened.length === 2, "a new session");
    await until(() => heard.length > heardBefore + 20 && replies.length === 2, "it talks again");
    expect(child.text()).toMatch(
      // When the asker hears of it, before or after the session's end, is nobody's promise.
      /^up\n(ask gone\n)?down (silent|disconnected|unknown session).*\n(ask gone\n)?up\n(ask gone\n)?$/,
    );
    expect(child.text().match(/ask gone/g)).toHaveLength(1);
    const later = heard.slice(heardBefore);
    expect(later.every(({ peer }) => peer === opened[1])).toBe(true);
    const numbers = heard.map((one) => one.n);
    expect(numbers).toEqual([...new Set(numbers)].toSorted((a, b) => a - b));
    expect(closed).toHaveLength(1);
  });
});
