"""What compiled code does and which names it needs, apart from how its source was laid out."""

from __future__ import annotations

import ast
import dis
import hashlib
import inspect
import marshal
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import lru_cache
from types import CodeType

import attrs

_LAYOUT = frozenset({"NOP", "CACHE", "EXTENDED_ARG", "RESUME"})
"""Instructions that follow from where lines break, from how long code is, or from nothing."""
_LOADS = frozenset({"LOAD_NAME", "LOAD_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS", "LOAD_CLASSDEREF"})
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})
_DELETES = frozenset({"DELETE_NAME", "DELETE_GLOBAL"})
_BOOKKEEPING = frozenset({"__annotations__", "__conditional_annotations__"})
"""Names that code reads in order to write to what they hold."""
_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)
_NAMED = frozenset(dis.hasname)
_CONSTANT = frozenset(dis.hasconst)
_LOCAL = frozenset(dis.haslocal) | frozenset(dis.hasfree)
_PAIRS = {
    f"{one}_FAST_{two}_FAST": (f"{one}_FAST", f"{two}_FAST")
    for one in ("LOAD", "STORE")
    for two in ("LOAD", "STORE")
}
_ALWAYS = frozenset(
    {"JUMP", "JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "JUMP_NO_INTERRUPT"}
)
_OPPOSITES = {
    "POP_JUMP_IF_TRUE": "POP_JUMP_IF_FALSE",
    "POP_JUMP_IF_FALSE": "POP_JUMP_IF_TRUE",
    "POP_JUMP_IF_NONE": "POP_JUMP_IF_NOT_NONE",
    "POP_JUMP_IF_NOT_NONE": "POP_JUMP_IF_NONE",
}
_FLAGS = ~(inspect.CO_NESTED | inspect.CO_NEWLOCALS | inspect.CO_OPTIMIZED)
_KEPT = 4096

Rename = Callable[[str], str]
"""From a name in compiled code to the name in its source: a kernel gives private names of cells a prefix."""


def as_it_is(name: str) -> str:
    """Rename nothing."""
    return name


@attrs.frozen
class Reading:
    """What one code object came to, its nested ones included."""

    digest: bytes
    globals: tuple[str, ...]
    """Global names it reads, sorted; as they stand in the namespace."""
    stores: frozenset[str]
    """Global names it binds."""


def read_code(code: CodeType, rename: Rename = as_it_is) -> Reading:
    """Read a code object. Comments, blank lines, line breaks and the place in the file count for nothing.

    The same source gives the same digest in every process with the same minor version of Python. Any thread.
    """
    key = (id(code), rename)
    with _lock:
        known = _readings.get(key)
        if known is not None and known[0] is code:
            return known[1]
    reads: set[str] = set()
    stores: set[str] = set()
    digest = _digest(code, rename, reads, stores, top=code.co_name == "<module>")
    reading = Reading(digest, tuple(sorted(reads)), frozenset(stores))
    with _lock:
        # The code object is kept too, or another one might get its id.
        _readings[key] = (code, reading)
        while len(_readings) > _KEPT:
            _readings.popitem(last=False)
    return reading


_lock = threading.Lock()
_readings: OrderedDict[tuple[int, Rename], tuple[CodeType, Reading]] = OrderedDict()


def read_source(source: str) -> bytes:
    """Return the digest of the source of a module or cell; of its text, if it does not compile."""
    with _lock:
        known = _sources.get(source)
    if known is not None:
        return known
    try:
        code = compile(source, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        digest = _digest(code, as_it_is, set(), set(), top=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        digest = hashlib.sha256(source.encode("utf-8", "surrogatepass")).digest()
    with _lock:
        _sources[source] = digest
        while len(_sources) > _KEPT:
            _sources.popitem(last=False)
    return digest


_sources: OrderedDict[str, bytes] = OrderedDict()


@lru_cache(maxsize=_KEPT)
def binds_once(source: str, name: str) -> bool:
    """Whether a module binds a name in one place that runs once, so that its value follows from the code."""
    try:
        pending: list[tuple[ast.AST, bool]] = [(ast.parse(source), False)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    found = 0
    while pending:
        node, repeated = pending.pop()
        names: list[str] = []
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            names = [node.id]
        elif isinstance(node, ast.alias):
            names = [node.asname or node.name.partition(".")[0]]
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names = [node.name]
        elif isinstance(node, ast.MatchAs | ast.MatchStar | ast.ExceptHandler):
            names = [] if node.name is None else [node.name]
        elif isinstance(node, ast.MatchMapping):
            names = [] if node.rest is None else [node.rest]
        if name in names:
            if repeated:
                return False
            found += 1
        if isinstance(node, ast.Global) and name in node.names:
            return False
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            # What is bound in there is another variable, unless declared otherwise.
            pending += [(each, repeated) for each in ast.walk(node) if isinstance(each, ast.Global)]
            continue
        repeated = repeated or isinstance(node, ast.For | ast.AsyncFor | ast.While)
        pending += [(child, repeated) for child in ast.iter_child_nodes(node)]
    return found == 1


def reads_and_stores(code: CodeType) -> tuple[set[str], set[str]]:
    """Return the global names that module-level code needs from outside, and all that it may bind or delete.

    A name that is bound before it is read, with no jump between the start and its binding, is not needed.
    """
    needed: set[str] = set()
    stores: set[str] = set()
    certain: set[str] = set()
    straight = True
    for one in dis.get_instructions(code):
        if one.opcode in _JUMPS:
            straight = False
        if one.opname in _STORES:
            stores.add(one.argval)
            if straight and one.argval not in needed:
                certain.add(one.argval)
        elif one.opname in _LOADS:
            if one.argval not in certain and one.argval not in _BOOKKEEPING:
                needed.add(one.argval)
        elif one.opname in _DELETES:
            stores.add(one.argval)
        elif one.opcode in _CONSTANT and isinstance(one.argval, CodeType):
            reading = read_code(one.argval)
            needed.update(name for name in reading.globals if name not in certain)
            stores |= reading.stores
    return needed, stores


def _digest(
    code: CodeType, rename: Rename, reads: set[str], stores: set[str], *, top: bool = False
) -> bytes:
    instructions = _instructions(code)
    numbers: dict[int, int] = {}
    for number, one in enumerate(instructions):
        numbers.setdefault(one.offset, number)

    def place(offset: int) -> int:
        """The number of the first instruction at an offset or behind it."""
        while offset not in numbers and offset <= len(code.co_code):
            offset += 2
        return numbers.get(offset, len(instructions))

    parts: list[object] = [
        "" if top else code.co_name,
        code.co_argcount,
        code.co_posonlyargcount,
        code.co_kwonlyargcount,
        code.co_flags & _FLAGS,
        code.co_varnames[: code.co_argcount + code.co_kwonlyargcount],
        code.co_freevars,
    ]
    for one in instructions:
        opname = one.opname
        argument: object = one.arg
        if opname.endswith("_FAST") or one.opcode in _LOCAL:
            argument = one.argval
        elif one.opcode in _JUMPS:
            argument = place(one.argval)
        elif one.opcode in _NAMED and isinstance(one.argval, str):
            argument = rename(one.argval)
            # What else the argument says, such as whether a method is looked up, is in its low bits.
            parts.append((one.arg or 0) - _name_bits(one.arg, one.argval, code))
            if opname in _LOADS:
                if one.argval not in _BOOKKEEPING:
                    reads.add(one.argval)
            # The body of a class binds its attributes, not global names.
            elif opname == "STORE_GLOBAL" or (opname == "STORE_NAME" and top):
                stores.add(one.argval)
        elif one.opcode in _CONSTANT:
            # Not its argval: 3.11 gives none for the names of keyword arguments.
            argument = _constant(code.co_consts[one.arg or 0], rename, reads, stores)
        parts += (opname, argument)
    covered: list[list[int]] = []
    for start, end, target, rest in _exceptions(code):
        entry = [place(start), place(end), place(target), rest]
        if covered and covered[-1][1:] == [entry[0], *entry[2:]]:
            covered[-1][1] = entry[1]
        elif entry[0] < entry[1]:
            covered.append(entry)
    parts += covered
    return hashlib.sha256(marshal.dumps(parts, 2)).digest()


def _instructions(code: CodeType) -> list[dis.Instruction]:
    """The instructions that matter. How the compiler splits and joins them for the sake of lines is undone."""
    found: list[dis.Instruction] = []
    for one in dis.get_instructions(code):
        if one.opname in _LAYOUT:
            continue
        if one.opname == "STORE_NAME" and one.argval == "__firstlineno__":
            found.pop()  # the number of the line
        elif one.opname in _PAIRS and isinstance(one.argval, tuple):
            # Whether two are fused depends on whether they stand on one line.
            for opname, argval in zip(_PAIRS[one.opname], one.argval, strict=True):
                found.append(one._replace(opname=opname, argval=argval))
        else:
            found.append(one)
    return _threaded(found)


def _threaded(given: list[dis.Instruction]) -> list[dis.Instruction]:
    """Have jumps lead past other jumps, and none skip just one."""
    after = {one.offset: number for number, one in reversed(list(enumerate(given)))}

    def end_of(offset: int) -> int:
        for _ in given:
            number = after.get(offset)
            if number is None or given[number].opname not in _ALWAYS:
                break
            offset = given[number].argval
        return offset

    found: list[dis.Instruction] = []
    skip = False
    for number, one in enumerate(given):
        if skip:
            skip = False
            continue
        if one.opcode in _JUMPS:
            opname = one.opname.replace("_FORWARD_IF", "_IF").replace("_BACKWARD_IF", "_IF")
            target = end_of(one.argval)
            following = given[number + 1 : number + 3]
            if (
                opname in _OPPOSITES
                and len(following) == 2
                and following[0].opname in _ALWAYS
                and one.argval == following[1].offset
            ):
                opname, target, skip = _OPPOSITES[opname], end_of(following[0].argval), True
            if opname in _ALWAYS:
                opname = "JUMP"
            one = one._replace(opname=opname, argval=target)
        found.append(one)
    return found


def _name_bits(argument: int | None, name: str, code: CodeType) -> int:
    """The part of an instruction's argument that is the index of its name."""
    if argument is None:
        return 0
    index = code.co_names.index(name) if name in code.co_names else 0
    for shift in (0, 1, 2):
        if argument >> shift == index:
            return index << shift
    return argument


def _constant(value: object, rename: Rename, reads: set[str], stores: set[str]) -> object:
    if isinstance(value, CodeType):
        inner: set[str] = set()
        digest = _digest(value, rename, reads, inner)
        stores |= inner
        return ("code", digest)
    if isinstance(value, tuple):
        return ("tuple", *(_constant(one, rename, reads, stores) for one in value))
    if isinstance(value, str):
        return ("str", value)
    if isinstance(value, slice):
        return ("slice", *(_constant(v, rename, reads, stores) for v in (value.start, value.stop)))
    return value


def _exceptions(code: CodeType) -> Iterator[tuple[int, int, int, int]]:
    """The exception table: start, end and target as offsets, then depth and whether the instruction is kept.

    Its format is described in ``Objects/exception_handling_notes.txt`` of CPython.
    """
    table = iter(code.co_exceptiontable)

    def number() -> int:
        byte = next(table)
        value = byte & 63
        while byte & 64:
            byte = next(table)
            value = value << 6 | byte & 63
        return value

    while True:
        try:
            start = number() * 2
        except StopIteration:
            return
        length, target, rest = number() * 2, number() * 2, number()
        yield start, start + length, target, rest
