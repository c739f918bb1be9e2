"""Elements for notebooks: what the reader sets, and cells read.

Make one in a cell, bound to a global name; the cells that read its `value` run again whenever it
changes.
"""

from callboard.ui.buttons import Button, RunButton
from callboard.ui.choices import Dropdown, Multiselect, Radio
from callboard.ui.containers import Array, Dictionary
from callboard.ui.dates import Date
from callboard.ui.element import UIElement, ValueNotYetReadable
from callboard.ui.functions import Function
from callboard.ui.numeric import Number, Slider
from callboard.ui.texts import Text, TextArea
from callboard.ui.toggles import Checkbox, Switch
from callboard.ui.updates import BadRawValue

array = Array
button = Button
checkbox = Checkbox
date = Date
dictionary = Dictionary
dropdown = Dropdown
multiselect = Multiselect
number = Number
radio = Radio
run_button = RunButton
slider = Slider
switch = Switch
text = Text
text_area = TextArea

__all__ = [
    "BadRawValue",
    "Function",
    "UIElement",
    "ValueNotYetReadable",
    "array",
    "button",
    "checkbox",
    "date",
    "dictionary",
    "dropdown",
    "multiselect",
    "number",
    "radio",
    "run_button",
    "slider",
    "switch",
    "text",
    "text_area",
]
