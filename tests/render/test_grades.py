"""Every grade has a sign of its own, in Unicode and in ASCII."""

from ledger.model import Grade, Level
from ledger.render.grades import GRADES, LEVELS


def test_every_grade_and_level_has_a_sign() -> None:
    assert [sign.symbol for sign in map(GRADES.__getitem__, Grade)] == [
        "=",
        "→",
        "≈",
        "‖",
        "∅",
        "⊘",
        "?",
        "⚠",
    ]
    assert set(LEVELS) == set(Level)


def test_signs_differ_in_both_forms() -> None:
    for unicode in (True, False):
        assert len({sign.text(unicode=unicode) for sign in GRADES.values()}) == len(Grade)
        assert len({sign.text(unicode=unicode) for sign in LEVELS.values()}) == len(Level)
    assert all(sign.ascii.isascii() and sign.words for sign in (*GRADES.values(), *LEVELS.values()))
