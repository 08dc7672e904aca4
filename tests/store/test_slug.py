"""Names of experiments as ref components: never two on one ref, never one that git refuses."""

from __future__ import annotations

import re
import subprocess
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import InputError
from ledger.store.slug import RUNS, normal, slug


@pytest.mark.parametrize("name", ["main", "lr-0.1", "a_b", "0", "v1.2", "x" * 80, "exp-12345"])
def test_a_plain_name_is_its_own_slug(name: str) -> None:
    assert slug(name) == name


@pytest.mark.parametrize(
    ("name", "readable"),
    [
        ("exp/lr", "exp-lr"), ("LR", "lr"), ("a b", "a-b"), ("--output=x", "output-x"), ("../x", "x"), ("x.lock", "x"),
        ("a..b", "a.b"), ("-x", "x"), ("é", "x"), ("💥", "x"), ("x" * 300, "x" * 40), ("exp-0123abcd", "exp-0123abcd"), ("a.", "a"),
        ("@{-1}", "1"), ("HEAD", "head"), ("x~1^2:y", "x-1-2-y"),
    ],
)  # fmt: skip
def test_any_other_has_a_readable_form_and_a_hash(name: str, readable: str) -> None:
    head, _, digits = slug(name).rpartition("-")
    assert head == readable
    assert len(digits) == 8


def test_names_that_look_alike_have_refs_of_their_own() -> None:
    names = [
        "exp",
        "exp/lr",
        "exp-lr",
        "LR",
        "lr",
        "Lr",
        "x.lock",
        "x",
        "é",
        "e",
        "--output=x",
        slug("LR"),
        slug("exp/lr"),
    ]
    assert len({slug(name) for name in names}) == len(names)


def test_one_name_in_two_unicode_forms_is_one() -> None:
    composed, decomposed = unicodedata.normalize("NFC", "é"), unicodedata.normalize("NFD", "é")
    assert composed != decomposed
    assert slug(composed) == slug(decomposed)
    assert normal(decomposed) == composed


@pytest.mark.parametrize("name", ["", " ", " a", "a ", "a\nb", "a\x00b", "\x1b[31m", "x" * 1001, "\ud800"])
def test_names_that_nobody_means(name: str) -> None:
    with pytest.raises(InputError):
        slug(name)


@given(st.text(min_size=1, max_size=60))
def test_every_slug_is_a_safe_ref_component(name: str) -> None:
    try:
        found = slug(name)
    except InputError:
        return
    assert re.fullmatch(r".*-[0-9a-f]{8}", found) or found == slug(found) == normal(name)
    assert found.isascii()
    assert found == found.lower()
    assert not found.startswith(("-", "."))
    assert not found.endswith((".", ".lock", "/"))
    assert ".." not in found
    assert not set(found) & set(" ~^:?*[\\/@{\x7f")
    assert len(found) <= 80


def test_git_takes_them_all() -> None:
    names = [
        "main",
        "exp/lr",
        "../x",
        "--output=x",
        "a..b",
        "x.lock",
        "@{-1}",
        "é",
        "x" * 300,
        "a.",
        ".hidden",
        "con",
    ]
    for name in names:
        subprocess.run(["git", "check-ref-format", RUNS + slug(name)], check=True)
