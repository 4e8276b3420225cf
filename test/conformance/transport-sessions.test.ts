/** Conformance: which of two connections counts, over every transport. */
import { afterEach, describe, expect, it } from "vitest";
import { closeAll, until } from "../protocol/transport/echo-link.ts";
import { allWays, goBy } from "../protocol/transport/ways.ts";

afterEach(closeAll);

describe.each(allWays)("over $way", (way) => {
  const { serve, call, clientKeys } = goBy(way);

  it("60: of two connections of one key and slot the newest session wins and the older is told", async () => {
    const server = await serve();
    const identity = clientKeys ? {} : { identity: "local:twice" };
    const older = await call(server.address, { ...identity, slot: "s" });
    const other = await call(server.address, { ...identity, slot: "t" });
    const newer = await call(server.address, { ...identity, slot: "s" });
    await until(() => older.downs.length === 1, "the older is told");
    expect(older.downs[0]).toMatch(/^replaced/);
    expect(server.ended).toEqual([{ peer: server.opened[0], end: "replaced" }]);
    expect(server.send(server.opened[0] ?? expect.fail(), "NEWS", { n: 1 })).toBe("gone");
    expect(await newer.ask("ECHO", { text: "new" }, 5_000)).toEqual({ text: "new" });
    expect(await other.ask("ECHO", { text: "other" }, 5_000)).toEqual({ text: "other" });
    expect(newer.downs).toEqual([]);
  });
});
