-- What is known of a build beyond its end: where its wheel came from, and what is odd about it.

-- The build requirements that were installed for it: `[{name, version, sha256}]`, as pip resolved them.
alter table build add column resolved jsonb;

-- Why a wheel is to be looked at, e.g. that it is for a platform and holds no machine code; null: nothing odd.
alter table file add column suspicious text;
