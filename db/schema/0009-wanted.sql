-- What wanted packages need in turn.
select;
