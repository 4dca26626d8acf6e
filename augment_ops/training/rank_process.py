"""One of several processes that train together: `python -m augment_ops.training.rank_process CONNECTION RANK`.

`processes.py` starts it. It ends when that process does, however that ends, with all that it has started itself.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from multiprocessing.connection import Connection

from augment_ops.errors import AugmentOpsError
from augment_ops.training.children import meet
from augment_ops.training.messages import Failed, Learnt, Message, RankWork, untold
from augment_ops.training.ranks import PeerLost, Ranks

_PATIENCE = timedelta(minutes=30)  # with the others: one may be reading samples from far away, or keeping a checkpoint


def main(connection: Connection, rank: int) -> None:
    """Train, tell how it went, and end."""
    content = meet(connection)
    try:
        learnt = _learnt(pickle.loads(content), rank, connection.send)
    except PeerLost as error:
        message: Message = Failed(text=str(error), elsewhere=True)
    except AugmentOpsError as error:
        message = Failed(error=error)
    except BaseException as error:
        text = f"{type(error).__name__}: {str(error)[:200]}"
        message = Failed(text=text, traceback=traceback.format_exc())
    else:
        message = learnt
    connection.send(message)
    # At once: what is left of a group that one process has left may wait for that one.
    os._exit(isinstance(message, Failed))


def _learnt(work: RankWork, rank: int, tell: Callable[[Message], None]) -> Learnt:
    import torch

    from augment_ops.training.torch_trainer import learn, made_ready

    first = rank == 0
    device = f"cuda:{rank}" if work.device.startswith("cuda") else work.device
    # What is told and kept is the same everywhere.
    task = replace(work.task, progress=tell if first else untold, unfinished=work.task.unfinished if first else None)
    source = work.source()  # first: it warms up while the model is made
    try:
        model = made_ready(task, work.budget, device, check=False).model
        ranks = _joined(work, rank, device)
        curve, meters = learn(model, task, source, work.budget, device, ranks)
    finally:
        source.close()
    torch.distributed.destroy_process_group()
    state = io.BytesIO()
    if first:
        torch.save({name: value.cpu() for name, value in model.state_dict().items()}, state)
    return Learnt(curve, meters, state.getvalue())


def _joined(work: RankWork, rank: int, device: str) -> Ranks:
    import torch
    from torch import distributed

    on_gpu = device != "cpu"
    if on_gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if on_gpu else "gloo",
        store=distributed.FileStore(str(work.meeting), work.size),  # type: ignore[attr-defined]
        rank=rank,
        world_size=work.size,
        timeout=_PATIENCE,
    )
    return Ranks(rank=rank, size=work.size, device=device, add=_add)


def _add(tensor: object) -> None:
    from torch import distributed

    try:
        distributed.all_reduce(tensor)
    except RuntimeError as error:
        raise PeerLost(str(error)[:200]) from error


if __name__ == "__main__":
    main(Connection(int(sys.argv[1])), int(sys.argv[2]))
