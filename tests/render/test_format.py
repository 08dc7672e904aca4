"""Numbers, times and sizes as people read them."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.render.format import ago, counted, date, delta, duration, minute, number, plain, size, with_unit


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.912, "0.912"),
        (0.1 + 0.2, "0.3"),
        (1.0, "1"),
        (-0.5, "-0.5"),
        (1 / 3, "0.333333"),
        (123456.789, "123457"),
        (1234567.8, "1234568"),
        (999_999_999_999_999.0, "999999999999999"),
        (1e15, "1e+15"),
        (1.5e300, "1.5e+300"),
        (0.00001, "1e-05"),
        (2**53 + 1, "9007199254740993"),
        (math.nan, "NaN"),
        (math.inf, "Infinity"),
        (-math.inf, "-Infinity"),
        (True, "true"),
        (None, ""),
    ],
)
def test_number(value: float | None, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_shown_number_is_near_the_recorded_one(value: float) -> None:
    assert float(number(value)) == pytest.approx(value, rel=1e-5, abs=0)


@pytest.mark.parametrize(
    ("value", "beside", "text"),
    [
        (0.912 - 0.9, 0.9, "+0.012"),
        (-3, 0.0, "-3"),
        (0.0, 0.0, "0"),
        (0.1 + 0.2 - 0.3, 0.3, "0"),
        (1e-17, 0.0, "+1e-17"),
        (math.nan, 1.0, "NaN"),
        (math.inf, 1.0, "+Infinity"),
        (None, 0.0, ""),
    ],
)
def test_delta(value: float | None, beside: float, text: str) -> None:
    assert delta(value, beside=beside) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.0004, "<1ms"),
        (0.354, "0.35s"),
        (9.96, "10s"),
        (12.4, "12s"),
        (59.9, "1m00s"),
        (192, "3m12s"),
        (3599.7, "1h00m"),
        (7500, "2h05m"),
        (273_600, "3d04h"),
        (-75, "-1m15s"),
        (math.nan, "NaN"),
        (None, ""),
    ],
)
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("moment", "day", "clock"),
    [
        ("2026-11-21T02:57:05.000000Z", "2026-11-21", "2026-11-21 02:57"),
        ("2026-11-21T00:30:00+02:00", "2026-11-20", "2026-11-20 22:30"),
        ("yesterday", "yesterday", "yesterday"),
        (None, "", ""),
    ],
)
def test_dates_are_utc(moment: str | None, day: str, clock: str) -> None:
    assert (date(moment), minute(moment)) == (day, clock)


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        ("2026-11-21T11:59:50Z", "just now"),
        ("2026-11-21T11:59:00Z", "1 minute ago"),
        ("2026-11-21T09:00:01Z", "2 hours ago"),
        ("2026-11-19T12:00:00Z", "2 days ago"),
        ("2026-11-01T12:00:00Z", "2 weeks ago"),
        ("2026-08-21T12:00:00Z", "3 months ago"),
        ("2020-11-21T12:00:00Z", "6 years ago"),
        ("2026-11-21T12:00:01Z", "in the future"),
        ("soon", "soon"),
        (None, ""),
    ],
)
def test_ago(moment: str | None, text: str) -> None:
    assert ago(moment, datetime(2026, 11, 21, 12, tzinfo=UTC)) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1229, "1.2 KiB"),
        (356_515_840, "340 MiB"),
        (2**80, "1073741824 PiB"),
        (None, ""),
    ],
)
def test_size(count: int | None, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("count", "plural", "text"),
    [
        (0, "", "0 runs"),
        (1, "", "1 run"),
        (2_000, "", "2,000 runs"),
        (1, "runs were", "1 run"),
        (3, "runs were", "3 runs were"),
    ],
)
def test_counted(count: int, plural: str, text: str) -> None:
    assert counted(count, "run", plural) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a b", "a b"),
        (0.1, "0.1"),
        (math.nan, "NaN"),
        (-math.inf, "-Infinity"),
        (True, "true"),
        ([1, "a"], '[1, "a"]'),
    ],
)
def test_plain(value: object, text: str) -> None:
    assert plain(value) == text


@pytest.mark.parametrize(("unit", "text"), [("ms", "time [ms]"), ("1", "time"), ("", "time"), (None, "time")])
def test_with_unit(unit: str | None, text: str) -> None:
    assert with_unit("time", unit) == text
