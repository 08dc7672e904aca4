"""The normal form of Python syntax: what a statement does, whatever it looks like.

Comments, formatting, docstrings, annotations and where imports stand do not count; decorators, names and constants
do. Syntax is only read: nothing is imported, compiled or run. No recursion, so that depth is no danger.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

NORMAL_FORM = 1
"""Counted up when the same syntax gets another digest: what is cached under another number is computed anew."""

_DIGITS = 32
_NOT_COUNTED = frozenset({"annotation", "returns", "type_comment", "type_params", "ctx", "kind"})


@dataclass(frozen=True, slots=True)
class Import:
    """`from module import name`, or `import module` where there is no name; `level` counts the dots before it."""

    module: str
    name: str | None
    level: int = 0

    @property
    def dotted(self) -> str:
        """As people write it: `sklearn.metrics.f1_score`."""
        return "." * self.level + ".".join(part for part in (self.module, self.name) if part)


@dataclass(frozen=True, slots=True)
class Use:
    """A name that a statement reads and does not bind itself, with the attributes read from it."""

    chain: tuple[str, ...]
    imported: Import | None = None
    """What the first name is, where an import inside the statement says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """A statement reduced to what counts."""

    digest: str
    uses: tuple[Use, ...]
    """In the order of the text."""
    binds: tuple[str, ...] = ()
    """Names that it gives to what is around it."""
    touches: tuple[str, ...] = ()
    """Names whose value it changes without binding them: `LABELS["x"] = 1`, `LABELS.append("x")`."""
    imports: tuple[tuple[str, Import], ...] = ()
    stars: tuple[Import, ...] = ()
    reads: frozenset[str] = frozenset()
    """Of a function: the attributes that it reads from its first parameter, which is `self` in a method."""
    writes: frozenset[str] = frozenset()


def normal(node: ast.stmt | ast.expr) -> Normal:
    """Reduce one statement or expression at the top of a file or class."""
    writer = _Writer()
    writer.write(node)
    top = writer.scopes[0]
    return Normal(
        digest=digest("".join(writer.text)),
        uses=tuple(top.uses),
        binds=tuple(top.bound),
        touches=tuple(name for name in writer.touched if name not in top.bound),
        imports=tuple((name, one) for name, imports in top.imports.items() for one in imports),
        stars=tuple(writer.stars),
        reads=frozenset(writer.reads),
        writes=frozenset(name for base, name in writer.stored if base == writer.first),
    )


