-- Tokens by which people and programs are let in over HTTP: to the farm's pages and to /metrics.

-- What a token is compared with is the SHA-256 of its 32 random bytes: nobody can guess those, so a slow hash with salt, as
-- passwords need, would add nothing; and who may read this table (a --reader) can do nothing with it.
create table access_token (
  id integer generated always as identity primary key,
  name text not null,
  may text not null check (may in ('watch', 'control')),
  sha256 text not null unique check (sha256 ~ '^[0-9a-f]{64}$'),
  created_at timestamptz not null default now(),
  -- Null: it lasts until it is revoked.
  expires_at timestamptz,
  revoked_at timestamptz,
  -- To the minute: a scrape every few seconds is to write no more than that.
  used_at timestamptz
);
-- The name of one that was revoked may be given again.
create unique index access_token_name on access_token (name) where revoked_at is null;

-- For /metrics: builds that ended by result and cause, and how long they took, as counters beside those of 0003. A build
-- counts once, as it ends first: these only ever grow, since who takes rates of them takes a step back for a new beginning.
-- `result OUTCOME CAUSE`; `seconds RESULT BOUND`, of which each build is in one; `duration_ms RESULT`.
create function tally_build_results() returns trigger language plpgsql as $$
declare
  result text := case when new.cause = 'built' then 'built' else 'failed' end;
begin
  if tg_op = 'UPDATE' then
    if old.settled_at is not null then
      return null;
    end if;
  end if;
  insert into tally (name, target_id, n) values
    (format('result %s %s', coalesce(new.outcome, 'unknown'), coalesce(new.cause, 'unknown')), new.target_id, 1);
  if new.duration_ms is not null then
    insert into tally (name, target_id, n) values
      (format('seconds %s %s', result, build_duration_bound(new.duration_ms)), new.target_id, 1),
      (format('duration_ms %s', result), new.target_id, round(new.duration_ms)::bigint);
  end if;
  return null;
end $$;
-- The least bound of the histogram that it is within, in seconds; db/farm-metrics.ts has them too.
create function build_duration_bound(ms double precision) returns text language sql immutable as $$
  select coalesce((
    select min(bound)::text from unnest(array[1, 5, 15, 60, 300, 900, 3600, 10800]) bound
    where ms <= bound * 1000), '+Inf')
$$;
create trigger tally_build_result_insert after insert on build
  for each row when (new.settled_at is not null) execute function tally_build_results();
create trigger tally_build_result_update after update on build
  for each row when (old.settled_at is null and new.settled_at is not null)
  execute function tally_build_results();
insert into tally (name, target_id, at, n, folded)
  select c.name, b.target_id, '-infinity', sum(c.n), true
  from build b
  cross join lateral (values
    (format('result %s %s', coalesce(b.outcome, 'unknown'), coalesce(b.cause, 'unknown')), 1::bigint),
    (case when b.duration_ms is not null then format('seconds %s %s',
      case when b.cause = 'built' then 'built' else 'failed' end, build_duration_bound(b.duration_ms)) end, 1),
    (case when b.duration_ms is not null then format('duration_ms %s',
      case when b.cause = 'built' then 'built' else 'failed' end) end, round(b.duration_ms)::bigint)) as c(name, n)
  where b.settled_at is not null and c.name is not null
  group by c.name, b.target_id;
