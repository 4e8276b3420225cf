-- Provenance: what the farm signs about the wheels that it publishes (PEP 740).

-- SHA-256 of the blob that stands at FILE.provenance beside the wheel; null: there is none to advertise.
-- While it is being made it is a draft: two who sign the same wheel at once, or one after a crash, agree on
-- the first, since no two signatures are the same bytes.
alter table file add column provenance_sha256 text;
alter table file add column provenance_draft text;
create index file_provenance on file (provenance_sha256) where provenance_sha256 is not null;
create index file_provenance_draft on file (provenance_draft) where provenance_draft is not null;

-- The sdist that a slave was told to build; upstream may have another one by the time it is settled.
alter table build add column sdist_sha256 text;
-- What the slave says it was built in: `{runner, sandbox, network, limits}`; null: it said nothing.
alter table build add column environment jsonb;

-- Keys that the farm has ever signed with. They stay published, for what was signed with them.
create table signing_key (
  -- SHA-256 of the public key (SubjectPublicKeyInfo, DER), in hexadecimal.
  id text primary key,
  -- PEM.
  certificate text not null,
  first_used_at timestamptz not null default now(),
  last_used_at timestamptz not null default now()
);

-- Hooks: what happens is told to commands and webhooks (`[hook:NAME]` of the master's configuration). A row per hook
-- as it is configured, and a row per event and hook until that is delivered: in the transaction that makes it true.
create table hook (
  name text primary key,
  events text[] not null,
  -- Regular expressions; one of them has to fit PACKAGE or TARGET/PACKAGE. None: all do.
  patterns text[] not null,
  -- What it does; when that changes it is tried again.
  action text not null,
  -- Why nothing is delivered any more; null: it is.
  disabled text
);
create table hook_delivery (
  id bigint generated always as identity primary key,
  hook text not null references hook on delete cascade,
  -- The same for each try: receivers tell repetitions by it.
  event_id uuid not null default gen_random_uuid(),
  event text not null,
  body jsonb not null,
  made_at timestamptz not null default now(),
  tries integer not null default 0,
  not_before timestamptz not null default '-infinity'
);
create index hook_delivery_hook on hook_delivery (hook, id);

create function announce(kind text, package text, target text, said jsonb) returns void
language sql as $$
  insert into hook_delivery (hook, event, body)
  select h.name, kind, said from hook h
  where kind = any(h.events) and h.disabled is null
    and (cardinality(h.patterns) = 0 or package = '' or exists (
      select from unnest(h.patterns) as p(pattern)
      where package ~ p.pattern or target || '/' || package ~ p.pattern))
$$;

create function announce_build() returns trigger language plpgsql as $$
declare
  subject record;
  said jsonb;
begin
  if not exists (select from hook) then
    return null;
  end if;
  select p.name as package, v.version, t.name as target, s.label into subject
  from version v join package p on p.id = v.package_id
  cross join target t cross join slave s
  where v.id = new.version_id and t.id = new.target_id and s.id = new.slave_id;
  said := jsonb_build_object('package', subject.package, 'version', subject.version,
    'target', subject.target, 'build', new.token, 'slave', subject.label, 'cause', new.cause,
    'message', new.message, 'durationMs', new.duration_ms);
  if new.outcome = 'published' and old.outcome is distinct from new.outcome
      and not exists (select from import i where i.token = new.token) then
    perform announce('built', subject.package, subject.target, said);
  end if;
  if new.outcome = 'failed' and old.outcome is distinct from new.outcome then
    perform announce('failed', subject.package, subject.target, said);
  end if;
  if new.cause = 'slave-lost' and new.released_at is not null and old.released_at is null then
    perform announce('slave-lost', subject.package, subject.target, said);
  end if;
  return null;
end
$$;
create trigger build_announced after update of outcome, cause, released_at on build
  for each row execute function announce_build();

create function announce_file() returns trigger language plpgsql as $$
declare
  subject record;
  kind text;
begin
  kind := case when new.placed_at is not null and old.placed_at is null then 'published'
               when new.cleared_at is not null and old.cleared_at is null
                 and old.placed_at is not null then 'removed' end;
  if kind is null or not exists (select from hook) then
    return null;
  end if;
  select p.name as package, v.version, coalesce(t.name, '') as target into subject
  from version v join package p on p.id = v.package_id
  left join build b on b.token = new.token left join target t on t.id = b.target_id
  where v.id = new.version_id;
  perform announce(kind, subject.package, subject.target, jsonb_build_object(
    'package', subject.package, 'version', subject.version, 'target', subject.target,
    'build', new.token, 'filename', new.filename, 'sha256', new.sha256, 'sizeBytes', new.size_bytes));
  return null;
end
$$;
create trigger file_announced after update of placed_at, cleared_at on file
  for each row execute function announce_file();
