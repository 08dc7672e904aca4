from __future__ import annotations

import json

import pytest
from conftest import Repo
from record.lived import SCHEMA


@pytest.fixture
def schema(repo: Repo) -> Repo:
    repo.write(".ledger/schemas/task.json", json.dumps(SCHEMA))
    repo.commit("schema")
    return repo
