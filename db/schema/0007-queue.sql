-- What the build queue needs at the size of PyPI, and what it learned to obey: popularity, upstream's own
-- wheels, slaves that fail whatever they are given, builds that take their slaves down.

alter table configuration
  drop constraint configuration_build_order_check,
  add constraint configuration_build_order_check check (build_order in ('newest', 'oldest', 'popular')),
  -- `count`: what upstream has a wheel for is not built; `ignore`: all is built here.
  add column upstream_wheels text not null default 'ignore' check (upstream_wheels in ('count', 'ignore'));

-- The queue's order is priority * 2^40 and what the rule says, and must stay an exact number everywhere.
alter table version
  add constraint version_priority_check check (priority between -1000 and 1000);

-- Downloads in buckets, each twice the one before: it changes seldom, so the queue is not rewritten daily.
alter table package add column popularity smallint not null default 0 check (popularity between 0 and 60);
create index package_popular on package (name) where popularity > 0;

-- A slave that failed build after build while its peers did not: it gets no more of the queue, only builds
-- that others have made already, until one of those succeeds.
alter table slave
  add column asleep_since timestamptz,
  add column asleep_why text not null default '',
  add column trials integer not null default 0,
  -- Builds up to this one say nothing of it any more: somebody has woken it since.
  add column judged_from bigint not null default 0,
  add column trial_not_before timestamptz not null default '-infinity';
create index slave_asleep on slave (id) where asleep_since is not null;

-- Such a trial stands for nothing and publishes nothing.
alter table build add column is_trial boolean not null default false;
alter table build
  drop constraint build_outcome_check,
  add constraint build_outcome_check check
    (outcome in ('published', 'superseded', 'cancelled', 'failed', 'blocked', 'again', 'trial'));
alter table lease add column is_trial boolean not null default false;
alter table lease drop constraint lease_version_id_target_id_key;
create unique index lease_work on lease (version_id, target_id) where not is_trial;
create index lease_version on lease (version_id);
-- The last builds of a slave, and who has built for a target lately.
create index build_slave on build (slave_id, token);
create index build_of_target on build (target_id, token) where stands and cause = 'built';

-- The bound of the last pick is a place, not a number: many versions have the same `ord`.
drop index work_ready;
create index work_ready on work (target_id, ord desc, version_id desc) where state = 'ready';
create index work_blocked on work (version_id) where state = 'blocked';

-- Counted by reports without a walk over what is ready.
create index work_leased on work (version_id) where state in ('leased', 'cancelled');

-- A lease moves its row out of one index and into another: what it leaves behind is swept early, by number and
-- not by share, or the head of the queue of a million is dead rows for hours.
alter table work set (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01,
  autovacuum_vacuum_threshold = 1000, autovacuum_analyze_scale_factor = 0.02);
alter table lease set (fillfactor = 50, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_threshold = 500, autovacuum_analyze_scale_factor = 0,
  autovacuum_analyze_threshold = 500);
alter table retry set (autovacuum_vacuum_scale_factor = 0.05);

-- Names that begin alike, whatever the database's collation is.
create index package_name_start on package (name text_pattern_ops);
