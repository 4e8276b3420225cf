-- What the command line tools change.
select;
