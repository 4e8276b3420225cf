-- Builds that were made elsewhere.
select;
