"""Holds the wheel on the axle, if only it compiled."""

from wheelwright_linchpin._linchpin import pins
