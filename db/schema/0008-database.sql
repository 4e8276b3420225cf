-- Which master works on this database. One row, held by heartbeat; the database's clock decides. An
-- advisory lock would be lost silently with its connection, so this row decides; see db/leader.ts.
-- Taken `for update` by who takes it, updated by who holds it.
create table leader (
  role text primary key check (role = 'master'),
  -- One more with each master that took it.
  epoch bigint not null default 0,
  -- Of the process that holds it, or held it last: random, so that no two ever agree.
  instance text not null default '',
  host text not null default '',
  -- Boot and process namespace: within one place a process id says whether its process lives.
  place text not null default '',
  pid integer not null default 0,
  -- As /proc has it, since a process id is given out again.
  process_start text not null default '',
  since timestamptz not null default now(),
  renewed_at timestamptz not null default now(),
  -- Null: given back in order, or never held.
  expires_at timestamptz
);
insert into leader (role) values ('master');
