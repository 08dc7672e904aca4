"""A first schema, drafted from what runs hold: types and names, and nothing that the data can't show."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ledger import canonical
from ledger.model import Json, Metric
from ledger.schema.document import DIALECT, FORMAT

Sample = tuple[Mapping[str, Json], Mapping[str, Metric]]

_TODO = (
    "Drafted from recorded values. Fill in under x-ledger of each metric: unit (1, %, s), direction (higher or lower "
    "is better), how (the function that computes it, and its arguments) and on (the data set and its split). "
    "Numbers are comparable only as far as this says what they mean."
)

_HIGHER = frozenset(
    {
        "acc", "accuracy", "auc", "auroc", "average_precision", "balanced_accuracy", "bleu",
        "cohen_kappa", "dice", "em", "exact_match", "f1", "f1_score", "fps", "iou", "jaccard",
        "kappa", "map", "matthews_corrcoef", "mcc", "miou", "mrr", "ndcg", "pr_auc", "precision",
        "psnr", "r2", "r2_score", "recall", "roc_auc", "rouge", "sensitivity", "specificity",
        "ssim", "throughput", "top_k_accuracy", "win_rate",
    }
)  # fmt: skip
_LOWER = frozenset(
    {
        "absolute_error", "bce", "bpb", "brier", "brier_score", "cer", "cross_entropy", "ece",
        "error", "error_rate", "fid", "hinge_loss", "kl_divergence", "latency", "log_loss",
        "logloss", "loss", "mae", "mape", "mse", "nll", "perplexity", "ppl", "rmse", "rmsle",
        "squared_error", "ter", "wer",
    }
)  # fmt: skip
_QUALIFIERS = re.compile(
    r"avg|average|batch|best|cv|dev|epoch|eval|final|fold|macro|mean|median|micro|ms|score|sec|seconds|step|test"
    r"|top|total|train|training|val|valid|validation|weighted|s|us|k|[kp]?\d+|top\d+"
)
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")


def infer(samples: Iterable[Sample], *, name: str) -> bytes:
    """Canonical bytes of a schema document that fits all `samples` (pairs of params and metrics).

    A name is required if two or more samples all have it. A param is `integer` only if some value is neither 0 nor
    1, since `lr: 1` says little about the next learning rate; a metric never is: 120 ms says nothing about the next.
    """
    params, metrics = _Seen(), _Seen()
    for sample_params, sample_metrics in samples:
        params.add(sample_params)
        metrics.add(sample_metrics)
    return canonical.dumps(
        {
            "$schema": DIALECT,
            "title": name,
            "description": _TODO,
            "type": "object",
            "x-ledger": {"format": FORMAT, "version": "1"},
            "properties": {
                "params": {**params.members_schema(), "type": "object"},
                "metrics": {**metrics.members_schema(of_metrics=True), "type": "object"},
            },
        }
    )


@dataclass(slots=True)
class _Seen:
    """What one name has held so far."""

    count: int = 0
    kinds: set[str] = field(default_factory=set)
    counts_something: bool = False
    """Some integer beyond 0 and 1, the values that a fraction takes too."""
    members: dict[str, _Seen] = field(default_factory=dict)

    def add(self, value: object) -> None:
        self.count += 1
        self.kinds.add(_kind(value))
        self.counts_something |= isinstance(value, int) and value not in (0, 1)
        if isinstance(value, Mapping):
            for name, member in value.items():
                self.members.setdefault(name, _Seen()).add(member)

    def schema(self, *, of_metrics: bool = False) -> dict[str, object]:
        types = self._types(whole=not of_metrics)
        kind: dict[str, object] = {"type": types[0] if len(types) == 1 else types} if types else {}
        return {**kind, **(self.members_schema() if "object" in types else {})}

    def members_schema(self, *, of_metrics: bool = False) -> dict[str, object]:
        properties = {
            name: {**seen.schema(of_metrics=of_metrics), **(_direction(name) if of_metrics else {})}
            for name, seen in self.members.items()
        }
        required = sorted(name for name, seen in self.members.items() if seen.count == self.count > 1)
        return {"properties": properties, **({"required": required} if required else {})}

    def _types(self, *, whole: bool) -> list[str]:
        """`whole`: numbers may be whole by nature. Nothing at all where only null was seen: the next value may be anything."""
        kinds = set(self.kinds)
        if "integer" in kinds and ("number" in kinds or not (whole and self.counts_something)):
            kinds = kinds - {"integer"} | {"number"}
        return sorted(kinds) if kinds != {"null"} else []


def _kind(value: object) -> str:
    return next(name for kind, name in _KINDS if isinstance(value, kind))


_KINDS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (Mapping, "object"),
    ((list, tuple), "array"),
    (object, "null"),
)


def _direction(name: str) -> dict[str, object]:
    better = direction(name)
    return {"x-ledger": {"direction": better}} if better else {}


def direction(name: str) -> str | None:
    """`higher` or `lower` where a metric's name leaves hardly any doubt: `val/f1@5`, `train_loss`."""
    words = [word.casefold() for word in _SEPARATORS.split(name) if word]
    whole, bare = "_".join(words), "_".join(word for word in words if not _QUALIFIERS.fullmatch(word))
    if not _HIGHER.isdisjoint({whole, bare}):
        return "higher"
    return "lower" if not _LOWER.isdisjoint({whole, bare}) else None
