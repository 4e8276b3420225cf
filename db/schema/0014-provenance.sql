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
