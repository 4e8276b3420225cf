import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { userAgent } from "../../../protocol/upstream/user-agent.ts";
import { clientOf, emptySdist, errorOf, never, startUpstream } from "./harness.ts";

const wheel = {
  filename: "foo-1.1-py3-none-any.whl",
  contents: Buffer.from("not a zip, but nobody looks"),
  metadataText: "Metadata-Version: 2.1\nName: foo\nVersion: 1.1\nRequires-Python: <4,>=3.8\n",
};

describe("the changelog", () => {
  it("tells of each change in order, with rising serials", async () => {
    const upstream = await startUpstream();
    upstream.publish(wheel);
    upstream.yank("foo", "1.0", "too & round");
    upstream.unyank("foo", "1.0");
    upstream.removeRelease("foo", "1.1");
    upstream.removeProject("foo");
    const events = await clientOf(upstream).changelogSinceSerial(0, never);
    expect(events.map(({ name, version, action }) => [name, version, action])).toEqual([
      ["foo", null, "create"],
      ["foo", "1.0", "new release"],
      ["foo", "1.0", "add source file foo-1.0.tar.gz"],
      ["foo", "1.1", "new release"],
      ["foo", "1.1", "add py3 file foo-1.1-py3-none-any.whl"],
      ["foo", "1.0", "yank release"],
      ["foo", "1.0", "unyank release"],
      ["foo", "1.1", "remove release"],
      ["foo", null, "remove project"],
    ]);
    const serials = events.map(({ serial }) => serial);
    expect(serials).toEqual([...new Set(serials)].sort((a, b) => a - b));
  });

  it("begins after the serial that is asked from, and is empty at the last one", async () => {
    const upstream = await startUpstream();
    const client = clientOf(upstream);
    const last = await client.changelogLastSerial(never);
    expect(last).toBe(upstream.lastSerial);
    expect(await client.changelogSinceSerial(last, never)).toEqual([]);
    upstream.publish(emptySdist("bar", "2.0"));
    const events = await client.changelogSinceSerial(last, never);
    expect(events.every(({ name, serial }) => name === "bar" && serial > last)).toBe(true);
    expect(events).toHaveLength(3);
  });
});

describe("a project", () => {
  const speaks = [
    { form: "JSON", simpleFormats: ["json", "html"] },
    { form: "HTML alone", simpleFormats: ["html"] },
  ] as const;

  it.each(speaks)("is the same from an index that speaks $form", async ({ simpleFormats }) => {
    const files = [emptySdist("Foo.Bar", "1.0", "Requires-Python: >=3.7\n")];
    const upstream = await startUpstream({ files, simpleFormats });
    const metadataText = wheel.metadataText.replace("foo", "Foo.Bar");
    const filename = "foo_bar-1.1-py3-none-any.whl";
    const built = upstream.publish({ ...wheel, filename, metadataText });
    upstream.yank("foo-bar", "1.0", 'rounder than "round" & <flat>');
    const project = await clientOf(upstream).project("FOO__bar", never);
    const sdist = files[0]?.contents ?? Buffer.alloc(0);
    const sha256 = createHash("sha256").update(sdist).digest("hex");
    expect(project?.lastSerial).toBe(upstream.lastSerial);
    expect(project?.versions).toEqual(["1.0", "1.1"]);
    expect(project?.files).toMatchObject([
      {
        filename: "Foo.Bar-1.0.tar.gz",
        sha256,
        requiresPython: ">=3.7",
        yanked: 'rounder than "round" & <flat>',
        kind: "sdist",
        version: "1.0",
        coreMetadata: false,
      },
      {
        filename: "foo_bar-1.1-py3-none-any.whl",
        url: `${upstream.url}${built.urlPath}`,
        sha256: built.sha256,
        requiresPython: "<4,>=3.8",
        yanked: null,
        kind: "wheel",
        version: "1.1",
        coreMetadata: true,
      },
    ]);
    const fetched = await fetch(project?.files[0]?.url ?? "");
    expect(Buffer.from(await fetched.arrayBuffer()).equals(sdist)).toBe(true);
  });

  it("has sizes and times where the index speaks JSON", async () => {
    const upstream = await startUpstream();
    const file = (await clientOf(upstream).project("foo", never))?.files[0];
    expect(file?.sizeBytes).toBeGreaterThan(50);
    expect(Math.abs(Date.parse(file?.uploadedAt ?? "") - Date.now())).toBeLessThan(60_000);
  });

  it.each(["bar", "no name", "../foo", "", "x".repeat(201)])(
    "is undefined where the index has none: %j",
    async (name) => {
      const client = clientOf(await startUpstream());
      expect(await client.project(name, never)).toBeUndefined();
      expect(await client.description(name, never)).toBeUndefined();
    },
  );

  it("is found with a simple address that ends in slashes", async () => {
    const upstream = await startUpstream();
    const client = clientOf(upstream, { simpleUrl: `${upstream.simpleUrl}//` });
    expect((await client.project("foo", never))?.files).toHaveLength(1);
  });
});

describe("a description", () => {
  it("is that of the newest version which is not yanked", async () => {
    const files = [
      emptySdist("foo", "1.0", "Summary: old\n\nOld text.\n"),
      emptySdist("foo", "1.10", "Summary: new\n   and wide\n\n# New text\n\nMöre of it.\n"),
      emptySdist("foo", "2.0", "Summary: yanked\n\n"),
    ];
    const upstream = await startUpstream({ files });
    upstream.yank("foo", "2.0");
    expect(await clientOf(upstream).description("foo", never)).toEqual({
      name: "foo",
      summary: "new and wide",
      description: "# New text\n\nMöre of it.\n",
    });
  });

  it("is empty where the project says nothing", async () => {
    const client = clientOf(await startUpstream());
    expect(await client.description("foo", never)).toMatchObject({ summary: "", description: "" });
  });
});

