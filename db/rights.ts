/**
 * Who may do what in the database. Three kinds of roles: the owner makes and changes the tables and is
 * whom piw-initdb runs as; the master reads and writes rows; a reader (dashboards, audits, people) reads.
 * Granting is part of piw-initdb's transaction (migrate.ts), the check part of the master's start.
 *
 * Rights are given anew from nothing each time, so that what a role should not have (a TRUNCATE that
 * somebody granted by hand) goes, and default privileges hold for what the owner makes later: tables of
 * later steps, partitions. Functions are the master's and the owner's alone, since one may act with the
 * rights of the owner.
 */
import type { Sql, Tx } from "./connection.ts";
import { SchemaError } from "./schema-error.ts";

/** Relations with rows: tables, partitioned tables, views, materialised views, foreign tables. */
const RELATIONS = ["r", "p", "v", "m", "f"];

/** As `quote_ident` does for names that need it. */
export const quoteName = (name: string) => `"${name.replaceAll('"', '""')}"`;

/** @throws SchemaError unless the role can be the master's: it is there, no superuser, and not the caller. */
export async function checkRole(sql: Sql, role: string): Promise<void> {
  const found = await findRole(sql, role);
  if (found === undefined)
    throw new SchemaError(
      `there is no role "${role}": create it (createuser ${role}), or name another with --user`,
    );
  if (found.superuser)
    throw new SchemaError(
      `the role "${role}" is a superuser, which the master does not run as: name another with --user`,
    );
  if (found.owns)
    throw new SchemaError(
      `the role "${role}" would own the tables, which the master's must not: run this as another role`,
    );
}

/** @throws SchemaError unless the role can be a reader: it is there and cannot change things by being somebody else. */
export async function checkReader(sql: Sql, role: string, masterRole: string): Promise<void> {
  const found = await findRole(sql, role);
  if (found === undefined)
    throw new SchemaError(
      `there is no role "${role}": create it (createuser ${role}), or name another with --reader`,
    );
  const [master] = await sql<{ member: boolean }[]>`
    select pg_has_role(${role}, ${masterRole}, 'member') as member`;
  if (found.superuser || found.owns || master?.member === true)
    throw new SchemaError(
      `the role "${role}" could change things, being ${found.superuser ? "a superuser" : found.owns ? "the owner of the tables" : `the master's role "${masterRole}" or a member of it`}: name another with --reader`,
    );
}

/** Gives the master's role and readers what they need, and nothing else, on all that is there and will be. */
export async function grantRights(
  tx: Tx,
  masterRole: string,
  readers: readonly string[],
  database: string,
): Promise<void> {
  const master = quoteName(masterRole);
  const own = await findOwn(tx);
  const { tables, sequences, functions } = own;
  await tx.unsafe(`
    revoke all on table ${tables} from public;
    revoke all on sequence ${sequences} from public;
    alter default privileges in schema public revoke all on tables from public;
    alter default privileges revoke execute on functions from public;
    ${functions.map((name) => `revoke all on routine ${name} from public;`).join("\n")}
    ${granting(master, database, own)}
    grant insert, update, delete on table ${tables} to ${master};
    grant usage, update on sequence ${sequences} to ${master};
    alter default privileges in schema public grant select, insert, update, delete on tables to ${master};
    alter default privileges in schema public grant usage, select, update on sequences to ${master};
    alter default privileges in schema public grant execute on functions to ${master};
    ${functions.map((name) => `grant execute on routine ${name} to ${master};`).join("\n")}`);
  for (const reader of readers) await grantReading(tx, quoteName(reader), database, own);
  // PUBLIC may create tables here up to PostgreSQL 14; only the owner of the schema can change that.
  await tx.unsafe(`
    do $$ begin
      if pg_has_role((select nspowner from pg_namespace where nspname = 'public'), 'usage') then
        revoke create on schema public from public;
      end if;
    end $$`);
  for (const reader of readers) await expectReadsOnly(tx, reader);
}

/**
 * @throws SchemaError unless the session's role is fit for the master: no superuser, so that a hole in
 * the master is not one in the server, neither the owner of the tables nor a member of it, who could
 * change them, unable to make tables of its own, and with rights on every table, sequence and function.
 */
