import { describe, expect, it } from "vitest";
import { ConfigurationError } from "../../config/configuration-error.ts";
import { masterProgram, masterSettings } from "../../config/master.ts";
import { needsOf, partNames, partQueue, partsOf, tasksOf } from "../../config/parts.ts";
import { readConfiguration } from "../../config/read-configuration.ts";

const master = (...argv: string[]) => {
  const configuration = readConfiguration(masterProgram, argv, { env: {}, files: [] });
  if (configuration.kind !== "run") throw new Error("printed a text");
  return masterSettings(configuration.values);
};
const everywhere = partNames.flatMap((part) => [`--${partQueue(part)}`, `ipc:///run/piw/${part}`]);

describe("the parts of a master", () => {
  it("are all run without --tasks, and speak to nobody elsewhere", () => {
    const { parts, partQueues } = master();
    expect(parts).toEqual(partNames);
    expect(Object.values(partQueues).every((address) => address.startsWith("inproc://"))).toBe(
      true,
    );
  });

  it("have the addresses of the specification's internal queues", () => {
    expect(master().partQueues).toMatchObject({
      db: "inproc://db",
      builds: "inproc://builds",
      fs: "inproc://fs",
      web: "inproc://web",
      main: "inproc://stats",
    });
  });

  it("come whole with any one of their tasks, by name or pattern", () => {
    expect(partsOf(["seraph", "architect"])).toEqual(["db", "builds"]);
    expect(partsOf(["oracle"])).toEqual(["db"]);
    expect(partsOf(["s*"])).toEqual(["main", "db", "driver", "web"]);
    expect(master("--tasks", "scribe,cloud-gazer", ...everywhere).parts).toEqual(["web", "front"]);
  });

  it("are refused for a name that no task has, with the names that there are", () => {
    expect(() => master("--tasks", "seraf", ...everywhere)).toThrow(ConfigurationError);
    expect(() => master("--tasks", "seraf", ...everywhere)).toThrow(
      /--tasks: "seraf" is no task; the tasks are main, control, .*mr-chase/,
    );
  });

  it("are refused while one that runs elsewhere has no address, in either direction", () => {
    expect(() => master("--tasks", "scribe")).toThrow(
      /reached: --web-queue \(secretary, scribe, http, dashboard, readiness, metrics\), --stats-queue \(.*\), --db-queue \(seraph, oracle, listener\)/,
    );
    const allBut = (left: string) =>
      everywhere.filter((_, at) => !everywhere[at - (at % 2)]?.startsWith(`--${left}-queue`));
    // The Architect, elsewhere, would not find the Oracles that run here.
    expect(() => master("--tasks", "seraph", ...allBut("db"))).toThrow(/--db-queue/);
    expect(master("--tasks", "seraph", ...everywhere).parts).toEqual(["db"]);
  });

  it("are refused an open door: tcp without a key, or a port that nobody knows", () => {
    const open = ["--db-queue", "tcp://127.0.0.1:5570"];
    expect(() => master(...open)).toThrow(/--db-queue tcp.* needs --key, also on this machine/);
    expect(master(...open, "--key", "/k").partQueues.db).toBe("tcp://127.0.0.1:5570");
    expect(() => master("--db-queue", "tcp://127.0.0.1:*", "--key", "/k")).toThrow(/give a port/);
  });

  it("are refused two addresses that are one", () => {
    expect(() => master("--db-queue", "ipc:///run/x", "--web-queue", "ipc:///run/x")).toThrow(
      /--db-queue and --web-queue have the same address/,
    );
  });

  it.each(["db", "tcp://nowhere", "ipc://", "inproc://a b"])(
    "are refused %s as an address",
    (address) => {
      expect(() => master("--db-queue", address)).toThrow(/no queue address such as inproc:\/\/db/);
    },
  );

  it("name every task once, and need only parts that exist", () => {
    const tasks = partNames.flatMap(tasksOf);
    expect(new Set(tasks).size).toBe(tasks.length);
    for (const part of partNames) {
      expect(needsOf(part)).not.toContain(part);
      for (const needed of needsOf(part)) expect(partNames).toContain(needed);
    }
  });
});
