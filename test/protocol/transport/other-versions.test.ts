/** Ends of different versions: whoever is refused is told why in words, and comes in once both are of one version. */
import { afterEach, describe, expect, it } from "vitest";
import { filesLink } from "../../../protocol/links/files.ts";
import { importLink } from "../../../protocol/links/import.ts";
import { slaveLink } from "../../../protocol/links/slave.ts";
import { encodeFrame } from "../../../protocol/transport/frame.ts";
import { makeHello } from "../../../protocol/transport/hello.ts";
import {
  bindEndpoint,
  connectEndpoint,
  type TransportLog,
} from "../../../protocol/transport/index.ts";
import { nodeLink } from "../../../protocol/transport/node-link.ts";
import type { Link, LinkMessages } from "../../../supervisor/index.ts";
import { silentLogger } from "../../../supervisor/index.ts";
import { closeAll, closeLater, until } from "./echo-link.ts";
import { RawPeer } from "./raw-peer.ts";

afterEach(closeAll);

const links: [string, Link<LinkMessages, LinkMessages>][] = [
  slaveLink,
  filesLink,
  importLink,
  nodeLink,
].map((link) => [link.name, link as unknown as Link<LinkMessages, LinkMessages>]);

async function serve(link: Link<LinkMessages, LinkMessages>) {
  const opened: string[] = [];
  const warnings: string[] = [];
  const note = (...said: unknown[]): void => void warnings.push(JSON.stringify(said));
  const log: TransportLog = { ...silentLogger, warn: note, info: note };
  const handlers = {
    opened: ({ slot }: { readonly slot: string }) => void opened.push(slot),
    message: () => undefined,
    closed: () => undefined,
  };
  const server = await bindEndpoint(link, {
    address: "tcp://127.0.0.1:0",
    handlers,
    log,
    heartbeatMs: 100,
  });
  closeLater(server);
  return { server, opened, warnings };
}

describe.each(links)("on the %s link", { timeout: 20_000 }, (_name, link) => {
  it.each([
    ["older", -1],
    ["newer", 1],
  ])(
    "a client of an %s version is refused in words on both sides, and comes in after its upgrade",
    async (which, by) => {
      const { server, opened, warnings } = await serve(link);
      const other = { ...link, version: link.version + by };
      const downs: string[] = [];
      const connect = (as: typeof link) => {
        const client = connectEndpoint(as, {
          address: server.address,
          log: silentLogger,
          retryMs: { min: 10, max: 50 },
          handlers: {
            up: () => downs.push("up"),
            down: (why) => downs.push(why),
            message: () => undefined,
          },
        });
        closeLater(client);
        return client;
      };
      const stale = connect(other);
      await until(() => downs.length > 0, "refused");
      const words =
        `the client speaks version ${other.version} (wire 2) of the ${link.name} link, the server version ${link.version} (wire 2): ` +
        `install the same version of the program on both (the ${which === "newer" ? "client" : "server"}'s is the newer one)`;
      expect(downs[0]).toBe(`refused: ${words}`);
      await until(() => warnings.some((line) => line.includes(words)), "said at the server");
      expect(server.counters()["hello refused"]).toBeGreaterThan(0);
      expect(opened).toEqual([]);
      await stale.close();
      connect(link);
      await until(() => downs.includes("up") && opened.length === 1, "let in");
    },
  );

  it("raw HELLOs of other wires and links are refused in words, whatever else is in them", async () => {
    const { server, opened } = await serve(link);
    const raw = new RawPeer(server.address);
    const hello = makeHello(link, raw.session, "raw", raw.routingId, { identity: "local:raw" });
    for (const [changes, reason] of [
      [{ wire: 1 }, "(the server's is the newer one)"],
      [{ wire: 99, linkVersion: 0, nonce: "of another kind" }, "(the client's is the newer one)"],
      [{ link: "another" }, `this is the ${link.name} link, not the another link`],
    ] as const) {
      await raw.send(encodeFrame("HELLO", raw.session, { ...hello, ...changes }));
      const answer = await raw.next();
      expect(answer.kind).toBe("REFUSED");
      expect(JSON.stringify(answer.payload)).toContain(reason);
    }
    expect(opened).toEqual([]);
    await raw.send(encodeFrame("HELLO", raw.session, hello));
    expect((await raw.next()).kind).toBe("WELCOME");
  });
});
