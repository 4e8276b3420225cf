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
