/** Lines as real servers write them, and as nobody should: what is counted of each. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BatchBuilder } from "../../../protocol/accesslog/batch-builder.ts";
import { createLineReader, type ReadLine } from "../../../protocol/accesslog/line-reader.ts";
import { namedFormats, parseLogFormat } from "../../../protocol/accesslog/log-format.ts";
import { accessBatchSchema } from "../../../protocol/model/access.ts";

const now = Date.UTC(2026, 10, 22, 12);
const read = (line: string, format = "combined"): ReadLine =>
  createLineReader(parseLogFormat(format), () => now)(line);

const wheel = "/simple/numpy/numpy-1.26.0-cp311-cp311-linux_armv7l.whl";
const pipJson = {
  ci: null,
  cpu: "armv7l",
  distro: {
    id: "bookworm",
    libc: { lib: "glibc", version: "2.36" },
    name: "Raspbian GNU/Linux",
    version: "12",
  },
  implementation: { name: "CPython", version: "3.11.2" },
  installer: { name: "pip", version: "23.0.1" },
  openssl_version: "OpenSSL 3.0.9 30 May 2023",
  python: "3.11.2",
  setuptools_version: "66.1.1",
  system: { name: "Linux", release: "6.1.21-v7+" },
};
const escaped = (text: string) => text.replaceAll("\\", "\\\\").replaceAll('"', '\\"');
const escapedByNginx = (text: string) => text.replaceAll("\\", "\\x5C").replaceAll('"', "\\x22");
const pip = `pip/23.0.1 ${JSON.stringify(pipJson)}`;
const uv = `uv/0.5.4 {"installer":{"name":"uv","version":"0.5.4"},"python":"3.12.2","implementation":{"name":"CPython","version":"3.12.2"},"distro":{"name":"Ubuntu","version":"24.04","id":"noble","libc":{"lib":"glibc","version":"2.39"}},"system":{"name":"Linux","release":"6.8.0"},"cpu":"aarch64","openssl_version":null,"setuptools_version":null,"rustc_version":null,"ci":null}`;
const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0";

const line = (
  more: {
    address?: string;
    user?: string;
    time?: string;
    request?: string;
    status?: string;
    agent?: string;
  } = {},
) => {
  const {
    address = "192.0.2.7",
    user = "-",
    time = "22/Nov/2026:12:00:01 +0100",
    request = `GET ${wheel} HTTP/1.1`,
    status = "200",
    agent = escaped(pip),
  } = more;
  return `${address} - ${user} [${time}] "${request}" ${status} 15123456 "-" "${agent}"`;
};

describe("a line of an access log", () => {
  it("gives a download with all that pip says of itself", () => {
    expect(read(line())).toEqual({
      kind: "download",
      at: Date.UTC(2026, 10, 22, 11, 0, 1),
      address: "192.0.2.7",
      package: "numpy",
      filename: "numpy-1.26.0-cp311-cp311-linux_armv7l.whl",
      path: null,
      client: {
        arch: "armv7l",
        distroName: "Raspbian GNU/Linux",
        distroVersion: "12",
        osName: "Linux",
        osVersion: "6.1.21-v7+",
        implementationName: "CPython",
        implementationVersion: "3.11.2",
        pythonVersion: "3.11.2",
        installerName: "pip",
        installerVersion: "23.0.1",
        setuptoolsVersion: "66.1.1",
      },
    });
  });

  it("gives the same from nginx, which escapes otherwise", () => {
    expect(read(line({ agent: escapedByNginx(pip) }))).toEqual(read(line()));
  });

  it("gives what uv says of itself", () => {
    expect(
      read(line({ request: "GET /simple/numpy/ HTTP/2.0", agent: escaped(uv) })),
    ).toMatchObject({
      kind: "search",
      package: "numpy",
      client: {
        arch: "aarch64",
        installerName: "uv",
        installerVersion: "0.5.4",
        setuptoolsVersion: null,
        distroName: "Ubuntu",
      },
    });
  });

  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["2001:db8::7", "2001:db8::7"],
    ["fe80::1%eth0", "fe80::1"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["64:ff9b::192.0.2.7", "64:ff9b::192.0.2.7"],
    ["client.example.org", null],
    ["-", null],
  ])("from %s has the address %s", (address, expected) => {
    expect(read(line({ address }))).toMatchObject({ kind: "download", address: expected });
  });

  it.each([
    ["22/Nov/2026:12:00:01 +0000", "2026-11-22T12:00:01.000Z"],
    ["22/Nov/2026:12:00:01 -0530", "2026-11-22T17:30:01.000Z"],
    ["29/Feb/2024:23:59:60 +1400", "2024-02-29T10:00:00.000Z"],
    ["31/Nov/2026:12:00:01 +0000", undefined],
    ["22/nov/2026:12:00:01 +0000", undefined],
    ["22/Nov/2026:24:00:01 +0000", undefined],
    ["22/Nov/1970:12:00:01 +0000", undefined],
    ["22/Nov/2927:12:00:01 +0000", undefined],
    ["2026-11-22T12:00:01Z", undefined],
  ])("at %s is of the instant %s", (time, expected) => {
    const found = read(line({ time }));
    const at = typeof found === "string" ? undefined : new Date(found.at).toISOString();
    expect(at).toBe(expected);
    if (expected === undefined) expect(found).toBe("malformed");
  });

  it.each([
    [`GET ${wheel} HTTP/1.1`, "200", escaped(pip), "download"],
    [`GET ${wheel}?x=1 HTTP/1.1`, "200", "curl/8.0", "download"],
    [`GET http://wheels.example.org${wheel} HTTP/1.1`, "200", browser, "download"],
    ["GET /simple/foo%5fbar/foo_bar-1.0-py3-none-any.whl HTTP/1.1", "200", browser, "download"],
    [`GET ${wheel} HTTP/1.1`, "206", escaped(pip), "other"],
    [`GET ${wheel} HTTP/1.1`, "304", escaped(pip), "other"],
    [`HEAD ${wheel} HTTP/1.1`, "200", escaped(pip), "other"],
    [`POST ${wheel} HTTP/1.1`, "200", escaped(pip), "other"],
    [`GET ${wheel}.metadata HTTP/1.1`, "200", escaped(pip), "other"],
    ["GET /simple/other/numpy-1.26.0-py3-none-any.whl HTTP/1.1", "200", escaped(pip), "other"],
    ["GET /simple/numpy/numpy-1.26.0.whl HTTP/1.1", "200", escaped(pip), "other"],
    ["GET /simple/ HTTP/1.1", "200", escaped(pip), "other"],
    ["GET /simple/NumPy/ HTTP/1.1", "200", escaped(pip), "search"],
    ["GET /simple/numpy HTTP/1.1", "301", escaped(pip), "other"],
    ["GET /simple/numpy/ HTTP/1.1", "200", "poetry/1.8.2 CPython/3.11.2 Linux/6.1", "search"],
    ["GET /simple/numpy/ HTTP/1.1", "200", browser, "page"],
    ["GET /project/numpy/ HTTP/1.1", "200", browser, "project"],
    ["GET /project/numpy/index.html HTTP/1.1", "200", browser, "project"],
    ["GET /project/numpy/json/ HTTP/1.1", "200", "python-requests/2.31", "json"],
    ["GET /project/numpy/json/index.json HTTP/1.1", "200", "python-requests/2.31", "json"],
    ["GET / HTTP/1.1", "200", browser, "page"],
    ["GET /faq.html HTTP/1.1", "200", browser, "page"],
    ["GET /assets/style.css HTTP/1.1", "200", browser, "other"],
    ["GET /logs/0000/0001/0002.txt.gz HTTP/1.1", "200", browser, "other"],
    ["GET /simple/../../etc/passwd HTTP/1.1", "200", browser, "other"],
    ["GET /simple/%00/ HTTP/1.1", "200", browser, "other"],
    ["GET /%ff.html HTTP/1.1", "200", browser, "other"],
    ["-", "408", "-", "other"],
    ["\\x16\\x03\\x01", "400", "-", "other"],
    ["\\x16\\x03\\x01", "200", "-", "malformed"],
    [`GET ${wheel} HTTP/1.1`, "2x0", "-", "malformed"],
  ])("of %s with %s from %s is %s", (request, status, agent, expected) => {
    const found = read(line({ request, status, agent }));
    expect(typeof found === "string" ? found : found.kind).toBe(expected);
  });

  it.each([
    ["cut off in the JSON", escaped(pip.slice(0, 90)), "pip"],
    ["JSON that is no object", "pip/23.0 [1,2]", "pip"],
    [
      "JSON of other shapes",
      'pip/23.0 {\\"distro\\":\\"x\\",\\"cpu\\":7,\\"installer\\":null,\\"python\\":[]}',
      "pip",
    ],
    ["JSON nested deeply", `pip/23.0 ${"[".repeat(6_000)}`, "pip"],
    [
      "JSON about prototypes",
      'pip/23.0 {\\"__proto__\\":{\\"cpu\\":\\"evil\\"},\\"constructor\\":{}}',
      "pip",
    ],
    [
      "NUL and half characters",
      'pip/23.0 {\\"cpu\\":\\"a\\\\u0000b\\",\\"python\\":\\"\\\\ud800\\"}',
      "pip",
    ],
    ["a word of a megabyte", `pip/23.0 {\\"cpu\\":\\"${"x".repeat(4_000)}\\"}`, "pip"],
    ["an old pip", "pip/1.5.6 CPython/2.7.9 Linux/3.18.7+", "pip"],
    ["bytes that are no UTF-8", "pip/23.0 \\xff\\xfe", "pip"],
    ["a browser", browser, null],
    ["a bot that names pip", "evilbot (like pip/23.0)", null],
    ["nothing", "-", null],
  ])("of a User-Agent with %s is a record that can be stored", (_what, agent, installer) => {
    const found = read(line({ agent }));
    expect(found).toMatchObject({
      kind: "download",
      client: { installerName: installer, arch: null },
    });
    if (typeof found === "string") throw new Error(found);
    const builder = new BatchBuilder();
    builder.add(found);
    expect(accessBatchSchema.safeParse(builder.take()).success).toBe(true);
  });

  it.each([
    ["", "malformed"],
    ["\u0000\u0001\u00ff\u00fe", "malformed"],
    ['192.0.2.7 - - [22/Nov/2026:12:00:01 +0100] "GET / HTTP/1.1', "malformed"],
    [`192.0.2.7 - - [22/Nov/2026:12:00:01 +0100] "GET ${wheel} HTTP/1.1" 200 5`, "malformed"],
    ['192.0.2.7 - - [22/Nov/2026:12:00:01 +0100] "GET / \\" HTTP/1.1" 200 5 "-" "-"', "other"],
  ])("such as %j is %s", (text, expected) => {
    expect(read(text)).toBe(expected);
  });

  it("may have a user's name with spaces, and quotes within quotes", () => {
    const found = read(line({ user: "john smith", agent: 'a \\"quoted\\" \\\\' }));
    expect(found).toMatchObject({ kind: "download", client: { installerName: null } });
  });

  it("never hurts, whatever is in it", () => {
    const reader = createLineReader(parseLogFormat("combined"), () => now);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(200), (bytes, at) => {
        const noise = Buffer.from(bytes).toString("latin1");
        const whole = line();
        reader(noise);
        const found = reader(whole.slice(0, at) + noise + whole.slice(at));
        if (typeof found === "string") return;
        const builder = new BatchBuilder();
        builder.add(found);
        expect(accessBatchSchema.safeParse(builder.take()).error).toBeUndefined();
      }),
    );
  });

  it("that is long takes time in proportion to its length", () => {
    const reader = createLineReader(parseLogFormat('%u %u %u %u [%t] "%r" "%{x}i" %s'), () => now);
    for (const text of [
      "\\".repeat(60_000),
      " ".repeat(60_000),
      '\\"'.repeat(30_000),
      "[ ".repeat(30_000),
    ])
      expect(reader(text)).toBe("malformed");
  }, 2_000);
});

describe("formats", () => {
  const common = `192.0.2.7 - - [22/Nov/2026:12:00:01 +0100] "GET ${wheel} HTTP/1.1" 200 512`;
  it.each([
    ["common", common],
    ["common_vhost", `wheels.example.org ${common}`],
    ["common_vhost", `wheels.example.org:443 ${common}`],
    ["combined", `${common} "-" "-"`],
    [namedFormats["combined"] ?? "", `${common} "-" "-"`],
    [
      '%v:%p %h %l %u %t "%r" %>s %O "%{Referer}i" "%{User-Agent}i"',
      `wheels.example.org:443 ${common} "-" "-"`,
    ],
    ['%h %l %u %t \\"%r\\" %>s %b', common],
    [
      '%a %{sec}t "%m %U%q %H" %>s %I %D %{X-Forwarded-For}i',
      `192.0.2.7 1795345201 "GET ${wheel}?a=b HTTP/1.1" 200 400 1234 10.0.0.1`,
    ],
    ["%{usec}t\t%a\t%m\t%U\t%q\t%s", `1795345201000000\t192.0.2.7\tGET\t${wheel}\t\t200`],
    [
      '%!200,304{Referer}i %h %<s %>s %t "%r"',
      `- 192.0.2.7 404 200 [22/Nov/2026:12:00:01 +0100] "GET ${wheel} HTTP/1.1"`,
    ],
    [
      '%h %^FU %t "%r" %>s %{%Y}n 100%%',
      `192.0.2.7 - [22/Nov/2026:12:00:01 +0100] "GET ${wheel} HTTP/1.1" 200 x 100%`,
    ],
  ])("%s is read", (format, text) => {
    expect(read(text, format)).toMatchObject({
      kind: "download",
      package: "numpy",
      address: "192.0.2.7",
      at: Date.UTC(2026, 10, 22, 11, 0, 1),
    });
  });

  it.each([
    ["combind", /neither one of common, common_vhost, combined nor a LogFormat/],
    ["%h %l", /no time \(%t\)/],
    ["%h %t %>s", /no request/],
    ['%h %t "%r"', /no status/],
    ['%h%t "%r" %>s', null],
    ['%h%u %t "%r" %>s', /nothing between %h and %u/],
    ['%h %{%d/%b/%Y}t "%r" %>s', /only %t, %\{sec\}t/],
    ['%h %t "%r" %>s %{x', /"%\{x", which is no directive/],
    [`%t${"x".repeat(3_000)}`, /too long/],
  ])("%s is refused with %s", (format, message) => {
    if (message === null) parseLogFormat(format);
    else expect(() => parseLogFormat(format)).toThrow(message);
  });
});
