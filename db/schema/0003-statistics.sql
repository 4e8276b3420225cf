-- The farm's figures: counters that are kept as things change, so that nobody counts millions of rows, and
-- the history of all figures in decreasing detail.

-- Counters. Whoever changes what is counted adds rows here, by the triggers below and in the same
-- transaction, and locks nothing; the value of a counter is the sum of its rows, and what came in the last
-- hour that of its young ones. foldTallies in db/tallies.ts puts many rows into one.
create table tally (
  name text not null,
  -- 0: of the whole farm.
  target_id integer not null,
  at timestamptz not null default now(),
  n bigint not null,
  -- Made of others: those of a minute, or (`at` is -infinity) of all time before the last hour.
  folded boolean not null default false
);
create unique index tally_folded on tally (name, target_id, at) where folded;
create index tally_unfolded on tally (at) where not folded;

-- The build queue by state: the names are `ready`, `leased`, `waiting`, `blocked`, `cancelled`.
create function tally_work() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into tally (name, target_id, n)
      select state, target_id, count(*) from new_rows group by state, target_id;
  elsif tg_op = 'DELETE' then
    insert into tally (name, target_id, n)
      select state, target_id, -count(*) from old_rows group by state, target_id;
  else
    insert into tally (name, target_id, n)
      select state, target_id, sum(n) from (
        select state, target_id, 1 as n from new_rows
        union all select state, target_id, -1 from old_rows) changed
      group by state, target_id having sum(n) <> 0;
  end if;
  return null;
end $$;
create trigger tally_work_insert after insert on work
  referencing new table as new_rows for each statement execute function tally_work();
create trigger tally_work_delete after delete on work
  referencing old table as old_rows for each statement execute function tally_work();
create trigger tally_work_update after update on work
  referencing old table as old_rows new table as new_rows
  for each statement execute function tally_work();

-- Builds: `builds` and `build_ms` of those that ended, `failures` of those of them that were none, and
-- `failed`, those whose failure stands. Row by row, since builds change one at a time; the conditions keep
-- leases and renewals out of it.
create function build_tallies(ended build) returns table (name text, n bigint) language sql immutable as $$
  values ('builds', 1::bigint),
    ('build_ms', coalesce(ended.duration_ms, 0)::bigint),
    ('failures', (ended.cause is distinct from 'built')::int::bigint),
    ('failed', (ended.stands and ended.cause is distinct from 'built')::int::bigint)
$$;
create function tally_builds() returns trigger language plpgsql as $$
begin
  if tg_op <> 'DELETE' and new.settled_at is not null then
    if tg_op = 'UPDATE' and old.settled_at is not null and old.target_id = new.target_id then
      insert into tally (name, target_id, n)
        select now.name, new.target_id, now.n - before.n
        from build_tallies(new) now join build_tallies(old) before using (name)
        where now.n <> before.n;
      return null;
    end if;
    insert into tally (name, target_id, n)
      select t.name, new.target_id, t.n from build_tallies(new) t where t.n <> 0;
  end if;
  if tg_op <> 'INSERT' and old.settled_at is not null then
    insert into tally (name, target_id, n)
      select t.name, old.target_id, -t.n from build_tallies(old) t where t.n <> 0;
  end if;
  return null;
end $$;
create trigger tally_build_insert after insert on build
  for each row when (new.settled_at is not null) execute function tally_builds();
create trigger tally_build_delete after delete on build
  for each row when (old.settled_at is not null) execute function tally_builds();
create trigger tally_build_update after update on build
  for each row when (old.settled_at is not null or new.settled_at is not null)
  execute function tally_builds();

-- Published files: `files`, `bytes`, `packages` and `versions_built` (with at least one), per target that
-- they were built for and of the farm. Two that publish files of one package at once take turns, by an
-- advisory lock per package: each must see whether the other's is the first. It is the last lock taken.
create function tally_files() returns trigger language plpgsql as $$
declare
  ids bigint[];
  version_ids bigint[];
  tokens bigint[];
  sizes bigint[];
  signs integer[];