describe("the list of projects", () => {
  const files = [emptySdist("Foo.Bar", "1.0"), emptySdist("baz", "1.0")];

  it.each([
    { form: "JSON", simpleFormats: ["json", "html"], serial: expect.any(Number) as unknown },
    { form: "HTML alone", simpleFormats: ["html"], serial: null },
  ] as const)("comes from an index that speaks $form", async ({ simpleFormats, serial }) => {
    const upstream = await startUpstream({ files, simpleFormats });
    const listed = [];
    for await (const project of (await clientOf(upstream).listing(never)).projects)
      listed.push(project);
    expect(listed).toEqual([
      { name: "Foo.Bar", lastSerial: serial },
      { name: "baz", lastSerial: serial },
    ]);
  });

  it("may be left early", async () => {
    const upstream = await startUpstream({ files });
    for await (const { name } of (await clientOf(upstream).listing(never)).projects) {
      expect(name).toBe("Foo.Bar");
      break;
    }
  });

  it("fails where the index lists nothing", async () => {
    const upstream = await startUpstream({ files });
    const client = clientOf(upstream, { simpleUrl: `${upstream.url}/nothing` });
    const error = await errorOf(client.listing(never));
    expect(error.code).toBe("refused");
  });
});

describe("a page that was read before", () => {
  it("is unchanged until it is another one", async () => {
    const upstream = await startUpstream();
    const client = clientOf(upstream);
    const first = await client.project("foo", never);
    if (first === undefined) throw new Error("no page");
    expect(await client.project("foo", never, first.validators)).toBe("unchanged");
    upstream.publish(emptySdist("foo", "2.0"));
    expect(await client.project("foo", never, first.validators)).toMatchObject({
      versions: ["1.0", "2.0"],
    });
  });

  it("may be the listing", async () => {
    const upstream = await startUpstream();
    const client = clientOf(upstream);
    const { validators, projects } = await client.listing(never);
    for await (const project of projects) expect(project.name).toBe("foo");
    expect(await client.listing(never, validators)).toBe("unchanged");
    upstream.publish(emptySdist("bar", "1.0"));
    expect(await client.listing(never, validators)).not.toBe("unchanged");
  });

  it("has no validators where the index says none, or such as no header can hold", async () => {
    const upstream = await startUpstream({
      files: [emptySdist("foo", "1.0")],
      saysValidators: false,
    });
    const client = clientOf(upstream);
    const nothing = { etag: null, modified: null };
    expect((await client.project("foo", never))?.validators).toEqual(nothing);
    upstream.onRequest = () => ({
      kind: "answer",
      answer: {
        headers: { "content-type": "text/html", etag: `"${"x".repeat(600)}"` },
        body: "<html><body>Links for foo</body></html>",
      },
    });
    expect((await client.project("foo", never))?.validators).toEqual(nothing);
  });
});

describe("the name that the farm goes by", () => {
  it("says product, version and whom to ask", () => {
    expect(userAgent("1.2.3")).toBe("wheelwright/1.2.3");
    expect(userAgent("1.2.3", "farm@example.org")).toBe("wheelwright/1.2.3 (+farm@example.org)");
  });
});

describe("a request", () => {
  it("goes through the proxy that the environment names", async () => {
    const upstream = await startUpstream();
    const tunnels: string[] = [];
    const proxy = createServer().on("connect", (request, socket) => {
      tunnels.push(request.url ?? "");
      const { port } = new URL(upstream.url);
      const onward = connect(Number(port), "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 OK\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      socket.on("error", () => onward.destroy());
      onward.on("error", () => socket.destroy());
    });
    await once(proxy.listen(0, "127.0.0.1"), "listening");
    const { port } = proxy.address() as AddressInfo;
    vi.stubEnv("http_proxy", `http://127.0.0.1:${port}`).stubEnv("no_proxy", "");
    onTestFinished(() => {
      vi.unstubAllEnvs();
      proxy.closeAllConnections();
      proxy.close();
    });
    const client = clientOf(upstream, { simpleUrl: "http://index.test/simple" });
    expect((await client.project("foo", never))?.versions).toEqual(["1.0"]);
    expect(tunnels).toEqual(["index.test:80"]);
  });

  it("says who asks, and passes user and password on without showing them", async () => {
    const upstream = await startUpstream();
    const seen: unknown[] = [];
    upstream.onRequest = ({ headers }) => {
      seen.push([headers["user-agent"], headers["authorization"]]);
      return { kind: "answer", answer: { status: 403 } };
    };
    const simpleUrl = upstream.simpleUrl.replace("//", "//me:s%40cret@");
    const error = await errorOf(clientOf(upstream, { simpleUrl }).project("foo", never));
    expect(seen).toEqual([
      ["wheelwright-test/1", `Basic ${Buffer.from("me:s@cret").toString("base64")}`],
    ]);
    expect(error.code).toBe("refused");
    expect(error.message).not.toContain("cret");
  });

  it("uses a connection again", async () => {
    const upstream = await startUpstream();
    const client = clientOf(upstream);
    for (let i = 0; i < 5; i++) {
      await client.project("foo", never);
      await client.changelogSinceSerial(0, never);
    }
    // A second is opened where the next request is made before the first one's connection is free.
    expect(upstream.connections).toBeLessThanOrEqual(2);
  });
});
