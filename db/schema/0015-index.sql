-- The package index: what upstream says of a project as a whole, its own files where the farm lists them
-- too, and the names that may have come to the root page or left it.

alter table package
  -- PEP 792: why upstream warns of it; null for one that is just active.
  add column project_status text check (project_status in ('archived', 'quarantined', 'deprecated')),
  add column project_status_reason text not null default '',
  -- PEP 708, as upstream's page gives them.
  add column tracks text[] not null default '{}',
  add column alternate_locations text[] not null default '{}';

-- The root page is in the order of bytes, whatever order the database has.
create index package_name_bytes on package (name collate "C");

alter table configuration
  -- Whether project pages list upstream's own files beside the farm's.
  add column merge_upstream boolean not null default false;

-- With `merge_upstream`: the files of a project's page upstream, as gzip of JSON (protocol/model/simple-page.ts).
create table upstream_listing (
  package_id bigint primary key references package,
  files bytea not null
);
-- It is compressed already.
alter table upstream_listing alter column files set storage external;

-- Projects that the root page may have to name, or not to name any more. '*' stands for all of them: the
-- page is made anew. A row goes when the page says it, if its generation is still the same.
create table root_change (
  name text collate "C" primary key,
  generation bigint not null default nextval('page_generation')
);
