import { afterEach, describe, expect, it } from "vitest";
import { closeAll, until } from "./echo-link.ts";
import { allWays, goBy } from "./ways.ts";

afterEach(closeAll);

describe.each(allWays)("a link over $way", { timeout: 10_000 }, (way) => {
  const { serve, call, clientKeys } = goBy(way);

  it("answers a question and tells who asked", async () => {
    const server = await serve();
    const client = await call(server.address, { slot: "one" });
    expect(await client.ask("ECHO", { text: "hello" }, 5_000)).toEqual({ text: "hello" });
    const [peer] = server.opened;
    expect(peer?.slot).toBe("one");
    if (clientKeys) expect(peer?.identity).toBe(clientKeys.own.publicKey);
    else expect(peer?.identity).toMatch(/^local:/);
  });

  it("rejects a question that is not answered within its deadline", async () => {
    const server = await serve();
    const client = await call(server.address);
    await expect(client.ask("HUSH", {}, 30)).rejects.toMatchObject({ code: "timeout" });
  });

  it("delivers in order, in both directions, whatever the size", async () => {
    const server = await serve();
    const client = await call(server.address);
    const [peer] = server.opened;
    if (peer === undefined) throw new Error("nobody came");
    const data = Buffer.alloc(1024 * 1024, 7);
    for (let n = 0; n < 300; n += 1) {
      expect(client.send("NOTE", { n })).toBe("sent");
      expect(server.send(peer, "NEWS", { n })).toBe("sent");
      if (n % 100 === 50) client.send("BLOB", { data });
    }
    await until(() => server.heard.length === 303 && client.heard.length === 300, "all");
    const numbers = Array.from({ length: 300 }, (_, n) => n);
    const notes = server.heard.flatMap((one) => (one.type === "NOTE" ? [one.body.n] : []));
    expect(notes).toEqual(numbers);
    expect(client.heard.map((one) => one.type === "NEWS" && one.body.n)).toEqual(numbers);
    const blobs = server.heard.flatMap((one, at) => (one.type === "BLOB" ? [{ one, at }] : []));
    expect(blobs.map(({ at }) => at)).toEqual([51, 152, 253]);
    for (const { one } of blobs) expect(data.equals(one.body.data)).toBe(true);
  });

  it("brings the client back with a new session after the server was restarted", async () => {
    const first = await serve();
    const client = await call(first.address);
    const asked = client.ask("HUSH", {}, 5_000).catch((error: unknown) => error);
    await until(() => first.heard.length === 1, "the question");
    await first.close();
    expect(await asked).toMatchObject({ code: "gone" });
    expect(first.ended).toMatchObject([{ end: "closed" }]);
    await until(() => client.downs.length === 1, "down");
    expect(client.downs[0]).toMatch(/^server closed/);
    expect(client.send("NOTE", { n: 1 })).toBe("gone");
    await expect(client.ask("ECHO", { text: "" }, 50)).rejects.toMatchObject({ code: "gone" });

    const second = await serve({ address: first.address });
    await until(() => client.ups() === 2, "up again");
    expect(await client.ask("ECHO", { text: "again" }, 5_000)).toEqual({ text: "again" });
    expect(second.opened[0]?.id).not.toBe(first.opened[0]?.id);
    expect(second.opened[0]?.identity).toBe(first.opened[0]?.identity);
  });

  it("hands over what was sent before a close, on either side", async () => {
    const server = await serve();
    const client = await call(server.address);
    for (let n = 0; n < 100; n += 1) client.send("NOTE", { n });
    await client.close();
    await until(() => server.ended.length === 1, "the client left");
    expect(server.heard).toHaveLength(100);
    expect(server.ended[0]?.end).toBe("left");

    const second = await call(server.address);
    for (let n = 0; n < 100; n += 1) server.send(server.opened[1] ?? expect.fail(), "NEWS", { n });
    await server.close();
    await until(() => second.downs.length === 1, "the server closed");
    expect(second.heard).toHaveLength(100);
  });

  it("sends last words before a drop, and lets the client come again", async () => {
    const server = await serve();
    const client = await call(server.address);
    const peer = server.opened[0] ?? expect.fail();
    server.send(peer, "NEWS", { n: 1 });
    server.drop(peer, "enough");
    expect(server.ended).toEqual([]);
    expect(server.send(peer, "NEWS", { n: 2 })).toBe("gone");
    await until(() => client.downs.length === 1, "the client is told");
    expect(client.downs).toEqual(["dropped: enough"]);
    expect(client.heard).toEqual([{ type: "NEWS", body: { n: 1 } }]);
    expect(server.ended).toEqual([{ peer, end: "refused" }]);
    await until(() => client.ups() === 2, "back");
  });
});
