/**
 * What an upstream project page means for the farm: its files grouped into releases, each with the
 * sdist that would be built. Pure; Cloud Gazer calls it with what the client read.
 */
import type { ReleaseFacts } from "../../db/upstream.ts";
import { plainFilenameSchema } from "../../protocol/model/build.ts";
import { parseSdistFilename, preferredSdist } from "../../protocol/packaging/sdist-filename.ts";
import {
  canonicalVersion,
  isPrerelease,
  versionSortKey,
} from "../../protocol/packaging/version.ts";
import { parseWheelFilename } from "../../protocol/packaging/wheel-filename.ts";
import type { UpstreamFile, UpstreamProject } from "../../protocol/upstream/index.ts";

/** As long as the index of record allows, and as the database should have to hold. */
const MAX_VERSION_LENGTH = 200;

interface Group {
  version: string;
  spelling: string;
  readonly files: UpstreamFile[];
  readonly sdists: UpstreamFile[];
  readonly tags: Set<string>;
}

/** Files whose names say nothing valid are passed over, as pip does. */
export function projectReleases(project: UpstreamProject): {
  releases: ReleaseFacts[];
  refused: string[];
} {
  const groups = new Map<string, Group>();
  const refused: string[] = [];
  const groupOf = (spelling: string): Group | undefined => {
    const version = canonicalVersion(spelling);
    if (version === undefined) return undefined;
    if (spelling.length > MAX_VERSION_LENGTH || version.length > MAX_VERSION_LENGTH) {
      refused.push(spelling.slice(0, 60));
      return undefined;
    }
    // 1.0 and 1.0.0 are one release.
    const key = versionSortKey(version);
    const known = groups.get(key);
    if (known !== undefined) return known;
    const group: Group = { version, spelling, files: [], sdists: [], tags: new Set() };
    groups.set(key, group);
    return group;
  };
  for (const file of project.files) {
    if (file.kind === "wheel") {
      const wheel = parseWheelFilename(file.filename);
      const group = wheel && groupOf(wheel.version);
      if (wheel === undefined || group === undefined) continue;
      group.files.push(file);
      for (const tag of wheel.tags) group.tags.add(tag);
    } else if (file.kind === "sdist") {
      const sdist = parseSdistFilename(file.filename, project.name);
      const group = sdist && groupOf(sdist.version);
      if (group === undefined) continue;
      group.files.push(file);
      if (plainFilenameSchema.safeParse(file.filename).success) group.sdists.push(file);
    }
  }
  for (const spelling of project.versions) {
    const group = groupOf(spelling);
    if (group === undefined) continue;
    group.spelling = spelling;
    group.version = canonicalVersion(spelling) ?? group.version;
  }
  const releases = [...groups].map(([sortKey, group]) => toRelease(sortKey, group));
  return { releases, refused };
}

function toRelease(sortKey: string, group: Group): ReleaseFacts {
  const sdist = preferredSdist(group.sdists.filter((file) => file.sha256 !== null));
  const yanked = group.files.every((file) => file.yanked !== null)
    ? (group.files[0]?.yanked ?? null)
    : null;
  const times = group.files
    .map((file) => Date.parse(file.uploadedAt ?? ""))
    .filter((time) => !Number.isNaN(time));
  return {
    version: group.version,
    spelling: group.spelling,
    sortKey,
    isPrerelease: isPrerelease(group.version),
    releasedAt: times.length === 0 ? null : Math.min(...times),
    requiresPython: (sdist ?? group.files[0])?.requiresPython ?? null,
    yanked,
    sdist:
      sdist === undefined || sdist.sha256 === null
        ? null
        : {
            filename: sdist.filename,
            url: sdist.url,
            sha256: sdist.sha256,
            sizeBytes: sdist.sizeBytes,
          },
    skip: sdist !== undefined ? null : group.sdists.length > 0 ? "no hash" : "binary only",
    upstreamTags: [...group.tags].sort(),
  };
}
