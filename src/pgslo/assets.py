"""Where the SQL that ships with pgslo is: in the wheel, or at the top of the checkout.

The wheel carries ``sql/`` and ``migrations/`` inside the package (hatchling's ``force-include``). An editable
install does not, and symbolic links drop out of wheels; so both places are looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

_PACKAGE = Path(__file__).resolve().parent
_CHECKOUT = _PACKAGE.parents[1]


def tree(name: Literal["sql", "migrations"]) -> Path:
    """Return the folder ``name``, from the wheel when this is one.

    Raises:
        FileNotFoundError: Neither place has it: the installation is incomplete.
    """
    for place in (_PACKAGE / "_assets" / name, _CHECKOUT / name):
        if place.is_dir():
            return place
    raise FileNotFoundError(f"pgslo is installed without its {name}/ folder: install it again")
