/** Which sections and keys a configuration file may have: those of all programs, since they share files. */

import { auditProgram } from "./audit.ts";
import { farmProgram } from "./farm.ts";
import { importProgram } from "./import.ts";
import { initdbProgram } from "./initdb.ts";
import { monitorKeyPrograms, slaveKeyPrograms } from "./key-tools.ts";
import { loggerProgram } from "./logger.ts";
import { masterProgram } from "./master.ts";
import type { Program } from "./option.ts";
import { addProgram, rebuildProgram, removeProgram } from "./package-tools.ts";
import { slaveProgram } from "./slave.ts";
import { listSlavesProgram } from "./slaves-tools.ts";
import { listTargetsProgram } from "./target-tools.ts";
import { keygenProgram, logProgram, pauseProgram, resumeProgram, statusProgram } from "./tools.ts";
import { verifyProgram } from "./verify.ts";

const programs: readonly Program[] = [
  masterProgram,
  slaveProgram,
  farmProgram,
  initdbProgram,
  addProgram,
  removeProgram,
  rebuildProgram,
  listTargetsProgram,
  auditProgram,
  importProgram,
  loggerProgram,
  statusProgram,
  logProgram,
  listSlavesProgram,
  pauseProgram,
  resumeProgram,
  keygenProgram,
  slaveKeyPrograms.list,
  monitorKeyPrograms.list,
  verifyProgram,
];

/** Section name -> the keys of all programs that have it. */
export const knownSections: ReadonlyMap<string, readonly string[]> = collect();

function collect(): Map<string, readonly string[]> {
  const sections = new Map<string, readonly string[]>();
  for (const { section, options } of programs) {
    const keys = Object.keys(options).filter((name) => options[name]?.stored !== false);
    sections.set(section, [...new Set([...(sections.get(section) ?? []), ...keys])]);
  }
  return sections;
}
