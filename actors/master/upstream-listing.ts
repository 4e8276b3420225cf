/**
 * What a farm that lists upstream's own files beside its own (`--merge-upstream`) keeps of a project's page
 * there: what installers install. Pure; the project reader calls it with what the client read.
 */
import type { ListedUpstreamFile } from "../../protocol/model/simple-page.ts";
import type { UpstreamProject } from "../../protocol/upstream/index.ts";

/** As many as a message holds; the oldest are left out beyond it. PyPI's largest project has some 30,000. */
const MAX_FILES = 20_000;

/** Sdists and wheels of the project, in upstream's order. */
export function upstreamListing(project: UpstreamProject): ListedUpstreamFile[] {
  return project.files.slice(-MAX_FILES).flatMap((file): ListedUpstreamFile[] => {
    if (file.kind === "other" || file.version === null || file.version.length > 255) return [];
    return [
      {
        filename: file.filename,
        version: file.version,
        url: file.url,
        sha256: file.sha256,
        sizeBytes: file.sizeBytes,
        requiresPython: file.requiresPython,
        metadataSha256: file.coreMetadata ? (file.metadataSha256 ?? "") : null,
        provenanceUrl: file.provenanceUrl,
        yanked: file.yanked,
        uploadedAt: file.uploadedAt === null ? null : Date.parse(file.uploadedAt),
      },
    ];
  });
}
