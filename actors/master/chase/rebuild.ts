/**
 * REBUILD: asks for pages that are there already: the Secretary has them written in their turn. After all
 * simple pages comes their root.
 */
import { WHOLE_ROOT } from "../../../db/root-changes.ts";
import { Refusal } from "../../../supervisor/index.ts";
import { askUntilDone } from "../database.ts";
import type { Answer } from "./answer.ts";

/** Pages asked for by one question. */
const STEP = 1_000;

export const rebuild: Answer<"REBUILD"> = async (ctx, { database }, body) => {
  if ("after" in body) {
    const step = await askUntilDone(ctx, database, "requestPagesAfter", { ...body, limit: STEP });
    if (body.kind === "simple" && step.next === null)
      await askUntilDone(ctx, database, "requestPage", {
        pages: [{ kind: "root", key: WHOLE_ROOT }],
      });
    return step;
  }
  const key = "package" in body ? await nameOf(ctx, database, body.package) : "";
  await askUntilDone(ctx, database, "requestPage", { pages: [{ kind: body.kind, key }] });
  return { requested: 1, next: null, isFull: false };
};

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
