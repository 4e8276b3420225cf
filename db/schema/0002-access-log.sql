-- Visits to the site, as web servers logged them: the rows, a partition a month, and what is counted of them
-- by day, which is all that pages read. Written by db/access-log.ts, a batch a transaction.
--
-- One table with a kind, not one per kind: the columns are the same but for one, a batch is one insert,
-- and a month is one partition to make and one to drop.

alter table configuration
  -- How long rows of access_log are kept (piw-initdb --expire); null: for ever.
  add column access_expiry interval check (access_expiry >= interval '1 day');

create table access_log (
  kind text not null check (kind in ('download', 'search', 'project', 'json', 'page')),
  at timestamptz not null,
  -- Null where the server logged a host name or none. Personal data: see docs/operating.md, "Access logs".
  address inet,
  -- Canonical name; null for pages of no project. No reference: a line may be about a project long gone.
  package text,
  -- Of a download.
  filename text,
  -- Path of a page.
  path text,
  -- What pip and uv say in their User-Agent.
  arch text,
  distro_name text,
  distro_version text,
  os_name text,
  os_version text,
  implementation_name text,
  implementation_version text,
  python_version text,
  installer_name text,
  installer_version text,
  setuptools_version text
) partition by range (at);
-- Lines come nearly in order of time: a few bytes for each 128 pages are enough for "the last hour".
create index access_log_at on access_log using brin (at);

-- How far each piw-logger has come, so that a batch that is said again is not counted again.
create table access_source (
  id uuid primary key,
  sequence bigint not null,
  seen_at timestamptz not null default now()
);
create index access_source_age on access_source (seen_at);

-- Days are those of UTC. Each is what `group by` says of the rows at the time that they came; a row that
-- expires stays counted.
create table access_package_day (
  package text not null,
  day date not null,
  downloads bigint not null default 0,
  searches bigint not null default 0,
  primary key (package, day)
) with (fillfactor = 80);
create index access_package_day_day on access_package_day (day);

create table access_package (
  package text primary key,
  downloads bigint not null default 0,
  searches bigint not null default 0
) with (fillfactor = 80);

-- Aspect `kind` counts all rows; the others count downloads: arch, python, implementation, os, distro,
-- installer. What a day has beyond 1,000 values of one aspect is `other`: clients choose these words.
create table access_day (
  day date not null,
  aspect text not null,
  value text not null,
  visits bigint not null,
  primary key (day, aspect, value)
) with (fillfactor = 80);
create index access_day_value on access_day (aspect, value, day);

-- The master does not own the tables, so it cannot make partitions; these two functions do it for
-- whoever owns them, and nothing else. Neither takes a name from its caller.

-- Makes the partitions that these instants fall into. Attaching an empty table takes no lock that readers
-- or writers of the others wait for. Two at once wait for each other, and the second finds it made.
create function access_log_make_months(wanted timestamptz[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
  month timestamptz;
  name text;
begin
  for month in
    select distinct date_trunc('month', instant) from unnest(wanted) as w(instant) order by 1
  loop
    if month < timestamptz '1995-01-01' or month > now() + interval '2 months' then
      raise exception 'no month of an access log: %', month;
    end if;
    name := 'access_log_' || to_char(month, 'YYYY_MM');
    -- Asked of the catalogue, whose snapshot is new each time; to_regclass would remember that it was not there.
    continue when exists (
      select from pg_class where relname = name and relnamespace = 'public'::regnamespace);
    perform pg_advisory_xact_lock(8603657889541616234);
    continue when exists (
      select from pg_class where relname = name and relnamespace = 'public'::regnamespace);
    execute format('create table public.%I (like public.access_log including all)', name);
    execute format('alter table public.access_log attach partition public.%I for values from (%L) to (%L)',
      name, month, month + interval '1 month');
  end loop;
end $$;

-- Drops the months that ended before the expiry, and says how many. For a reader of the log it waits two seconds.
create function access_log_expire() returns integer
language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '2s' as $$
declare
  keep interval := (select access_expiry from public.configuration);
  name text;
  dropped integer := 0;
begin
  if keep is null then
    return 0;
  end if;
  for name in
    select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'public.access_log'::regclass and c.relname ~ '^access_log_\d{4}_\d{2}$'
      and to_timestamp(right(c.relname, 7), 'YYYY_MM') + interval '1 month' <= now() - keep
  loop
    begin
      execute format('drop table public.%I', name);
      dropped := dropped + 1;
    exception when lock_not_available then
      -- Somebody reads the log: the next time will do.
      null;
    end;
  end loop;
  return dropped;
end $$;

revoke all on function access_log_make_months(timestamptz[]), access_log_expire() from public;
