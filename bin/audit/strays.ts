/**
 * piw-audit: what lies in the folders of wheels, logs, project pages and badges, and in the blobs, and is nobody's. It is
 * moved to quarantine, never removed. What lies elsewhere in the output folder is not the farm's, and is not
 * looked at.
 */
import { fileStates, knownNames, namesWithSimplePage, tokensWithLog } from "../../db/audit.ts";
import { referencedBlobs } from "../../db/files.ts";
import { requestPage } from "../../db/pages.ts";
import { logKey, SIMPLE_HTML, SIMPLE_JSON } from "../../web/public-key.ts";
import { type TreeEntry, variantOwner } from "../../web/storage.ts";
import { type Audit, batches, examine, type Problem } from "./examination.ts";
import { clear } from "./public-file.ts";

const BATCH = 1_000;
/** A blob that nothing refers to is swept by the master; one that is left for so long is not. */
const BLOB_GRACE_MS = 24 * 3_600_000;

/** Something that lies there; with the folder that it lies in. */
interface Lying extends TreeEntry {
  readonly folder: string;
}

export async function auditStrays(audit: Audit): Promise<void> {
  for await (const items of batches(lyingIn(audit, "simple"), BATCH))
    await judge(audit, "files", items, (some) => strayFiles(audit, some));
  for await (const items of batches(lyingIn(audit, "project", 0), BATCH))
    await judge(audit, "project folders", items, (some) => strayProjects(audit, some));
  for await (const items of batches(lyingIn(audit, "badge", 0), BATCH))
    await judge(audit, "badges", items, (some) => strayBadges(audit, some));
  for await (const items of batches(lyingIn(audit, "logs", 2), BATCH))
    await judge(audit, "log files", items, (some) => strayLogs(audit, some));
  for await (const items of batches(lyingIn(audit, ".store/blobs"), BATCH))
    await judge(audit, "blobs", items, (some) => strayBlobs(audit, some));
}

/** What is in a folder and, down to a depth, in its folders; a folder at that depth is one of the things. */
async function* lyingIn(audit: Audit, folder: string | Buffer, depth = 1): AsyncGenerator<Lying> {
  const name = Buffer.from(folder).toString("utf8");
  try {
    for await (const entry of audit.tree.entries(folder)) {
      if (entry.kind === "folder" && depth > 0) yield* lyingIn(audit, entry.place, depth - 1);
      else yield { ...entry, folder: name };
    }
  } catch (error) {
    audit.signal.throwIfAborted();
    const detail = error instanceof Error ? error.message : String(error);
    audit.report({ kind: "unreadable", place: name, detail, done: undefined, failure: undefined });
  }
}

/** Asks once for all of a batch, and again for the suspects of it. */
async function judge(
  audit: Audit,
  what: string,
  items: readonly Lying[],
  ask: (some: readonly Lying[]) => Promise<ReadonlyMap<Lying, Problem>>,
): Promise<void> {
  const problems = new Map(await ask(items));
  await examine(audit, {
    what,
    items,
    look: (item) => {
      const problem = problems.get(item);
      return Promise.resolve(problem === undefined ? [] : [problem]);
    },
    refresh: async (some) => {
      const there: Lying[] = [];
      for (const item of some)
        if ((await audit.tree.look(item.place)).kind !== "absent") there.push(item);
      for (const item of some) problems.delete(item);
      for (const [item, problem] of await ask(there)) problems.set(item, problem);
      return there;
    },
  });
}

function orphan(audit: Audit, { place }: Lying, detail: string, kind = "orphaned"): Problem {
  return {
    kind,
    place: place.toString("utf8"),
    detail,
    mend: async () => {
      const done = await clear(audit, place);
      return done === "" ? "gone already" : done.replace(/, $/, "");
    },
  };
}

const isWheel = (name: string): boolean => /\.whl(?:\.metadata|\.provenance)?$/.test(name);
const projectOf = (folder: string): string => folder.split("/")[1] ?? "";

