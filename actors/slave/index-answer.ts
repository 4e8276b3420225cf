/**
 * Asks the indexes about a requirement that pip did not find, since pip's log is the same for an index that
 * answers 503 and one that knows no such project. Called by workshop.ts, once, after such a failure.
 */

import type { TargetSpec } from "../../protocol/model/target.ts";
import { parseRequirement, type Requirement } from "../../protocol/packaging/requirement.ts";
import { requiresPythonAdmits } from "../../protocol/packaging/requires-python.ts";
import { satisfies } from "../../protocol/packaging/specifier.ts";
import { covers } from "../../protocol/packaging/tags.ts";
import { parseWheelFilename } from "../../protocol/packaging/wheel-filename.ts";
import { UpstreamClient, type UpstreamFile } from "../../protocol/upstream/index.ts";
import { USER_AGENT } from "./http-client.ts";

const SILENCE_MS = 15_000;
/** A project's page; PyPI's largest have some 10 MiB. */
const MAX_PAGE_BYTES = 64 * 1024 ** 2;

/**
 * Undefined when each index said something of its own about the project and none has what was asked for; else the
 * first trouble in words. That an index has it now is one too: it had not when pip asked. What cannot be asked
 * about (a name that is none) counts as answered.
 */
export async function findIndexTrouble(
  indexes: readonly string[],
  requirement: string,
  target: Pick<TargetSpec, "tags" | "pythonFullVersion">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const wanted = readRequirement(requirement);
  if (wanted === undefined) return undefined;
  for (const index of indexes) {
    if (!URL.canParse(index)) continue;
    const trouble = await troubleOf(index, wanted, target, signal);
    if (trouble !== undefined) return trouble;
  }
  return undefined;
}

/** What pip prints is mostly a requirement, e.g. `Cython~=0.29` or `numpy (from x)` without what follows. */
function readRequirement(text: string): Requirement | undefined {
  try {
    return parseRequirement(text);
  } catch {
    const name = /^[A-Za-z0-9][A-Za-z0-9._-]*/.exec(text)?.[0];
    return name === undefined || name === text ? undefined : readRequirement(name);
  }
}

async function troubleOf(
  index: string,
  wanted: Requirement,
  target: Pick<TargetSpec, "tags" | "pythonFullVersion">,
  signal: AbortSignal,
): Promise<string | undefined> {
  const client = new UpstreamClient({
    simpleUrl: index,
    xmlrpcUrl: undefined,
    jsonUrl: undefined,
    userAgent: USER_AGENT,
    timeoutMs: SILENCE_MS,
    maxBodyBytes: MAX_PAGE_BYTES,
  });
  const { host } = new URL(index);
  try {
    const project = await client.project(wanted.name, signal);
    const file = project?.files.find((each) => isUsable(each, wanted, target));
    return file === undefined
      ? undefined
      : `${host} has ${file.filename} now, which pip could not find`;
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? error.message : String(error);
    return `${host} gave no answer about ${wanted.name}: ${why}`;
  } finally {
    await client.close();
  }
}

/** Whether pip would take it, as far as a page tells. */
function isUsable(
  file: UpstreamFile,
  wanted: Requirement,
  target: Pick<TargetSpec, "tags" | "pythonFullVersion">,
): boolean {
  if (file.version === null || file.yanked !== null || file.kind === "other") return false;
  if (!satisfies(file.version, wanted.specifiers)) return false;
  if (!requiresPythonAdmits(file.requiresPython, target.pythonFullVersion)) return false;
  if (file.kind === "sdist") return true;
  return covers(parseWheelFilename(file.filename)?.tags ?? [], target.tags);
}
