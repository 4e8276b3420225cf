-- History of the farm's figures.
select;
