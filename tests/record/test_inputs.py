"""Params and metrics as people hand them in, and everything that can be wrong with the files."""

from __future__ import annotations

import io
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from record.files import refusal, written

from ledger.errors import InputError, UsageError
from ledger.record.inputs import MAX_NAMES, Inputs, metrics_of, params_of, read_metrics, read_params

NESTED = {"lr": 0.001, "optimizer": {"name": "adam", "betas": [0.9, 0.999]}, "seed": 7}
SAME_PARAMS = {
    "p.json": json.dumps(NESTED),
    "p.yaml": "lr: 1e-3\noptimizer:\n  name: adam\n  betas: [0.9, 0.999]\nseed: 7\n",
    "p.yml": "{lr: 0.001, optimizer: {name: adam, betas: [0.9, 0.999]}, seed: 7}",
    "p.toml": 'lr = 0.001\nseed = 7\n[optimizer]\nname = "adam"\nbetas = [0.9, 0.999]\n',
}


@pytest.mark.parametrize("name", SAME_PARAMS)
def test_every_format_gives_the_same_params(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, name, SAME_PARAMS[name])
    inputs = read_params([path])
    assert inputs.values == NESTED
    assert inputs.origins == dict.fromkeys(["lr", "optimizer.name", "optimizer.betas", "seed"], path)


@pytest.mark.parametrize("name", SAME_PARAMS)
def test_standard_input_is_sniffed(name: str) -> None:
    inputs = read_params(["-"], stdin=io.BytesIO(SAME_PARAMS[name].encode()))
    assert inputs.values == NESTED
    assert inputs.origins["lr"] == "standard input"


@pytest.mark.parametrize(
    ("text", "syntax"),
    [
        ("f1,loss\n0.9,3\n", None),
        ("name,value\nf1,0.9\nloss,3", None),
        ("f1,0.9\nloss,3\n", "csv"),
        ("f1: 0.9\nloss: 3", "yaml"),
    ],
)
def test_standard_input_of_metrics(text: str, syntax: str | None) -> None:
    assert read_metrics(["-"], stdin=io.BytesIO(text.encode()), syntax=syntax).values == {
        "f1": 0.9,
        "loss": 3,
    }


@pytest.mark.parametrize("text", ["[1]", '["a"]\n', "[true]", "\n[ 1 ]\n"])
def test_a_list_on_standard_input_is_no_table_of_toml(text: str) -> None:
    with pytest.raises(InputError, match="an object of names and values is wanted"):
        read_metrics(["-"], stdin=io.BytesIO(text.encode()))


@pytest.mark.parametrize("head", ["[1]", '["1"]', "[ 1 ]"])
def test_a_table_with_something_in_it_is_one(head: str) -> None:
    assert read_metrics(["-"], stdin=io.BytesIO(f"{head}\nf1 = 0.9".encode())).values == {"1/f1": 0.9}


def test_a_known_ending_counts_more_than_the_syntax_given_for_standard_input(tmp_path: Path) -> None:
    path = written(tmp_path, "m.json", '{"f1": 0.9}')
    assert read_metrics([path], syntax="csv").values == {"f1": 0.9}


def test_an_unknown_syntax_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="xml"):
        read_metrics(["-"], stdin=io.BytesIO(b"<f1/>"), syntax="xml")


def test_no_standard_input() -> None:
    with pytest.raises(InputError, match="standard input"):
        read_metrics(["-"], stdin=None)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("a=0.1", 0.1), ("a=3", 3), ("a=-1e-3", -0.001), ("a=.5", 0.5), ("a=true", True), ("a=null", None),
        ('a="quoted"', "quoted"), ("a=[1,2]", [1, 2]), ('a={"b":1}', {"b": 1}), ("a=007", "007"), ("a=", ""),
        ("a=x=y", "x=y"), ("a=1_000", "1_000"), ("a=True", "True"), ("a=[1,", "[1,"), ("a=2026-01-02", "2026-01-02"),
        ("a=9007199254740993", 9007199254740993), ("a=1.2.3", "1.2.3"), ("a=0x10", "0x10"), ('a="', '"'),
    ],
)  # fmt: skip
def test_words(word: str, value: object) -> None:
    got = read_params([], [word]).values["a"]
    assert (got, type(got)) == (value, type(value))


def test_words_without_a_value_or_name() -> None:
    with pytest.raises(UsageError, match="NAME=VALUE"):
        read_params([], ["lr"])
    with pytest.raises(UsageError, match="is empty"):
        read_params([], ["=3"])


