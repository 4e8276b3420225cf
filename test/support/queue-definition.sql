-- The definition of the build queue: what `work` must hold at any time, from scratch, over the facts alone.
-- One plain statement, for reading. What db/work.ts keeps step by step is compared with it by
-- test/db/queue.test.ts; bench/queue.bench.ts fills its tables with it and says what it costs.
with needed as (
  select v.id as version_id, t.id as target_id, t.rank, t.is_active, v.priority, p.popularity,
    v.released_at
  from version v
  join package p on p.id = v.package_id and p.skip is null
  join target t on t.skip is null
  where v.skip is null and v.wanted and v.sdist_sha256 is not null
    and (v.requires_python_id is null
      or (v.requires_python_id, t.id) in (select requires_id, target_id from requires_admits))
    and not exists (
      select from file f cross join unnest(f.tags) as g(tag) join tag_covers c on c.tag = g.tag
      where f.version_id = v.id and c.target_id = t.id and f.removed_at is null)
    and not exists (
      select from version u cross join unnest(u.upstream_tags) as g(tag)
        join tag_covers c on c.tag = g.tag
      where u.id = v.id and c.target_id = t.id
        and (select upstream_wheels from configuration) = 'count')
    and not exists (
      select from build b where b.version_id = v.id and b.target_id = t.id and b.stands)
),
-- A slave's trial is a build that nobody needs.
held as (
  select * from lease where not is_trial
),
ranked as (
  select n.*, l.token,
    row_number() over (partition by n.version_id
      order by n.is_active desc, n.rank, n.target_id) as place,
    coalesce(s.successes, 0) as successes,
    coalesce(h.leases, 0) as leases
  from needed n
  left join (select version_id, count(*) as successes from build
             where stands and cause = 'built' group by version_id) s
    on s.version_id = n.version_id
  left join (select version_id, count(*) as leases from held group by version_id) h
    on h.version_id = n.version_id
  left join held l on l.version_id = n.version_id and l.target_id = n.target_id
),
offered as (
  select * from ranked
  where token is not null or successes > 0 or (leases = 0 and place = 1)
)
select o.version_id, o.target_id,
  case when o.token is not null then 'leased'
       when exists (select from blocked k
                    where k.version_id = o.version_id and k.target_id = o.target_id) then 'blocked'
       when r.not_before > now() then 'waiting'
       else 'ready' end as state,
  o.priority * (1::bigint << 40)
    + case (select build_order from configuration) when 'oldest' then -1 else 1 end
      * coalesce(extract(epoch from o.released_at)::bigint, 0)
    + case (select build_order from configuration) when 'popular' then o.popularity else 0 end
      * (1::bigint << 33) as ord
from offered o
left join retry r on r.version_id = o.version_id and r.target_id = o.target_id
union all
select l.version_id, l.target_id, 'cancelled', 0
from held l
where not exists (select from offered o
                  where o.version_id = l.version_id and o.target_id = l.target_id)
