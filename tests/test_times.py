"""Times as files hold them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from ledger.model import utc_text, utc_time


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_time_is_read_as_it_was_written(moment: datetime) -> None:
    assert utc_time(utc_text(moment)) == moment
    assert len(utc_text(moment)) == len("2026-11-21T02:57:03.000001Z")


def test_other_zones_are_brought_to_utc() -> None:
    assert (
        utc_text(datetime(5, 1, 2, 1, tzinfo=timezone(timedelta(hours=2)))) == "0005-01-01T23:00:00.000000Z"
    )
    assert utc_text(datetime(2026, 11, 21)) == "2026-11-21T00:00:00.000000Z"  # noqa: DTZ001 - naive is UTC
