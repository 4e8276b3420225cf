-- What the pages of the farm show that would take a walk over all builds or files.

-- Builds by their end, a day of UTC each that is over; today's are counted from `build`. Written when the
-- statistics are first asked for on a later day (db/views-statistics.ts). No references: it keeps what has gone.
create table build_day (
  day date not null,
  target_id integer not null,
  cause text not null,
  builds bigint not null,
  primary key (day, target_id, cause)
);
-- Days that are counted, also those without builds.
create table build_day_counted (
  day date primary key
);

create index build_slow on build (duration_ms desc) where stands and cause = 'built';
create index file_large on file (size_bytes desc) where placed_at is not null and removed_at is null;
