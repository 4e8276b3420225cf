import { hostname, totalmem } from "node:os";
import { describe, expect, it } from "vitest";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { farmProgram, farmSettings } from "../../config/farm.ts";
import { masterProgram, masterSettings } from "../../config/master.ts";
import type { Options, Program } from "../../config/option.ts";
import { readConfiguration } from "../../config/read-configuration.ts";
import { slaveProgram, slaveSettings } from "../../config/slave.ts";
import { masterTimes, slaveTimes, timeTable } from "../../config/times.ts";

function parse<O extends Options>(program: Program<O>, argv: readonly string[]) {
  const configuration = readConfiguration(program, argv, { env: {}, files: [] });
  if (configuration.kind !== "run") {
    throw new Error("printed a text");
  }
  return configuration.values;
}
const master = (...argv: string[]) => masterSettings(parse(masterProgram, argv));
const slave = (...argv: string[]) => slaveSettings(parse(slaveProgram, argv));
const farm = (requirements: string[], ...argv: string[]) =>
  farmSettings(parse(farmProgram, argv), requirements, false);

describe("the table of times", () => {
  it.each(
    Object.entries({ ...timeTable.master, ...timeTable.slave }).map(([name, row]) => [
      name,
      ...row,
    ]),
  )("%s: %i ms is longer than %i ms in dev mode", (_name, productionMs, devMs) => {
    expect(devMs).toBeGreaterThan(0);
    expect(productionMs).toBeGreaterThan(Number(devMs));
  });

  it("renews a lease in time in both modes, also when one BUSY is lost", () => {
    for (const times of [masterTimes(false), masterTimes(true)]) {
      expect(times.busyIntervalMs * 6).toBeLessThan(times.leaseMs);
      expect(times.retryBaseMs).toBeLessThan(times.retryMaxMs);
    }
  });
});

describe("the master's settings", () => {
  it("are those of the specification without options", () => {
    expect(master()).toMatchObject({
      dsn: "postgres:///piwheels",
      outputPath: "/var/www",
      devMode: false,
      times: masterTimes(false),
      upstream: {
        xmlrpcUrl: "https://pypi.org/pypi",
        simpleUrl: "https://pypi.org/simple",
        jsonUrl: "https://pypi.org/pypi",
      },
      queues: {
        status: "ipc:///tmp/piw-status",
        control: "ipc:///tmp/piw-control",
        import: "ipc:///tmp/piw-import",
        log: "ipc:///tmp/piw-logger",
        slave: "tcp://*:5555",
        file: "tcp://*:5556",
      },
      keyFile: undefined,
      http: undefined,
      httpTls: undefined,
      dashboard: "token",
      accessLog: undefined,
      publicUrl: undefined,
      indexUrl: undefined,
      follow: "all",
      oracles: 3,
      order: "newest",
      upstreamWheels: "count",
      mergeUpstream: false,
    });
  });

  it.each([
    [["--http", "127.0.0.1:80"], "http://127.0.0.1:80/simple"],
    [["--http", "[::1]:80"], "http://[::1]:80/simple"],
    [["--http", ":8080"], `http://${hostname()}:8080/simple`],
    [["--http", "127.0.0.1:0"], undefined],
    [
      ["--http", ":80", "--index-url", "https://wheels.example/simple/"],
      "https://wheels.example/simple",
    ],
  ])("with %j tell slaves the index %s", (argv, indexUrl) => {
    expect(master(...argv).indexUrl).toBe(indexUrl);
  });

  it("change in dev mode in their times only", () => {
    const { times, devMode, ...rest } = master("--dev-mode");
    const { times: _times, devMode: _devMode, ...usual } = master();
    expect(rest).toEqual(usual);
    expect([devMode, times]).toEqual([true, masterTimes(true)]);
  });

  it("refuse to be watched from other machines without keys, and know which addresses are of this one", () => {
    for (const address of [
      "tcp://*:5557",
      "tcp://[::]:5557",
      "tcp://0.0.0.0:5557",
      "tcp://farm.example:1",
    ])
      for (const queue of ["--control-queue", "--status-queue"]) {
        expect(() => master(queue, address)).toThrow(
          `${queue} ${address} can be reached from other machines and needs --monitor-keys`,
        );
        expect(() => master(queue, address, "--monitor-keys", "/m")).toThrow(
          "--monitor-keys needs --key",
        );
        const settings = master(queue, address, "--monitor-keys", "/m", "--key", "/k");
        expect(settings.monitorKeysDir).toBe("/m");
      }
    for (const address of ["tcp://127.0.0.1:1", "tcp://[::1]:1", "tcp://localhost:1", "ipc:///x"])
      expect(master("--control-queue", address).queues.control).toBe(address);
  });

  it("refuse authorised keys without a key, and one address for two queues", () => {
    expect(() => master("--authorized-keys", "/k")).toThrow(ConfigurationError);
    expect(() => master("--file-queue", "tcp://*:5555")).toThrow(
      "--slave-queue and --file-queue have the same address tcp://*:5555",
    );
    expect(() => master("--file-queue", "tcp://*:*", "--slave-queue", "tcp://*:*")).not.toThrow();
  });
});

