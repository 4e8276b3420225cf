/**
 * `/farm.json`: the figures of the home page for programs, and for its script, which asks for them again and
 * again. Its shape is promised by openapi.ts; new members may come.
 */
import { causeText } from "../../protocol/model/cause.ts";
import type { HomePage, RecentBuild } from "../../protocol/model/farm-page.ts";
import { logKey, urlPathOf } from "../public-key.ts";
import { toneOf } from "./words.ts";

export function renderFarmJson(page: HomePage): string {
  return `${JSON.stringify({
    as_of: instant(page.asOf),
    packages: page.packages,
    versions_built: page.versionsBuilt,
    files: page.files,
    size_bytes: page.filesSizeBytes,
    failed: page.failed,
    builds_last_hour: page.buildsLastHour,
    new_versions_last_hour: page.newVersionsLastHour,
    slaves: page.slaves,
    downloads_30_days: page.downloads.last30Days,
    downloads: page.downloads.ever,
    queue: {
      ready: page.queue.ready,
      building: page.queue.leased,
      waiting: page.queue.waiting,
      blocked: page.queue.blocked,
    },
    recent_builds: page.recentBuilds.map(buildOf),
  })}\n`;
}

const buildOf = (build: RecentBuild) => ({
  build: build.token,
  package: build.package,
  version: build.version,
  target: build.target,
  cause: build.cause,
  tone: toneOf(build.cause).name,
  outcome: causeText[build.cause],
  message: build.message,
  ended: instant(build.endedAt),
  duration_ms: build.durationMs,
  log: build.logToken === null ? null : urlPathOf(logKey(build.logToken)),
});

const instant = (atMs: number): string => new Date(atMs).toISOString();
