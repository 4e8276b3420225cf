"""How often a wheel turns on a kilometre. The table was worked out when the wheel was built."""

from wheelwright_axle._table import TURNS_PER_KILOMETRE

__version__ = "1.0.0"
__all__ = ["TURNS_PER_KILOMETRE"]
