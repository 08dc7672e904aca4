"""Names that were given up: a run that goes on recording one is told so, while it can still be mended."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

from ledger.config import Workspace
from ledger.errors import ConfigError, LedgerError
from ledger.schema.document import Schema

if TYPE_CHECKING:
    from ledger.schema.lineage import Lineage


class Renames:
    """What metrics are called now, by the migrations of now; these are read when some name is not declared."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def told(self, names: Collection[str], schema: Schema) -> Iterator[str]:
        """A word on each recorded name that `schema` does not declare since it is called something else now."""
        left = [name for name in names if name not in schema.metrics]
        if not left or self._lineage is None:
            return
        for old in left:
            new = next((one for one in self._lineage.forward_names(old) if one.name in schema.metrics), None)
            if new:
                yield (
                    f"{old} is {new.name} now ({new.op}, {new.migration[:15]}): recorded without a definition, "
                    f"it stands beside {new.name} and is never compared"
                )

    @cached_property
    def _lineage(self) -> Lineage | None:
        """None without migrations, and where they can't be read: no run is lost for a word about it."""
        from ledger.store import migrations

        with suppress(LedgerError, OSError):
            files = migrations.files(self._workspace, None)
            if files:
                return _built(self._workspace, files)
        return None


def _built(workspace: Workspace, files: dict[str, bytes]) -> Lineage:
    from ledger.schema import units
    from ledger.schema.lineage import Lineage
    from ledger.store import migration_cache, migrations

    data = migrations.units_file(workspace, None)
    known: Mapping[str, units.Unit] = {}
    with suppress(ConfigError):  # migrations that need none of the project's own units count all the same
        known = units.load(data, what=migrations.UNITS) if data else {}
    loaded = migration_cache.load(workspace.repository.folder, files, custom_units=known)
    return Lineage.build((), loaded.migrations)
