import { once } from "node:events";
import { afterEach, describe, expect, it } from "vitest";
import { startChild } from "./child-process.ts";
import { closeAll, serveEcho, until } from "./echo-link.ts";

afterEach(closeAll);

describe("a client process", { timeout: 20_000 }, () => {
  it("that is killed is silent, and one started in its place is another peer", async () => {
    const server = await serveEcho();
    const first = startChild("child-client.ts", server.address);
    await until(() => first.text().includes("up"), "up", 10_000);
    first.process.kill("SIGKILL");
    await until(() => server.ended.length === 1, "the server notices");
    expect(server.ended).toMatchObject([{ end: "silent", peer: { identity: "local:child" } }]);
    const second = startChild("child-client.ts", server.address);
    await until(() => second.text().includes("up"), "up", 10_000);
    expect(server.opened).toHaveLength(2);
    expect(server.opened[1]?.id).not.toBe(server.opened[0]?.id);
  });

  it("ends by itself after a close, with what it said before delivered", async () => {
    const server = await serveEcho();
    const child = startChild("child-client.ts", server.address);
    await until(() => child.text().includes("up"), "up", 10_000);
    const exited = once(child.process, "exit");
    child.process.stdin?.write("close\n");
    expect(await exited).toEqual([0, null]);
    expect(child.text()).toBe("up\nclosed\n");
    await until(() => server.ended.length === 1, "left");
    expect(server.heard).toEqual([{ type: "NOTE", body: { n: 1 } }]);
    expect(server.ended).toMatchObject([{ end: "left" }]);
  });

  it("ends by itself after a close though nobody ever listened there", async () => {
    const server = await serveEcho();
    await server.close();
    const child = startChild("child-client.ts", server.address);
    const exited = once(child.process, "exit");
    child.process.stdin?.write("close\n");
    expect(await exited).toEqual([0, null]);
    expect(child.text()).toBe("closed\n");
  });
});

describe("a process with both ends of a link with keys", { timeout: 20_000 }, () => {
  it("opens and closes them again and again, and ends by itself", async () => {
    const child = startChild("child-pair.ts");
    expect(await once(child.process, "exit")).toEqual([0, null]);
    expect(child.text()).toBe("yes\nyes\nyes\n");
  });
});
