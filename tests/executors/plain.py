"""An application that needs nothing but Rota: what a child has imported for it was imported by Rota itself."""

from __future__ import annotations

import sys

from rota import Rota, Run, every

rota = Rota()


@rota.job("process/modules", executor="process", schedule=every("1h"))
def modules() -> list[str]:
    return sorted(sys.modules)


@rota.job("process/modules-of-one-that-reports", executor="process")
def modules_of_one_that_reports(run: Run) -> list[str]:
    run.log.info("here")
    run.progress(1, 2)
    return sorted(sys.modules)
