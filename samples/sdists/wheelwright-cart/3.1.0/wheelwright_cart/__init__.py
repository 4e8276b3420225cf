"""A cart: wheels, with spokes in them."""

from wheelwright_hub import turns
from wheelwright_spoke import spoke_length

__version__ = "3.1.0"


def journey(distance, diameter=1.2):
    """The turns of each wheel on this distance, and the length of its spokes, in metres."""
    return {"turns": turns(distance, diameter), "spoke": spoke_length(0.1, diameter / 2, 12, 0)}
