/**
 * Writes what people and programs read of one project: its page, the archive of its releases, its JSON, its badge and
 * feed, and what stands at other spellings of its name. Projects of few releases come from the database and go to the
 * disk together. Of others the releases come a stretch at a time, so a project of thousands of files is never whole in
 * one message, nor on the event loop in one piece.
 */
import {
  type ProjectBuild,
  type ProjectPage,
  type ProjectRelease,
  RELEASES_A_STRETCH,
} from "../../../protocol/model/project-page.ts";
import { canonicalName } from "../../../protocol/packaging/canonical-name.ts";
import { badgeOf, renderBadge } from "../../../web/pages/badge.ts";
import { renderAliasPage } from "../../../web/pages/project-alias.ts";
import { renderArchivePage } from "../../../web/pages/project-archive.ts";
import { renderProjectFeed } from "../../../web/pages/project-feed.ts";
import { joinProjectJson, releaseJson } from "../../../web/pages/project-json.ts";
import {
  archivePages,
  RELEASES_ON_PAGE,
  renderProjectPage,
} from "../../../web/pages/project-page.ts";
import type { Site } from "../../../web/pages/site.ts";
import {
  badgeKey,
  isPublicKey,
  projectArchiveKey,
  projectFeedKey,
  projectJsonKey,
  projectPageKey,
} from "../../../web/public-key.ts";
import type { PublicPage } from "../../../web/storage.ts";
import type { Desk, PageWriter } from "./writer.ts";

export const writeProjectPages: PageWriter = async (desk, names) => {
  const heads = await desk.ask("projectPages", { names });
  const small = heads.filter(({ releaseCount }) => releaseCount <= RELEASES_A_STRETCH);
  for (const some of inMessages(small)) await writeSmall(desk, some);
  for (const head of heads)
    if (head.releaseCount > RELEASES_A_STRETCH) await writeLarge(desk, head);
  const here = new Set(heads.map(({ name }) => name));
  for (const name of names) if (!here.has(name)) await removeAll(desk, name);
};

/** Releases that one message tells of, as far as they are of several projects. */
const RELEASES_A_MESSAGE = 250;

function* inMessages(heads: readonly ProjectPage[]): Generator<readonly ProjectPage[]> {
  let [some, releases]: [ProjectPage[], number] = [[], 0];
  for (const head of heads) {
    if (some.length > 0 && releases + head.releaseCount > RELEASES_A_MESSAGE) {
      yield some;
      [some, releases] = [[], 0];
    }
    some.push(head);
    releases += head.releaseCount;
  }
  if (some.length > 0) yield some;
}

/** Projects whose releases are all on their page: together. */
async function writeSmall(desk: Desk, heads: readonly ProjectPage[]): Promise<void> {
  const { storage, site } = desk;
  const releases = await desk.ask("projectReleases", {
    stretches: heads.map(({ name }) => ({ name, from: 0, limit: RELEASES_A_STRETCH })),
  });
  const builds = await buildsOf(desk, heads);
  const pages = heads.flatMap((head, at): PublicPage[] => {
    const all = releases[at] ?? [];
    const json = all.map((release) => releaseJson(head.name, release, site));
    return [
      { key: projectJsonKey(head.name), contents: joinProjectJson(head, json, site) },
      ...pagesOf(head, all, builds, site),
    ];
  });
  await storage.replaceAll(pages);
  await Promise.all(heads.map((head) => removeSurplus(desk, head)));
}

async function writeLarge(desk: Desk, head: ProjectPage): Promise<void> {
  const newest = await writeReleases(desk, head);
  const builds = await buildsOf(desk, [head]);
  await desk.storage.replaceAll(pagesOf(head, newest, builds, desk.site));
  await removeSurplus(desk, head);
}

type Builds = ReadonlyMap<string, readonly ProjectBuild[]>;

