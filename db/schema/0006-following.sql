-- What is known of the followed index.
select;
