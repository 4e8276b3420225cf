/**
 * Writes what people and programs read of one project: its page, the archive of its releases, its JSON, its badge and
 * feed, and what stands at other spellings of its name. Releases come from the database a stretch at a time, so a
 * project of thousands of files is never whole in one message, nor on the event loop in one piece.
 */
import {
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
import {
  badgeKey,
  isPublicKey,
  projectArchiveKey,
  projectFeedKey,
  projectJsonKey,
  projectPageKey,
} from "../../../web/public-key.ts";
import type { Desk, PageWriter } from "./writer.ts";

export const writeProjectPages: PageWriter = async (desk, name) => {
  const head = await desk.ask("projectPage", { name });
  if (head === null) {
    await removeAll(desk, name);
    return;
  }
  const newest = await writeReleases(desk, head);
  const { storage, site } = desk;
  // What the page links to stands before it.
  if (head.isAttempted) {
    const builds = await desk.ask("projectBuilds", { name });
    await storage.replace(badgeKey(name), renderBadge(name, badgeOf(head, newest)));
    await storage.replace(projectFeedKey(name), renderProjectFeed(head, builds, site));
  }
  await storage.replace(projectPageKey(name), renderProjectPage(head, newest, site));
  if (!head.isAttempted) {
    await storage.remove(badgeKey(name));
    await storage.remove(projectFeedKey(name));
  }
  await removeArchiveFrom(desk, name, archivePages(head.releaseCount) + 1);
  for (const key of aliasKeys(name, head.spellings))
    await storage.replace(key, renderAliasPage(name, head.displayName, site));
};

/** Writes the JSON and the archive, from the newest stretch to the oldest, and returns the newest releases. */
async function writeReleases(desk: Desk, head: ProjectPage): Promise<readonly ProjectRelease[]> {
  const { name, releaseCount } = head;
  const { storage, site } = desk;
  const newest: ProjectRelease[] = [];
  const json: string[] = [];
  const count = archivePages(releaseCount);
  for (let number = Math.ceil(releaseCount / RELEASES_A_STRETCH); number > 0; number -= 1) {
    const from = (number - 1) * RELEASES_A_STRETCH;
    const releases = await desk.ask("projectReleases", { name, from, limit: RELEASES_A_STRETCH });
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
