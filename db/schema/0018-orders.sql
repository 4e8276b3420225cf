-- What people ordered the master to do over the control link, and what became of it. Kept for a year.
create table control_order (
  id bigint generated always as identity primary key,
  -- Made by whoever keeps it: an order whose keeping is said again is kept once.
  key uuid not null unique,
  at timestamptz not null,
  -- Who said that they gave it.
  ordered_by text not null,
  -- How it came: `local`, or `key NAME` of the key that was proved.
  via text not null,
  -- As `piw` would be told.
  what text not null,
  -- False: refused, of no effect, or in part; `outcome` says which.
  is_done boolean not null,
  outcome text not null
);
create index control_order_at on control_order (at, id);
