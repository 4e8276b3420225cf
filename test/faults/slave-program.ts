/** A slave as a process of its own, to be killed by tests. Its settings are its first argument, as JSON. */
import { startSlave } from "../../actors/slave/tree.ts";
import type { SlaveSettings } from "../../config/settings.ts";
import { silentLogger, superviseProcess } from "../../supervisor/index.ts";

const settings = JSON.parse(process.argv[2] ?? "{}") as SlaveSettings;
const system = await startSlave(settings, silentLogger);
superviseProcess(system);
