/**
 * `/project/NAME/json/`: what the farm has of a project, for programs. The schema is its documentation too: each field
 * says what it is, tests hold every document against it, and the site's page about its JSON shows it.
 *
 * A document is put together from releases that are rendered one at a time, so that one of thousands of files is never
 * a tree of objects. Instants are RFC 3339 in UTC; URLs are absolute.
 */
import { z } from "zod";
import { causeSchema } from "../../protocol/model/cause.ts";
import {
  type ProjectFile,
  type ProjectPage,
  type ProjectRelease,
  type ReleaseBuild,
  releaseBuildStates,
} from "../../protocol/model/project-page.ts";
import { parseWheelFilename } from "../../protocol/packaging/wheel-filename.ts";
import {
  badgeKey,
  logKey,
  projectFeedKey,
  provenanceKey,
  urlPathOf,
  wheelKey,
} from "../public-key.ts";
import { absoluteUrl, type Site } from "./site.ts";

const instant = z.iso.datetime();
const url = z.url();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/);

const fileSchema = z.object({
  file_url: url,
  filehash: sha256.describe("SHA-256, in lower-case hexadecimal"),
  filesize: z.int().nonnegative().describe("in bytes"),
  builder_abi: z.string().describe("ABI of the interpreter that it was built with, `cp311`"),
  file_abi_tag: z.string().describe("ABI tag of its name: `abi3`, `none`"),
  platform: z.string().describe("platform tag of its name"),
  requires_python: z.string().nullable(),
  apt_dependencies: z
    .array(z.string())
    .describe("system packages that it needs, as the package manager of its builder names them"),
  pip_dependencies: z.array(z.string()).describe("its Requires-Dist"),
  uploaded: instant.describe("when the farm published it"),
  suspicious: z.string().nullable().describe("what is odd about it; null when nothing is"),
  provenance_url: z
    .string()
    .nullable()
    .describe("who built it from what, signed by the farm (PEP 740); null when it is not"),
});

const buildSchema = z.object({
  state: z.enum(releaseBuildStates),
  cause: causeSchema.nullable().describe("how the last attempt ended; null where there was none"),
  message: z.string().describe("one line of the last attempt, or the empty string"),
  attempts: z.int().nonnegative().describe("that ended"),
  ended: instant.nullable(),
  duration_ms: z.number().nonnegative().nullable(),
  retry_at: instant.nullable().describe("of a build that waits"),
  waits_for: z.array(z.string()).describe("requirements that a blocked build waits for"),
  log_url: url.nullable(),
  resolved: z
    .array(z.object({ name: z.string(), version: z.string(), sha256: sha256.nullable() }))
    .nullable()
    .describe("what was installed to build it; null where that is not known"),
});

const releaseSchema = z.object({
  released: instant.nullable(),
  prerelease: z.boolean(),
  yanked: z.boolean(),
  yanked_reason: z.string().nullable(),
  skip_reason: z.string().describe("why it is not built, `binary only`; else the empty string"),
  wanted: z.boolean().describe("false where the farm builds a chosen set without this release"),
  requires_python: z.string().nullable(),
  files: z.record(z.string(), fileSchema).describe("by file name"),
  builds: z.record(z.string(), buildSchema).describe("by target, `cp311-linux_x86_64`"),
});

export const projectJsonSchema = z.object({
  package: z.string().describe("canonical name"),
  display_name: z.string(),
  spellings: z.array(z.string()).describe("others that lead to the project"),
  summary: z.string(),
  upstream_url: url.nullable(),
  project_url: url.describe("the project's page on this site"),
  simple_url: url.describe("its page in the simple index; there is none while it has no file"),
  feed_url: url.nullable().describe("null where nothing was attempted yet; `badge_url` too"),
  badge_url: url.nullable(),
  skip_reason: z.string().describe("why nothing of it is built; else the empty string"),
  targets: z.array(z.string()).describe("what the farm builds for"),
  downloads: z.object({
    last_30_days: z.int().nonnegative(),
    ever: z.int().nonnegative(),
  }),
  releases: z.record(z.string(), releaseSchema).describe("by version as upstream spells it"),
});
export type ProjectJson = z.infer<typeof projectJsonSchema>;
type FileJson = z.infer<typeof fileSchema>;
type BuildJson = z.infer<typeof buildSchema>;
type ReleaseJson = z.infer<typeof releaseSchema>;

/** One member of `releases`, as text. */
export function releaseJson(name: string, release: ProjectRelease, site: Site): string {
  const json: ReleaseJson = {
    released: instantOf(release.releasedAt),
    prerelease: release.isPrerelease,
    yanked: release.yanked !== null,
    yanked_reason: release.yanked,
    skip_reason: release.skipReason ?? "",
    wanted: release.isWanted,
    requires_python: release.requiresPython,
    files: Object.fromEntries(
      release.files.map((file) => [file.filename, fileJson(name, file, site)]),
    ),
    builds: Object.fromEntries(
      release.builds.map((build) => [build.target, buildJson(build, site)]),
    ),
  };
  return `${JSON.stringify(release.version)}:${JSON.stringify(json)}`;
}

/** @param releases as `releaseJson` gives them */
export function joinProjectJson(
  page: ProjectPage,
  releases: readonly string[],
  site: Site,
): string {
  const { name } = page;
  const linked = (path: string) => (page.isAttempted ? absoluteUrl(site, path) : null);
  const head: Omit<ProjectJson, "releases"> = {
    package: name,
    display_name: page.displayName,
    spellings: [...page.spellings],
    summary: page.summary,
    upstream_url: page.upstreamUrl,
    project_url: absoluteUrl(site, `/project/${name}/`),
    simple_url: absoluteUrl(site, `/simple/${name}/`),
    feed_url: linked(urlPathOf(projectFeedKey(name))),
    badge_url: linked(urlPathOf(badgeKey(name))),
    skip_reason: page.skipReason ?? "",
    targets: page.targets.map((target) => target.name),
    downloads: { last_30_days: page.downloads.last30Days, ever: page.downloads.ever },
  };
  return `${JSON.stringify(head).slice(0, -1)},"releases":{${releases.join(",\n")}}}\n`;
}

function fileJson(name: string, file: ProjectFile, site: Site): FileJson {
  const parsed = parseWheelFilename(file.filename);
  return {
    file_url: absoluteUrl(site, urlPathOf(wheelKey(name, file.filename))),
    filehash: file.sha256,
    filesize: file.sizeBytes,
    builder_abi: file.builderAbi,
    file_abi_tag: parsed?.abi ?? "",
    platform: parsed?.platform ?? "",
    requires_python: file.requiresPython,
    apt_dependencies: [...file.systemPackages],
    pip_dependencies: [...file.requiresDist],
    uploaded: new Date(file.uploadedAt).toISOString(),
    suspicious: file.suspicious,
    provenance_url: file.isSigned
      ? absoluteUrl(site, urlPathOf(provenanceKey(name, file.filename)))
      : null,
  };
}

const buildJson = (build: ReleaseBuild, site: Site): BuildJson => ({
  state: build.state,
  cause: build.cause,
  message: build.message,
  attempts: build.attempts,
  ended: instantOf(build.endedAt),
  duration_ms: build.durationMs,
  retry_at: instantOf(build.notBefore),
  waits_for: build.needs.map(({ requirement }) => requirement),
  log_url: build.logToken === null ? null : absoluteUrl(site, urlPathOf(logKey(build.logToken))),
  resolved: build.resolved?.map((each) => ({ ...each })) ?? null,
});

const instantOf = (atMs: number | null): string | null =>
  atMs === null ? null : new Date(atMs).toISOString();
