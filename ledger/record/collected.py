"""What a live run collects beside its series: params that come late, and summary values."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any

from ledger.model import Json, Metric
from ledger.record.inputs import metrics_of, params_of

Note = Callable[[dict[str, object]], None]


class Params(MutableMapping[str, Any]):
    """The settings of a run by name; nested mappings are values. They can be added to and replaced, not removed."""

    __slots__ = ("_note", "_values")

    def __init__(self, values: Mapping[str, Json], note: Note) -> None:
        self._values = dict(values)
        self._note = note

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        """Raises InputError for what is no param."""
        checked = params_of({name: value}).values
        self._values.update(checked)
        self._note({"op": "params", "values": checked})

    def __delitem__(self, name: str) -> None:
        raise TypeError("a param that was recorded stays")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class Summary(MutableMapping[str, Any]):
    """Values given by hand: they win over what a rule makes of the series of that name."""

    __slots__ = ("_note", "_values")  # `summary.f1 = 0.9` is an error, not a value that nobody keeps

    def __init__(self, note: Note) -> None:
        self._values: dict[str, Metric] = {}
        self._note = note

    def __getitem__(self, name: str) -> Metric:
        return self._values[name]

    def __setitem__(self, name: str, value: Any) -> None:
        """Raises InputError for what is no metric."""
        checked = metrics_of({name: value}).metrics()
        self._values.update(checked)
        self._note({"op": "summary", "values": checked})

    def __delitem__(self, name: str) -> None:
        """Leave it to the rule again."""
        del self._values[name]
        self._note({"op": "unset", "name": name})

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)
