"""The felloes of a rim: the bent pieces of wood that make it up."""

__version__ = "1.1.0"


def felloe_length(circumference, felloes):
    """The length of one of so many felloes. (In inches whatever the unit: why this version was yanked.)"""
    return circumference / felloes * 39.37
