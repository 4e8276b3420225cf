import { expect, it } from "vitest";
import { greetingOf, partsElsewhere, refusalOf } from "../../../actors/master/tree-branches.ts";
import { masterProgram, masterSettings } from "../../../config/master.ts";
import { partNames } from "../../../config/parts.ts";
import { readConfiguration } from "../../../config/read-configuration.ts";

const queues = ["stats", "db", "builds", "driver", "fs", "web", "front"].flatMap((name) => [
  `--${name}-queue`,
  `ipc:///run/${name}`,
]);
const settings = (...argv: string[]) => {
  const configuration = readConfiguration(masterProgram, [...queues, ...argv], {
    env: {},
    files: [],
  });
  if (configuration.kind !== "run") throw new Error("printed a text");
  return masterSettings(configuration.values);
};
const database = settings("--tasks", "seraph");
const main = settings("--tasks", "main,architect,slave-driver");

it("parts of one master speak to each other, also to who comes in by a door", () => {
  expect(refusalOf(main, "db", greetingOf(database))).toBeUndefined();
  expect(refusalOf(database, "main-builds-driver.db", greetingOf(main))).toBeUndefined();
});

it("a part does not speak to one of another version or mode, nor to the wrong part, and says why", () => {
  const older = greetingOf({ ...database, version: "0.0.9" });
  expect(refusalOf(main, "db", older)).toMatch(/of version 0\.0\.9, and this is/);
  const dev = greetingOf(settings("--tasks", "seraph", "--dev-mode"));
  expect(refusalOf(main, "db", dev)).toMatch(/times of dev, and this with those of production/);
  expect(refusalOf(main, "web", greetingOf(database))).toMatch(/at the address of web runs db/);
  expect(refusalOf(main, "db", "")).toMatch(/of version/);
});

it("a process dials the parts that its own speak to, and no other", () => {
  expect(partsElsewhere(["db"])).toEqual(["builds"]);
  expect(partsElsewhere(["web"])).toEqual(["main", "db"]);
  expect(partsElsewhere(["builds", "driver", "main"]).sort()).toEqual(["db", "front", "fs", "web"]);
  expect(partsElsewhere(partNames)).toEqual([]);
});