@pytest.mark.parametrize("word", ["f1=high", "f1=true", 'f1="0.9"', "f1=[1]", "f1="])
def test_metric_words_must_be_numbers(word: str) -> None:
    with pytest.raises(UsageError, match=r"-m: \$\.f1"):
        read_metrics([], [word])


def test_metric_words() -> None:
    values = read_metrics([], ["a=007", "b=nan", "c=-inf", "d=null", "val/f1@5=.5"]).metrics()
    assert math.isnan(values.pop("b") or 0)
    assert values == {"a": 7, "c": -math.inf, "d": None, "val/f1@5": 0.5}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", '{"big": 9007199254740993, "nan": NaN, "inf": "-Infinity", "none": null, "x": "inf"}'),
        ("m.yaml", "big: 9007199254740993\nnan: .nan\ninf: -.inf\nnone:\nx: inf\n"),
        ("m.csv", "big,nan,inf,none,x\n9007199254740993,NaN,-inf,,Infinity\n"),
        ("m.csv", "metric,value\nbig,9007199254740993\nnan,nan\ninf,-Infinity\nnone,\nx,inf\n"),
    ],
)
def test_odd_numbers_of_metrics(tmp_path: Path, name: str, text: str) -> None:
    values = read_metrics([written(tmp_path, name, text)]).metrics()
    assert values["big"] == 2**53 + 1
    assert isinstance(values["big"], int)
    assert math.isnan(values["nan"] or 0)
    assert (values["inf"], values["none"], values["x"]) == (-math.inf, None, math.inf)


@pytest.mark.parametrize(
    ("name", "text"),
    [("m.json", '{"a": 1e400}'), ("m.yaml", "a: 1e400"), ("m.toml", "a = 1e400"), ("m.csv", "a\n1e400\n")],
)
def test_a_number_beyond_doubles_is_refused(tmp_path: Path, name: str, text: str) -> None:
    assert "too large for a double" in refusal(tmp_path, name, text).message


def test_a_number_beyond_doubles_in_a_word() -> None:
    with pytest.raises(UsageError, match="1e400 is too large"):
        read_params([], ["lr=1e400"])
    with pytest.raises(UsageError, match="too large"):
        read_metrics([], ["f1=" + "9" * 5000])


@pytest.mark.parametrize(
    ("name", "text"),
    [("p.yaml", "a: " + "9" * 400), ("p.toml", "a = " + "9" * 4000), ("p.yaml", "a: 0x" + "f" * 9999)],
)
def test_an_endless_integer_is_refused(tmp_path: Path, name: str, text: str) -> None:
    refusal(tmp_path, name, text, params=True)


@pytest.mark.parametrize(
    ("text", "path", "advice"),
    [
        ('{"val": {"f1": "good"}}', '$.val.f1 = "good"', "tag"),
        ('{"ok": true}', "$.ok = true", "boolean"),
        ('{"odd name": "0.9"}', '$["odd name"] = "0.9"', "quotes"),
        ('{"loss": [1, 2]}', "$.loss = [1, 2]", "--history"),
        ('{"val": {}}', "$.val = {}", "null"),
    ],
)
def test_what_is_no_metric_is_named(tmp_path: Path, text: str, path: str, advice: str) -> None:
    message = refusal(tmp_path, "m.json", text).message
    assert path in message
    assert advice in message


def test_all_faults_of_metrics_are_named_at_once(tmp_path: Path) -> None:
    error = refusal(tmp_path, "m.json", json.dumps({f"m{i}": "x" for i in range(25)}))
    assert len(error.details) == 21
    assert error.details[-1] == "and 5 more"


def test_nested_metrics_are_flattened_and_prefixed(tmp_path: Path) -> None:
    path = written(tmp_path, "m.json", '{"val": {"f1": 0.5, "per": {"cat": 1}}, "loss": 2}')
    inputs = read_metrics([f"eval={path}"])
    assert inputs.values == {"eval/val/f1": 0.5, "eval/val/per/cat": 1, "eval/loss": 2}
    assert set(inputs.origins.values()) == {path}


def test_a_prefix_is_an_outer_key_of_params(tmp_path: Path) -> None:
    path = written(tmp_path, "p.json", '{"lr": 1}')
    assert read_params([f"train={path}"]).values == {"train": {"lr": 1}}


def test_an_equals_sign_in_the_name_of_a_file_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "lr=1.json", '{"f1": 1}')
    assert read_metrics(["lr=1.json"]).values == {"f1": 1}
    assert read_metrics(["eval=lr=1.json"]).values == {"eval/f1": 1}


