"""Which names a module body binds and needs, and which of its nodes carry private names.

One pass in evaluation order over the syntax tree, with an explicit stack: a cell whose expression
nests a thousand deep is as legal as any other, and Python's recursion limit is no part of the
language. Bodies of functions are read in place but resolved when their scope closes, because a
name bound anywhere in a function is local to all of it, and because what a body needs is looked up
when it is called, by when everything at the cell's top level is bound.
"""

from __future__ import annotations

import ast
import enum
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import attrs

from callboard.actors.notebook.analysis.cell import DefKind, ImportedName
from callboard.actors.notebook.analysis.mangling import is_private


class StarImport(Exception):
    """A `from m import *` was met; `lineno` is its line."""

    def __init__(self, lineno: int) -> None:
        super().__init__(lineno)
        self.lineno = lineno


class _Kind(enum.Enum):
    MODULE = enum.auto()
    FUNCTION = enum.auto()
    CLASS = enum.auto()
    COMPREHENSION = enum.auto()
    # Binds a few names of its own, sees and fills the scope around it: type parameters and the
    # name of an except clause.
    OVERLAY = enum.auto()


@attrs.define(eq=False)
class _Occurrence:
    """A place in the tree that holds a private name: the attribute of a node."""

    name: str
    node: Any
    attribute: str


@attrs.define(eq=False)
class _Scope:
    kind: _Kind
    parent: _Scope | None
    # Whether code in here can run after the cell has ended.
    lasting: bool
    in_function: bool = False
    bound: set[str] = attrs.field(factory=set)
    globals: set[str] = attrs.field(factory=set)
    nonlocals: set[str] = attrs.field(factory=set)
    # Loaded in a function, or in a class within one: looked up when the scope closes.
    pending: set[str] = attrs.field(factory=set)
    pending_private: list[_Occurrence] = attrs.field(factory=list)


@attrs.define(eq=False)
class Names:
    """What the pass found; `occurrences` are the nodes to rename for private names."""

    kinds: dict[str, DefKind] = attrs.field(factory=dict)
    refs: set[str] = attrs.field(factory=set)
    deleted: set[str] = attrs.field(factory=set)
    imports: list[ImportedName] = attrs.field(factory=list)
    modules: set[str] = attrs.field(factory=set)
    private: set[str] = attrs.field(factory=set)
    # Private names that a function, class or generator of the cell may look up later.
    captured: set[str] = attrs.field(factory=set)
    # Private names that an import binds under their own name, which therefore stays as it is.
    raw: set[str] = attrs.field(factory=set)
    occurrences: list[_Occurrence] = attrs.field(factory=list)
    global_statements: list[ast.Global] = attrs.field(factory=list)

    def rename_private(self, mangled: Callable[[str], str]) -> None:
        """Write the mangled name into every node that holds a private name of the cell."""
        for occurrence in self.occurrences:
            if occurrence.name not in self.raw:
                setattr(occurrence.node, occurrence.attribute, mangled(occurrence.name))
        for statement in self.global_statements:
            statement.names = [
                mangled(name) if is_private(name) and name not in self.raw else name
                for name in statement.names
            ]


_Step = Callable[[], None]
# Fields that hold no code that could name anything.
_SKIPPED = frozenset({"ctx", "op", "ops", "type_comment", "kind", "type_ignores"})


