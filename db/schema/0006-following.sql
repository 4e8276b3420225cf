-- What is known of the followed index beside its changelog: which one it is, and how old its pages were
-- when they were read, so that the next question can be a conditional one.
alter table configuration
  -- The Simple API that was followed last. Of another one nothing of what is kept here is true.
  add column upstream_index text,
  -- It has answered as a changelog does; from then on its refusal is an outage.
  add column has_changelog boolean not null default false,
  add column listing_etag text,
  add column listing_modified text;
update configuration set has_changelog = true where upstream_serial > 0;

alter table package
  -- Validators (RFC 9110, 8.8) and serial of the page that was recorded; null where it had none.
  add column page_etag text,
  add column page_modified text,
  add column page_serial bigint,
  -- When the page is to be looked at though nothing said that it has changed: of an index without serials
  -- again and again, else once. Null: when a serial says so.
  add column look_at timestamptz;
create index package_look on package (look_at) where look_at is not null;
