-- Who runs the farm, and who may read it.
select;
