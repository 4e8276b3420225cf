/** WANT: adds requirements to the wanted set, all of them or none. UNWANT takes them back. */
import { canonicalName } from "../../../protocol/packaging/canonical-name.ts";
import { parseRequirement, RequirementError } from "../../../protocol/packaging/requirement.ts";
import { Refusal } from "../../../supervisor/index.ts";
import { askUntilDone } from "../database.ts";
import type { Answer } from "./answer.ts";

export const want: Answer<"WANT"> = async (ctx, { database, cloudGazer }, body) => {
  const result = await askUntilDone(ctx, database, "addWanted", {
    ...body,
    requirements: body.requirements.map(named),
  });
  cloudGazer.tell("LOOK");
  ctx.log.info({ ...result }, "requirements were added to the wanted set");
  return result;
};

export const unwant: Answer<"UNWANT"> = async (ctx, { database }, body) => {
  const result = await askUntilDone(ctx, database, "removeWanted", {
    requirements: body.requirements.flatMap((text) => [text, canonicalName(text)]),
  });
  ctx.log.info({ ...result }, "requirements were taken back from the wanted set");
  return result;
};

function named(text: string): { name: string; text: string } {
  try {
    const { name, url } = parseRequirement(text);
    if (url === undefined) return { name, text };
  } catch (error) {
    if (error instanceof RequirementError)
      throw new Refusal(error.message, { code: "bad-requirement", cause: error });
    throw error;
  }
  throw new Refusal(`${text}: a URL cannot be followed; name a project`, {
    code: "bad-requirement",
  });
}
