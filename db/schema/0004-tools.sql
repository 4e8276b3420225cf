-- What the command line tools change. An operator's word comes before upstream's: it stands beside
-- what upstream says, and the next reading of upstream does not undo it.
-- No column here rewrites a table: all defaults are constants.

alter table package
  -- The summary is an operator's.
  add column summary_kept boolean not null default false,
  -- What versions to come begin with.
  add column priority smallint not null default 0;

alter table version
  -- `local`: recorded by hand. Upstream not listing it says nothing of it.
  add column source text not null default 'upstream' check (source in ('upstream', 'local')),
  -- Upstream's word, whatever holds: `yanked` is what holds.
  add column upstream_yanked text,
  -- An operator's: `unyanked` goes when upstream takes its own yank back.
  add column yank_word text check (yank_word in ('yanked', 'unyanked')),
  -- The release date is an operator's.
  add column released_kept boolean not null default false;
update version set upstream_yanked = yanked where yanked is not null;

alter table package add check (source in ('upstream', 'local'));
