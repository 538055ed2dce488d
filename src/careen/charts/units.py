"""What a chart's numbers count, and how they are written."""

import math
from enum import Enum

BYTE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
"""Each 1024 times the one before."""

THOUSANDS = ("", "k", "M", "G", "T", "P", "E")


class Unit(Enum):
    """What is counted."""

    COUNT = "count"
    """Things: images, pulls."""
    BYTES = "bytes"
    DOLLARS = "dollars"


def written(value: float, unit: Unit) -> str:
    """A figure as people read it: ``1.31 GiB``, ``$12.34``, ``1,204``; of what is less than a cent more digits.

    Args:
        value: less than nothing is a difference.
        unit: what it counts.
    """
    if value < 0:
        amount = written(-value, unit)
        return amount.replace("< ", "> -", 1) if amount.startswith("<") else f"-{amount}"
    match unit:
        case Unit.COUNT:
            return f"{value:,.0f}"
        case Unit.BYTES:
            power = _power(value, 1024)
            scaled = value / 1024**power
            # 1023.7 MiB would read as 1024: the next unit says 1.
            if scaled >= 1023.5 and power + 1 < len(BYTE_UNITS):
                power, scaled = power + 1, 1.0
            digits = f"{scaled:,.0f}" if scaled >= 100 else f"{scaled:.3g}"
            return f"{digits} {BYTE_UNITS[power]}"
        case Unit.DOLLARS:
            if value >= 0.01 or value == 0:
                return f"${value:,.2f}"
            return f"${value:.4f}" if value >= 0.00005 else "< $0.0001"


def ticks(highest: float, unit: Unit, at_most: int) -> list[tuple[float, str]]:
    """Round numbers from zero up to the first that is not below ``highest``, with their labels.

    Args:
        highest: what the axis must reach; not negative.
        unit: what it counts. Things and bytes have no fractions.
        at_most: steps between them.
    """
    base = 1024 if unit is Unit.BYTES else 1000
    names = BYTE_UNITS if unit is Unit.BYTES else THOUSANDS
    # Dollars stay dollars, and thousands are abbreviated from ten thousand on.
    abbreviated = unit is Unit.BYTES or highest >= 10_000
    power = _power(highest, base) if abbreviated else 0
    scale = float(base**power)
    mantissa, exponent = _step(highest / scale / at_most)
    if unit is not Unit.DOLLARS and scale == 1 and exponent < 0:
        mantissa, exponent = 1, 0
    step = mantissa * 10.0**exponent
    count = max(1, math.ceil(highest / scale / step - 1e-9))
    prefix, suffix = ("$", names[power]) if unit is Unit.DOLLARS else ("", f" {names[power]}".rstrip())
    decimals = max(0, -exponent)
    marks = [
        (index * step * scale, f"{prefix}{index * step:,.{decimals}f}{suffix}") for index in range(count + 1)
    ]
    return [(0.0, f"{prefix}0"), *marks[1:]]


def _power(value: float, base: int) -> int:
    """The largest unit of which there is one."""
    power = 0
    while value >= base ** (power + 1) and power + 1 < len(BYTE_UNITS):
        power += 1
    return power


def _step(least: float) -> tuple[int, int]:
    """The first of 1, 2, 5, 10, … (times a power of ten) that is not below ``least``: its mantissa and exponent."""
    if least <= 0:
        return 1, 0
    exponent = math.floor(math.log10(least))
    for mantissa in (1, 2, 5):
        if mantissa * 10.0**exponent >= least * (1 - 1e-9):
            return mantissa, exponent
    return 1, exponent + 1
