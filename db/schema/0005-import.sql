-- Wheels built elsewhere (piw-import). An import is known by the hash of what it brings, so that it may
-- be said again at any time; its token is given out when it is first said, and its row of `build`
-- comes when it is settled. Rows without one are forgotten after a day.
create table import (
  key text primary key,
  token bigint not null unique default nextval('build_token'),
  asked_at timestamptz not null default now()
);
create index import_asked on import (asked_at);

-- An importing machine has a row in `slave`, with the identity `import:<host>` and no targets.