async function buildsOf(desk: Desk, heads: readonly ProjectPage[]): Promise<Builds> {
  const names = heads.filter(({ isAttempted }) => isAttempted).map(({ name }) => name);
  if (names.length === 0) return new Map();
  const told = await desk.ask("projectBuilds", { names });
  return new Map(told.map(({ name, builds }) => [name, builds]));
}

/** In the order in which they are to appear: what the page links to stands before it. */
function pagesOf(
  head: ProjectPage,
  newest: readonly ProjectRelease[],
  builds: Builds,
  site: Site,
): PublicPage[] {
  const { name } = head;
  const attempted = [
    { key: badgeKey(name), contents: renderBadge(name, badgeOf(head, newest)) },
    {
      key: projectFeedKey(name),
      contents: renderProjectFeed(head, builds.get(name) ?? [], site),
    },
  ];
  return [
    ...(head.isAttempted ? attempted : []),
    { key: projectPageKey(name), contents: renderProjectPage(head, newest, site) },
    ...aliasKeys(name, head.spellings).map((key) => ({
      key,
      contents: renderAliasPage(name, head.displayName, site),
    })),
  ];
}

/** What the page does not link to any more. */
async function removeSurplus(desk: Desk, { name, isAttempted, releaseCount }: ProjectPage) {
  if (!isAttempted)
    for (const key of [badgeKey(name), projectFeedKey(name)]) await desk.storage.remove(key);
  await removeArchiveFrom(desk, name, archivePages(releaseCount) + 1);
}

/** Writes the JSON and the archive, from the newest stretch to the oldest, and returns the newest releases. */
async function writeReleases(desk: Desk, head: ProjectPage): Promise<readonly ProjectRelease[]> {
  const { name, releaseCount } = head;
  const { storage, site } = desk;
  const newest: ProjectRelease[] = [];
  const json: string[] = [];
  const count = archivePages(releaseCount);
  for (let number = Math.ceil(releaseCount / RELEASES_A_STRETCH); number > 0; number -= 1) {
    const from = (number - 1) * RELEASES_A_STRETCH;
    const [releases = []] = await desk.ask("projectReleases", {
      stretches: [{ name, from, limit: RELEASES_A_STRETCH }],
    });
    newest.push(...releases.slice(0, RELEASES_ON_PAGE - newest.length));
    for (const release of releases) json.push(releaseJson(name, release, site));
    // Some may have gone since they were counted: then the page is asked for again already.
    if (count > 0 && releases.length > 0)
      await storage.replace(
        projectArchiveKey(name, number),
        renderArchivePage(head, { number, count }, releases, site),
      );
  }
  await storage.replace(projectJsonKey(name), joinProjectJson(head, json, site));
  return newest;
}

/** Pages that stood when there were more releases: one after another until there is none. */
async function removeArchiveFrom({ storage }: Desk, name: string, first: number): Promise<void> {
  for (let number = first; ; number += 1) {
    const key = projectArchiveKey(name, number);
    const file = await storage.open(key);
    if (file === undefined) return;
    await file.close();
    await storage.remove(key);
  }
}

async function removeAll(desk: Desk, name: string): Promise<void> {
  const { storage } = desk;
  const spellings = await desk.ask("projectSpellings", { name });
  for (const key of aliasKeys(name, spellings)) await storage.remove(key);
  await storage.remove(projectPageKey(name));
  await removeArchiveFrom(desk, name, 1);
  for (const key of [projectJsonKey(name), projectFeedKey(name), badgeKey(name)])
    await storage.remove(key);
}

/**
 * Also of the canonical form of a spelling, which a server may redirect to. An operator may name a project in ways
 * that are no name of a folder: those lead nowhere.
 */
function aliasKeys(name: string, spellings: readonly string[]): string[] {
  const names = new Set(spellings.flatMap((spelling) => [spelling, canonicalName(spelling)]));
  names.delete(name);
  return [...names].map(projectPageKey).filter(isPublicKey);
}
