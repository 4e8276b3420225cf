/** TOKENS, CREATE_TOKEN, REVOKE_TOKEN: who is let in over HTTP. Only the hash of a token is ever said here. */
import { askUntilDone } from "../database.ts";
import type { Answer } from "./answer.ts";

export const tokens: Answer<"TOKENS"> = (ctx, { database }) =>
  askUntilDone(ctx, database, "listTokens", null);

export const createToken: Answer<"CREATE_TOKEN"> = async (ctx, { database }, body) => {
  const result = await askUntilDone(ctx, database, "createToken", body);
  const { name, right, lifetimeMs } = body;
  ctx.log.info({ name, right, lifetimeMs, ...result }, "a token was asked for");
  return result;
};

export const revokeToken: Answer<"REVOKE_TOKEN"> = async (ctx, { database }, body) => {
  const result = await askUntilDone(ctx, database, "revokeToken", body);
  if (result.isRevoked) ctx.log.info({ name: body.name }, "a token was revoked");
  return result;
};
