/** The machine as the slave describes it: facts for HELLO, figures for every IDLE and BUSY. */
import { readFile, statfs } from "node:fs/promises";
import { availableParallelism, freemem, hostname, loadavg, totalmem } from "node:os";
import type { HostFacts, HostStats } from "../../protocol/model/host.ts";

/** Never throws: what cannot be told is empty. */
export async function hostFacts(): Promise<HostFacts> {
  return {
    os: (await osName()).slice(0, 200),
    board: (await boardName()).slice(0, 200),
    hostname: hostname().slice(0, 255),
    cores: availableParallelism(),
  };
}

/** @param folder where builds lie: it is that disk whose room counts. Figures are 0 where they cannot be told. */
export async function hostStats(folder: string): Promise<HostStats> {
  const disk = await statfs(folder).catch(() => undefined);
  return {
    diskFreeBytes: disk === undefined ? 0 : disk.bavail * disk.bsize,
    diskSizeBytes: disk === undefined ? 0 : disk.blocks * disk.bsize,
    memoryFreeBytes: (await availableMemoryBytes()) ?? freemem(),
    memorySizeBytes: totalmem(),
    loadAverage: loadavg()[0] ?? 0,
  };
}

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

/** What programs can still have without swapping, which is more than what lies unused. */
async function availableMemoryBytes(): Promise<number | undefined> {
  const line = /^MemAvailable:\s+(\d+) kB$/m.exec(await readText("/proc/meminfo"));
  return line === null ? undefined : Number(line[1]) * 1024;
}

const readText = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
