"""Weights of rims, counted on as many cores as there are."""

from wheelwright_rim._rim import threads, weight

__version__ = "0.3.0"
__all__ = ["threads", "weight"]
