/** What `piw farm` hands to its tree: the embedded database, the sample upstream, the programs to start. */
import { existsSync } from "node:fs";
import type { DatabaseServer, FarmParts } from "../actors/farm/parts.ts";
import { probeInterpreter } from "../actors/slave/interpreter.ts";
import type { FarmSettings } from "../config/settings.ts";
import { startEmbeddedPostgres } from "../db/embedded.ts";
import { ensureFarmDatabase } from "../db/farm-database.ts";
import { lockFolder } from "../db/folder-lock.ts";
import { upgradeDatabase } from "../db/migrate.ts";
import { startSampleUpstream } from "../samples/index.ts";
import { writeNewSigningKey } from "../web/provenance/new-signing-key.ts";
import { reportLines } from "./report-table.ts";

/** @param binFolder where the programs lie, with a slash at the end */
export function farmParts(settings: FarmSettings, binFolder: string): FarmParts {
  return {
    startDatabase: ({ folder, log }) => startDatabase(folder, log, settings.allowRoot),
    startUpstream: (port) => startSampleUpstream({ port }),
    checkPython: (command) => probeInterpreter(command),
    lockFolder,
    makeSigningKey: async (file) => {
      await writeNewSigningKey(file, "Wheelwright farm");
    },
    masterCommand: programCommand(binFolder, "piw-master"),
    slaveCommand: programCommand(binFolder, "piw-slave"),
    output: process.stdout,
    reportLines,
  };
}

/** PostgreSQL with the farm's database in it, of this program's version. */
async function startDatabase(
  folder: string,
  log: (line: string) => void,
  allowRoot: boolean,
): Promise<DatabaseServer> {
  const server = await startEmbeddedPostgres({ folder, log, allowRoot });
  try {
    const { ownerDsn, masterDsn, masterRole } = await ensureFarmDatabase(server);
    await upgradeDatabase(ownerDsn, { masterRole, log: () => {} });
    return { dsn: masterDsn, exited: server.exited, stop: () => server.stop() };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

/** With this Node and its loaders, so that the farm also runs from its sources. */
function programCommand(binFolder: string, name: string): readonly [string, ...string[]] {
  const built = `${binFolder}${name}.js`;
  if (existsSync(built)) {
    return [process.execPath, "--enable-source-maps", built];
  }
  // The programs stand in another folder, from where a bare name would not be found.
  const loaders = process.execArgv.map((word, index, words) =>
    words[index - 1] === "--import" ? import.meta.resolve(word) : word,
  );
  return [process.execPath, ...loaders, `${binFolder}${name}.ts`];
}
