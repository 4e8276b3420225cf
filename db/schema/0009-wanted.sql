-- The closure of the wanted set: what wanted releases need in turn, see db/wanted-closure.ts.

alter table wanted
  -- What its releases need at run time is wanted too, and what that needs.
  add column with_deps boolean not null default false,
  -- What is needed to build them is wanted too, and what that needs.
  add column with_build_deps boolean not null default false;

-- `[build-system] requires` of the sdist, as the slave that built it last has read it; null: not known.
alter table version add column build_requires text[];

-- Derived from `wanted`, `version` and `file`, never written by hand.
create table derived_want (
  -- PEP 508 without a marker, whose targets are here instead.
  requirement text primary key,
  name text not null,
  target_ids integer[] not null,
  -- Releases that need it, some of them, as people read it: `requests 2.31.0`, `wheel 0.43.0 (build)`.
  origins text[] not null,
  -- Steps from what was asked for.
  depth smallint not null
);
create index derived_want_name on derived_want (name);