@pytest.mark.parametrize("read", [read_params, read_metrics])
def test_two_files_with_one_name(tmp_path: Path, read: Callable[[Sequence[str]], Inputs]) -> None:
    one, same = (
        written(tmp_path, "1.json", '{"a": 1, "n": NaN}'),
        written(tmp_path, "2.json", '{"a": 1.0, "n": NaN}'),
    )
    assert read([one, same]).values["a"] == 1
    other = written(tmp_path, "3.json", '{"a": 2}')
    with pytest.raises(InputError) as caught:
        read([one, other])
    assert caught.value.message == f"a is 1 in {one} and 2 in {other}"


def test_words_override_no_file(tmp_path: Path) -> None:
    path = written(tmp_path, "p.json", '{"lr": 0.1}')
    assert read_params([path], ["lr=0.1"]).origins == {"lr": path}
    with pytest.raises(InputError, match=r"lr is 0\.1 in .* and 0\.2 in -p"):
        read_params([path], ["lr=0.2"])


def test_true_is_not_one() -> None:
    with pytest.raises(UsageError):
        read_params([], ["a=1", "a=true"])


def test_dotted_and_nested_params_are_one_name() -> None:
    assert params_of({"a.b": 1, "a": {"b": 1, "c": 2}}).values == {"a.b": 1, "a": {"c": 2}}
    with pytest.raises(InputError, match=r"a\.b is 1"):
        params_of({"a.b": 1, "a": {"b": 2}})


def test_a_dotted_word_joins_the_object_of_a_file(tmp_path: Path) -> None:
    path = written(tmp_path, "p.json", '{"a": {"b": 1}}')
    inputs = read_params([path], ["a.c=2", "x.y=3"])
    assert inputs.values == {"a": {"b": 1, "c": 2}, "x.y": 3}
    assert inputs.origins == {"a.b": path, "a.c": "-p", "x.y": "-p"}


@pytest.mark.parametrize("texts", [('{"a": 1}', '{"a": {"b": 2}}'), ('{"a": {"b": 2}}', '{"a": 1}')])
def test_a_value_in_one_file_and_an_object_in_another(tmp_path: Path, texts: tuple[str, str]) -> None:
    paths = [written(tmp_path, f"{i}.json", text) for i, text in enumerate(texts)]
    with pytest.raises(InputError, match=r"a is 1 in .* and an object in|a is an object and 1 in"):
        read_params(paths)


def test_flat_and_nested_metrics_of_one_name() -> None:
    assert metrics_of({"val/f1": 1, "val": {"f1": 1.0}}).values == {"val/f1": 1}
    with pytest.raises(InputError, match="val/f1"):
        metrics_of({"val/f1": 1, "val": {"f1": 2}})


@pytest.mark.parametrize("name", ["a.b", "a/b", "🚀", "f1@5", "-x", "two words", "naïve", "a=b", "x" * 250])
def test_names_that_are_fine(name: str) -> None:
    assert list(metrics_of({name: 1}).values) == [name]
    assert list(params_of({name: 1}).values) == [name]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("", "is empty"), (" ", "only white space"), (" a", "begins or ends"), ("a\t", "begins or ends"),
        ("a\nb", "control character"), ("a\x1b[31m", "control character"), ("a`b", "backtick"),
        ("x" * 251, "251 characters"), ("\ud83d", "half a character"),
    ],
)  # fmt: skip
def test_names_that_are_refused(name: str, problem: str) -> None:
    for check in (params_of, metrics_of):
        with pytest.raises(InputError, match=problem):
            check({name: 1})


def test_names_are_normalised() -> None:
    decomposed = "cafe\u0301"
    assert list(metrics_of({decomposed: 1}).values) == ["caf\u00e9"]
    with pytest.raises(InputError, match="caf\u00e9 is 1"):
        metrics_of({decomposed: 1, "caf\u00e9": 2})


def test_ten_thousand_metrics_are_quick(tmp_path: Path) -> None:
    path = written(tmp_path, "m.json", json.dumps({f"group/metric {i}": i / 7 for i in range(10_000)}))
    started = time.process_time()
    assert len(read_metrics([path]).values) == 10_000
    assert time.process_time() - started < 2


def test_too_many_metrics(tmp_path: Path) -> None:
    assert (
        "20,000"
        in refusal(tmp_path, "m.json", json.dumps({f"m{i}": i for i in range(MAX_NAMES + 1)})).message
    )
