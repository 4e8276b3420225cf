-- What a person may do with a slave: put it to sleep until it is woken, and have it drop the build in hand.

-- Who put it to sleep: the farm, for its failures (it gets trials then), or a person (it gets nothing).
alter table slave add column asleep_by text check (asleep_by in ('person', 'farm'));
update slave set asleep_by = 'farm' where asleep_since is not null;
alter table slave add constraint slave_asleep_check
  check ((asleep_since is null) = (asleep_by is null));

-- One process has a slot for each of its jobs, `FOLDER#2` and so on: they come and go together.
alter table slave add column machine text not null
  generated always as (regexp_replace(slot, '#[0-9]+$', '')) stored;

-- A person had the slave drop this build: it is not given to the same machine again at once.
alter table build add column passed_at timestamptz;
create index build_passed on build (slave_id, passed_at) where passed_at is not null;