begin
  if tg_op = 'INSERT' then
    select array_agg(id), array_agg(version_id), array_agg(token), array_agg(size_bytes), array_agg(1)
      into ids, version_ids, tokens, sizes, signs
      from new_rows where placed_at is not null and removed_at is null;
  elsif tg_op = 'DELETE' then
    select array_agg(id), array_agg(version_id), array_agg(token), array_agg(size_bytes), array_agg(-1)
      into ids, version_ids, tokens, sizes, signs
      from old_rows where placed_at is not null and removed_at is null;
  else
    select array_agg(n.id), array_agg(n.version_id), array_agg(n.token), array_agg(n.size_bytes),
        array_agg(case when n.placed_at is not null and n.removed_at is null then 1 else -1 end)
      into ids, version_ids, tokens, sizes, signs
      from new_rows n join old_rows o on o.id = n.id
      where (n.placed_at is not null and n.removed_at is null)
        <> (o.placed_at is not null and o.removed_at is null);
  end if;
  if ids is null then
    return null;
  end if;
  perform pg_advisory_xact_lock(862374, hashint8(package_id)) from (
    select distinct package_id from version where id = any(version_ids) order by package_id) packages;
  -- A version or package has published files before and after, unless all that changed of it came or all
  -- went; then it counts where no other file of it stands.
  insert into tally (name, target_id, n)
  with change as (
    select c.sign, c.size_bytes, c.version_id, v.package_id, t.target_id
    from unnest(version_ids, tokens, sizes, signs) as c(version_id, token, size_bytes, sign)
    join version v on v.id = c.version_id
    join build b on b.token = c.token
    cross join lateral (values (0), (b.target_id)) as t(target_id)
  ),
  counted as (
    select 'versions_built' as name, c.target_id, sign(sum(c.sign)) as n
    from change c group by c.target_id, c.version_id
    having abs(sum(c.sign)) = count(*) and not exists (
      select from file f join build b on b.token = f.token
      where f.version_id = c.version_id and f.placed_at is not null and f.removed_at is null
        and f.id <> all (ids) and c.target_id in (0, b.target_id))
    union all
    select 'packages', c.target_id, sign(sum(c.sign))
    from change c group by c.target_id, c.package_id
    having abs(sum(c.sign)) = count(*) and not exists (
      select from version v join file f on f.version_id = v.id join build b on b.token = f.token
      where v.package_id = c.package_id and f.placed_at is not null and f.removed_at is null
        and f.id <> all (ids) and c.target_id in (0, b.target_id))
    union all select 'files', target_id, sign from change
    union all select 'bytes', target_id, sign * size_bytes from change
  )
  select name, target_id, sum(n) from counted group by name, target_id having sum(n) <> 0;
  return null;
end $$;
create trigger tally_file_insert after insert on file
  referencing new table as new_rows for each statement execute function tally_files();
create trigger tally_file_delete after delete on file
  referencing old table as old_rows for each statement execute function tally_files();
create trigger tally_file_update after update on file
  referencing old table as old_rows new table as new_rows
  for each statement execute function tally_files();

-- Versions that are known.
create function tally_versions() returns trigger language plpgsql as $$
begin
  if tg_op = 'INSERT' then
    insert into tally (name, target_id, n)
      select 'versions', 0, count(*) from new_rows having count(*) > 0;
  else
    insert into tally (name, target_id, n)
      select 'versions', 0, -count(*) from old_rows having count(*) > 0;
  end if;
  return null;
end $$;
create trigger tally_version_insert after insert on version
  referencing new table as new_rows for each statement execute function tally_versions();
create trigger tally_version_delete after delete on version
  referencing old table as old_rows for each statement execute function tally_versions();

-- What is there already.
insert into tally (name, target_id, at, n, folded)
  select state, target_id, '-infinity'::timestamptz, count(*), true from work group by state, target_id
  union all
  select c.name, b.target_id, b.at, sum(c.n), true
  from (select *, case when settled_at > now() - interval '1 hour' then date_trunc('minute', settled_at)
               else '-infinity'::timestamptz end as at from build where settled_at is not null) b
  cross join lateral (values ('builds', 1::bigint),
      ('build_ms', coalesce(b.duration_ms, 0)::bigint),
      ('failures', (b.cause is distinct from 'built')::int::bigint),
      ('failed', (b.stands and b.cause <> 'built')::int::bigint)) as c(name, n)
  where c.n <> 0 group by c.name, b.target_id, b.at
  union all
  select c.name, f.target_id, '-infinity', c.n, true
  from (select t.target_id, count(*) as files, sum(f.size_bytes) as bytes,
          count(distinct v.package_id) as packages, count(distinct v.id) as versions
        from file f join version v on v.id = f.version_id join build b on b.token = f.token
        cross join lateral (values (0), (b.target_id)) as t(target_id)
        where f.placed_at is not null and f.removed_at is null group by t.target_id) f
  cross join lateral (values ('files', f.files), ('bytes', f.bytes::bigint),
    ('packages', f.packages), ('versions_built', f.versions)) as c(name, n)
  union all
  select 'versions', 0, '-infinity', count(*), true from version;

-- History. A row is what one subject's figures were over a step: of the farm (subject 0), a target or a
-- slave (their ids), the master (0). Which figure is at which place of the arrays, for each kind, is in
-- protocol/model/statistics.ts; figures are only ever added at the end. No references: history keeps what
-- has gone, and holds up nobody.
create table history (
  -- 10: kept for an hour, as measured; 300: for a week; 3600: for ever.
  step_s integer not null check (step_s in (10, 300, 3600)),
  kind text collate "C" not null check (kind in ('farm', 'target', 'slave', 'master')),
  subject integer not null,
  -- Its beginning, a multiple of the step.
  at timestamptz not null,
  -- How many measurements it was made from.
  samples integer not null,
  average real[] not null,
  -- Null where there is one sample, whose figures are the average's.
  maximum real[],
  primary key (step_s, kind, subject, at)
) partition by list (step_s);
create table history_10s partition of history for values in (10);
create table history_5min partition of history for values in (300);
create table history_hour partition of history for values in (3600);
create index history_at on history (step_s, at);

-- Up to when the rows of a step were made from those of the finer one.
create table history_made (
  step_s integer primary key check (step_s in (300, 3600)),
  until timestamptz not null default '-infinity'
);
insert into history_made (step_s) values (300), (3600);