export async function checkMasterRights(sql: Sql | Tx): Promise<void> {
  const [role] = await sql<{ name: string; superuser: boolean; creates: boolean }[]>`
    select rolname as name, rolsuper as superuser,
      has_schema_privilege('public', 'create') as creates
    from pg_roles where rolname = current_user`;
  if (role === undefined || role.superuser)
    throw new SchemaError(
      `the master does not run as the database superuser "${role?.name ?? ""}": name another role in its dsn, and give it rights with piw-initdb --user`,
    );
  const [owned] = await sql`
    select from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind::text = any(${RELATIONS})
      and pg_has_role(c.relowner, 'member') limit 1`;
  if (owned !== undefined)
    throw new SchemaError(
      `the master does not run as "${role.name}", the owner of the tables: name another role in its dsn, and give it rights with piw-initdb --user`,
    );
  if (role.creates)
    throw new SchemaError(
      `the role "${role.name}" may create tables: as the database's superuser, say "revoke create on schema public from public" (or from that role)`,
    );
  const [missing] = await sql<{ name: string }[]>`
    select c.relname as name
    from pg_class c
    where c.relnamespace = 'public'::regnamespace
      -- Partitions are reached through their table, and need no rights of their own.
      and not c.relispartition
      -- What is another owner's, or an extension's, is theirs to give.
      and c.relowner = (select relowner from pg_class where oid = 'public.version'::regclass)
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
      and case
        when c.relkind in ('r', 'p') then
          not (has_table_privilege(c.oid, 'select') and has_table_privilege(c.oid, 'insert')
            and has_table_privilege(c.oid, 'update') and has_table_privilege(c.oid, 'delete'))
        when c.relkind in ('v', 'm', 'f') then not has_table_privilege(c.oid, 'select')
        when c.relkind = 'S' then
          not (has_sequence_privilege(c.oid, 'usage') and has_sequence_privilege(c.oid, 'update'))
        else false end
    union all
    select p.proname from pg_proc p
    where p.pronamespace = 'public'::regnamespace and not has_function_privilege(p.oid, 'execute')
      and p.proowner = (select relowner from pg_class where oid = 'public.version'::regclass)
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by 1 limit 1`;
  if (missing !== undefined)
    throw new SchemaError(
      `the role "${role.name}" lacks rights on "${missing.name}": run piw-initdb --user ${role.name}`,
    );
}

interface RoleRow {
  superuser: boolean;
  owns: boolean;
}

/** `owns`: it is, or can become, the role that piw-initdb runs as. */
async function findRole(sql: Sql, role: string): Promise<RoleRow | undefined> {
  const [found] = await sql<RoleRow[]>`
    select rolsuper as superuser,
      rolname = current_user or (not rolsuper and pg_has_role(oid, current_user, 'member')) as owns
    from pg_roles where rolname = ${role}`;
  return found;
}

/** What is the farm's own, ready for a statement: an extension's is its owner's to give, who may have given none. */
interface Own {
  readonly tables: string;
  readonly sequences: string;
  /** With their arguments. */
  readonly functions: readonly string[];
}

async function findOwn(tx: Tx): Promise<Own> {
  const relations = await tx<{ name: string; kind: string }[]>`
    select c.oid::regclass::text as name, c.relkind::text as kind from pg_class c
    where c.relnamespace = 'public'::regnamespace and pg_has_role(c.relowner, 'usage')
      and c.relkind::text = any(${[...RELATIONS, "S"]})
      and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'e')
    order by 1`;
  const named = (isSequence: boolean) =>
    relations.filter(({ kind }) => (kind === "S") === isSequence).map(({ name }) => name);
  return {
    tables: named(false).join(", "),
    sequences: named(true).join(", "),
    functions: await ownFunctions(tx),
  };
}

async function ownFunctions(tx: Tx): Promise<string[]> {
  const rows = await tx<{ name: string }[]>`
    select p.oid::regprocedure::text as name from pg_proc p
    where p.pronamespace = 'public'::regnamespace and pg_has_role(p.proowner, 'usage')
      and not exists (select from pg_depend d where d.objid = p.oid and d.deptype = 'e')
    order by 1`;
  return rows.map((row) => row.name);
}

/** The beginning that all have in common; `name` is quoted. */
const granting = (name: string, database: string, { tables, sequences }: Own) => `
    revoke all on table ${tables} from ${name};
    revoke all on sequence ${sequences} from ${name};
    revoke create on schema public from ${name};
    grant connect on database ${quoteName(database)} to ${name};
    grant usage on schema public to ${name};
    grant select on table ${tables} to ${name};
    grant select on sequence ${sequences} to ${name};`;

async function grantReading(tx: Tx, name: string, database: string, own: Own): Promise<void> {
  await tx.unsafe(`
    ${granting(name, database, own)}
    ${own.functions.map((routine) => `revoke all on routine ${routine} from ${name};`).join("\n")}
    alter default privileges in schema public revoke all on tables from ${name};
    alter default privileges in schema public revoke all on sequences from ${name};
    alter default privileges in schema public grant select on tables to ${name};
    alter default privileges in schema public grant select on sequences to ${name}`);
}

/** What a reader has through other roles that it is a member of cannot be taken from it here. */
async function expectReadsOnly(tx: Tx, reader: string): Promise<void> {
  const [writable] = await tx<{ name: string }[]>`
    select c.relname as name from pg_class c
    where c.relnamespace = 'public'::regnamespace and c.relkind::text = any(${RELATIONS})
      and (has_table_privilege(${reader}, c.oid, 'insert,update,delete,truncate,trigger')
        or pg_has_role(${reader}, c.relowner, 'member'))
    order by 1 limit 1`;
  if (writable !== undefined)
    throw new SchemaError(
      `the role "${reader}" can change "${writable.name}" through another role that it is a member of: take it out of that, or name another with --reader`,
    );
}
