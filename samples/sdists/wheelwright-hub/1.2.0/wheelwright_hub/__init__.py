"""Sizes of wheels, in metres."""

import math

__version__ = "1.2.0"


def circumference(diameter):
    """The way that a wheel of this diameter makes in one turn."""
    if diameter <= 0:
        raise ValueError("a wheel has a diameter greater than zero")
    return math.pi * diameter


def turns(distance, diameter):
    """How often a wheel of this diameter turns on this distance."""
    return distance / circumference(diameter)
