/**
 * PyPI's own JSON API, `/pypi/NAME/json` and `/pypi/NAME/VERSION/json`, with the keys that a follower
 * reads and some that it must ignore. Pure functions of what the index holds.
 */
import { isPrerelease } from "../protocol/packaging/version.ts";
import {
  type HeldFile,
  type HeldProject,
  type HeldRelease,
  releasesInOrder,
} from "./sample-index.ts";

/** Undefined where the project has no such version, or no version at all. */
export function jsonApiPage(
  project: HeldProject,
  version: string | undefined,
  baseUrl: string,
): string | undefined {
  const release = version === undefined ? latest(project) : project.releases.get(version);
  if (release === undefined) return undefined;
  const describe = (file: HeldFile, yanked: string | null) => fileJson(file, yanked, baseUrl);
  const releases = Object.fromEntries(
    releasesInOrder(project).map((each) => [
      each.version,
      each.files.map((file) => describe(file, each.yanked)),
    ]),
  );
  return JSON.stringify({
    info: info(project, release),
    last_serial: project.lastSerial,
    ...(version === undefined ? { releases } : {}),
    urls: release.files.map((file) => describe(file, release.yanked)),
    vulnerabilities: [],
  });
}

/** The newest that is neither yanked nor a pre-release, else the newest. */
function latest(project: HeldProject): HeldRelease | undefined {
  const releases = releasesInOrder(project);
  const best = releases.filter(
    (release) => release.yanked === null && !isPrerelease(release.version),
  );
  return best.at(-1) ?? releases.at(-1);
}

function info(project: HeldProject, release: HeldRelease): object {
  const metadata = release.files.find((file) => file.metadata !== null)?.metadata;
  return {
    name: project.name,
    version: release.version,
    summary: metadata?.summary ?? null,
    description: metadata?.description ?? "",
    description_content_type: metadata?.descriptionContentType ?? null,
    requires_python: metadata?.requiresPython ?? null,
    requires_dist: metadata?.requiresDist ?? null,
    home_page: "",
    author: null,
    license: null,
    classifiers: [],
    project_urls: null,
    yanked: release.yanked !== null,
    yanked_reason: release.yanked === "" ? null : release.yanked,
  };
}

const fileJson = (file: HeldFile, yanked: string | null, baseUrl: string): object => ({
  filename: file.filename,
  url: `${baseUrl}${file.urlPath}`,
  digests: { sha256: file.sha256 },
  size: file.contents.length,
  packagetype: file.filename.endsWith(".whl") ? "bdist_wheel" : "sdist",
  python_version: file.pythonTag,
  requires_python: file.metadata?.requiresPython ?? null,
  upload_time_iso_8601: new Date(file.uploadedAt).toISOString(),
  yanked: yanked !== null,
  yanked_reason: yanked === "" ? null : yanked,
});
