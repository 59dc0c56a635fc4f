"""Parts from their written form and back: the one place where strings become classes.

Written, a part is ``{"name": ..., <constructor arguments>}``. Its name stands in a package's table, or is
``"module:Class"`` for a part of the user's own. An argument may be another part (``copies = 5`` makes a list of
networks, each with the next seed), ``{"make": function, ...}`` for a tensor made by a function (a random mask),
``{"file": path}`` for one in a file, ``{"array": key}`` or ``{"sparse": key, "shape": ...}`` for one kept beside a run
or in a container, ``"module:function"`` for a function, and ``{"none": true}`` for None where that is not the default.
"""

from nullsight.assemble.building import build
from nullsight.assemble.context import Context
from nullsight.assemble.describing import describe
from nullsight.assemble.own_parts import own_files
from nullsight.assemble.places import place

__all__ = ["Context", "build", "describe", "own_files", "place"]
