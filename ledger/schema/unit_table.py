"""Units by their UCUM code, each an exact multiple of others (https://ucum.org/ucum).

Differences on purpose: an annotation such as `{token}` is a dimension of its own, `[pp]` (percentage points) does
not convert to `%`, `bit` is a dimension in which `By` is 8 and `nat` is 1/ln 2, `mol`, `rad` and `deg` stand for
themselves. `B` (bel) is left out but for `dB`, since MB and GB are usually meant as bytes,
and so is `T` (tesla), which would make something of `T{flop}`. `ppm` and `Wh` are
not in UCUM, but usual.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Row:
    """One unit is `scale` of `unit`, or a dimension of its own where `unit` is empty."""

    scale: str = "1"
    unit: str = ""
    prefixed: bool = False
    """Takes SI prefixes."""
    offset: str = "0"
    """Added after scaling, in `unit`: where its zero lies."""
    ln2: int = 0
    """Power of ln 2 in the factor."""


UNITS: Mapping[str, Row] = MappingProxyType(
    {
        # time
        "s": Row(prefixed=True),
        "min": Row("60", "s"),
        "h": Row("60", "min"),
        "d": Row("24", "h"),
        "wk": Row("7", "d"),
        "mo": Row("1/12", "a"),
        "a": Row("365.25", "d"),
        "Hz": Row("1", "/s", prefixed=True),
        # fractions
        "%": Row("1/100", "1"),
        "[ppth]": Row("1/1000", "1"),
        "[ppm]": Row("1/1000000", "1"),
        "ppm": Row("1", "[ppm]"),
        "[ppb]": Row("1/1000000000", "1"),
        "[pptr]": Row("1/1000000000000", "1"),
        "[pp]": Row(),
        "dB": Row(),
        # information
        "bit": Row(prefixed=True),
        "By": Row("8", "bit", prefixed=True),
        "nat": Row("1", "bit", prefixed=True, ln2=-1),
        # temperature
        "K": Row(prefixed=True),
        "Cel": Row("1", "K", offset="273.15"),
        "[degF]": Row("5/9", "K", offset="45967/180"),
        "[degR]": Row("5/9", "K"),
        # length, area, volume, angle
        "m": Row(prefixed=True),
        "Ao": Row("1/10", "nm"),
        "[in_i]": Row("2.54", "cm"),
        "[ft_i]": Row("12", "[in_i]"),
        "[yd_i]": Row("3", "[ft_i]"),
        "[mi_i]": Row("5280", "[ft_i]"),
        "[nmi_i]": Row("1852", "m"),
        "ar": Row("100", "m2", prefixed=True),
        "L": Row("1", "dm3", prefixed=True),
        "l": Row("1", "L", prefixed=True),
        "rad": Row(prefixed=True),
        "deg": Row(),
        # mass
        "g": Row(prefixed=True),
        "t": Row("1000", "kg", prefixed=True),
        "[lb_av]": Row("453.59237", "g"),
        "[oz_av]": Row("1/16", "[lb_av]"),
        "mol": Row(prefixed=True),
        # force, pressure, energy, power
        "N": Row("1", "kg.m.s-2", prefixed=True),
        "Pa": Row("1", "N/m2", prefixed=True),
        "bar": Row("100000", "Pa", prefixed=True),
        "atm": Row("101325", "Pa"),
        "J": Row("1", "N.m", prefixed=True),
        "Wh": Row("1", "W.h", prefixed=True),
        "cal": Row("4.184", "J", prefixed=True),
        "eV": Row("1.602176634e-19", "J", prefixed=True),
        "W": Row("1", "J/s", prefixed=True),
        # electricity and light
        "A": Row(prefixed=True),
        "C": Row("1", "A.s", prefixed=True),
        "V": Row("1", "W/A", prefixed=True),
        "Ohm": Row("1", "V/A", prefixed=True),
        "S": Row("1", "A/V", prefixed=True),
        "F": Row("1", "C/V", prefixed=True),
        "cd": Row(prefixed=True),
        "lm": Row("1", "cd", prefixed=True),
        "lx": Row("1", "lm/m2", prefixed=True),
    }
)

PREFIXES: Mapping[str, Fraction] = MappingProxyType(
    {
        "Q": Fraction(10**30),
        "R": Fraction(10**27),
        "Y": Fraction(10**24),
        "Z": Fraction(10**21),
        "E": Fraction(10**18),
        "P": Fraction(10**15),
        "T": Fraction(10**12),
        "G": Fraction(10**9),
        "M": Fraction(10**6),
        "k": Fraction(10**3),
        "h": Fraction(10**2),
        "da": Fraction(10),
        "d": Fraction(1, 10),
        "c": Fraction(1, 10**2),
        "m": Fraction(1, 10**3),
        "u": Fraction(1, 10**6),
        "\N{MICRO SIGN}": Fraction(1, 10**6),
        "\N{GREEK SMALL LETTER MU}": Fraction(1, 10**6),
        "n": Fraction(1, 10**9),
        "p": Fraction(1, 10**12),
        "f": Fraction(1, 10**15),
        "a": Fraction(1, 10**18),
        "z": Fraction(1, 10**21),
        "y": Fraction(1, 10**24),
    }
)

BINARY_PREFIXES: Mapping[str, Fraction] = MappingProxyType(
    {
        "Ki": Fraction(2**10),
        "Mi": Fraction(2**20),
        "Gi": Fraction(2**30),
        "Ti": Fraction(2**40),
        "Pi": Fraction(2**50),
        "Ei": Fraction(2**60),
    }
)
BINARY_UNITS = frozenset({"By", "bit"})
