/**
 * The machine that this runs on, as it describes itself: facts for HELLO, figures for IDLE and BUSY and, of
 * the master, for Big Brother. Reads /proc and /sys where there are any. Nothing here throws, and what is
 * read stays within the bounds of the schemas: a strange sensor must not cost a slave its session.
 */
import { readdir, readFile, statfs } from "node:fs/promises";
import { availableParallelism, freemem, hostname, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import {
  COLDEST_C,
  type DiskRoom,
  HOTTEST_C,
  type HostFacts,
  type HostStats,
  MAX_LOAD,
} from "../model/host.ts";

/** What cannot be told is empty. */
export async function hostFacts(): Promise<HostFacts> {
  return {
    os: (await osName()).slice(0, 200),
    board: (await boardName()).slice(0, 200),
    hostname: hostname().slice(0, 255),
    cores: availableParallelism(),
  };
}

/**
 * @param disk the room that counts there; `diskRoom` measures it
 * @param root where proc/ and sys/ lie; only tests have another one
 */
export async function hostStats(disk: DiskRoom, root = "/"): Promise<HostStats> {
  const memory = await memoryFigures(root);
  return {
    diskFreeBytes: disk.freeBytes,
    diskSizeBytes: disk.sizeBytes,
    ...memory,
    loadAverage: Math.min(MAX_LOAD, loadavg()[0] ?? 0),
    temperatureC: (await temperature(root)) ?? null,
  };
}

/** Of the disk on which a folder lies, for an ordinary user; 0 and 0 where it cannot be told. */
export async function diskRoom(folder: string): Promise<DiskRoom> {
  const disk = await statfs(folder).catch(() => undefined);
  if (disk === undefined) return { freeBytes: 0, sizeBytes: 0 };
  return { freeBytes: whole(disk.bavail * disk.bsize), sizeBytes: whole(disk.blocks * disk.bsize) };
}

/** File systems exist that claim more than a double can count. */
const whole = (bytes: number): number =>
  Number.isFinite(bytes)
    ? Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.floor(bytes)))
    : Number.MAX_SAFE_INTEGER;

async function osName(): Promise<string> {
  const release = await readText("/etc/os-release");
  const line = /^PRETTY_NAME=(.*)$/m.exec(release)?.[1] ?? "";
  return line.trim().replace(/^(["'])(.*)\1$/, "$2") || process.platform;
}

/** Boards say it in the device tree (NUL-terminated), other machines in their firmware's tables. */
async function boardName(): Promise<string> {
  for (const path of ["/sys/firmware/devicetree/base/model", "/sys/class/dmi/id/product_name"]) {
    const text = (await readText(path)).replaceAll("\0", "").trim();
    if (text !== "") return text;
  }
  return "";
}

type MemoryFigures = Pick<
  HostStats,
  "memoryFreeBytes" | "memorySizeBytes" | "swapFreeBytes" | "swapSizeBytes"
>;

/** MemAvailable is what programs can still have without swapping, which is more than what lies unused. */
async function memoryFigures(root: string): Promise<MemoryFigures> {
  const text = await readText(join(root, "proc/meminfo"));
  const bytesOf = (name: string): number | undefined => {
    const kilobytes = new RegExp(`^${name}:\\s+(\\d{1,15}) kB$`, "m").exec(text)?.[1];
    return kilobytes === undefined ? undefined : whole(Number(kilobytes) * 1024);
  };
  return {
    memoryFreeBytes: bytesOf("MemAvailable") ?? freemem(),
    memorySizeBytes: bytesOf("MemTotal") ?? totalmem(),
    swapFreeBytes: bytesOf("SwapFree") ?? 0,
    swapSizeBytes: bytesOf("SwapTotal") ?? 0,
  };
}

/** Sensors that are looked at; some servers have hundreds. */
const MAX_SENSORS = 64;
/** Names of those that mean the processor: thermal zones (`type`) and hardware monitors (`name`). */
const PROCESSOR = /cpu|soc|pkg|package|core|k10temp|zenpower/i;

/** The hottest sensor of the processor, or, where none is named so, the hottest of all. */
async function temperature(root: string): Promise<number | undefined> {
  const sensors = [
    ...(await sensorsIn(join(root, "sys/class/thermal"), /^thermal_zone\d+$/, "type", /^temp$/)),
    ...(await sensorsIn(join(root, "sys/class/hwmon"), /^hwmon\d+$/, "name", /^temp\d+_input$/)),
  ];
  const named = sensors.filter(({ name }) => PROCESSOR.test(name));
  const degrees = (named.length > 0 ? named : sensors).map(({ celsius }) => celsius);
  return degrees.length === 0 ? undefined : Math.max(...degrees);
}

interface Sensor {
  readonly name: string;
  readonly celsius: number;
}

/** Zones switch off, and reading one that does is an error: what cannot be read or believed is passed over. */
async function sensorsIn(
  folder: string,
  device: RegExp,
  nameFile: string,
  valueFile: RegExp,
): Promise<Sensor[]> {
  const sensors: Sensor[] = [];
  for (const entry of await namesIn(folder, device)) {
    const name = await readText(join(folder, entry, nameFile));
    for (const file of await namesIn(join(folder, entry), valueFile)) {
      const text = (await readText(join(folder, entry, file))).trim();
      if (!/^-?\d{1,7}$/.test(text)) continue;
      const celsius = Number(text) / 1_000;
      if (celsius > COLDEST_C && celsius < HOTTEST_C) sensors.push({ name, celsius });
    }
  }
  return sensors;
}

async function namesIn(folder: string, pattern: RegExp): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  return names
    .filter((name) => pattern.test(name))
    .sort()
    .slice(0, MAX_SENSORS);
}

const readText = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
