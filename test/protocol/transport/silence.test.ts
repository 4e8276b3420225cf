import { setTimeout as delay } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { Dealer, Router } from "zeromq";
import { encodeFrame } from "../../../protocol/transport/frame.ts";
import { FrameWriter } from "../../../protocol/transport/frame-writer.ts";
import { asBytes } from "../../../protocol/transport/framing.ts";
import { makeHello, makeRoutingId } from "../../../protocol/transport/hello.ts";
import { ServerSide } from "../../../protocol/transport/server-side.ts";
import { SocketReader } from "../../../protocol/transport/socket-reader.ts";
import { Tally } from "../../../protocol/transport/tally.ts";
import { type PeerEnd, silentLogger } from "../../../supervisor/index.ts";
import { closeAll, closeLater, echoLink } from "./echo-link.ts";

afterEach(closeAll);

/** A server's side without a socket: frames are handed in, time is passed by hand. */
function standAlone(drained: (say: (frame: Buffer) => void) => Promise<void>) {
  const ended: PeerEnd[] = [];
  const routingId = Buffer.from(makeRoutingId());
  const receive = (frame: Buffer) => {
    side.receive([routingId, frame]);
  };
  const side = new ServerSide(
    echoLink,
    {
      door: { link: echoLink },
      handlers: {
        opened: () => undefined,
        message: () => undefined,
        closed: (_, end) => {
          ended.push(end);
        },
      },
      tally: new Tally(silentLogger, {}),
      heartbeatMs: 1_000,
      outboxBound: 10,
      largestMessageBytes: 1_000,
      window: 10,
      framing: asBytes,
      drained: () => drained(receive),
    },
    new FrameWriter(
      { send: () => Promise.resolve() },
      { unreachable: () => undefined, failed: () => undefined },
    ),
  );
  const who = { identity: "local:a" };
  const hello = makeHello(echoLink, "session-1", "main", routingId.toString(), who);
  receive(encodeFrame("HELLO", "session-1", hello));
  return { side, ended };
}

describe("a bound end", () => {
  it("calls a peer silent after four heartbeats of time that counts", async () => {
    const { side, ended } = standAlone(() => Promise.resolve());
    for (let passed = 0; passed < 3_750; passed += 250) side.tick(250);
    await delay(1);
    expect(ended).toEqual([]);
    side.tick(250);
    await delay(1);
    expect(ended).toEqual(["silent"]);
  });

  it("does not judge before what lies unread was heard", async () => {
    const { side, ended } = standAlone((say) => {
      say(encodeFrame("WHO", "session-1", null));
      return Promise.resolve();
    });
    for (let passed = 0; passed < 20_000; passed += 250) {
      side.tick(250);
      await Promise.resolve();
      await Promise.resolve();
    }
    expect(ended).toEqual([]);
  });
});

describe("a reader", { timeout: 10_000 }, () => {
  it("is drained when everything that came was taken, and not before", async () => {
    const router = new Router({ linger: 0 });
    const dealer = new Dealer({ linger: 0 });
    await router.bind("tcp://127.0.0.1:0");
    dealer.connect(router.lastEndpoint ?? "");
    let taken = 0;
    for (let n = 0; n < 500; n += 1) await dealer.send("x");
    await delay(200);
    const reader = new SocketReader(router, {
      take: () => {
        taken += 1;
      },
      failed: () => undefined,
    });
    closeLater({
      close: () => {
        router.close();
        dealer.close();
      },
    });
    await reader.drained(10_000);
    expect(taken).toBe(500);
    await reader.drained(0);
    router.close();
    await reader.ended;
  });
});