async function strayFiles(
  audit: Audit,
  items: readonly Lying[],
): Promise<ReadonlyMap<Lying, Problem>> {
  const { sql } = audit;
  const wheelOf = (name: string): string => name.replace(/\.(?:metadata|provenance)$/, "");
  const states = await fileStates(sql, [
    ...new Set(items.filter(({ name }) => isWheel(name)).map(({ name }) => wheelOf(name))),
  ]);
  const projects = [...new Set(items.map(({ folder }) => projectOf(folder)))].filter(
    (name) => name !== "",
  );
  const [known, withPage] = [
    await knownNames(sql, projects),
    await namesWithSimplePage(sql, projects),
  ];
  const problems = new Map<Lying, Problem>();
  for (const item of items) {
    const { folder, name, kind } = item;
    const project = projectOf(folder);
    // A page's compressed copies are judged with the page.
    const page = variantOwner(name) ?? name;
    const isPage = page === SIMPLE_HTML || page === SIMPLE_JSON;
    if (isPage && kind === "file" && (project === "" || withPage.has(project))) continue;
    if (isPage && kind === "file" && known.has(project)) {
      problems.set(item, {
        ...orphan(audit, item, "the project has no public file"),
        mend: async () => {
          await requestPage.run(sql, { pages: [{ kind: "simple", key: project }] });
          return "asked for: the master takes it away";
        },
      });
      continue;
    }
    const owner = isWheel(name) ? states.get(wheelOf(name)) : undefined;
    const isOurs = owner?.package === project;
    // What stands and is no ordinary file is found with its wheel.
    if (isOurs && (owner.state === "stands" || owner.state === "leaving")) continue;
    problems.set(
      item,
      isOurs
        ? orphan(audit, item, "it was withdrawn, and is still public", "withdrawn")
        : orphan(audit, item, "the database knows of no such file"),
    );
  }
  return problems;
}

async function strayProjects(
  audit: Audit,
  items: readonly Lying[],
): Promise<ReadonlyMap<Lying, Problem>> {
  const known = await knownNames(
    audit.sql,
    items.map(({ name }) => name),
  );
  const strays = items.filter(({ name, kind }) => kind !== "folder" || !known.has(name));
  return new Map(
    strays.map((item) => [item, orphan(audit, item, "the database knows of no such project")]),
  );
}

async function strayBadges(
  audit: Audit,
  items: readonly Lying[],
): Promise<ReadonlyMap<Lying, Problem>> {
  // A badge's compressed copies are judged by its name.
  const nameOf = ({ name }: Lying): string =>
    /^(.+)\.svg$/.exec(variantOwner(name) ?? name)?.[1] ?? "";
  const known = await knownNames(audit.sql, items.map(nameOf));
  return new Map(
    items
      .filter((item) => item.kind !== "file" || !known.has(nameOf(item)))
      .map((item) => [item, orphan(audit, item, "the database knows of no such project")]),
  );
}

async function strayLogs(
  audit: Audit,
  items: readonly Lying[],
): Promise<ReadonlyMap<Lying, Problem>> {
  const tokenOf = ({ place }: Lying): number => {
    const path = place.toString("utf8");
    const token = Number(
      path
        .replace(/^logs\//, "")
        .replace(/\.txt\.gz$/, "")
        .replaceAll("/", ""),
    );
    return Number.isSafeInteger(token) && token > 0 && logKey(token) === path ? token : 0;
  };
  const tokens = items.map(tokenOf).filter((token) => token > 0);
  const known = await tokensWithLog(audit.sql, tokens);
  return new Map(
    items
      .filter((item) => !known.has(tokenOf(item)))
      .map((item) => [item, orphan(audit, item, "the database knows of no such log")]),
  );
}

async function strayBlobs(
  audit: Audit,
  items: readonly Lying[],
): Promise<ReadonlyMap<Lying, Problem>> {
  const isBlob = ({ name, folder }: Lying): boolean =>
    /^[0-9a-f]{64}$/.test(name) && folder === `.store/blobs/${name.slice(0, 2)}`;
  const sha256s = items.filter(isBlob).map(({ name }) => name);
  const referenced = new Set(await referencedBlobs.run(audit.sql, { sha256s }));
  const problems = new Map<Lying, Problem>();
  for (const item of items) {
    if (!isBlob(item)) {
      problems.set(item, orphan(audit, item, "it is no blob's name"));
      continue;
    }
    if (referenced.has(item.name)) continue;
    const found = await audit.tree.look(item.place);
    if (found.kind === "unreadable")
      problems.set(item, { ...orphan(audit, item, found.reason, found.kind), mend: undefined });
    else if (found.kind !== "file" || (found.names === 1 && found.ageMs > BLOB_GRACE_MS))
      problems.set(item, orphan(audit, item, "nothing refers to it"));
  }
  return problems;
}
