"""The felloes of a rim: the bent pieces of wood that make it up."""

__version__ = "1.0.0"


def felloe_length(circumference, felloes):
    """The length of one of so many felloes, in the unit of the circumference."""
    return circumference / felloes
