/**
 * The Simple API as JSON (PEP 691, 700, 714), read as a stream. Called by `UpstreamClient`. Keys that it
 * does not know are ignored, as the PEP asks; a file whose entry is broken is left out and counted.
 */
import { z } from "zod";
import { canonicalName } from "../packaging/canonical-name.ts";
import { JsonCutter } from "./json-cutter.ts";
import { Pacer } from "./pacer.ts";
import { UpstreamError } from "./upstream-error.ts";
import {
  checkFile,
  checkStanding,
  cleanText,
  type ProjectPage,
  type UpstreamFile,
  versionsOf,
} from "./upstream-project.ts";

export interface ListedProject {
  /** As the index spells it. */
  readonly name: string;
  readonly lastSerial: number | null;
}

const metadataSchema = z.union([z.boolean(), z.record(z.string(), z.string())]).catch(false);

/** Where a wrong type is only lost advice, it counts as absent; elsewhere it makes the entry a broken one. */
const fileSchema = z.object({
  filename: z.string(),
  url: z.string(),
  hashes: z.record(z.string(), z.string()).default({}),
  "requires-python": z.string().nullable().default(null).catch(null),
  size: z.int().nonnegative().nullable().default(null).catch(null),
  "upload-time": z.string().nullable().default(null).catch(null),
  yanked: z.union([z.boolean(), z.string()]).default(false),
  "core-metadata": metadataSchema.optional(),
  "dist-info-metadata": metadataSchema.optional(),
  provenance: z.string().nullable().default(null).catch(null),
});

const serialSchema = z.int().nonnegative().nullable().default(null).catch(null);
const locationsSchema = z.array(z.string()).default([]).catch([]);
const metaSchema = z.object({
  "api-version": z.string(),
  "_last-serial": serialSchema,
  tracks: locationsSchema,
});
const statusSchema = z.object({
  status: z.string(),
  reason: z.string().optional().catch(undefined),
});
const projectSchema = z.object({
  meta: metaSchema,
  name: z.string(),
  files: z.tuple([]),
  versions: z.array(z.string()).optional().catch(undefined),
  "alternate-locations": locationsSchema,
  "project-status": statusSchema.optional().catch(undefined),
});
const rootSchema = z.object({ meta: metaSchema, projects: z.tuple([]) });
const listedSchema = z.object({ name: z.string().min(1), "_last-serial": serialSchema });

/**
 * @param project canonical name of the project that was asked for.
 * @throws UpstreamError `garbled` where it is no such page, of a later major version, or of another project.
 */
export async function readProjectJson(
  pieces: AsyncIterable<string>,
  project: string,
  pageUrl: string,
): Promise<ProjectPage> {
  const files: UpstreamFile[] = [];
  let skippedFiles = 0;
  const take = (element: unknown): void => {
    const file = readFile(element, project, pageUrl);
    if (file === undefined) skippedFiles++;
    else files.push(file);
  };
  const cutter = new JsonCutter({ arrays: { files: take } });
  const pacer = new Pacer();
  for await (const piece of pieces) {
    cutter.write(piece);
    if (pacer.isDue) await pacer.pause();
  }
  const page = check(projectSchema, cutter.end());
  if (canonicalName(page.name) !== project)
    throw new UpstreamError("garbled", `the page of ${project} is that of another project`);
  const { meta, versions } = page;
  checkApiVersion(meta["api-version"]);
  return {
    name: cleanText(page.name),
    lastSerial: meta["_last-serial"],
    files,
    versions: versions?.map(cleanText) ?? versionsOf(files),
    skippedFiles,
    ...checkStanding(
      {
        status: page["project-status"]?.status,
        reason: page["project-status"]?.reason,
        tracks: meta.tracks,
        alternateLocations: page["alternate-locations"],
      },
      project,
    ),
  };
}

/** The projects of the root page as they arrive; what is no project in it is left out. */
export async function* readRootJson(
  pieces: AsyncIterable<string>,
): AsyncGenerator<ListedProject, void, undefined> {
  let arrived: ListedProject[] = [];
  const take = (element: unknown): void => {
    const listed = listedSchema.safeParse(element);
    if (!listed.success) return;
    arrived.push({ name: cleanText(listed.data.name), lastSerial: listed.data["_last-serial"] });
  };
  const cutter = new JsonCutter({ arrays: { projects: take } });
  const pacer = new Pacer();
  for await (const piece of pieces) {
    cutter.write(piece);
    yield* arrived;
    arrived = [];
    if (pacer.isDue) await pacer.pause();
  }
  checkApiVersion(check(rootSchema, cutter.end()).meta["api-version"]);
}

/** @throws UpstreamError `garbled` for a major version other than 1, which PEP 629 says to refuse. */
export function checkApiVersion(version: string): void {
  if (!/^1\.\d+$/.test(version.trim()))
    throw new UpstreamError(
      "garbled",
      `the index speaks version ${JSON.stringify(version.slice(0, 20))} of the Simple API, not 1.x`,
    );
}

function readFile(element: unknown, project: string, pageUrl: string): UpstreamFile | undefined {
  const parsed = fileSchema.safeParse(element);
  if (!parsed.success) return undefined;
  const file = parsed.data;
  // PEP 714: the older key counts only where the newer one is absent.
  const metadata = file["core-metadata"] ?? file["dist-info-metadata"] ?? false;
  const { yanked } = file;
  const claim = {
    filename: file.filename,
    url: file.url,
    sha256: file.hashes["sha256"],
    sizeBytes: file.size,
    requiresPython: file["requires-python"],
    // PEP 691: a boolean, or a reason that is not empty.
    yanked: typeof yanked === "boolean" ? (yanked ? "" : null) : yanked === "" ? null : yanked,
    uploadedAt: file["upload-time"],
    coreMetadata: metadata !== false,
    metadataSha256: typeof metadata === "boolean" ? undefined : metadata["sha256"],
    provenanceUrl: file.provenance,
  };
  return checkFile(claim, project, pageUrl);
}

function check<T>(schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new UpstreamError("garbled", `it is no Simple API page: ${z.prettifyError(parsed.error)}`);
}
