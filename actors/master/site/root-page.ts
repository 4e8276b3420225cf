/**
 * Writes the root of the Simple API, by what is noted to have changed (db/root-changes.ts); all of it where
 * that was asked for, or where it was never made. A project comes to it after its own page stands.
 */
import type { RequestResult } from "../../../db/requests.ts";
import { WHOLE_ROOT } from "../../../db/root-changes.ts";
import { allSimpleNames } from "../../../db/views-simple.ts";
import { simplePageKeys } from "../../../web/public-key.ts";
import type { Desk, PageWriter } from "./writer.ts";

type Noted = RequestResult<"rootChanges">;

const STRETCH = 10_000;

export const writeSimpleRoot: PageWriter = async (desk) => {
  const { ask, root } = desk;
  const [first] = await ask("rootChanges", { after: "", limit: 1 });
  const whole = first?.name === WHOLE_ROOT ? first : undefined;
  if (whole !== undefined || !(await root.isMade())) await makeRoot(desk);
  if (whole !== undefined)
    await ask("rootWritten", { changes: [{ name: whole.name, generation: whole.generation }] });
  for (let after: string | undefined = ""; after !== undefined; ) {
    const noted: Noted = await ask("rootChanges", { after, limit: STRETCH });
    const done: Noted[number][] = [];
    const early: string[] = [];
    for (const change of noted) {
      const { name, isListed, isOwed } = change;
      // Asked for just now: it is for the next time.
      if (name === WHOLE_ROOT) continue;
      if (isListed && isOwed && !(await pageStands(desk, name))) early.push(name);
      else done.push(change);
    }
    // Also without any: a page that was lost is put back.
    await root.change(new Map(done.map(({ name, isListed }) => [name, isListed])));
    await ask("rootWritten", {
      changes: done.map(({ name, generation }) => ({ name, generation })),
    });
    await askAgain(desk, early);
    after = noted.length === STRETCH ? noted.at(-1)?.name : undefined;
  }
};

async function makeRoot(desk: Desk): Promise<void> {
  const early: string[] = [];
  async function* names() {
    for await (const { names, owed } of allSimpleNames((args) => desk.ask("simpleNames", args))) {
      const absent = new Set<string>();
      for (const name of owed) if (!(await pageStands(desk, name))) absent.add(name);
      early.push(...absent);
      yield names.filter((name) => !absent.has(name));
    }
  }
  await desk.root.make(names());
  await askAgain(desk, early);
}

/** They stay noted, and the root is written again when their pages have had their turn. */
async function askAgain({ ask }: Desk, names: readonly string[]): Promise<void> {
  const pages = names.map((key) => ({ kind: "root" as const, key }));
  for (let from = 0; from < pages.length; from += STRETCH)
    await ask("requestPage", { pages: pages.slice(from, from + STRETCH) });
}

async function pageStands({ storage }: Desk, name: string): Promise<boolean> {
  const keys = simplePageKeys(name);
  for (const key of [keys.html, keys.json]) {
    const file = await storage.open(key);
    if (file === undefined) return false;
    await file.close();
  }
  return true;
}