def digest(text: str) -> str:
    """Hash of a text, which may hold lone surrogates as a Python string may."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


@dataclass(slots=True)
class _Scope:
    kind: Literal["top", "class", "function", "comprehension"]
    first: str | None = None
    """The first parameter of a function."""
    uses: dict[Use, None] = field(default_factory=dict)
    bound: dict[str, None] = field(default_factory=dict)
    imports: dict[str, list[Import]] = field(default_factory=dict)
    from_top: set[str] = field(default_factory=set)
    from_outside: set[str] = field(default_factory=set)


class _Leave:
    """The end of the innermost scope."""


_LEAVE = _Leave()
_Part: TypeAlias = "str | ast.AST | _Scope | _Leave"


class _Writer:
    """Writes the normal form of a node, and finds what its names mean as far as the node itself says."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.scopes = [_Scope("top")]
        self.touched: dict[str, None] = {}
        self.stars: list[Import] = []
        self.first: str | None = None
        self.reads: set[str] = set()
        self.stored: set[tuple[str, str]] = set()

    def write(self, node: ast.AST) -> None:
        waiting: list[_Part] = [node]
        while waiting:
            part = waiting.pop()
            if isinstance(part, str):
                self.text.append(part)
            elif isinstance(part, ast.AST):
                waiting.extend(reversed(_PARTS.get(type(part), _Writer.any)(self, part)))
            elif isinstance(part, _Scope):
                self.scopes.append(part)
            else:
                self.leave()

    def leave(self) -> None:
        """Hand on what the innermost scope uses and does not bind."""
        scope = self.scopes.pop()
        for use in scope.uses:
            self._hand_on(use, scope)
        for name in scope.from_top.intersection(scope.bound):
            self.scopes[0].uses[Use((name,))] = None
        if len(self.scopes) == 1 and scope.kind == "function" and self.first is None:
            self.first = scope.first

    def _hand_on(self, use: Use, scope: _Scope) -> None:
        outer, base = self.scopes[-1], use.chain[0]
        if use.imported is not None:
            outer.uses[use] = None
        elif base in scope.from_top:
            self.scopes[0].uses[use] = None
        elif base in scope.imports:
            outer.uses.update((Use(use.chain, one), None) for one in scope.imports[base])
        elif scope.kind == "class" or base not in scope.bound or base in scope.from_outside:
            # What a class body binds is hidden from its methods.
            outer.uses[use] = None
        elif len(self.scopes) == 1 and base == scope.first:
            self.reads.update(use.chain[1:2])

    def bind(self, name: str | None) -> None:
        if name is not None:
            self.scopes[-1].bound[name] = None

    def any(self, node: ast.AST) -> list[_Part]:
        parts: list[_Part] = [f"({type(node).__name__}"]
        for name in node._fields:
            if name not in _NOT_COUNTED:
                value = getattr(node, name, None)
                if isinstance(value, list):
                    parts += ["[", *map(_part, value), "]"]
                else:
                    parts.append(_part(value))
        return [*parts, ")"]

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[_Part]:
        self.bind(node.name)
        head = f"({type(node).__name__} {node.name}"
        return [head, *node.decorator_list, *self._callable(node.args, node.body)]

    def function_expression(self, node: ast.Lambda) -> list[_Part]:
        return ["(Lambda", *self._callable(node.args, [node.body])]

    def _callable(self, args: ast.arguments, body: Sequence[ast.AST]) -> list[_Part]:
        """Defaults belong to the scope around; parameters and body are a scope of their own."""
        defaults = [default for default in (*args.defaults, *args.kw_defaults) if default is not None]
        named = [*args.posonlyargs, *args.args]
        scope = _Scope("function", first=named[0].arg if named else None)
        everyone = (*named, args.vararg, *args.kwonlyargs, args.kwarg)
        scope.bound.update((one.arg, None) for one in everyone if one is not None)
        return ["|", *defaults, _signature(args), scope, "[", *body, "]", _LEAVE, ")"]

    def class_body(self, node: ast.ClassDef) -> list[_Part]:
        self.bind(node.name)
        head: list[_Part] = [f"(ClassDef {node.name}", *node.decorator_list, "|", *node.bases]
        return [*head, "|", *node.keywords, _Scope("class"), "[", *node.body, "]", _LEAVE, ")"]

    def comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> list[_Part]:
        return self._comprehension(node, node.generators, [node.elt])

    def dict_comprehension(self, node: ast.DictComp) -> list[_Part]:
        return self._comprehension(node, node.generators, [node.key, node.value])

    def _comprehension(
        self, node: ast.AST, generators: Sequence[ast.comprehension], results: Sequence[ast.expr]
    ) -> list[_Part]:
        """The first iterable belongs to the scope around."""
        parts: list[_Part] = [f"({type(node).__name__}", generators[0].iter, _Scope("comprehension")]
        for number, one in enumerate(generators):
            parts += [f"(for {one.is_async}", one.target, *([one.iter] if number else []), *one.ifs, ")"]
        return [*parts, *results, _LEAVE, ")"]

    def name(self, node: ast.Name) -> list[_Part]:
        if isinstance(node.ctx, ast.Load):
            self.scopes[-1].uses[Use((node.id,))] = None
        else:
            self.bind(node.id)
        return [f" n:{node.id}"]

    def attribute(self, node: ast.Attribute) -> list[_Part]:
        attributes = [node.attr]
        base = node.value
        while isinstance(base, ast.Attribute):
            attributes.append(base.attr)
            base = base.value
        attributes.reverse()
        text = "." + ".".join(attributes)
        self._touch(node)
        if not isinstance(base, ast.Name):
            return ["(Attribute", base, text, ")"]
        self.scopes[-1].uses[Use((base.id, *attributes))] = None
        if not isinstance(node.ctx, ast.Load):
            self.stored.add((base.id, attributes[0]))
        return [f" n:{base.id}{text}"]

    def subscript(self, node: ast.Subscript) -> list[_Part]:
        self._touch(node)
        return self.any(node)

    def _touch(self, node: ast.Attribute | ast.Subscript) -> None:
        if len(self.scopes) == 1 and not isinstance(node.ctx, ast.Load):
            self.touched.update(_base_name(node))

    def expression(self, node: ast.Expr) -> list[_Part]:
        """A constant alone is a docstring, a comment or an ellipsis."""
        if isinstance(node.value, ast.Constant):
            return []
        if len(self.scopes) == 1 and isinstance(node.value, ast.Call):
            self.touched.update(_base_name(node.value.func))
        return self.any(node)

    def annotated(self, node: ast.AnnAssign) -> list[_Part]:
        """As without its annotation; a bare one declares a field in a class, and nothing elsewhere."""
        if node.value is not None:
            return ["(Assign", "[", node.target, "]", node.value, ")"]
        if isinstance(node.target, ast.Name):
            self.bind(node.target.id)
        return [f"(Field {ast.dump(node.target)})"] if self.scopes[-1].kind == "class" else []

    def named(self, node: ast.NamedExpr) -> list[_Part]:
        """`:=` binds outside of the comprehensions that it stands in."""
        scope = next(scope for scope in reversed(self.scopes) if scope.kind != "comprehension")
        scope.bound[node.target.id] = None
        return [f"(NamedExpr n:{node.target.id}", node.value, ")"]

    def named_in_syntax(self, node: ast.ExceptHandler | ast.MatchAs | ast.MatchStar) -> list[_Part]:
        self.bind(node.name)
        return self.any(node)

    def mapping_pattern(self, node: ast.MatchMapping) -> list[_Part]:
        self.bind(node.rest)
        return self.any(node)

    def global_names(self, node: ast.Global) -> list[_Part]:
        self.scopes[-1].from_top.update(node.names)
        return self.any(node)

    def nonlocal_names(self, node: ast.Nonlocal) -> list[_Part]:
        self.scopes[-1].from_outside.update(node.names)
        return self.any(node)

    def import_module(self, node: ast.Import) -> list[_Part]:
        for alias in node.names:
            module = alias.name if alias.asname else alias.name.partition(".")[0]
            self._import(alias.asname or module, Import(module, None))
        return []

    def import_names(self, node: ast.ImportFrom) -> list[_Part]:
        for alias in node.names:
            one = Import(node.module or "", alias.name, node.level)
            if alias.name == "*":
                self.stars.append(one)
            else:
                self._import(alias.asname or alias.name, one)
        return []

    def _import(self, name: str, one: Import) -> None:
        self.scopes[-1].imports.setdefault(name, []).append(one)

    def nothing(self, _node: ast.AST) -> list[_Part]:
        return []

    def constant(self, node: ast.Constant) -> list[_Part]:
        # Decimal text of a very long integer is refused by Python; hexadecimal is not.
        return [f" {hex(node.value)}" if type(node.value) is int else f" {node.value!r}"]


