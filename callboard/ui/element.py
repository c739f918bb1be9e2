"""The base of all elements."""

from __future__ import annotations

import weakref
from itertools import count
from types import MappingProxyType, MemberDescriptorType
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

from callboard.authoring.context import current_context
from callboard.authoring.control import StopCell
from callboard.ui.updates import (
    Applied,
    BadRawValue,
    PendingCallback,
    UpdateFailure,
    UpdateStage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Never, Self

    from callboard.messages.ids import CellId, UIElementId
    from callboard.ui.functions import Function

V_co = TypeVar("V_co", covariant=True)

_ids_outside_cells = count()


class ValueNotYetReadable(RuntimeError):
    """The cell that makes an element read its value: the notebook author's fault.

    That cell does not run again when the value changes, so it would go on with an old one.
    """


_NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})

# what is each element's own, and no setting
_OWN = frozenset({"_creating_cell", "_parent_link", "_raw_value", "_value", "element_id"})


def _by_name(
    element: type[UIElement[Any]], functions: Sequence[Function]
) -> Mapping[str, Function]:
    named = {function.name: function for function in functions}
    if len(named) < len(functions):
        raise element._wrong_value("functions", "has two of the same name")
    return named


class UIElement(Generic[V_co]):
    """Something on the page that holds a value the reader of the notebook sets.

    Reading `value` in another cell makes that cell run again whenever the value changes. Bind the
    element to a global name for that, and show it by making it the cell's output.

    Two values are kept. The *raw* value is what the page sends, plain JSON; each kind of element
    says what its raw value looks like. The *converted* one is what `value` gives. A subclass that
    needs another form of value than its raw one overrides `_convert`.

    Elements hash by identity, can be weakly referenced, and copy as clones with an id of their own.
    """

    __slots__ = (
        "__weakref__",
        "_creating_cell",
        "_default_raw",
        "_functions",
        "_on_change",
        "_parent_link",
        "_raw_value",
        "_value",
        "disabled",
        "element_id",
        "full_width",
        "label",
    )

    _tag: ClassVar[str] = "element"
    """The kind of element: the custom element is `<callboard-TAG>`."""

    _settings: ClassVar[tuple[str, ...]]
    """What a clone takes over."""

    element_id: UIElementId
    _creating_cell: CellId | None
    _raw_value: object
    _value: V_co
    _parent_link: tuple[weakref.ref[UIElement[Any]], str] | None

    def __init__(
        self,
        raw: object,
        *,
        label: str = "",
        on_change: Callable[[V_co], object] | None = None,
        disabled: bool = False,
        full_width: bool = False,
        functions: Sequence[Function] = (),
    ) -> None:
        """Take an id from the running cell and start from `raw`, or from what the client restores.

        A subclass sets what its `_convert` needs first. `functions` can be called by the page
        while the element lives, each under its name.

        Raises TypeError or ValueError, naming the argument: the notebook author's fault.
        """
        if not isinstance(label, str):
            raise self._wrong_type("label", "a string", label)
        if on_change is not None and not callable(on_change):
            raise self._wrong_type("on_change", "callable", on_change)
        self.label = label
        self.disabled = bool(disabled)
        self.full_width = bool(full_width)
        self._on_change = on_change
        self._functions = _by_name(type(self), functions) if functions else _NO_FUNCTIONS
        self._default_raw = raw
        self._enter()

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._settings = tuple(
            name
            for owner in cls.__mro__
            for name, slot in vars(owner).items()
            if isinstance(slot, MemberDescriptorType) and name not in _OWN
        )

    def _enter(self) -> None:
        """Become an element of the running cell, at the starting value."""
        self._parent_link = None
        self._raw_value = self._default_raw
        self._value = self._initial(self._default_raw)
        context = current_context.get()
        if context is None:
            self.element_id = f"script-{next(_ids_outside_cells)}"  # type: ignore[assignment]
            self._creating_cell = None
            return
        self.element_id = context.next_element_id()
        self._creating_cell = context.cell_id
        context.registry.register(self)
        known, raw = context.initial_value(self.element_id)
        if known:
            self._restore(raw)

    def _restore(self, raw: object) -> None:
        """Start from a value of an earlier session; one that no longer fits is let go."""
        try:
            value = self._initial(raw)
        except BadRawValue:
            return
        self._raw_value = raw
        self._value = value

    @property
    def value(self) -> V_co:
        """What the reader chose.

        Raises:
            ValueNotYetReadable: this is the cell that made the element.
        """
        context = current_context.get()
        if context is not None and not context.may_read(self):
            raise ValueNotYetReadable(
                f"the cell that makes {self!r} cannot read its value; read it in another cell"
            )
        return self._value

    @value.setter
    def value(self, value: Never) -> None:
        raise AttributeError(f"the value of {self!r} is set on the page, not by code")

    @property
    def on_change(self) -> Callable[[Any], object] | None:
        """What is called with each new value; may be a coroutine function."""
        return self._on_change

    def _convert(self, raw: object) -> V_co:
        """The value that a raw value from the page means.

        Raises:
            BadRawValue: this is nothing that the page would send.
        """
        return raw  # type: ignore[return-value]

    def _initial(self, raw: object) -> V_co:
        """The value to start from; not that of `_convert` where an update is an event."""
        return self._convert(raw)

    def _apply(self, raw: object) -> Applied:
        """Take a new raw value over; see `callboard.ui.updates` for who does what."""
        applied = Applied()
        applied.changed = self._take(raw, applied)
        return applied

    def _take(self, raw: object, applied: Applied) -> bool:
        """Do what `_apply` promises, adding to `applied`; return whether anything changed."""
        self._raw_value = raw
        try:
            self._value = self._convert(raw)
        except BadRawValue as error:
            applied.failures.append(UpdateFailure(self, UpdateStage.CONVERSION, error))
            return False
        except KeyboardInterrupt:
            raise
        except StopCell:  # `cb.stop` in what makes the value: it stays as it is
            return True
        except BaseException as error:  # may be user code, and the rest of the update goes on
            applied.failures.append(UpdateFailure(self, UpdateStage.CONVERSION, error))
            return True
        self._announce(applied)
        return True

    def _announce(self, applied: Applied) -> None:
        if self._on_change is not None:
            applied.callbacks.append(PendingCallback(self, self._on_change, self._value))

    def _merge(self, earlier: object, later: object) -> object:
        """Two raw values of one command as one."""
        return later

    def _differs(self, raw: object) -> bool:
        """Whether this raw value would change the element."""
        return bool(raw != self._raw_value)

    def _completed(self) -> None:
        """The dependants of an update have run."""

    @property
    def _happening(self) -> bool:
        """Whether the value is an event that is over once the dependants have run."""
        return False

    @property
    def _parent(self) -> tuple[UIElement[Any], str] | None:
        """The container this element is a part of while that lives, and its key there."""
        if self._parent_link is None:
            return None
        parent = self._parent_link[0]()
        return None if parent is None else (parent, self._parent_link[1])

    def _clone(self) -> Self:
        """An element as this one was made, with its own id, belonging to the running cell."""
        clone = self.__class__.__new__(self.__class__)
        for name in self._settings:
            if hasattr(self, name):
                setattr(clone, name, getattr(self, name))
        if hasattr(self, "__dict__"):  # a subclass without slots
            clone.__dict__.update(self.__dict__)
        clone._enter()
        return clone

    def __copy__(self) -> Self:
        return self._clone()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        clone = memo[id(self)] = self._clone()
        return clone

    def _data(self) -> Mapping[str, object]:
        """The settings of this kind of element that the page needs."""
        return {}

    def _children_html(self) -> str:
        return ""

    def _html(self) -> str:
        from callboard.ui.markup import custom_element

        data: dict[str, object] = {"value": self._raw_value, "label": self.label, **self._data()}
        if self.disabled:
            data["disabled"] = True
        if self.full_width:
            data["full-width"] = True
        return custom_element(self._tag, self.element_id, data, self._children_html())

    def _mime_(self) -> tuple[str, str]:
        return "text/html", self._html()

    def __format__(self, spec: str) -> str:
        """The element as HTML, so that an f-string given to `cb.md` shows it."""
        return format(repr(self), spec) if spec else self._html()

    def __repr__(self) -> str:
        label = f" {self.label!r}" if self.label else ""
        try:
            value = repr(self._value)
        except Exception as error:
            value = f"<repr raised {type(error).__name__}>"
        if len(value) > 60:
            value = f"{value[:57]}..."
        return f"<{self._tag}{label} {self.element_id} value={value}>"

    @classmethod
    def _wrong_type(cls, argument: str, expected: str, got: object) -> TypeError:
        return TypeError(f"{cls._tag}: {argument} must be {expected}, not {type(got).__name__}")

    @classmethod
    def _wrong_value(cls, argument: str, why: str) -> ValueError:
        return ValueError(f"{cls._tag}: {argument} {why}")
