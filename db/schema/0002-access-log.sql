-- Access logs, by month, and their daily roll-ups.
select;
