"""The windows of every data set for a list: of each set of rules the newest, whatever they were judged against."""

from __future__ import annotations

from pathlib import Path

from augment_ops.production.windows import judged_windows
from augment_ops.settings import Settings
from augment_ops.workspace import open_store
from support.home_state import NOON, window


def test_windows_are_in_time_by_data_set_and_rules(tmp_path: Path) -> None:
    settings = Settings.from_environment({"AUGMENT_OPS_HOME": str(tmp_path)})
    store = open_store(settings)
    assert judged_windows(store, 3) == {}
    for number, status in enumerate(("ok", "warn", "drift", "ok")):
        window(settings, "digits", number, status, "")
    folder = tmp_path / "store" / "documents" / "drift" / "digits" / "windows"
    of_before = folder / "another_default"  # another champion's snapshot, by the same rules
    of_before.mkdir()
    oldest = next(path for path in (folder / "champion_default").iterdir() if "T12" in path.name)
    oldest.rename(of_before / oldest.name)
    (found,) = judged_windows(store, 3).items()
    assert found[0] == ("digits", "default")
    assert [one.status for one in found[1]] == ["ok", "drift", "warn"]
    assert judged_windows(store, 9)["digits", "default"][-1].start == NOON.isoformat()