class _Reader:
    def __init__(self) -> None:
        self.names = Names()
        self.module = _Scope(_Kind.MODULE, None, lasting=False)
        self.scope = self.module
        self.stack: list[ast.AST | _Step] = []
        self.fields: dict[type[ast.AST], tuple[str, ...]] = {}

    def read(self, tree: ast.Module) -> Names:
        stack = self.stack
        handlers = _HANDLERS
        stack.extend(reversed(tree.body))
        while stack:
            item = stack.pop()
            if isinstance(item, ast.AST):
                handler = handlers.get(type(item).__name__)
                if handler is None:
                    self.push_children(item)
                else:
                    handler(self, item)
            else:
                item()
        self.close_module()
        return self.names

    def close_module(self) -> None:
        names = self.names
        names.refs |= self.module.pending - self.module.bound
        names.deleted -= names.kinds.keys()
        names.refs |= names.deleted
        for occurrence in self.module.pending_private:
            names.captured.add(occurrence.name)
            names.occurrences.append(occurrence)

    def push(self, *items: ast.AST | _Step | None) -> None:
        """Queue items to be read next, in the order given."""
        self.stack.extend(item for item in reversed(items) if item is not None)

    def push_all(self, *groups: Iterable[ast.AST | _Step | None]) -> None:
        self.push(*(item for group in groups for item in group))

    def push_children(self, node: ast.AST) -> None:
        kind = type(node)
        fields = self.fields.get(kind)
        if fields is None:
            fields = tuple(field for field in kind._fields if field not in _SKIPPED)
            self.fields[kind] = fields
        children: list[ast.AST | _Step] = []
        for field in fields:
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                children.append(value)
            elif isinstance(value, list):
                children.extend(child for child in value if isinstance(child, ast.AST))
        children.reverse()
        self.stack.extend(children)

    # What a name means where it stands.

    def load(self, name: str, node: ast.AST) -> None:
        scope = self.scope
        lasting = scope.lasting
        sees_class = True
        while True:
            kind = scope.kind
            if kind is _Kind.FUNCTION:
                self.defer(scope, name, node)
                return
            if kind is _Kind.MODULE:
                break
            if kind is _Kind.CLASS:
                if sees_class:
                    if name in scope.bound:
                        return
                    if scope.in_function:
                        self.defer(scope, name, node)
                        return
            elif name in scope.bound:
                return
            if kind is not _Kind.OVERLAY:
                sees_class = False
            assert scope.parent is not None
            scope = scope.parent
        self.load_global(name, node, lasting)

    @staticmethod
    def defer(scope: _Scope, name: str, node: ast.AST) -> None:
        if is_private(name):
            scope.pending_private.append(_Occurrence(name, node, "id"))
        else:
            scope.pending.add(name)

    def load_global(self, name: str, node: ast.AST, lasting: bool) -> None:
        if is_private(name):
            self.names.occurrences.append(_Occurrence(name, node, "id"))
            if lasting:
                self.names.captured.add(name)
        elif name not in self.module.bound:
            self.names.refs.add(name)

    def binding_scope(self, name: str) -> _Scope | None:
        """The scope that an assignment here fills; None if an overlay has the name."""
        scope = self.scope
        while scope.kind in (_Kind.OVERLAY, _Kind.COMPREHENSION):
            if name in scope.bound:
                return None
            assert scope.parent is not None
            scope = scope.parent
        if name in scope.globals:
            return self.module
        return scope

    def bind(
        self, name: str, node: ast.AST, attribute: str, kind: DefKind = DefKind.VARIABLE
    ) -> None:
        scope = self.binding_scope(name)
        if scope is None:
            return
        if scope is not self.module:
            if name not in scope.nonlocals:
                scope.bound.add(name)
        elif is_private(name):
            self.names.private.add(name)
            self.names.occurrences.append(_Occurrence(name, node, attribute))
        else:
            scope.bound.add(name)
            self.names.kinds.setdefault(name, kind)

    def delete(self, name: str, node: ast.AST) -> None:
        scope = self.binding_scope(name)
        if scope is None:
            return
        if scope is not self.module:
            if name not in scope.nonlocals:
                scope.bound.add(name)
        elif is_private(name):
            self.names.occurrences.append(_Occurrence(name, node, "id"))
        else:
            self.names.deleted.add(name)
            self.load(name, node)

    # Scopes.

    def open(self, kind: _Kind, bound: Iterable[str] = (), *, lasting: bool = False) -> None:
        outer = self.scope
        in_function = outer.in_function or outer.kind is _Kind.FUNCTION
        self.scope = _Scope(kind, outer, lasting or outer.lasting, in_function, set(bound))

    def close(self) -> None:
        scope = self.scope
        assert scope.parent is not None
        self.scope = scope.parent
        if not scope.pending and not scope.pending_private:
            return
        # What a class binds later it looks up among the globals until then, past any function
        # around it; what a function binds later it does not look up at all.
        if scope.kind is _Kind.CLASS:
            local: set[str] = set()
            declared = scope.globals | scope.bound
        else:
            local = scope.bound
            declared = scope.globals
        outer = scope.parent
        hidden: set[str] = set()
        while outer.kind not in (_Kind.FUNCTION, _Kind.MODULE):
            if outer.kind is not _Kind.CLASS:
                hidden |= outer.bound
            assert outer.parent is not None
            outer = outer.parent
        free = scope.pending - local
        self.module.pending |= free & declared
        outer.pending |= free - declared - hidden
        for occurrence in scope.pending_private:
            if occurrence.name in declared:
                self.module.pending_private.append(occurrence)
            elif occurrence.name not in local and occurrence.name not in hidden:
                outer.pending_private.append(occurrence)

    # Statements and expressions whose names follow rules of their own.

    def name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.load(node.id, node)
        elif isinstance(node.ctx, ast.Store):
            self.bind(node.id, node, "id")
        else:
            self.delete(node.id, node)

    def assign(self, node: ast.Assign) -> None:
        self.push(node.value, *node.targets)

    def aug_assign(self, node: ast.AugAssign) -> None:
        self.push(node.value, node.target)

    def ann_assign(self, node: ast.AnnAssign) -> None:
        self.push(node.annotation, node.value, node.target)

    def named_expr(self, node: ast.NamedExpr) -> None:
        self.push(node.value, node.target)

    def loop(self, node: ast.For | ast.AsyncFor) -> None:
        self.push(node.iter, node.target, *node.body, *node.orelse)

    def import_(self, node: ast.Import) -> None:
        for alias in node.names:
            self.names.modules.add(alias.name)
            self.import_name(alias, alias.name.partition(".")[0], alias.name, None, 0)

    def import_from(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        if not node.level:
            self.names.modules.add(module)
        for alias in node.names:
            if alias.name == "*":
                raise StarImport(node.lineno)
            self.import_name(alias, alias.name, module, alias.name, node.level)

    def import_name(
        self, alias: ast.alias, default: str, module: str, symbol: str | None, level: int
    ) -> None:
        name = alias.asname or default
        if self.binding_scope(name) is self.module:
            if is_private(name) and alias.asname is None:
                self.names.raw.add(name)
            if not is_private(name):
                self.names.imports.append(ImportedName(name, module, symbol, level))
        self.bind(name, alias, "asname", DefKind.IMPORT)

    def function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        arguments = node.args
        self.push_all(
            node.decorator_list,
            arguments.defaults,
            arguments.kw_defaults,
            self.within_type_parameters(
                node,
                [
                    *(argument.annotation for argument in _parameters(arguments)),
                    node.returns,
                    lambda: self.open_function(arguments),
                    *node.body,
                    self.close,
                ],
            ),
            [lambda: self.bind(node.name, node, "name", DefKind.FUNCTION)],
        )

    def lambda_(self, node: ast.Lambda) -> None:
        self.push(
            *node.args.defaults,
            *node.args.kw_defaults,
            lambda: self.open_function(node.args),
            node.body,
            self.close,
        )

    def open_function(self, arguments: ast.arguments) -> None:
        names = (argument.arg for argument in _parameters(arguments))
        self.open(_Kind.FUNCTION, names, lasting=True)

    def class_(self, node: ast.ClassDef) -> None:
        self.push_all(
            node.decorator_list,
            self.within_type_parameters(
                node,
                [
                    *node.bases,
                    *node.keywords,
                    lambda: self.open(_Kind.CLASS, lasting=True),
                    *node.body,
                    self.close,
                ],
            ),
            [lambda: self.bind(node.name, node, "name", DefKind.CLASS)],
        )

    def within_type_parameters(
        self, node: Any, items: Sequence[ast.AST | _Step | None]
    ) -> Sequence[ast.AST | _Step | None]:
        parameters: list[Any] = getattr(node, "type_params", [])
        if not parameters:
            return items
        names = [parameter.name for parameter in parameters]
        return [lambda: self.open(_Kind.OVERLAY, names), *parameters, *items, self.close]

    def type_alias(self, node: Any) -> None:
        # The value is computed when somebody asks for it, like the body of a function.
        self.push(
            node.name,
            *self.within_type_parameters(
                node,
                [lambda: self.open(_Kind.FUNCTION, lasting=True), node.value, self.close],
            ),
        )

    def comprehension(self, node: Any) -> None:
        generators: list[ast.comprehension] = node.generators
        first = generators[0]
        targets = {
            inner.id
            for generator in generators
            for inner in ast.walk(generator.target)
            if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
        }
        lasting = isinstance(node, ast.GeneratorExp)
        items: list[ast.AST | _Step | None] = [
            first.iter,
            lambda: self.open(_Kind.COMPREHENSION, targets, lasting=lasting),
            first.target,
            *first.ifs,
        ]
        for generator in generators[1:]:
            items += [generator.iter, generator.target, *generator.ifs]
        items += [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        self.push(*items, self.close)

    def handler(self, node: ast.ExceptHandler) -> None:
        name = node.name
        if name is None or is_private(name) or self.binding_scope(name) is not self.module:
            if name is not None:
                bound = name
                self.push(node.type, lambda: self.bind(bound, node, "name"), *node.body)
            else:
                self.push(node.type, *node.body)
            return
        # The name is gone when the clause ends, so no other cell can ever see it.
        opened = [name]
        self.push(node.type, lambda: self.open(_Kind.OVERLAY, opened), *node.body, self.close)

    def global_(self, node: ast.Global) -> None:
        scope = self.scope
        while scope.kind is _Kind.OVERLAY:
            assert scope.parent is not None
            scope = scope.parent
        if scope is not self.module:
            scope.globals.update(node.names)
        if any(is_private(name) for name in node.names):
            self.names.global_statements.append(node)

    def nonlocal_(self, node: ast.Nonlocal) -> None:
        self.scope.nonlocals.update(node.names)

    def capture(self, node: ast.MatchAs | ast.MatchStar) -> None:
        if node.name is not None:
            self.bind(node.name, node, "name")
        self.push_children(node)

    def match_mapping(self, node: ast.MatchMapping) -> None:
        if node.rest is not None:
            self.bind(node.rest, node, "rest")
        self.push_children(node)

    def constant(self, node: ast.Constant) -> None:
        """Names nothing."""


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    starred = [a for a in (arguments.vararg, arguments.kwarg) if a is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *starred]


# By name, since some node types are younger than the oldest Python we support.
_HANDLERS: dict[str, Callable[[_Reader, Any], None]] = {
    "Name": _Reader.name,
    "Constant": _Reader.constant,
    "Assign": _Reader.assign,
    "AugAssign": _Reader.aug_assign,
    "AnnAssign": _Reader.ann_assign,
    "NamedExpr": _Reader.named_expr,
    "For": _Reader.loop,
    "AsyncFor": _Reader.loop,
    "Import": _Reader.import_,
    "ImportFrom": _Reader.import_from,
    "FunctionDef": _Reader.function,
    "AsyncFunctionDef": _Reader.function,
    "Lambda": _Reader.lambda_,
    "ClassDef": _Reader.class_,
    "TypeAlias": _Reader.type_alias,
    "ListComp": _Reader.comprehension,
    "SetComp": _Reader.comprehension,
    "DictComp": _Reader.comprehension,
    "GeneratorExp": _Reader.comprehension,
    "ExceptHandler": _Reader.handler,
    "Global": _Reader.global_,
    "Nonlocal": _Reader.nonlocal_,
    "MatchAs": _Reader.capture,
    "MatchStar": _Reader.capture,
    "MatchMapping": _Reader.match_mapping,
}


def read_names(tree: ast.Module) -> Names:
    """Read what a cell's tree binds and needs.

    Raises:
        StarImport: the tree holds `from m import *`, anywhere.
    """
    return _Reader().read(tree)
