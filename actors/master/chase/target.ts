/**
 * TARGETS, ADD_TARGET, CHANGE_TARGET: what wheels are built for. The Architect computes the queue for what
 * changed at its next sweep.
 */
import { askUntilDone } from "../database.ts";
import type { Answer } from "./answer.ts";

export const targets: Answer<"TARGETS"> = (ctx, { database }) =>
  askUntilDone(ctx, database, "listTargets", null);

export const addTarget: Answer<"ADD_TARGET"> = async (ctx, { database }, body) => {
  const result = await askUntilDone(ctx, database, "addTarget", body);
  ctx.log.info({ target: body.spec.name, ...result }, "a target was added by hand");
  return result;
};

export const changeTarget: Answer<"CHANGE_TARGET"> = async (ctx, { database }, body) => {
  const result = await askUntilDone(ctx, database, "changeTarget", body);
  ctx.log.info({ ...body, ...result }, "a target was changed by hand");
  return result;
};
