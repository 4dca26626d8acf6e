"""A real ssh-agent signs; what is no agent is told apart."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from augment_ops.errors import GovernanceError
from augment_ops.governance.keys import canonical, verifies
from augment_ops.governance.signers import signer_of
from augment_ops.governance.ssh_agent import agent_keys


@pytest.fixture
def agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An agent of its own; its socket."""
    if shutil.which("ssh-agent") is None:
        pytest.skip("no ssh-agent: install Debian's package openssh-client")
    monkeypatch.delenv("AUGMENT_OPS_KEY", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    address = tmp_path / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(address)], stdout=subprocess.DEVNULL) as process:
        try:
            monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
            _wait_for(address, process)
            yield address
        finally:
            process.terminate()


def _wait_for(address: Path, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(address)) == 0:
                return
    pytest.fail("ssh-agent ended")


def _add(folder: Path, kind: str, *more: str) -> str:
    """A key in the agent; its public line."""
    path = folder / f"key-{kind}"
    subprocess.run(["ssh-keygen", "-q", "-t", kind, *more, "-N", "", "-f", str(path)], check=True)
    subprocess.run(["ssh-add", "-q", str(path)], check=True)
    return path.with_suffix(".pub").read_text() if path.suffix else Path(f"{path}.pub").read_text()


def test_what_the_agent_signs_verifies_under_the_line_of_openssh(agent: Path, tmp_path: Path) -> None:
    _add(tmp_path, "ecdsa")
    public = canonical(_add(tmp_path, "ed25519"))
    (key,) = agent_keys()  # the other kind is none of ours
    assert key.public == public
    signature = key.sign(b'{"purpose": "a test"}')
    assert verifies(public, signature, b'{"purpose": "a test"}')
    assert not verifies(public, signature, b'{"purpose": "another"}')
    assert signer_of("ada", [public]).public == public
    with pytest.raises(GovernanceError, match="policy keygen"):
        signer_of("ada", [])  # a key that is not hers is not taken


def test_a_key_that_was_taken_out_meanwhile(agent: Path, tmp_path: Path) -> None:
    _add(tmp_path, "ed25519")
    (key,) = agent_keys()
    subprocess.run(["ssh-add", "-q", "-D"], check=True)
    with pytest.raises(GovernanceError, match="a refusal") as caught:
        key.sign(b"x")
    assert "ssh-add -l" in caught.value.faults[0].fix
    assert agent_keys() == []


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x00\x00\x05\x0c\x00\x00\x00\x01",
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x01\x05",
        b"\x00\x00\x00\x01\x0c",
    ],
)
def test_what_is_no_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    address = tmp_path / "agent"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(address))
        server.listen()

        def once() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(answer)

        thread = threading.Thread(target=once)
        thread.start()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(address))
        with pytest.raises(GovernanceError, match="ssh-agent"):
            agent_keys()
        thread.join()


def test_without_an_agent_there_is_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    assert agent_keys() == []
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "nowhere"))
    with pytest.raises(GovernanceError, match="No such file"):
        agent_keys()
