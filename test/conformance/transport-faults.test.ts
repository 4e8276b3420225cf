/** Conformance: a session over a network that loses, repeats and reorders by seed. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import { createMemoryNetwork } from "../../protocol/transport/index.ts";
import {
  callEcho,
  closeAll,
  closeLater,
  serveEcho,
  until,
} from "../protocol/transport/echo-link.ts";

afterEach(closeAll);

const rows = [0.1, 0.2, 0.3].flatMap((p) => [1, 2, 3].map((seed) => ({ p, seed })));

describe("over memory", () => {
  it.each(rows)(
    "59: a session that loses, repeats and reorders frames with p = $p (seed $seed) only loses, and counts it",
    async ({ p, seed }) => {
      const name = `faults-${p}-${seed}`;
      const network = createMemoryNetwork({
        name,
        seed,
        faults: { lose: p, repeat: p, reorder: p },
      });
      closeLater(network);
      const address = `memory://${name}/link`;
      const server = await serveEcho({ address, heartbeatMs: 250 });
      const client = callEcho(address, { heartbeatMs: 250 });
      await until(() => client.ups() === 1, "up");
      const peer = server.opened[0] ?? expect.fail();
      const most = 400;
      for (let n = 1; n <= most; n += 1) {
        expect(client.send("NOTE", { n })).toBe("sent");
        expect(server.send(peer, "NEWS", { n })).toBe("sent");
        // Each in a frame of its own.
        await nextTurn();
      }
      // The next heartbeats get through, and say how far the other side had come.
      network.setFaults({ lose: 0, repeat: 0, reorder: 0 });
      const sides = [
        { heard: server.heard, counters: () => server.counters() },
        { heard: client.heard, counters: () => client.counters() },
      ];
      for (const { heard, counters } of sides) {
        const lost = () => counters()["lost message"] ?? 0;
        await until(() => heard.length + lost() === most, "each is heard or counted as lost");
        const numbers = heard.map(({ body }) => ("n" in body ? body.n : 0));
        const inOrder = [...new Set(numbers)].toSorted((a, b) => a - b);
        expect(numbers).toEqual(inOrder);
        expect(lost()).toBeGreaterThan(most * p * 0.5);
        expect(numbers.length).toBeGreaterThan(most * 0.2);
        expect(counters()["repeated frame"]).toBeGreaterThan(0);
      }
      expect(client.downs).toEqual([]);
      expect(server.ended).toEqual([]);
    },
  );
});
