import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { checkSlave } from "../../../actors/slave/tree.ts";
import { readConfiguration } from "../../../config/read-configuration.ts";
import type { SlaveSettings } from "../../../config/settings.ts";
import { slaveProgram, slaveSettings } from "../../../config/slave.ts";
import { temporaryFolder } from "./temporary-folder.ts";

function settings(...argv: string[]): SlaveSettings {
  const configuration = readConfiguration(slaveProgram, argv, { env: {}, files: [] });
  if (configuration.kind !== "run") throw new Error("printed a text");
  return slaveSettings(configuration.values);
}

test("a machine with a Python can join, and each line says what there is or what to do", async () => {
  const { ok, lines } = await checkSlave(
    settings("--dir", await temporaryFolder(), "--python", "python3"),
  );
  expect(ok).toBe(true);
  expect(lines[0]).toMatch(/^ok {5}CPython 3\.\d+\.\d+, pip \d/);
  expect(lines.join("\n")).toMatch(/C compiler/);
  expect(lines.join("\n")).toMatch(/bubblewrap/);
}, 20_000);

test("a machine without the interpreter or the folder cannot join", async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, "file"), "");
  const { ok, lines } = await checkSlave(
    settings("--dir", join(folder, "file", "slave"), "--python", join(folder, "python9")),
  );
  expect(ok).toBe(false);
  expect(lines.filter((line) => line.startsWith("fails"))).toEqual([
    expect.stringMatching(/python9 was not found: install Python/) as string,
    expect.stringMatching(/cannot be written to: give --dir another folder/) as string,
  ]);
}, 20_000);
