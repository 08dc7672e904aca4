"""The signs for how a value relates to its definition and how a run was found, as two literal tables."""

from __future__ import annotations

from collections.abc import Mapping

from ledger.frozen import frozen
from ledger.model import Grade, Level
from ledger.render.terminal import Style


@frozen()
class Sign:
    symbol: str
    ascii: str
    words: str
    """For legends and for explanations."""
    style: Style = ""

    def text(self, *, unicode: bool) -> str:
        return self.symbol if unicode else self.ascii


GRADES: Mapping[Grade, Sign] = {
    Grade.IDENTICAL: Sign(symbol="=", ascii="=", words="recorded under this definition", style="dim"),
    Grade.EXACT: Sign(symbol="→", ascii="->", words="converted exactly", style="dim"),
    Grade.APPROXIMATE: Sign(symbol="≈", ascii="~=", words="converted approximately", style="warn"),
    Grade.INCOMPARABLE: Sign(
        symbol="‖", ascii="||", words="another definition, not comparable", style="warn"
    ),
    Grade.MISSING: Sign(symbol="∅", ascii=".", words="not recorded", style="dim"),
    Grade.UNDEFINED: Sign(
        symbol="⊘", ascii="!", words="no value: the computation has no result", style="warn"
    ),
    Grade.UNDECLARED: Sign(symbol="?", ascii="?", words="no schema says what it means", style="warn"),
    Grade.AMBIGUOUS: Sign(symbol="⚠", ascii="!!", words="several conversions disagree", style="bad"),
}

DISPUTED = "><"
"""Behind a value that edits made at the same time disagree on."""

LEVELS: Mapping[Level, Sign] = {
    Level.COMMIT: Sign(symbol="", ascii="", words="recorded on this commit"),
    Level.TREE: Sign(symbol="t", ascii="t", words="a commit with the same files", style="dim"),
    Level.REWRITTEN: Sign(symbol="r", ascii="r", words="the commit was amended or rebased", style="dim"),
    Level.PATCH: Sign(symbol="p", ascii="p", words="a commit with the same change", style="warn"),
    Level.PULL_REQUEST: Sign(symbol="pr", ascii="pr", words="the pull request's merge", style="warn"),
    Level.MANUAL: Sign(symbol="m", ascii="m", words="linked by hand", style="warn"),
    Level.DIRTY_BASE: Sign(
        symbol="*", ascii="*", words="uncommitted changes on top of this commit", style="warn"
    ),
    Level.UNATTACHED: Sign(symbol="-", ascii="-", words="no commit found", style="bad"),
}
