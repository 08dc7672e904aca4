"""The names in a filter: which they are, and the full name of what people call in short."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace

from ledger.errors import NotFoundError, UsageError
from ledger.trace.grammar import (
    Comparison,
    Constant,
    Every,
    Expression,
    Membership,
    Name,
    Node,
    Not,
    Operand,
    Some,
)
from ledger.trace.tokens import fail, quoted

_RUN_FIELDS = "code."
_GROUPS = ("metrics.", "params.", "tags.")
_HEADINGS = {"id": "run_id", "when": "finished"}
"""What a table writes over a field, and people write after it."""
_EXAMPLES, _SUGGESTIONS = 5, 3
_LIKENESS = 0.5  # f1 and f2


def names(expression: Expression) -> frozenset[str]:
    """The columns that a filter reads."""
    return frozenset(name.name for name in _names(expression.node))


def _names(node: Node) -> Iterator[Name]:
    if isinstance(node, (Every, Some)):
        for inner in node.nodes:
            yield from _names(inner)
    elif isinstance(node, Not):
        yield from _names(node.node)
    elif isinstance(node, Comparison):
        yield from (side for side in (node.left, node.right) if isinstance(side, Name))
    else:
        yield node.name


def numeric(expression: Expression) -> frozenset[str]:
    """The columns that a filter only ever compares with numbers."""
    uses = list(_uses(expression.node))
    return frozenset(name for name, as_number in uses if as_number) - {
        name for name, as_number in uses if not as_number
    }


def _uses(node: Node) -> Iterator[tuple[str, bool]]:
    """(column, whether this use of it compares it with a number)."""
    if isinstance(node, (Every, Some)):
        for inner in node.nodes:
            yield from _uses(inner)
    elif isinstance(node, Not):
        yield from _uses(node.node)
    elif isinstance(node, Comparison):
        sides = (node.left, node.right)
        against = any(isinstance(side, Constant) and _is_number(side) for side in sides)
        yield from ((side.name, against) for side in sides if isinstance(side, Name))
    else:
        yield node.name.name, isinstance(node, Membership) and all(map(_is_number, node.values))


def _is_number(constant: Constant) -> bool:
    return isinstance(constant.value, (int, float)) and not isinstance(constant.value, bool)


def resolved(expression: Expression, known: Collection[str]) -> Expression:
    """The filter with every name in full (see `resolve`). Raises what `resolve` does, with a caret."""
    full: dict[str, str] = {}
    for name in _names(expression.node):
        try:
            full[name.name] = resolve(name.name, known)
        except (NotFoundError, UsageError) as error:
            fail(expression.text, name.at, error.message, hint=error.hint, kind=type(error))
    return replace(expression, node=_renamed(expression.node, full))


def renamed(expression: Expression, new: Mapping[str, str]) -> Expression:
    """The filter with other names: one of `new` for every name in it."""
    return replace(expression, node=_renamed(expression.node, new))


def resolve(name: str, known: Collection[str]) -> str:
    """A column's full name: `name` itself, a run field, the only metric, param or tag of that name, or a heading.

    Raises NotFoundError that suggests the right name, UsageError for a name that several answer to.
    """
    candidates = [full for full in _full_names(name) if full in known]
    if not candidates and _HEADINGS.get(name) in known:
        return _HEADINGS[name]
    if not candidates:
        raise NotFoundError(f"there is no {quoted(name)}", hint=_suggestion(name, known))
    if len(candidates) > 1 and candidates[0].startswith(_GROUPS) and name not in known:
        listed = " and ".join(map(quoted, candidates))
        raise UsageError(
            f"{quoted(name)} is not one name: there are {listed}", hint=f"write {quoted(candidates[0])}"
        )
    return candidates[0]


def _full_names(name: str) -> list[str]:
    return [name, *(prefix + name for prefix in (_RUN_FIELDS, *_GROUPS))]


def _suggestion(name: str, known: Collection[str]) -> str:
    """The same name in another group or case, else what is spelled nearly so."""
    if not known:
        return "nothing is recorded yet"
    by_word: dict[str, list[str]] = {}
    for full in sorted(known):
        for word in {full.lower(), _tail(full).lower()}:
            by_word.setdefault(word, []).append(full)
    found = by_word.get(_tail(name).lower()) or _nearly(name, by_word)
    if not found:
        return f"there are {', '.join(map(quoted, sorted(known)[:_EXAMPLES]))}, ..."
    return f"did you mean {' or '.join(map(quoted, found[:_SUGGESTIONS]))}?"


def _nearly(name: str, by_word: Mapping[str, list[str]]) -> list[str]:
    from difflib import get_close_matches

    words = (name.lower(), _tail(name).lower())
    near = [match for word in words for match in get_close_matches(word, by_word, n=2, cutoff=_LIKENESS)]
    return list(dict.fromkeys(full for match in near for full in by_word[match]))


def _tail(name: str) -> str:
    group, _, rest = name.partition(".")
    return rest or group


def _renamed(node: Node, full: Mapping[str, str]) -> Node:
    if isinstance(node, (Every, Some)):
        return replace(node, nodes=tuple(_renamed(inner, full) for inner in node.nodes))
    if isinstance(node, Not):
        return replace(node, node=_renamed(node.node, full))
    if isinstance(node, Comparison):
        return replace(node, left=_renamed_operand(node.left, full), right=_renamed_operand(node.right, full))
    return replace(node, name=replace(node.name, name=full[node.name.name]))


def _renamed_operand(side: Operand, full: Mapping[str, str]) -> Operand:
    return replace(side, name=full[side.name]) if isinstance(side, Name) else side
