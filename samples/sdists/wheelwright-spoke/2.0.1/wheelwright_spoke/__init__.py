"""Lengths of the spokes of a wheel."""

from wheelwright_spoke._spoke import spoke_length

__version__ = "2.0.1"
__all__ = ["spoke_length"]
