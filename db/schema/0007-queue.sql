-- What the build queue needs at the size of PyPI.
select;
