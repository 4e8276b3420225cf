/** The farm's own feeds: its last builds, and those that failed. */
import { causeText } from "../../protocol/model/cause.ts";
import type { RecentBuild } from "../../protocol/model/farm-page.ts";
import { logKey, urlPathOf } from "../public-key.ts";
import { renderAtom } from "./atom.ts";
import { absoluteUrl, type Site } from "./site.ts";
import { durationText } from "./words.ts";

export const farmFeeds = {
  builds: { key: "feeds/builds.xml", title: "builds" },
  failures: { key: "feeds/failures.xml", title: "failed builds" },
} as const;

export function renderFarmFeed(
  kind: keyof typeof farmFeeds,
  builds: readonly RecentBuild[],
  site: Site,
): string {
  const { key, title } = farmFeeds[kind];
  const allBuilds = absoluteUrl(site, `/${farmFeeds.builds.key}`);
  return renderAtom({
    url: absoluteUrl(site, `/${key}`),
    pageUrl: absoluteUrl(site, "/"),
    title: `${site.name}: ${title}`,
    author: site.name,
    // A feed without builds says the same whenever it is written.
    updatedAt: 0,
    entries: builds.map((build) => ({
      // The same in both feeds: it is the same build.
      id: `${allBuilds}#build-${build.token}`,
      title: `${build.package} ${build.version} for ${build.target}: ${causeText[build.cause]}`,
      updatedAt: build.endedAt,
      url: absoluteUrl(
        site,
        build.logToken === null
          ? `/project/${encodeURIComponent(build.package)}/`
          : urlPathOf(logKey(build.logToken)),
      ),
      summary: [build.message, `It took ${durationText(build.durationMs)}.`]
        .filter((line) => line !== "")
        .join("\n"),
      category: build.cause,
    })),
  });
}
