-- The farm's tables. Facts first (packages, versions, targets, builds, files, leases, retries, blocks),
-- then what is derived from them (work) and what is owed to readers (page_request).
-- Locks: whoever changes what the queue depends on first locks the package (for share), then its
-- versions in ascending id (for no key update), each in a statement of its own; see db/work.ts.

create table configuration (
  id boolean primary key default true check (id),
  schema_version integer not null,
  -- Everything up to this serial of the upstream changelog has been taken up.
  upstream_serial bigint not null default 0,
  -- `all`: every version is to be built; `wanted`: those that the wanted set selects.
  follow text not null default 'all' check (follow in ('all', 'wanted')),
  -- Which of the ready versions goes first.
  build_order text not null default 'newest' check (build_order in ('newest', 'oldest'))
);
insert into configuration (schema_version) values (0);

-- What wheels are built for. `rank` orders targets by what they mean; text would put cp311 before cp39.
create table target (
  id integer generated always as identity primary key,
  name text not null unique,
  implementation text not null,
  python_version text not null,
  python_full_version text not null,
  abi_tag text not null,
  platform_tag text not null,
  rank integer not null,
  skip text,
  -- A slave that serves it was heard of lately. The frontier prefers such targets.
  is_active boolean not null default true,
  -- The last package id whose queue was computed since this target changed; null when all were.
  requeue_from bigint default 0,
  created_at timestamptz not null default now()
);

-- Tag rules are not done again in SQL: a wheel covers a target when one of its tags stands here.
create table tag_covers (
  tag text not null,
  target_id integer not null references target,
  primary key (tag, target_id)
);

create table requires_python (
  id integer generated always as identity primary key,
  specifier text not null unique
);
create table requires_admits (
  requires_id integer not null references requires_python,
  target_id integer not null references target,
  primary key (requires_id, target_id)
);

create table package (
  id bigint generated always as identity primary key,
  source text not null default 'upstream',
  name text not null unique,
  display_name text not null,
  summary text not null default '',
  -- Why nothing of it is built, `deleted` when upstream removed it; null when it is.
  skip text,
  -- Highest changelog serial that named it, and the serial that its recorded state stands for.
  seen_serial bigint not null default 0,
  read_serial bigint not null default -1,
  read_attempts integer not null default 0,
  read_not_before timestamptz not null default '-infinity',
  created_at timestamptz not null default now()
);
-- Projects to be read, oldest change first.
create index package_unread on package (seen_serial, id) where read_serial < seen_serial;

create table package_alias (
  alias text primary key,
  package_id bigint not null references package,
  seen_at timestamptz not null default now()
);

create table version (
  id bigint generated always as identity primary key,
  package_id bigint not null references package,
  -- Canonical (PEP 440), and as upstream spells it.
  version text not null,
  spelling text not null,
  -- Byte order of this key is the order of PEP 440, and equal keys are one release (1.0 is 1.0.0).
  sort_key text collate "C" not null,
  prerelease boolean not null,
  released_at timestamptz,
  requires_python_id integer references requires_python,
  yanked text,
  skip text,
  wanted boolean not null,
  priority smallint not null default 0,
  sdist_filename text,
  sdist_url text,
  sdist_sha256 text,
  sdist_size_bytes bigint,
  -- Tags of the wheels that upstream has.
  upstream_tags text[] not null default '{}',
  -- When something that a build dependency could be resolved to last came: an sdist, a wheel.
  changed_at timestamptz not null default now(),
  unique (package_id, sort_key)
);

create table wanted (
  requirement text primary key,
  name text not null,
  added_at timestamptz not null default now()
);
create index wanted_name on wanted (name);

create table slave (
  id integer generated always as identity primary key,
  -- The proven public key, or `local:<uuid>` where there are no keys.
  identity text not null,
  -- Tells slaves apart that share a key.
  slot text not null,
  label text not null,
  product_version text not null,
  hostname text not null,
  os text not null,
  board text not null,
  first_seen_at timestamptz not null default now(),
  last_seen_at timestamptz not null default now(),
  unique (identity, slot)
);
create table slave_target (
  slave_id integer not null references slave,
  target_id integer not null references target,
  primary key (slave_id, target_id)
);

