-- The counters of published files take one of 256 locks by package, where 0003 took one for each package: a
-- statement that concerned some thousand packages found no room in the server's table of locks. Two packages that
-- share a lock wait for each other for as long as a transaction takes, and that is all. Nor is each file compared with
-- each other one any more.
create or replace function tally_files() returns trigger language plpgsql as $$
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
  perform pg_advisory_xact_lock(862374, lane) from (
    select distinct hashint8(package_id) & 255 as lane
    from version where id = any(version_ids) order by lane) lanes;
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
  standing as (
    select f.version_id, v.package_id, t.target_id
    from version v
    join file f on f.version_id = v.id
    join build b on b.token = f.token
    cross join lateral (values (0), (b.target_id)) as t(target_id)
    where v.package_id in (select package_id from change)
      and f.placed_at is not null and f.removed_at is null and f.id not in (select unnest(ids))
  ),
  counted as (
    select 'versions_built' as name, c.target_id, sign(sum(c.sign)) as n
    from change c
    left join (select distinct version_id, target_id from standing) s
      on s.version_id = c.version_id and s.target_id = c.target_id
    group by c.target_id, c.version_id
    having abs(sum(c.sign)) = count(*) and count(s.version_id) = 0
    union all
    select 'packages', c.target_id, sign(sum(c.sign))
    from change c
    left join (select distinct package_id, target_id from standing) s
      on s.package_id = c.package_id and s.target_id = c.target_id
    group by c.target_id, c.package_id
    having abs(sum(c.sign)) = count(*) and count(s.package_id) = 0
    union all select 'files', target_id, sign from change
    union all select 'bytes', target_id, sign * size_bytes from change
  )
  select name, target_id, sum(n) from counted group by name, target_id having sum(n) <> 0;
  return null;
end $$;
