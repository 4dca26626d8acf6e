"""Sources, store and a witness on S3, against moto's server on a free port."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from augment_ops.content import sha256_hex
from augment_ops.data.ingest import ingest
from augment_ops.data.snapshot import Snapshot
from augment_ops.data.store import Store
from augment_ops.errors import DataError, StoreError
from augment_ops.governance import Ledger
from augment_ops.governance.witness import open_witness
from support.timestamping import local_authority

boto3 = pytest.importorskip("boto3")
pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    import s3fs

    for name, value in {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="data")
    yield "data"
    s3fs.S3FileSystem.clear_instance_cache()


def png(value: int) -> bytes:
    pixels = np.random.default_rng(value).integers(0, 256, (6, 5), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_a_folder_on_s3_is_the_same_snapshot_as_on_disk(bucket: str, tmp_path: Path) -> None:
    client = boto3.client("s3")
    for number in range(24):
        name = f"pets/{'train' if number < 16 else 'test'}/{'cat' if number % 2 else 'dog'}/{number:02d}[1].png"
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(png(number))
        client.put_object(Bucket=bucket, Key=name, Body=png(number))
    local = ingest(str(tmp_path / "pets"), Store(str(tmp_path / "store")))

    store = Store(f"s3://{bucket}/store", cache=tmp_path / "cache")
    remote = ingest(f"s3://{bucket}/pets", store)
    assert remote.digest == local.digest
    assert ingest(f"s3://{bucket}/pets/", store) == remote

    snapshot = Snapshot.open(Store(f"s3://{bucket}/store", cache=tmp_path / "cache"), remote.digest)
    assert len(snapshot.split("test").ids) == 8
    assert (len(snapshot.payload), snapshot.payload.shape) == (24, (6, 5, 1))
    assert not list((tmp_path / "cache").rglob("*.part"))

    (shard,) = remote.objects
    key = f"store/objects/{shard[:2]}/{shard}"
    client.put_object(Bucket=bucket, Key=key, Body=bytes(24 * 30))
    with pytest.raises(StoreError, match="altered"):
        Store(f"s3://{bucket}/store", cache=tmp_path / "other").local(shard)


def test_documents_written_by_another_process_are_seen(bucket: str, tmp_path: Path) -> None:
    store = Store(f"s3://{bucket}/documents-test", cache=tmp_path)
    assert store.documents("runs/") == []
    boto3.client("s3").put_object(Bucket=bucket, Key="documents-test/documents/runs/1/a.json", Body=b"{}")
    assert store.documents("runs/") == ["runs/1/a.json"]
    boto3.client("s3").put_object(Bucket=bucket, Key="documents-test/documents/runs/2/b.json", Body=b"{}")
    assert store.documents("runs/") == ["runs/1/a.json", "runs/2/b.json"], "a cached listing"
    assert store.get_document("runs/1/a.json") == b"{}"
    store.put_document("runs/1/a.json", b"[]")
    assert store.get_document("runs/1/a.json") == b"[]"
    assert store.get_document("runs/3/a.json") is None


def test_a_data_set_that_arrives_later_is_seen(bucket: str, tmp_path: Path) -> None:
    store = Store(str(tmp_path / "store"))
    boto3.client("s3").put_object(Bucket=bucket, Key="later/notes.txt", Body=b"x")
    with pytest.raises(DataError, match="nothing at data/later/pets"):
        ingest(f"s3://{bucket}/later/pets", store)  # lists the folder for its hint
    for number in range(12):
        boto3.client("s3").put_object(Bucket=bucket, Key=f"later/pets/{number % 2}/{number}.png", Body=png(number))
    assert ingest(f"s3://{bucket}/later/pets", store).samples == 12


def test_what_is_not_on_s3_is_an_error_that_says_so(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing at data/absent"):
        ingest(f"s3://{bucket}/absent", Store(str(tmp_path / "store")))
    store = Store("s3://no-such-bucket/store", cache=tmp_path / "cache")
    with pytest.raises(StoreError, match="no-such-bucket"):
        store.put(b"x")
    with pytest.raises(StoreError, match="no such object"):
        Store(f"s3://{bucket}/store", cache=tmp_path / "cache").get(sha256_hex(b"absent"))


def test_a_bucket_with_object_lock_keeps_heads_from_whoever_may_delete(bucket: str, tmp_path: Path) -> None:
    client = boto3.client("s3")
    client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    rule = {"DefaultRetention": {"Mode": "COMPLIANCE", "Days": 1}}
    client.put_object_lock_configuration(
        Bucket="locked", ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": rule}
    )
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    ledger = Ledger(url, witnesses=[open_witness("s3://locked/augment-ops")])
    ledger.append("promote", "ada", {}, "", "a")
    older = (tmp_path / "ledger.db").read_bytes()
    ledger.append("revoke", "ada", {}, "", "b")
    assert (ledger.verify(), ledger.audit().heads) == ([], 2)
    noted = client.list_object_versions(Bucket="locked")["Versions"]
    for version in noted:
        where = {"Bucket": "locked", "Key": version["Key"]}
        told = client.head_object(**where, VersionId=version["VersionId"])
        assert told["ObjectLockMode"] == "COMPLIANCE"
        with pytest.raises(client.exceptions.ClientError, match="Access Denied"):
            client.delete_object(**where, VersionId=version["VersionId"])
        client.delete_object(**where)  # a marker over it: no longer listed, still there
    assert "Contents" not in client.list_objects_v2(Bucket="locked")
    assert (ledger.verify(), ledger.audit().heads) == ([], 2)
    (tmp_path / "ledger.db").write_bytes(older)
    (fault,) = Ledger(url, witnesses=[open_witness("s3://locked/augment-ops")]).verify()
    assert (fault.found, "s3://locked" in fault.expected) == ("no such entry", True)


def test_timestamps_in_a_bucket_are_read_in_every_version(bucket: str, tmp_path: Path) -> None:
    """A marker over one hides it from a listing, and not from whoever reads versions."""
    client = boto3.client("s3")
    client.create_bucket(Bucket="stamped")
    client.put_bucket_versioning(Bucket="stamped", VersioningConfiguration={"Status": "Enabled"})
    with local_authority(tmp_path / "authority") as authority:
        witness = open_witness(authority.witness("s3://stamped/augment-ops"))
        ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}", witnesses=[witness])
        entries = [ledger.append("promote", "ada", {}, "", name) for name in "abc"]
    for version in client.list_object_versions(Bucket="stamped")["Versions"]:
        client.delete_object(Bucket="stamped", Key=version["Key"])
    assert [(head.seq, head.hash) for head in witness.heads()] == [(entry.seq, entry.hash) for entry in entries]
    assert ledger.verify() == []
