/** Large binaries, which travel beside their frames: whole, uncopied, and only where the frame announces them. */
import { randomBytes } from "node:crypto";
import { afterEach, describe, expect, it } from "vitest";
import { BULK_BYTES, BulkyFrame } from "../../../protocol/transport/bulky-frame.ts";
import { decodeFrame, decodeMessages, type Packet } from "../../../protocol/transport/frame.ts";
import { asBytes } from "../../../protocol/transport/framing.ts";
import { callEcho, closeAll, serveEcho, until } from "./echo-link.ts";
import { RawPeer } from "./raw-peer.ts";

afterEach(closeAll);

const tell = (body: unknown) => ({ kind: "tell" as const, type: "BLOB", body });

const frameOf = (body: unknown): Packet =>
  asBytes.open("a-session", (packing) => packing.data(1, 10, [packing.pack(tell(body))]));

function bulkyFrameOf(body: unknown): BulkyFrame {
  const frame = frameOf(body);
  if (!(frame instanceof BulkyFrame)) throw new Error("it is in one part");
  return frame;
}

const dataOf = (message: { readonly body: unknown } = { body: { data: [] } }): Buffer =>
  Buffer.from((message.body as { data: Uint8Array }).data);

describe("a frame with a large binary", () => {
  it.each([
    ["alone", {}],
    ["after others", { token: 7, filename: "a.whl", offset: 2 ** 40, empty: Buffer.alloc(0) }],
    ["after what is nested", { a: { b: [Buffer.alloc(0)] } }],
  ])("is in two parts and copied by neither side: %s", (_what, others) => {
    const data = randomBytes(BULK_BYTES);
    const frame = bulkyFrameOf({ ...others, data });
    expect(frame.bulk === data).toBe(true);
    expect(frame.head.length).toBeLessThan(200);
    const [message] = decodeMessages(decodeFrame(frame).payload);
    const { data: arrived, ...rest } = (message ?? expect.fail()).body as { data: unknown };
    // To compare so many bytes one by one takes vitest a second.
    expect(arrived === data).toBe(true);
    expect(rest).toEqual(others);
  });

  it("together the parts are the bytes of one part", () => {
    const { head, bulk } = bulkyFrameOf({ token: 7, data: randomBytes(BULK_BYTES) });
    const [message] = decodeMessages(decodeFrame(Buffer.concat([head, bulk])).payload);
    expect(dataOf(message).equals(bulk)).toBe(true);
  });

  it.each([
    ["a smaller one", { data: Buffer.alloc(BULK_BYTES - 1) }],
    ["one that is not last", { data: Buffer.alloc(BULK_BYTES), n: 1 }],
    ["one in a list", { list: [Buffer.alloc(BULK_BYTES)] }],
    ["one after much else", { text: "x".repeat(40_000), data: Buffer.alloc(BULK_BYTES) }],
  ])("is in one part with %s", (_what, body) => {
    expect(frameOf(body)).toBeInstanceOf(Buffer);
  });

  it("is refused where more comes before it than a message has, and goes to the end of a list as of a map", () => {
    const { head, bulk } = bulkyFrameOf({ list: [1, 2], data: randomBytes(BULK_BYTES) });
    const [message] = decodeMessages(decodeFrame(new BulkyFrame(head, bulk)).payload);
    expect(dataOf(message).equals(bulk)).toBe(true);
    const long = Buffer.concat([Buffer.alloc(70_000, 1), head]);
    expect(() => decodeFrame(new BulkyFrame(long, bulk))).toThrow(/more comes before/);
  });

  it("whatever is cut from it or changed in it is refused or stays within it", () => {
    const { head, bulk } = bulkyFrameOf({ token: 7, data: randomBytes(BULK_BYTES) });
    for (let at = 0; at < head.length; at += 1) {
      expect(() => decodeFrame(new BulkyFrame(head.subarray(0, at), bulk))).toThrow();
      const changed = Buffer.from(head);
      changed[at] = (changed[at] ?? 0) ^ 0x41;
      try {
        decodeMessages(decodeFrame(new BulkyFrame(changed, bulk)).payload);
      } catch (error) {
        expect(error).toMatchObject({ name: "MalformedFrameError" });
      }
    }
  });
});

describe("on a link", { timeout: 10_000 }, () => {
  it("large and small ones arrive whole and in order, both ways", async () => {
    const server = await serveEcho();
    const client = callEcho(server.address);
    await until(() => client.ups() === 1, "up");
    const blobs = [1_000_000, 10, BULK_BYTES, 300_000, 0].map((size) => randomBytes(size));
    for (const data of blobs) expect(client.send("BLOB", { data })).toBe("sent");
    await until(() => server.heard.length === blobs.length, "heard");
    expect(blobs.map((data, at) => dataOf(server.heard[at]).equals(data))).not.toContain(false);
    for (const data of blobs) server.send(server.opened[0] ?? expect.fail(), "BLOB", { data });
    await until(() => client.heard.length === blobs.length, "heard");
    expect(blobs.map((data, at) => dataOf(client.heard[at]).equals(data))).not.toContain(false);
  });

  const { head, bulk } = bulkyFrameOf({ data: Buffer.alloc(BULK_BYTES) });
  it.each([
    ["of another length", [head, bulk.subarray(1)]],
    ["after a frame that announces none", [Buffer.from("no frame"), bulk]],
    ["and a third one", [head, bulk, bulk]],
    ["a hundred times", Array.from({ length: 100 }, () => head)],
  ])(
    "a second part %s costs its sender the session, and nobody else anything",
    async (_what, parts) => {
      const server = await serveEcho();
      const honest = callEcho(server.address);
      await until(() => honest.ups() === 1, "up");
      const raw = new RawPeer(server.address);
      expect((await raw.hello()).kind).toBe("WELCOME");
      await raw.socket.send(parts);
      expect(await raw.next()).toMatchObject({ kind: "END", payload: { end: "dropped" } });
      expect(server.counters()).toMatchObject({ "malformed frame": 1 });
      expect(await honest.ask("ECHO", { text: "ok" }, 5_000)).toEqual({ text: "ok" });
      expect(server.heard.filter(({ type }) => type === "BLOB")).toEqual([]);
    },
  );
});
