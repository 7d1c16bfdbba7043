"""SFTP against OpenSSH's own server."""

import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from shredder.decommission.delivery import retry
from shredder.decommission.delivery.destination import Destination, Surroundings, open_destination
from shredder.decommission.delivery.settings import SftpDelivery
from shredder.decommission.delivery.sftp import SftpDestination
from shredder.errors import UndeliveredError
from tests.delivery.conftest import RUN_ID
from tests.support.machine import run
from tests.support.servers import HOST, SftpServer, make_ssh_key

Reach = Callable[[SftpDelivery], Destination]
Refuse = Callable[[SftpDelivery], str]


@pytest.fixture
def settings(sshd: SftpServer) -> SftpDelivery:
    return SftpDelivery(
        start_timeout_s=600,
        host=HOST,
        port=sshd.port,
        user=sshd.user,
        folder="{run_id}",
        key=sshd.key,
        host_keys=(sshd.host_key,),
    )


@pytest.fixture
def reach(around: Surroundings) -> Reach:
    return lambda settings: open_destination(settings, RUN_ID, around)


@pytest.fixture
def refuse(reach: Reach, start: Path) -> Refuse:
    """Deliver the start entry in vain; returns why it failed."""

    def attempt(settings: SftpDelivery) -> str:
        with pytest.raises(UndeliveredError) as caught:
            reach(settings).prove(start)
        return caught.value.message

    return attempt


def _there(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_everything_arrives_also_twice(
    sshd: SftpServer, settings: SftpDelivery, reach: Reach, start: Path, files: tuple[Path, ...]
) -> None:
    destination = reach(settings)
    assert destination.name == f"sftp to {sshd.user}@{HOST}"
    destination.prove(start)
    assert _there(sshd.root / RUN_ID) == {"start.jsonl": start.read_bytes()}
    for _ in range(2):
        destination.deliver(files)
        assert _there(sshd.root / RUN_ID) == {file.name: file.read_bytes() for file in (start, *files)}


def test_folders_that_runs_name_are_made_and_no_others(
    sshd: SftpServer, settings: SftpDelivery, reach: Reach, refuse: Refuse, start: Path
) -> None:
    named = replace(settings, folder="of shredder/{hostname}/run-{run_id}")
    told = refuse(named)
    assert "No such file" in told
    assert "of shredder" in told
    assert list(sshd.root.iterdir()) == []
    (sshd.root / "of shredder").mkdir()
    reach(named).prove(start)
    assert (sshd.root / "of shredder" / "rack-7" / f"run-{RUN_ID}" / "start.jsonl").exists()
    absolute = sshd.root / "absolute"
    absolute.mkdir()
    reach(replace(settings, folder=str(absolute))).prove(start)
    assert (absolute / "start.jsonl").exists()


def test_another_host_key_gets_nothing(
    sshd: SftpServer, settings: SftpDelivery, refuse: Refuse, tmp_path: Path
) -> None:
    for kind in ("ed25519", "rsa"):
        other = make_ssh_key(tmp_path / kind, kind).public
        told = refuse(replace(settings, host_keys=(other,)))
        assert told.endswith("the server's host key is not the pinned one")
    assert list(sshd.root.iterdir()) == []


def test_one_of_several_pinned_keys_is_enough(
    settings: SftpDelivery, reach: Reach, start: Path, tmp_path: Path
) -> None:
    other = make_ssh_key(tmp_path / "other").public
    reach(replace(settings, host_keys=(other, *settings.host_keys))).prove(start)


def test_another_key_is_not_let_in(settings: SftpDelivery, refuse: Refuse, tmp_path: Path) -> None:
    other = make_ssh_key(tmp_path / "other").private
    assert refuse(replace(settings, key=other)).endswith("the server does not take the key")
    assert refuse(replace(settings, user="nobody-here")).endswith("the server does not take the key")


def test_a_server_that_does_not_speak(
    settings: SftpDelivery, around: Surroundings, refuse: Refuse, start: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((HOST, 0)) as mute:
        mutes = replace(settings, port=mute.getsockname()[1])
        stops_s = time.monotonic() + 1
        stopping = replace(around, wants_stop=lambda: time.monotonic() > stops_s)
        with pytest.raises(UndeliveredError, match="stopped"):
            open_destination(mutes, RUN_ID, stopping).prove(start)
        assert time.monotonic() - stops_s < 3
        monkeypatch.setattr(retry, "_SPARE_S", 1.0)
        assert refuse(mutes).endswith("not done within 1 s")


def test_a_client_that_cannot_be_started(refuse: Refuse, settings: SftpDelivery, tmp_path: Path) -> None:
    refused = tmp_path / "no-sftp"
    refused.write_text("no program")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SftpDestination, "_command", lambda _: [str(refused)])
        assert refuse(settings) == "sftp could not be started: Permission denied"
        patch.setattr(SftpDestination, "_command", lambda _: [str(tmp_path / "nothing")])
        assert refuse(settings) == "there is no sftp on this machine"


def test_nobody_listens_and_nobody_is_known(
    sshd: SftpServer, settings: SftpDelivery, refuse: Refuse, reach: Reach, start: Path
) -> None:
    sshd.stop()
    assert refuse(settings).endswith("the connection was refused")
    assert refuse(replace(settings, host="nowhere.invalid")).endswith("its name could not be resolved")
    sshd.start()
    reach(settings).prove(start)


def test_a_folder_that_cannot_be_written(sshd: SftpServer, settings: SftpDelivery, refuse: Refuse) -> None:
    (sshd.root / RUN_ID).write_text("a file stands in the way")
    assert RUN_ID in refuse(settings)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small file system")
def test_a_full_disk(sshd: SftpServer, settings: SftpDelivery, reach: Reach, files: tuple[Path, ...]) -> None:
    run("mount", "-t", "tmpfs", "-o", "size=256k", "small", sshd.root)
    try:
        with pytest.raises(UndeliveredError, match="the server could not store it; its disk may be full"):
            reach(settings).deliver(files)
        assert not (sshd.root / RUN_ID / "evidence.jsonl").exists()
        assert not (sshd.root / RUN_ID / "certificate.json").exists()
        run("mount", "-o", "remount,size=16m", sshd.root)
        reach(settings).deliver(files)
        assert _there(sshd.root / RUN_ID) == {file.name: file.read_bytes() for file in files}
    finally:
        run("umount", "--lazy", sshd.root)


def test_another_size_there_is_not_delivered(settings: SftpDelivery, reach: Reach, tmp_path: Path) -> None:
    changing = tmp_path / "evidence.jsonl"
    changing.symlink_to("/proc/sys/kernel/random/uuid")  # says that it holds 0 bytes, and gives 37
    with pytest.raises(UndeliveredError, match=r"evidence.jsonl has 37 bytes there, not 0"):
        reach(settings).deliver((changing,))


def test_a_file_that_is_not_there(settings: SftpDelivery, start: Path, refuse: Refuse) -> None:
    start.unlink()
    assert "could not be read" in refuse(settings)
