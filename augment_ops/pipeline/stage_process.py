"""Computes one stage of a run for another process: `python -m augment_ops.pipeline.stage_process CONNECTION`.

`at_once.py` starts it. It ends when that process does, however that ends, with all that it has started itself.
"""

from __future__ import annotations

import os
import pickle
import sys
import traceback
from multiprocessing.connection import Connection

from augment_ops.monitoring.telemetry.otlp import wanted
from augment_ops.monitoring.telemetry.tracing import Trace
from augment_ops.pipeline.computing import Raised, StageWork, compute_ahead
from augment_ops.private import umask
from augment_ops.training.children import meet

_KNOWN = ("augment_ops", "builtins")  # where classes of errors are that any process of this program can read


def main(connection: Connection) -> None:
    """Compute, tell how it goes and what it comes to, and end."""
    work, trace = meet(connection), Trace("")
    os.umask(umask())
    try:
        asked: StageWork = pickle.loads(work)
        trace = Trace(asked.run, on=wanted("traces"))
        message: object = compute_ahead(asked, connection.send, trace)
    except BaseException as error:
        message = Raised(_picklable(error), traceback.format_exc(), tuple(trace.spans))
    connection.send(message)
    sys.stdout.flush()
    os._exit(0)  # at once: threads of a library may wait for what nobody sends


def _picklable(error: BaseException) -> BaseException:
    """The error; where the other process may not be able to read it, one with what it says.

    That imports no library for it, nor a module that lies beside a trainer of the user's own.
    """
    try:
        pickle.loads(pickle.dumps(error))
        known = type(error).__module__.split(".")[0] in _KNOWN
    except Exception:
        known = False
    return error if known else RuntimeError(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])))
