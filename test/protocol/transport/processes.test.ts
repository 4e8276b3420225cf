import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { closeAll, closeLater, serveEcho, until } from "./echo-link.ts";

afterEach(closeAll);

interface Child {
  readonly process: ChildProcess;
  text(): string;
}

function start(file: string, ...options: string[]): Child {
  const script = fileURLToPath(new URL(file, import.meta.url));
  const child = spawn(process.execPath, ["--import", "tsx", script, ...options], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let text = "";
  child.stdout.on("data", (data: Buffer) => {
    text += data.toString();
  });
  closeLater({
    close: () => {
      child.kill("SIGKILL");
    },
  });
  return { process: child, text: () => text };
}

describe("a client process", { timeout: 20_000 }, () => {
  it("that is killed is silent, and one started in its place is another peer", async () => {
    const server = await serveEcho();
    const first = start("child-client.ts", server.address);
    await until(() => first.text().includes("up"), "up", 10_000);
    first.process.kill("SIGKILL");
    await until(() => server.ended.length === 1, "the server notices");
    expect(server.ended).toMatchObject([{ end: "silent", peer: { identity: "local:child" } }]);
    const second = start("child-client.ts", server.address);
    await until(() => second.text().includes("up"), "up", 10_000);
    expect(server.opened).toHaveLength(2);
    expect(server.opened[1]?.id).not.toBe(server.opened[0]?.id);
  });

  it("that stood still is silent, and comes back with a new session when it goes on", async () => {
    const server = await serveEcho();
    const child = start("child-client.ts", server.address);
    await until(() => child.text().includes("up"), "up", 10_000);
    child.process.kill("SIGSTOP");
    await until(() => server.ended.length === 1, "the server notices");
    expect(server.ended).toMatchObject([{ end: "silent" }]);
    child.process.kill("SIGCONT");
    await until(() => server.opened.length === 2, "a new session");
    await until(() => child.text().split("up\n").length === 3, "the client knows");
    expect(child.text()).toMatch(/^up\ndown (silent|disconnected|unknown session).*\nup\n$/);
  });

  it("ends by itself after a close, with what it said before delivered", async () => {
    const server = await serveEcho();
    const child = start("child-client.ts", server.address);
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
    const child = start("child-client.ts", server.address);
    const exited = once(child.process, "exit");
    child.process.stdin?.write("close\n");
    expect(await exited).toEqual([0, null]);
    expect(child.text()).toBe("closed\n");
  });
});

describe("a process with both ends of a link with keys", { timeout: 20_000 }, () => {
  it("opens and closes them again and again, and ends by itself", async () => {
    const child = start("child-pair.ts");
    expect(await once(child.process, "exit")).toEqual([0, null]);
    expect(child.text()).toBe("yes\nyes\nyes\n");
  });
});
