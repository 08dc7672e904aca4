"""Every finding about schemas and migrations has a stable code: one literal table, read by people and programs.

LS1xx what a metric means, LS2xx its numbers, LS3xx the shape of data, LS4xx migrations and how they fit together,
LS5xx what a careful schema also says. A code is never used again for anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from ledger.errors import ConfigError

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """What can be found, and how bad that is."""

    code: str
    name: str
    severity: Severity
    when: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was found. `metric` may be a param, or empty; `file` and `line` where they are known."""

    code: str
    name: str
    severity: Severity
    metric: str
    message: str
    hint: str = ""
    file: str = ""
    line: int | None = None

    @property
    def headline(self) -> str:
        """Place, code and message on one line, without the hint."""
        place = [part for part in (self.file, str(self.line or "")) if part]
        return ": ".join(
            [*([":".join(place)] if self.file else []), f"{self.code} {self.name}", self.message]
        )

    def __str__(self) -> str:
        return f"{self.headline} ({self.hint})" if self.hint else self.headline


class MigrationError(ConfigError):
    """A migration that can't be used; `findings` are all that is wrong with it, in the order of the file."""

    def __init__(self, what: str, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        first, *others = self.findings
        if others:
            message = f"{what}: not a migration, {len(self.findings)} faults"
            super().__init__(message, details=tuple(map(str, self.findings)))
        else:
            super().__init__(first.headline, hint=first.hint)


def finding(
    name: str, message: str, *, metric: str = "", hint: str = "", file: str = "", line: int | None = None
) -> Finding:
    """Build the finding called `name` in `CODES`."""
    code = CODES[name]
    return Finding(
        code=code.code,
        name=name,
        severity=code.severity,
        metric=metric,
        message=message,
        hint=hint,
        file=file,
        line=line,
    )


_TABLE: tuple[tuple[str, str, Severity, str], ...] = (
    ("LS101", "DEF_CHANGED_NO_MIGRATION", "error",
     "A definition changed, and no migration leads from the old one to the new one."),
    ("LS102", "RUN_DEF_UNREACHABLE", "error",
     "Runs used a definition from which no migration, redefinition or drop leads to the schema."),
    ("LS103", "METRIC_REMOVED_NO_OP", "error",
     "A metric is gone, and no operation says what became of it."),
    ("LS104", "EVALSET_CHANGED", "error",
     "`on` changed across an operation that claims the values are still comparable; `same` needs `evidence` here."),
    ("LS105", "DESCRIPTION_CHANGED", "warning",
     "The description changed and the definition did not: did the meaning change in prose only?"),
    ("LS106", "DIRECTION_FLIPPED", "error",
     "The direction turned round and the definition did not change."),
    ("LS107", "TOMBSTONE_REUSE", "error",
     "A definition that was dropped is back with the same words; count `epoch` up if it means something else."),
    ("LS108", "IMPL_DRIFT", "warning",
     "The code that computes a metric changed between runs, and the definition did not."),
    ("LS109", "DATA_DRIFT", "warning",
     "A run's data set is not the one whose digest the definition has in `on.digest`."),
    ("LS110", "ENV_DRIFT", "warning",
     "Runs of one definition had different major or minor versions of a package that computes the metric."),
    ("LS111", "REDEFINE_NO_REASON", "error", "A `redefine` does not say why."),
    ("LS112", "SAME_NO_EVIDENCE", "warning",
     "`same` across a change of `how`, without `evidence` that the numbers are the same."),
    ("LS113", "REDEFINE_AVOIDABLE", "warning",
     "A `redefine` of a metric that could be computed from what its runs recorded."),
    ("LS114", "BREAK_WITHOUT_BRIDGE", "info",
     "No run has a value on both sides of a `redefine`, so that nobody can see how they relate."),
    ("LS201", "UNIT_CHANGED_NO_CONVERSION", "error",
     "Only the unit of a definition changed, and no `convert` or `affine` says so."),
    ("LS202", "UNIT_SCALE_MISMATCH", "error",
     "The factor of an operation disagrees with the two declared units."),
    ("LS203", "UNIT_INCOMMENSURABLE", "error", "The two declared units do not convert into one another."),
    ("LS204", "DIRECTION_SIGN_MISMATCH", "error",
     "A negative scale between metrics of the same direction, or a positive one between opposite directions."),
    ("LS205", "AFFINE_SCALE_ZERO", "error", "A scale of zero would make all values the same."),
    ("LS206", "RANGE_SCALE_SUSPECT", "warning",
     "The bounds moved by a power of ten and the unit did not: was 0-100 meant to become 0-1?"),
    ("LS207", "RECORDED_OUTSIDE_UNIT", "warning",
     "The newest runs are a power of ten away from all before them: seconds for milliseconds, percent for fractions?"),
    ("LS208", "APPROX_NO_REASON", "error", "An approximate `derive` does not say why it is good enough."),
    ("LS209", "METRIC_DEFAULT_ASSUMED", "error", "`default` would invent a value of a metric; it is for params."),
    ("LS210", "COMPANION_NOT_CONVERTED", "warning",
     "A metric was converted, and the one that tells its error (`kind: delta`) was not."),
    ("LS211", "DERIVE_CONTRADICTED", "error",
     "Runs that recorded both sides of an operation disagree with it, beyond rounding or its `error`."),
    ("LS212", "LOSSY_MAP_MARKED_EXACT", "error", "A `map` makes one value of two and says that it is exact."),
    ("LS213", "PRECISION_LITERAL", "warning",
     "A scale or offset is a decimal of more than 15 digits: most often a rounded fraction."),
    ("LS214", "AFFINE_NOT_A_NUMBER", "error",
     "A scale or offset is not a whole number, a decimal or `p/q`, as a string."),
    ("LS214", "AFFINE_NUMBER_TOO_LONG", "error", "A scale or offset has more digits than any double."),
    ("LS214", "AFFINE_OUT_OF_RANGE", "error", "A scale or offset is beyond the range of a double."),
    ("LS215", "UNIT_UNREADABLE", "error", "A unit is empty, far too long, or no text at all."),
    ("LS301", "PARAM_TYPE_CHANGED_NO_CAST", "error", "The type of a param changed, and there is no `cast`."),
    ("LS302", "PARAM_ENUM_VALUE_REMOVED", "error",
     "A value of a param is no longer allowed, and there is no `map`."),
    ("LS303", "PARAM_REQUIRED_NO_DEFAULT", "warning",
     "A new param is required, which older runs lack, and there is no `default`."),
    ("LS304", "METRIC_TYPE_CHANGED", "error", "Only the type of a metric changed, and no operation says so."),
    ("LS305", "SERIES_COLUMN_MISSING", "warning",
     "The newest runs have series, and none of the name that a metric gives in `series`."),
    ("LS306", "SCHEMA_INVALID", "error", "A schema file can't be used."),
    ("LS401", "GRAPH_INCOHERENT", "error",
     "Two ways from one definition to another give different numbers; neither is trusted."),
    ("LS402", "AMBIGUOUS_DERIVATION", "error",
     "Two different derivations of one definition are equally good; neither is trusted."),
    ("LS403", "OP_DUPLICATE_TARGET", "error", "Two operations of one migration have the same target."),
    ("LS404", "OP_UNKNOWN_NAME", "error", "An operation names something that `from` or `to` does not hold."),
    ("LS405", "RENAME_CHANGES_DEFINITION", "error",
     "A `rename` or `convert` across definitions that differ in more than it may change."),
    ("LS406", "MIGRATION_ID_MISMATCH", "error", "The content of a migration is not what its id says."),
    ("LS407", "MIGRATION_EDITED", "warning",
     "A migration that was published is gone or changed, and none names it in `supersedes`."),
    ("LS408", "TODO_UNRESOLVED", "error", "A draft still holds a `todo`."),
    ("LS409", "EXPR_SYNTAX", "error", "An expression is not of the grammar."),
    ("LS409", "EXPR_FORBIDDEN", "error", "An expression holds what the grammar refuses."),
    ("LS409", "EXPR_TOO_LONG", "error", "An expression is longer than its limit."),
    ("LS409", "EXPR_TOO_COMPLEX", "error", "An expression has too many parts or nests too deep."),
    ("LS409", "EXPR_UNKNOWN_NAME", "error", "An expression uses a name that is not among its inputs."),
    ("LS409", "EXPR_ARITY", "error", "A function of an expression has too many or too few arguments."),
    ("LS410", "DEAD_OP", "info", "No run, and no schema of here or a branch, can ever use an operation."),
    ("LS412", "MIGRATION_INVALID", "error",
     "A file is not a migration: not JSON, an unknown operation or key, a newer format, too large."),
    ("LS413", "DEF_HASH_MISMATCH", "error", "A definition in `defs` is not what its id says, or is not there."),
    ("LS501", "METRIC_NO_UNIT", "warning", "A metric has no unit."),
    ("LS502", "METRIC_NO_DIRECTION", "warning", "A metric does not say whether higher or lower is better."),
    ("LS503", "METRIC_NO_HOW", "warning", "A metric does not say how it is computed."),
    ("LS504", "METRIC_NO_EVALSET", "warning", "A metric does not say on which data it is computed."),
    ("LS505", "LABEL_DUPLICATE", "warning", "Two different schemas carry the same version label."),
    ("LS506", "UNKNOWN_UNIT", "warning", "A unit is in no table: it compares with itself only."),
    ("LS507", "AGGREGATE_UNVERSIONED", "warning",
     "A metric stands for others that say how they are computed, and does not itself."),
)  # fmt: skip

CODES: Mapping[str, Code] = {
    name: Code(code=code, name=name, severity=severity, when=when) for code, name, severity, when in _TABLE
}
"""Every code by its name; LS214 and LS409 have one name for each way in which a number or an expression is wrong."""
