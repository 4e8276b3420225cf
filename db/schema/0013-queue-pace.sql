-- Nothing: a number that was kept free for a change that needed none.
select;
