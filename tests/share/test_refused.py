"""Records that the server does not want."""

from __future__ import annotations

import pytest
from conftest import Repo
from share.clones import REF, Hub, listed, runs

import ledger as api

pytestmark = pytest.mark.slow

_REFUSE = """
while read old new ref; do
  for commit in $(git rev-list $new --not --all); do
    if git show $commit:params.json | grep -q poison; then
      echo "{said}" >&2
      exit 1
    fi
  done
done
"""


def _poisoned(hub: Hub, said: str, count: int, bad: set[int]) -> tuple[Repo, list[str]]:
    hub.hook("pre-receive", _REFUSE.format(said=said))
    one = hub.clone("one")
    batch = [
        {
            "params": {"data": "poison" if number in bad else "clean"},
            "metrics": {"f1": number / 100},
            "experiment": "main",
        }
        for number in range(count)
    ]
    return one, [done.id for done in api.record_many(batch, repository=one.path)]


@pytest.mark.parametrize(
    ("said", "most"), [pytest.param("no", 9, marks=pytest.mark.long), ("record $commit is poison", 4)]
)
def test_one_refused_run_holds_up_no_other(hub: Hub, said: str, most: int) -> None:
    one, made = _poisoned(hub, said, 30, {17})
    done = hub.push(one, code=1)
    (experiment,) = done["experiments"]
    assert experiment["sent"] == 29
    assert len(experiment["quarantined"]) == 1
    assert experiment["quarantined"][0] in hub.ledger.err
    assert f"remote: {said.partition(' ')[0]}" in hub.ledger.err
    assert done["pushes"] <= most
    assert hub.runs() == [run for run in made if run != made[17]]
    assert runs(one) == [*hub.runs(), made[17]], "it stays here, behind all others"
    assert len(listed(hub, one)) == 30

    later = hub.record(one)
    again = hub.push(one, code=1)
    assert (again["experiments"][0]["sent"], again["pushes"]) == (1, 1)
    assert hub.runs()[-1] == later

    hub.hook("pre-receive", "exit 0\n")
    assert hub.push(one, "--retry")["experiments"][0]["sent"] == 1
    assert sorted(hub.runs()) == sorted([*made, later])
    assert one.git("for-each-ref", "refs/ledger/quarantine") == ""


def test_a_server_that_refuses_everything_has_a_reason_of_its_own(hub: Hub) -> None:
    one = hub.clone("one")
    for _ in range(5):
        hub.record(one)
    hub.hook("update", "echo 'closed for repairs' >&2; exit 1\n")
    hub.ledger("-C", str(one.path), "push", code=4)
    assert "closed for repairs" in hub.ledger.err
    assert one.git("for-each-ref", "refs/ledger/quarantine") == ""
    hub.hook("update", "exit 0\n")
    assert hub.push(one)["experiments"][0]["sent"] == 5
    assert len(hub.runs(REF)) == 5
