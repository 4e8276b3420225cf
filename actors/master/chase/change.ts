/** LOOK_UP, CHANGE, REMOVE: what an operator says of packages and their versions. */
import { isValidName } from "../../../protocol/packaging/canonical-name.ts";
import { canonicalVersion } from "../../../protocol/packaging/version.ts";
import { Refusal } from "../../../supervisor/index.ts";
import { askUntilDone } from "../database.ts";
import type { Answer } from "./answer.ts";

export const lookUp: Answer<"LOOK_UP"> = (ctx, { database }, body) => {
  checkNames(body);
  return askUntilDone(ctx, database, "lookUp", body);
};

export const change: Answer<"CHANGE"> = async (ctx, { database, cloudGazer }, body) => {
  checkNames({ ...body, aliases: body.aliases });
  const result = await askUntilDone(ctx, database, "changePackage", body);
  if (result.outcome === "changed") {
    ctx.log.info({ ...result, asked: body.versions }, "a package was changed by hand");
    // What upstream says may count again.
    cloudGazer.tell("LOOK");
  }
  return result;
};

export const remove: Answer<"REMOVE"> = async (ctx, { database }, body) => {
  checkNames(body);
  const result = await askUntilDone(ctx, database, "removePackage", body);
  if (result.outcome === "removed")
    ctx.log.info(
      { ...result, asked: body.versions, skip: body.skip },
      body.isOfBuildsOnly ? "builds were removed by hand" : "a package was removed by hand",
    );
  return result;
};

/** Nothing is looked for or recorded under what cannot be a name or a version. */
function checkNames(said: {
  readonly package: string;
  readonly versions: readonly string[];
  readonly aliases?: readonly string[];
}): void {
  for (const name of [said.package, ...(said.aliases ?? [])])
    if (!isValidName(name))
      throw new Refusal(`${JSON.stringify(name.slice(0, 60))} is no project's name`, {
        code: "bad-name",
      });
  for (const version of said.versions)
    if (canonicalVersion(version) === undefined)
      throw new Refusal(`${JSON.stringify(version.slice(0, 60))} is no version (PEP 440)`, {
        code: "bad-version",
      });
}