-- One row per lease that was ever given; the token is the fencing number. An attempt `stands` while it
-- keeps its (version, target) off the queue.
create sequence build_token;
create table build (
  token bigint primary key,
  version_id bigint not null references version,
  target_id integer not null references target,
  slave_id integer not null references slave,
  -- PEP 427, for a version whose earlier files were withdrawn: their names are taken for ever.
  build_tag text,
  leased_at timestamptz not null default now(),
  released_at timestamptz,
  settled_at timestamptz,
  cause text,
  outcome text check (outcome in ('published', 'superseded', 'cancelled', 'failed', 'blocked', 'again')),
  message text not null default '',
  missing text[] not null default '{}',
  duration_ms double precision,
  stands boolean not null default false,
  log_sha256 text,
  log_size_bytes bigint,
  log_placed_at timestamptz
);
create index build_version on build (version_id);
create index build_settled on build (settled_at desc) where settled_at is not null;
create index build_log_unplaced on build (token) where log_sha256 is not null and log_placed_at is null;
create index build_log_sha256 on build (log_sha256) where log_sha256 is not null and log_placed_at is null;
create index build_failed on build (token) where stands and cause <> 'built';

create table lease (
  token bigint primary key references build,
  version_id bigint not null references version,
  target_id integer not null references target,
  slave_id integer not null references slave,
  -- Not indexed, so that renewals stay cheap; the table is as small as the fleet.
  expires_at timestamptz not null,
  unique (version_id, target_id)
);
create index lease_slave on lease (slave_id);

-- A transient failure: try again, not before.
create table retry (
  version_id bigint not null references version,
  target_id integer not null references target,
  attempts integer not null,
  not_before timestamptz not null,
  cause text not null,
  primary key (version_id, target_id)
);

-- A build dependency that was not to be had when the build was leased.
create table blocked (
  version_id bigint not null references version,
  target_id integer not null references target,
  requirement text not null,
  name text not null,
  since timestamptz not null,
  primary key (version_id, target_id, requirement)
);
create index blocked_name on blocked (name);

-- The build queue: derived from the tables above by db/work.ts, never written by hand.
create table work (
  version_id bigint not null references version,
  target_id integer not null references target,
  state text not null check (state in ('ready', 'leased', 'blocked', 'waiting', 'cancelled')),
  ord bigint not null,
  not_before timestamptz,
  primary key (version_id, target_id)
);
create index work_ready on work (target_id, ord desc, version_id) where state = 'ready';
create index work_waiting on work (not_before) where state = 'waiting';

-- A file name is for ever: the row stays when the file is removed.
create table file (
  id bigint generated always as identity primary key,
  version_id bigint not null references version,
  token bigint not null references build,
  filename text not null unique,
  sha256 text not null,
  size_bytes bigint not null,
  tags text[] not null,
  requires_python text,
  requires_dist text[] not null default '{}',
  apt_dependencies text[] not null default '{}',
  metadata_sha256 text not null,
  settled_at timestamptz not null default now(),
  placed_at timestamptz,
  -- Withdrawn; and when it was taken from its place.
  removed_at timestamptz,
  cleared_at timestamptz
);
create index file_version on file (version_id);
create index file_unplaced on file (id) where placed_at is null and removed_at is null;
create index file_withdrawn on file (id) where removed_at is not null and cleared_at is null;
create index file_sha256 on file (sha256);
create index file_metadata_sha256 on file (metadata_sha256);

-- Pages owed to readers. A page is written, then its row deleted if the generation is still the same.
create sequence page_generation;
create table page_request (
  kind text not null,
  key text not null,
  generation bigint not null default nextval('page_generation'),
  requested_at timestamptz not null default now(),
  -- The last time that it was asked for.
  renewed_at timestamptz not null default now(),
  primary key (kind, key)
);
create index page_request_age on page_request (requested_at);
