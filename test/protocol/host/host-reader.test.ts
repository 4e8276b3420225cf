/** What a machine says of itself: as it is, and where it says nothing or nonsense. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { diskRoom, hostStats } from "../../../protocol/host/host-reader.ts";
import { hostStatsSchema } from "../../../protocol/model/host.ts";
import { temporaryFolder } from "../../actors/slave/temporary-folder.ts";

const disk = { freeBytes: 5, sizeBytes: 10 };

/** A machine with these files below its root. */
async function machine(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

it("this machine's figures are what a message may carry", async () => {
  const stats = await hostStats(await diskRoom("."));
  expect(hostStatsSchema.parse(stats)).toEqual(stats);
  expect(stats.diskSizeBytes).toBeGreaterThan(stats.diskFreeBytes);
  expect(stats.memorySizeBytes).toBeGreaterThan(stats.memoryFreeBytes);
});

it("memory that is left is what programs can have, and swap is told", async () => {
  const meminfo = [
    "MemTotal:        1000 kB",
    "MemFree:           10 kB",
    "MemAvailable:     600 kB",
    "SwapTotal:        200 kB",
    "SwapFree:         150 kB",
  ];
  const stats = await hostStats(disk, await machine({ "proc/meminfo": meminfo.join("\n") }));
  expect(stats).toMatchObject({
    diskFreeBytes: 5,
    memorySizeBytes: 1000 * 1024,
    memoryFreeBytes: 600 * 1024,
    swapSizeBytes: 200 * 1024,
    swapFreeBytes: 150 * 1024,
  });
});

const zones = "sys/class/thermal";
it.each<[string, Readonly<Record<string, string>>, number | null]>([
  ["a board's zone", { [`${zones}/thermal_zone0/temp`]: "48312\n" }, 48.312],
  [
    "the processor rather than a hotter disk",
    {
      [`${zones}/thermal_zone0/type`]: "x86_pkg_temp\n",
      [`${zones}/thermal_zone0/temp`]: "51000\n",
      "sys/class/hwmon/hwmon0/name": "nvme\n",
      "sys/class/hwmon/hwmon0/temp1_input": "77000\n",
    },
    51,
  ],
  [
    "a hardware monitor where there is no zone",
    { "sys/class/hwmon/hwmon1/name": "k10temp\n", "sys/class/hwmon/hwmon1/temp1_input": "60500" },
    60.5,
  ],
  [
    "none where a sensor says what cannot be",
    { [`${zones}/thermal_zone0/temp`]: "999999\n", [`${zones}/thermal_zone1/temp`]: "hot\n" },
    null,
  ],
  ["none where there is no sensor", {}, null],
])("the temperature is that of %s", async (_what, files, celsius) => {
  const { temperatureC } = await hostStats(disk, await machine(files));
  expect(temperatureC).toBe(celsius);
});

it("a folder that is not there has no room, and costs no error", async () => {
  expect(await diskRoom("/nowhere/at/all")).toEqual({ freeBytes: 0, sizeBytes: 0 });
});

it("without /proc there are figures all the same", async () => {
  const stats = await hostStats(disk, "/nowhere");
  expect(hostStatsSchema.parse(stats)).toEqual(stats);
  expect(stats).toMatchObject({ swapSizeBytes: 0, swapFreeBytes: 0, temperatureC: null });
  expect(stats.memorySizeBytes).toBeGreaterThan(0);
});
