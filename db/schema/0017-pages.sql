-- Pages that cannot be written, when the pages of the whole farm were, and rebuilds of all pages in the background.

alter table page_request
  -- Since it was asked for last.
  add column attempts integer not null default 0,
  -- Not before this: the last attempt failed. Null: it may be written now.
  add column retry_at timestamptz,
  add column failure text;

-- Simple pages are looked for by themselves, first; the others by age. What concerns the whole farm has the key ''.
drop index page_request_age;
create index page_request_simple on page_request (requested_at) where kind = 'simple';
create index page_request_other on page_request (requested_at) where kind <> 'simple' and key <> '';
create index page_request_failed on page_request (retry_at) where retry_at is not null;

-- Pages of the whole farm, which are not written more often than they are worth.
create table page_written (
  kind text primary key,
  written_at timestamptz not null,
  -- Packages with a public file as it was written.
  packages bigint not null
);

-- A walk over the pages of all packages by name. `simple`, `project`: all of them; `downloads`: the project pages of
-- those that were downloaded lately. It is taken back to the start when it is asked for again.
create table page_rebuild (
  kind text primary key check (kind in ('simple', 'project', 'downloads')),
  generation bigint not null default nextval('page_generation'),
  reason text not null,
  -- The pages of the packages up to this name are written.
  after text not null default '',
  done bigint not null default 0,
  -- As many as there were at the start.
  total bigint not null,
  started_at timestamptz not null default now(),
  ended_at timestamptz
);

-- What the pages were made by: when that is another one, all are made again.
alter table configuration add column site_made_by text not null default '';
