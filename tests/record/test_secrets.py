"""What must be masked, and, as important, what must not."""

from __future__ import annotations

import hashlib
import time

import pytest

from ledger.record.secrets import MASK, clean_uri, scrub, scrub_command, scrub_text


def mask(name: str, value: str) -> str | None:
    """The masked form of a value that looks like a secret, None for any other."""
    masked, found = scrub({name: value})
    return masked[name] if found else None


# put together here, so that no scanner takes this file for a leak
RANDOM = "q7Zt3xV9bN2mK8sL4wP6rT1yH5jD0fGa"
TOKENS = {
    "github": "gh" + "p_" + RANDOM + "1234",
    "github fine": "github" + "_pat_" + RANDOM,
    "gitlab": "gl" + "pat-" + RANDOM[:20],
    "hugging face": "h" + "f_" + RANDOM + "ab",
    "openai": "s" + "k-proj-" + RANDOM,
    "anthropic": "s" + "k-ant-api03-" + RANDOM,
    "aws": "AK" + "IA" + "IOSFODNN7EXAMPLE",
    "google": "AI" + "za" + RANDOM + "abc",
    "slack": "xo" + "xb-123456789012-" + RANDOM[:12],
    "stripe": "s" + "k_live_" + RANDOM[:24],
    "npm": "np" + "m_" + RANDOM + "1234",
    "pypi": "py" + "pi-" + RANDOM + RANDOM,
    "jwt": "ey" + "JhbGciOiJIUzI1NiJ9.ey" + "JzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "private key": "-----BEGIN RSA PRIVATE KEY" + "-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS)
def test_known_tokens_are_masked_under_any_name(token: str) -> None:
    assert mask("note", token) == MASK
    assert mask("lr", f"before {token} after") == f"before {MASK} after"


SECRETS = {
    "password": "hunter2", "db_password": "x", "DB_PASSWORD": "hunter2", "dbPassword": "hunter2", "passwd": "a",
    "optimizer.password": "a", "DB_PASS": "a", "MYSQL_PWD": "a", "passphrase": "correct horse battery",
    "secret": "abc", "client_secret": "abc", "AWS_SECRET_ACCESS_KEY": "abc/def", "api_key": "abc", "API_KEY": "a1",
    "apikey": "abc", "apiKey": "abc", "WANDB_API_KEY": "0" * 40, "wandb-key": "abc", "HF_TOKEN": "abc", "access_token": "a",
    "GITHUB_TOKEN": "abc", "auth_token": "x", "private_key": "x", "encryption_key": "x", "credentials": "user:x",
    "secrets.db": "x", "credentials.user": "x", "Authorization": "x y", "session_token2": "x",
    "token": RANDOM, "TOKEN": hashlib.sha1(b"x").hexdigest(), "key": RANDOM, "my_token": RANDOM, "auth": RANDOM, "cookie": RANDOM,
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SECRETS.items())
def test_names_that_tell(name: str, value: str) -> None:
    assert mask(name, value) == MASK


ORDINARY = {
    "tokenizer": "bert-base-uncased", "max_tokens": "512", "n_tokens": "1000000", "tokens_per_batch": "4096", "key_dim": "64",
    "num_keys": "8", "n_passes": "3", "passes": "3", "pass_through": "yes", "first_pass": "greedy", "optimizer_pass": "dce",
    "pad_token": "<pad>", "eos_token": "</s>", "mask_token": "[MASK]", "PAD_TOKEN": "<|endoftext|>", "bos_token": "bos",
    "token": "word", "token_type": "bpe", "sort_key": "created_at", "label_key": "class", "primary_key": "id",
    "key": "image", "keys": "a,b", "monkey": RANDOM, "keyboard": RANDOM, "passenger_count": "5", "compass": "north",
    "secretary": "Ada", "password_length": "12", "password_file": "/run/secrets/db", "api_key_id": "main", "author": "Ada Lovelace",
    "auth": "basic", "auth_method": "oauth2", "commit": hashlib.sha1(b"c").hexdigest(), "sha256": hashlib.sha256(b"c").hexdigest(),
    "git_commit": hashlib.sha1(b"d").hexdigest(), "cache_key": hashlib.sha256(b"c").hexdigest(), "data_hash": hashlib.md5(b"d").hexdigest(),
    "run_id": "3f9c0a81e5d24c6b9f7e0a1b2c3d4e5f", "model": "sentence-transformers/all-MiniLM-L6-v2", "checkpoint": "runs/2026-01-02/model_0001.pt",
    "token_embedding_key": "transformer.wte.weight", "dict_key": "model.layers.0.weight", "classifier": "sk-learn-random-forest-classifier-2",
    "task": "risk-assessment-with-a-Long-name-2", "url": "https://example.org/data.csv?page=3&sort_key=name", "repo": "git@github.com:me/repo.git",
    "remote": "ssh://git@github.com/me/repo.git", "lr": "0.001", "name": "ghp", "prefix": "hf_hub_download_with_a_long_function_name",
    "password": "", "PWD": "/home/ada", "OLDPWD": "/tmp", "api_key": "${API_KEY}", "hf_token": "none", "secret": MASK, "wandb_api_key": "<redacted>", "use_auth_token": "true",
    "aws": "AKIA", "text": "Bearer of bad news, token of love", "signature": "int32,float64", "base64": "aGVsbG8gd29ybGQgaGVsbG8gd29ybGQ=",
    "key_name": RANDOM, "token_count": "123456789012345678", "prompt_key": "question_and_context_2", "stop_token": "</answer_1_final>",
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), ORDINARY.items())
def test_what_stays(name: str, value: str) -> None:
    assert mask(name, value) is None


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("https://ada:hunter2@example.org/x", f"https://ada:{MASK}@example.org/x"),
        (f"https://{RANDOM}@github.com/me/x", f"https://{MASK}@github.com/me/x"),
        ("postgresql://u:p@db:5432/mlflow", f"postgresql://u:{MASK}@db:5432/mlflow"),
        ("redis://:pw@cache/0", f"redis://:{MASK}@cache/0"),
        (
            "https://b.s3.amazonaws.com/k?versionId=3&X-Amz-Signature=abc",
            f"https://b.s3.amazonaws.com/k?versionId=3&X-Amz-Signature={MASK}",
        ),
        ("https://x.org/?access_token=abc&n=1", f"https://x.org/?access_token={MASK}&n=1"),
        ("see https://a:b@x.org and https://y.org", f"see https://a:{MASK}@x.org and https://y.org"),
    ],
)
def test_credentials_in_urls(url: str, masked: str) -> None:
    assert mask("tracking_uri", url) == masked