describe("the slave's settings", () => {
  it.each([
    [[], "tcp://localhost:5555", "tcp://localhost:5556"],
    [["-m", "farm.example"], "tcp://farm.example:5555", "tcp://farm.example:5556"],
    [["-m", "fe80::1"], "tcp://[fe80::1]:5555", "tcp://[fe80::1]:5556"],
    [["-m", "[::1]", "--file-queue", "tcp://h:1"], "tcp://[::1]:5555", "tcp://h:1"],
  ])("with %j reach the master at %s and %s", (argv, slaveQueue, fileQueue) => {
    expect(slave(...argv)).toMatchObject({ slaveQueue, fileQueue });
  });

  it("build for at most three hours with python3, unless told otherwise", () => {
    expect(slave()).toMatchObject({
      timeoutMs: 10_800_000,
      pythons: ["python3"],
      pollMs: undefined,
    });
    expect(slave("--dev-mode").timeoutMs).toBe(slaveTimes(true).buildTimeoutMs);
    expect(
      slave(
        "--dev-mode",
        "-t",
        "90s",
        "--python",
        "python3.9",
        "--python",
        "/opt/py",
        "--poll-time",
        "5",
      ),
    ).toMatchObject({ timeoutMs: 90_000, pythons: ["python3.9", "/opt/py"], pollMs: 5_000 });
  });

  it("put builds in a sandbox where there is one, and limit them, unless told otherwise", () => {
    expect(slave()).toMatchObject({
      sandbox: "auto",
      network: undefined,
      allowedHosts: [],
      limits: { processes: 2_000, files: 4_096, diskBytes: 20e9, logBytes: 1e9 },
    });
    expect(slave().limits.memoryBytes).toBeLessThan(totalmem());
    expect(
      slave(
        ...["--sandbox", "bubblewrap", "--network", "none", "--max-memory", "2GiB"],
        ...["--max-processes", "none", "--max-files", "100", "--max-disk", "none"],
        ...["--max-log", "5M", "--allow-host", "a.example", "--allow-host", "[::1]:81"],
      ),
    ).toMatchObject({
      sandbox: "bubblewrap",
      network: "none",
      allowedHosts: ["a.example", "[::1]:81"],
      limits: {
        memoryBytes: 2 * 1024 ** 3,
        processes: undefined,
        files: 100,
        diskBytes: undefined,
        logBytes: 5_000_000,
      },
    });
  });

  it.each([
    ["--max-memory", "0", "neither a size"],
    ["--max-processes", "0", "neither a whole number"],
    ["--sandbox", "chroot", "not one of auto, bubblewrap, none"],
    ["--allow-host", "https://a.example", "no host"],
    ["--allow-host", "a.example:99999", "no host"],
  ])("refuse %s %s", (option, value, why) => {
    expect(() => slave(option, value)).toThrow(why);
  });
});

describe("the followed index", () => {
  it("may have no changelog and no descriptions", () => {
    const { upstream } = master("--pypi-xmlrpc", "none", "--pypi-json", "NONE");
    expect([upstream.xmlrpcUrl, upstream.jsonUrl]).toEqual([undefined, undefined]);
    expect(() => master("--pypi-xmlrpc", "nothing")).toThrow("nor none");
  });

  it("is told whom to ask, in what fits into a header", () => {
    expect(master("--upstream-contact", "farm@example.org").upstreamContact).toBe(
      "farm@example.org",
    );
    for (const wrong of ["me\nX-Evil: 1", "a b", "(me)", "x".repeat(201)])
      expect(() => master("--upstream-contact", wrong)).toThrow("is no contact");
  });
});

describe("the farm's settings", () => {
  it("without arguments build the sample packages", () => {
    expect(farm([])).toMatchObject({
      upstream: undefined,
      requirements: [],
      once: false,
      slaves: 1,
    });
  });

  it("with --pypi follow PyPI, and need to know what to build", () => {
    expect(farm(["six"], "--pypi").upstream).toEqual({
      simpleUrl: "https://pypi.org/simple",
      xmlrpcUrl: "https://pypi.org/pypi",
      jsonUrl: "https://pypi.org/pypi",
    });
    expect(() => farm([], "--pypi")).toThrow("--pypi needs to know what to build");
  });

  it("with another index look for its services beside its Simple API", () => {
    expect(
      farm([], "--pypi-simple", "http://h:1/root/simple/", "--pypi-json", "http://j").upstream,
    ).toEqual({
      simpleUrl: "http://h:1/root/simple",
      xmlrpcUrl: "http://h:1/root/pypi",
      jsonUrl: "http://j",
    });
    expect(() => farm([], "--pypi-json", "http://j")).toThrow(ConfigurationError);
  });

  it("allow root to the parts when the farm itself runs as root", () => {
    expect(farm([]).allowRoot).toBe(false);
    expect(farm([], "--allow-root").allowRoot).toBe(true);
    expect(farmSettings(parse(farmProgram, []), [], true).allowRoot).toBe(true);
  });
});
