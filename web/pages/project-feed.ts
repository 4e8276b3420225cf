/** The feed of one project: its last builds, for readers of feeds. */
import { causeText } from "../../protocol/model/cause.ts";
import type { ProjectBuild, ProjectPage } from "../../protocol/model/project-page.ts";
import { logKey, projectFeedKey, urlPathOf } from "../public-key.ts";
import { renderAtom } from "./atom.ts";
import { absoluteUrl, type Site } from "./site.ts";
import { durationText } from "./words.ts";

export function renderProjectFeed(
  page: Pick<ProjectPage, "name" | "displayName" | "asOf">,
  builds: readonly ProjectBuild[],
  site: Site,
): string {
  const url = absoluteUrl(site, urlPathOf(projectFeedKey(page.name)));
  const pageUrl = absoluteUrl(site, `/project/${page.name}/`);
  return renderAtom({
    url,
    pageUrl,
    title: `${page.displayName}: builds`,
    author: site.name,
    // A feed without builds says the same whenever it is written.
    updatedAt: 0,
    entries: builds.map((build) => ({
      id: `${url}#build-${build.token}`,
      title: `${page.name} ${build.version} for ${build.target}: ${causeText[build.cause]}`,
      updatedAt: build.endedAt,
      url: build.hasLog ? absoluteUrl(site, urlPathOf(logKey(build.token))) : pageUrl,
      summary: [
        build.message,
        build.durationMs === null ? "" : `It took ${durationText(build.durationMs)}.`,
      ]
        .filter((line) => line !== "")
        .join("\n"),
      category: build.cause,
    })),
  });
}
