/**
 * Tokens of those who look at the farm over HTTP. Mr. Chase asks for all but `checkToken`, which the gates of the web server
 * ask for (web/server/token-gate.ts), seldom: they remember an answer for moments.
 */
import { z } from "zod";
import {
  MOST_TOKENS,
  MOST_TOKENS_LISTED,
  newTokenSchema,
  type TokenHolder,
  type TokenRow,
  tokenCreatedSchema,
  tokenHashSchema,
  tokenHolderSchema,
  tokenNameSchema,
  tokenRevokedSchema,
  tokenRowSchema,
} from "../protocol/model/access-token.ts";
import { transaction } from "./connection.ts";
import { request } from "./request.ts";

/** One at a time, so that the number of tokens is what it was counted to be. */
const TOKENS_LOCK = 862_380;

/** Asked for again with the same hash, it is the token that was made. */
export const createToken = request(
  { args: newTokenSchema, result: tokenCreatedSchema },
  async (sql, args) =>
    transaction(sql, async (tx) => {
      await tx`select pg_advisory_xact_lock(${TOKENS_LOCK}::bigint)`;
      // Those that ended are listed for a while; the table stays small whoever makes tokens in a loop.
      await tx`
        delete from access_token
        where least(revoked_at, expires_at) < now() - interval '1 year'
          or id in (
            select id from access_token where least(revoked_at, expires_at) < now()
            order by id desc offset ${MOST_TOKENS_LISTED - MOST_TOKENS})`;
      // A name is free again when its token has ended, also by itself.
      await tx`
        update access_token set revoked_at = expires_at
        where name = ${args.name} and revoked_at is null and expires_at <= now()`;
      const [known] = await tx<{ sha256: string }[]>`
        select sha256 from access_token where name = ${args.name} and revoked_at is null`;
      if (known !== undefined)
        return { outcome: known.sha256 === args.sha256 ? "created" : "taken" };
      const [living] = await tx<{ n: number }[]>`
        select count(*)::int as n from access_token
        where revoked_at is null and (expires_at is null or expires_at > now())`;
      if ((living?.n ?? 0) >= MOST_TOKENS) return { outcome: "full" };
      await tx`
        insert into access_token (name, may, sha256, expires_at)
        values (${args.name}, ${args.right}, ${args.sha256},
          now() + ${args.lifetimeMs}::float8 * interval '1 millisecond')`;
      return { outcome: "created" };
    }),
);

/** Who has it; null for one that is unknown, revoked or expired, which nobody needs to tell apart. */
export const checkToken = request(
  { args: z.object({ sha256: tokenHashSchema }), result: tokenHolderSchema.nullable() },
  async (sql, args) => {
    const [found] = await sql<(TokenHolder & { is_stale: boolean })[]>`
      select name, may as "right",
        used_at is null or used_at < date_trunc('minute', now()) as is_stale
      from access_token
      where sha256 = ${args.sha256} and revoked_at is null
        and (expires_at is null or expires_at > now())`;
    if (found === undefined) return null;
    if (found.is_stale)
      await sql`
        update access_token set used_at = date_trunc('minute', now())
        where sha256 = ${args.sha256}
          and (used_at is null or used_at < date_trunc('minute', now()))`;
    return { name: found.name, right: found.right };
  },
);

export const listTokens = request(
  { args: z.null(), result: z.array(tokenRowSchema).max(MOST_TOKENS_LISTED) },
  async (sql) => {
    type Row = Omit<TokenRow, Instant> & Readonly<Record<Instant, Date | null>>;
    const rows = await sql<Row[]>`
      select name, may as "right",
        case when revoked_at is not null and expires_at is distinct from revoked_at then 'revoked'
          when expires_at <= now() then 'expired' else 'valid' end as state,
        created_at as "createdAt", expires_at as "expiresAt", revoked_at as "revokedAt",
        used_at as "usedAt"
      from access_token
      order by coalesce(least(revoked_at, expires_at) <= now(), false), name, id desc
      limit ${MOST_TOKENS_LISTED}`;
    const instant = (at: Date | null) => at?.getTime() ?? null;
    return rows.map((row) => ({
      ...row,
      createdAt: row.createdAt?.getTime() ?? 0,
      expiresAt: instant(row.expiresAt),
      revokedAt: row.state === "revoked" ? instant(row.revokedAt) : null,
      usedAt: instant(row.usedAt),
    }));
  },
);

type Instant = "createdAt" | "expiresAt" | "revokedAt" | "usedAt";

/** Those who came in by it are out within seconds. Revoking an expired one is nothing new. */
export const revokeToken = request(
  { args: z.object({ name: tokenNameSchema }), result: tokenRevokedSchema },
  async (sql, args) => {
    const revoked = await sql`
      update access_token set revoked_at = now()
      where name = ${args.name} and revoked_at is null
        and (expires_at is null or expires_at > now())
      returning 1`;
    if (revoked.length > 0) return { isRevoked: true, known: [] };
    const known = await sql<{ name: string }[]>`
      select name from access_token
      where revoked_at is null and (expires_at is null or expires_at > now())
      order by name limit ${MOST_TOKENS}`;
    return { isRevoked: false, known: known.map(({ name }) => name) };
  },
);