def test_uris_are_recorded_without_credentials() -> None:
    assert (
        clean_uri("https://ada:pw@example.org/x.csv?a=1&sig=abc&token=b") == "https://example.org/x.csv?a=1"
    )
    assert clean_uri("https://example.org/x.csv?X-Amz-Signature=abc") == "https://example.org/x.csv"
    assert clean_uri("s3://bucket/a=1/part?versionId=7") == "s3://bucket/a=1/part?versionId=7"
    assert clean_uri("sftp://ada@host/x@y") == "sftp://host/x@y"


def test_scrub_reaches_every_depth_and_reports() -> None:
    params = {
        "lr": 0.1,
        "hub": {"token": TOKENS["hugging face"], "name": "x"},
        "list": ["a", TOKENS["github"]],
        "n": None,
    }
    scrubbed, found = scrub(params)
    assert scrubbed == {"lr": 0.1, "hub": {"token": MASK, "name": "x"}, "list": ["a", MASK], "n": None}
    assert [str(report) for report in found] == ["hub.token (a Hugging Face token)", "list (a GitHub token)"]
    assert params["hub"] == {"token": TOKENS["hugging face"], "name": "x"}


def test_numbers_are_masked_as_passwords_only() -> None:
    values = {
        "password": 12345,
        "api_key": 5,
        "use_secret": True,
        "max_token": 512,
        "secret": 0.5,
        "DB_PASS": 1,
    }
    scrubbed, found = scrub(values)
    assert scrubbed == {**values, "password": MASK, "DB_PASS": MASK}
    assert [report.name for report in found] == ["password", "DB_PASS"]


def test_nothing_to_mask_gives_equal_values() -> None:
    values = {"a": {"b": [1, 2.5, True, None, "x"]}, "c": "y"}
    assert scrub(values) == (values, ())


@pytest.mark.parametrize(
    ("words", "masked"),
    [
        (["train.py", "--api-key", "abc", "--lr", "0.1"], ["train.py", "--api-key", MASK, "--lr", "0.1"]),
        (["train.py", "--api-key=abc", "--lr=0.1"], ["train.py", f"--api-key={MASK}", "--lr=0.1"]),
        (["env", "WANDB_API_KEY=abc", "python"], ["env", f"WANDB_API_KEY={MASK}", "python"]),
        (["ledger", "record", "-p", "hf_token=abc"], ["ledger", "record", "-p", f"hf_token={MASK}"]),
        (["curl", "-H", f"Authorization: Bearer {RANDOM}"], ["curl", "-H", f"Authorization: Bearer {MASK}"]),
        (["train.py", TOKENS["openai"]], ["train.py", MASK]),
        (["git", "clone", "https://u:p@x.org/r"], ["git", "clone", f"https://u:{MASK}@x.org/r"]),
        (["train.py", "--tokenizer", "bert", "--max_tokens=512", "--sort-key", "f1"], ["train.py", "--tokenizer", "bert", "--max_tokens=512", "--sort-key", "f1"]),
    ],
)  # fmt: skip
def test_command_lines(words: list[str], masked: list[str]) -> None:
    result, found = scrub_command(words)
    assert list(result) == masked
    assert len(found) == (words != masked)


def test_notes() -> None:
    text, found = scrub_text("note", f"lower lr; used {TOKENS['github']}, password: hunter2, see f1=0.9")
    assert text == f"lower lr; used {MASK}, password: {MASK}, see f1=0.9"
    assert [report.name for report in found] == ["note"]
    assert scrub_text("note", "the key: more tokens") == ("the key: more tokens", ())


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece", ["sk-", "eyJa", "https://", "a" * 30, "password=x ", "-----BEGIN ", "Bearer ", "a.b-c"]
)
def test_long_texts_take_time_in_proportion(piece: str) -> None:
    started = time.process_time()
    scrub_text("note", piece * (500_000 // len(piece)))
    assert time.process_time() - started < 2
