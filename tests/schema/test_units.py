"""Units: what they are made of, what converts, and those of a project."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from schema.doubles import bits

from ledger.errors import ConfigError
from ledger.schema.outcome import OVERFLOW
from ledger.schema.unit_table import UNITS
from ledger.schema.units import (
    Affine,
    UnitError,
    affine,
    conversion,
    is_known,
    load,
    parse,
    project_units,
)

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "meaning.json").read_bytes())


CASES = {case["case"]: case for case in VECTORS["cases"]}


NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def between(source: str, target: str, *, kind: str = "point") -> Affine:
    return conversion(parse(source), parse(target), kind=kind)


# The vectors


def unit_of(case: Mapping[str, Any], schema: str) -> str:
    (metric,) = case["schemas"][schema].values()
    return str(metric["unit"])


def declared(case: Mapping[str, Any], source: str, target: str) -> Affine:
    """The map that a case with one metric and one operation a migration declares, in either direction."""
    forward = (source, target) == (case["migrations"][0]["from"], case["migrations"][0]["to"])
    operation = case["migrations"][0]["ops"][0]
    if operation["op"] == "convert":
        return between(unit_of(case, source), unit_of(case, target))
    step = affine(operation["scale"], operation.get("offset", "0"))
    return step if forward else step.inverse()


@pytest.mark.parametrize("name", ["V03", "V07", "V18", "V19", "V20", "V32"])
def test_maps_give_the_bits_of_the_vectors(name: str) -> None:
    case = CASES[name]
    for view in case["views"]:
        (recorded,) = view["recorded"].values()
        value = NON_FINITE.get(recorded, recorded)
        result = declared(case, view["run_schema"], view["target_schema"]).apply(value)
        if view["expect"]["grade"] == "undefined":
            assert result == OVERFLOW
        else:
            expected = view["expect"]["value"]
            assert bits(result) == bits(NON_FINITE.get(expected, expected)), view


@pytest.mark.parametrize("name", ["V16", "V34"])
def test_what_does_not_convert_is_refused_by_name(name: str) -> None:
    case = CASES[name]
    migration = case["migrations"][0]
    operation = migration["ops"][0]
    source = case["schemas"][migration["from"]][operation["from"]]["unit"]
    target = case["schemas"][migration["to"]][operation["to"]]["unit"]
    with pytest.raises(UnitError) as caught:
        between(source, target)
    assert caught.value.code == case["load_error"] == "UNIT_INCOMMENSURABLE"


@pytest.mark.parametrize(("name", "declared_scale"), [("V15", "1/10"), ("V17", "1")])
def test_a_factor_that_disagrees_with_the_units_is_told_apart(name: str, declared_scale: str) -> None:
    assert CASES[name]["load_error"] == "UNIT_SCALE_MISMATCH"
    assert between("%", "1") != affine(declared_scale)
    assert between("%", "1") == affine("1/100")


# Units


@pytest.mark.parametrize(
    ("source", "target", "scale", "offset"),
    [
        ("min", "ms", "60000", "0"),
        ("wk", "d", "7", "0"),
        ("a", "mo", "12", "0"),
        ("us", "\N{MICRO SIGN}s", "1", "0"),
        ("\N{GREEK SMALL LETTER MU}s", "ns", "1000", "0"),
        ("%", "1", "1/100", "0"),
        ("[ppm]", "%", "1/10000", "0"),
        ("ppm", "[ppm]", "1", "0"),
        ("MiBy", "By", "1048576", "0"),
        ("MBy", "By", "1000000", "0"),
        ("GBy/s", "Gbit/s", "8", "0"),
        ("Kibit", "By", "128", "0"),
        ("{token}/min", "{token}/s", "1/60", "0"),
        ("{token}/s", "s-1.{token}", "1", "0"),
        ("10*6.{token}", "{token}", "1000000", "0"),
        ("100.{token}", "{token}", "100", "0"),
        ("kWh", "MJ", "18/5", "0"),
        ("W.h", "Wh", "1", "0"),
        ("mWh", "J", "18/5", "0"),
        ("J/s", "W", "1", "0"),
        ("W/(m2.K)", "W/m2/Cel", "1", "0"),
        ("km2", "m2", "1000000", "0"),
        ("L", "cm3", "1000", "0"),
        ("m/s2", "cm.s-2", "100", "0"),
        ("kg", "[lb_av]", "100000000/45359237", "0"),
        ("MHz", "/s", "1000000", "0"),
        ("V.A", "W", "1", "0"),
        ("Cel", "K", "1", "273.15"),
        ("[degF]", "Cel", "5/9", "-160/9"),
        ("mK", "Cel", "1/1000", "-273.15"),
        ("foo/s", "foo/min", "60", "0"),
        ("images per second", "images per second", "1", "0"),
    ],
)
def test_conversions_are_exact(source: str, target: str, scale: str, offset: str) -> None:
    assert between(source, target) == affine(scale, offset)
    assert between(target, source) == affine(scale, offset).inverse()


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("{token}", "1"),
        ("{token}", "{sample}"),
        ("[pp]", "%"),
        ("[pp]", "1"),
        ("s", "By"),
        ("bit", "1"),
        ("dB", "1"),
        ("%{top1}", "%"),
        ("foo", "bar"),
        ("foo", "1"),
        ("kfoo", "foo"),
        ("m//s", "m/s"),
        ("KiHz", "Hz"),
        ("rad", "deg"),
    ],
)
def test_what_measures_something_else_does_not_convert(source: str, target: str) -> None:
    with pytest.raises(UnitError, match="does not convert") as caught:
        between(source, target)
    assert caught.value.hint


def test_a_difference_has_no_zero_to_move() -> None:
    assert between("Cel", "K", kind="delta").is_identity
    assert between("[degF]", "Cel", kind="delta") == affine("5/9")


def test_information_converts_by_a_symbolic_logarithm() -> None:
    there = between("bit", "nat")
    assert there.ln2 == 1
    assert there.compose(between("nat", "bit")).is_identity
    assert there.apply(10.0) == 10.0 * math.log(2.0)
    assert there.inverse().apply(10.0) == 10.0 / math.log(2.0)
    assert between("nat/{token}", "bit/{token}") == there.inverse()
    assert between("KiBy", "nat").apply(1.0) == 8192.0 * math.log(2.0)


def test_an_offset_moves_through_the_logarithm_and_back() -> None:
    shift = affine("2", "3/7")
    there = shift.compose(between("bit", "nat")).compose(affine("1", "1"))
    assert there.offset == 1
    assert there.offset_ln2 == ((1, Fraction(3, 7)),)
    assert there.compose(there.inverse()).is_identity
    assert there.apply(0.0) == 1.0 + 3 / 7 * math.log(2.0)
    assert str(there) == "\N{MULTIPLICATION SIGN}2·ln 2 + 1 + 3/7·ln 2"


@pytest.mark.parametrize("code", sorted(UNITS))
def test_every_row_of_the_table_resolves(code: str) -> None:
    unit = parse(code)
    assert is_known(unit)
    assert unit.base.scale > 0


@pytest.mark.parametrize("code", ["1", "{x}", "10*3", "m{deep}", "kg.m2/s3", "(m/s)/s", "TiBy", "dB"])
def test_known_units(code: str) -> None:
    assert is_known(parse(code))


@pytest.mark.parametrize(
    ("code", "unknown"),
    [
        ("MB", ("MB",)),
        ("tokens/s", ("tokens",)),
        ("k{token}", ("k",)),
        ("sec", ("sec",)),
        ("foo.baz/foo", ("foo", "baz")),
        ("images per second", ("images per second",)),
        ("m//s", ("m//s",)),
        ("(m/s", ("(m/s",)),
        ("m/s)", ("m/s)",)),
        ("m0", ("m0",)),
        ("0", ("0",)),
        ("{}", ("{}",)),
        ("m99.m99", ("m99.m99",)),
        ("°C", ("°C",)),
        ("10", ()),
    ],
)
def test_unknown_parts_are_named_and_nothing_fails(code: str, unknown: tuple[str, ...]) -> None:
    assert parse(code).unknown == unknown


@pytest.mark.parametrize("code", ["", "s\n", "m\x00", "x" * 129, "\ud800"])
def test_what_no_unit_looks_like_is_refused(code: str) -> None:
    with pytest.raises(UnitError, match="printable"):
        parse(code)


@given(st.text(alphabet="10*^ms/.()[]{}%+-2kKi", min_size=1, max_size=128))
def test_any_text_is_a_unit_that_converts_to_itself(code: str) -> None:
    unit = parse(code)
    assert conversion(unit, unit, kind="point").is_identity


@given(
    st.floats(), st.lists(st.sampled_from(["ns", "us", "ms", "min", "h", "d", "wk"]), min_size=1, max_size=4)
)
def test_a_chain_back_to_its_unit_returns_the_same_bits(value: float, units: list[str]) -> None:
    codes = ["s", *units, "s"]
    chain = Affine.identity()
    for source, target in pairwise(codes):
        chain = chain.compose(between(source, target))
    assert bits(chain.apply(value)) == bits(value)


# Units of a project


def test_a_project_has_units_of_its_own() -> None:
    custom = load(
        b'{"units": {"[batch]": {"unit": "[img]", "scale": "32"}, "[img]": {}, "fps": {"unit": "[img]/s"},'
        b' "[score]": {"unit": "%", "scale": "2", "offset": "-100", "description": "-100 to 100"}}}'
    )
    assert conversion(parse("[batch]/s", custom), parse("fps", custom)) == affine("32")
    assert conversion(parse("[score]", custom), parse("1", custom)) == affine("1/50", "-1")
    assert is_known(parse("k[img]", custom)) is False
    assert is_known(parse("[img]")) is False
    assert is_known(parse("[img]/fps", custom))


@pytest.mark.parametrize(
    ("text", "message", "detail"),
    [
        ("", "empty", ""),
        ("[]", "not a file of units", "object"),
        ('{"units": {"[a]": {"scale": "2"}}}', "not a file of units", "unit"),
        ('{"units": {"[a]": {"unit": "s", "scale": 2}}}', "not a file of units", "string"),
        ('{"units": {}, "more": 1}', "not a file of units", "more"),
        ('{"units": {"[a]": {}}, "format": 2}', "not a file of units", "format"),
        ('{"units": {"s": {}}}', "s is a unit already", ""),
        ('{"units": {"km": {}}}', "km is a unit already", ""),
        ('{"units": {"{a}": {}}}', "can't be the code", ""),
        ('{"units": {"a/b": {}}}', "can't be the code", ""),
        ('{"units": {"m2": {}}}', "can't be the code", ""),
        ('{"units": {"[a]": {"unit": "foo"}}}', "rest on nothing", "foo"),
        ('{"units": {"[a]": {"unit": "[b]"}, "[b]": {"unit": "[a]"}}}', "rest on nothing", "[b]"),
        ('{"units": {"[a]": {"unit": "s", "scale": "0"}}}', "scale is 0", ""),
        ('{"units": {"[a]": {"unit": "s", "scale": "1e999"}}}', "range of a double", ""),
        ('{"units": {"[a]": {"unit": "s\\n"}}}', "printable", ""),
        ("<<<<<<< HEAD\n{}", "not JSON at line 1", ""),
    ],
)
def test_a_bad_units_file_is_one_clear_message(text: str, message: str, detail: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(text.encode(), what=".ledger/units.json")
    assert message in caught.value.message
    assert caught.value.message.startswith(".ledger/units.json")
    assert detail in " ".join(caught.value.details)


def test_units_of_a_project_need_no_order() -> None:
    rows = {f"[u{index}]": {"unit": f"[u{index + 1}]", "scale": "10"} for index in range(40)}
    custom = project_units({**rows, "[u40]": {"unit": "s"}})
    assert conversion(parse("[u0]", custom), parse("s")) == affine("1" + "0" * 40)
