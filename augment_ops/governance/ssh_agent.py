"""Sign with a key that an ssh-agent holds: the three messages of its protocol that this takes.

Source: draft-ietf-sshm-ssh-agent. An Ed25519 signature of an agent is over the bytes that it is given, so it is the
same as one made with the key itself. What we give begins as JSON does, which no message of SSH does: a signature made
for one cannot serve as the other.
"""

from __future__ import annotations

import base64
import os
import socket
import struct
from dataclasses import dataclass

from augment_ops.errors import GovernanceError
from augment_ops.governance.keys import SSH, public_of

_REQUEST_IDENTITIES, _IDENTITIES = 11, 12
_SIGN_REQUEST, _SIGNATURE = 13, 14
_LONGEST = 256 * 1024  # bytes of an answer, as OpenSSH bounds it
_WAIT_S = 60.0  # an agent may ask its owner to confirm


@dataclass(frozen=True)
class AgentKey:
    """A key that the agent signs with and gives to nobody.

    Attributes:
        public: as approvers.yaml has it.
        blob: as SSH has it.
    """

    public: str
    blob: bytes

    def sign(self, message: bytes) -> str:
        """The signature in base64.

        Raises:
            GovernanceError: the agent is gone, or its owner said no.
        """
        answer = _ask(_SIGN_REQUEST, _SIGNATURE, _string(self.blob) + _string(message) + struct.pack(">I", 0))
        algorithm, signature = _strings(_strings(answer, 1)[0], 2)
        if algorithm != SSH.encode():
            raise _unusable(f"a signature of kind {algorithm[:40]!r}")
        return base64.b64encode(signature).decode("ascii")


def agent_keys() -> list[AgentKey]:
    """The Ed25519 keys of the agent at SSH_AUTH_SOCK; none where there is no agent.

    Raises:
        GovernanceError: it does not answer as an agent does.
    """
    if not os.environ.get("SSH_AUTH_SOCK"):
        return []
    answer = _ask(_REQUEST_IDENTITIES, _IDENTITIES, b"")
    if len(answer) < 4:
        raise _unusable("a message that ends too early")
    texts = _strings(answer[4:], 2 * int.from_bytes(answer[:4], "big"))
    return [AgentKey(key, blob) for blob in texts[::2] if (key := public_of(blob)) is not None]


def _ask(request: int, expected: int, body: bytes) -> bytes:
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
            agent.settimeout(_WAIT_S)
            agent.connect(os.environ.get("SSH_AUTH_SOCK", ""))
            agent.sendall(_string(bytes([request]) + body))
            (length,) = struct.unpack(">I", _exactly(agent, 4))
            answer = _exactly(agent, length)
    except (OSError, struct.error) as error:
        raise _unusable(str(error) or "no answer") from error
    if answer[:1] != bytes([expected]):
        raise _unusable("a refusal")
    return answer[1:]


def _exactly(agent: socket.socket, length: int) -> bytes:
    if length > _LONGEST:
        raise OSError(f"an answer of {length} bytes")
    found = b""
    while len(found) < length:
        part = agent.recv(length - len(found))
        if not part:
            raise OSError("it closed the connection")
        found += part
    return found


def _string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def _strings(data: bytes, count: int) -> list[bytes]:
    """The first strings of a message, each behind its length."""
    found: list[bytes] = []
    for _ in range(count):
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 or len(data) < 4 + length:
            raise _unusable("a message that ends too early")
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return found


def _unusable(found: str) -> GovernanceError:
    return GovernanceError(
        "ssh-agent at SSH_AUTH_SOCK",
        found,
        "a signature by your key",
        "ssh-add -l lists its keys; or sign with a file: AUGMENT_OPS_KEY, made by augment-ops policy keygen",
    )