def _part(value: object) -> _Part:
    return value if isinstance(value, ast.AST) else f" {value!r}"


def _signature(args: ast.arguments) -> str:
    names = [[one.arg for one in group] for group in (args.posonlyargs, args.args, args.kwonlyargs)]
    rest = [one.arg if one else None for one in (args.vararg, args.kwarg)]
    return f"({names!r}{rest!r}{len(args.defaults)}{[one is None for one in args.kw_defaults]!r})"


def _base_name(node: ast.expr) -> dict[str, None]:
    """`a` of `a.b[c].d`; nothing where it is no name, or nothing but a name."""
    base = node
    while isinstance(base, (ast.Attribute, ast.Subscript)):
        base = base.value
    return {base.id: None} if isinstance(base, ast.Name) and base is not node else {}


_PARTS: Mapping[type[ast.AST], Callable[[_Writer, Any], list[_Part]]] = {
    ast.AnnAssign: _Writer.annotated,
    ast.AsyncFunctionDef: _Writer.function,
    ast.Attribute: _Writer.attribute,
    ast.ClassDef: _Writer.class_body,
    ast.Constant: _Writer.constant,
    ast.DictComp: _Writer.dict_comprehension,
    ast.ExceptHandler: _Writer.named_in_syntax,
    ast.Expr: _Writer.expression,
    ast.FunctionDef: _Writer.function,
    ast.GeneratorExp: _Writer.comprehension,
    ast.Global: _Writer.global_names,
    ast.Import: _Writer.import_module,
    ast.ImportFrom: _Writer.import_names,
    ast.Lambda: _Writer.function_expression,
    ast.ListComp: _Writer.comprehension,
    ast.MatchAs: _Writer.named_in_syntax,
    ast.MatchMapping: _Writer.mapping_pattern,
    ast.MatchStar: _Writer.named_in_syntax,
    ast.Name: _Writer.name,
    ast.NamedExpr: _Writer.named,
    ast.Nonlocal: _Writer.nonlocal_names,
    ast.Pass: _Writer.nothing,
    ast.SetComp: _Writer.comprehension,
    ast.Subscript: _Writer.subscript,
}
"""What each kind of syntax becomes; any other is written with all its fields."""
