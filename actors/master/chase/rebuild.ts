/** REBUILD, REBUILDS: pages that are there already are written again; the Secretary has it done in their turn. */
import { Refusal } from "../../../supervisor/index.ts";
import { askUntilDone } from "../database.ts";
import type { Answer } from "./answer.ts";

export const rebuild: Answer<"REBUILD"> = async (ctx, { database }, body) => {
  if ("all" in body) {
    await askUntilDone(ctx, database, "startRebuild", { kinds: body.all, reason: "asked for" });
    ctx.log.info({ kinds: body.all }, "a rebuild of all pages was asked for");
  } else {
    const key = "package" in body ? await nameOf(ctx, database, body.package) : "";
    await askUntilDone(ctx, database, "requestPage", { pages: [{ kind: body.kind, key }] });
  }
  return askUntilDone(ctx, database, "rebuilds", null);
};

export const rebuilds: Answer<"REBUILDS"> = (ctx, { database }) =>
  askUntilDone(ctx, database, "rebuilds", null);

/** The canonical name of a package that the farm knows. @throws Refusal code `unknown` */
export async function nameOf(
  ctx: Parameters<Answer<"REBUILD">>[0],
  database: Parameters<Answer<"REBUILD">>[1]["database"],
  spelling: string,
): Promise<string> {
  const { found } = await askUntilDone(ctx, database, "lookUp", {
    package: spelling,
    versions: [],
  });
  if (found === null)
    throw new Refusal(`the farm knows no package ${JSON.stringify(spelling.slice(0, 60))}`, {
      code: "unknown",
    });
  return found.package;
}
