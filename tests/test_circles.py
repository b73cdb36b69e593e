"""No module leads back to itself by its imports, those inside functions and for types included."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

import pytest


def test_no_import_leads_back_to_where_it_began() -> None:
    grimp = pytest.importorskip("grimp", reason="comes with the extra check")
    graph = grimp.build_graph("rota", cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}

    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(" imports ".join(error.args[1]))
