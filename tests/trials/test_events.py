"""TensorBoard's event files are read without TensorBoard, as TensorBoard reads them."""

import os
import time
from pathlib import Path

import pytest
import torch
from torch.utils.tensorboard import SummaryWriter

from reluctant.trials.events import Scalar, files, scalars


@pytest.mark.parametrize("new_style", [False, True])
def test_scalars_are_read_back(tmp_path: Path, new_style: bool) -> None:
    with SummaryWriter(tmp_path / "runs" / "one") as writer:
        for step in (0, 1, 300):
            writer.add_scalar("accuracy/test", step / 2, step, new_style=new_style)
        writer.add_text("note", "no number")
        writer.add_histogram("weights", torch.arange(10.0), 3)
    (file,) = files(tmp_path, time.time() - 60, os.getpid())
    read = [at for at in scalars(file) if at.tag == "accuracy/test"]
    assert read == [Scalar("accuracy/test", at, at / 2) for at in (0, 1, 300)]
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert len(list(scalars(file))) <= len(read), "what was cut off is no error"


def test_whose_files_they_are(tmp_path: Path) -> None:
    mine = tmp_path / "events.out.tfevents.1764143000.a.host.4711.0"
    others = tmp_path / "sub" / "events.out.tfevents.1764143000.a.host.4712.3"
    unknown = tmp_path / "events.out.tfevents.1764143000.a-host"
    hidden = tmp_path / ".reluctant" / "events.out.tfevents.1764143000.a.host.4711.0"
    for path in (mine, others, unknown, hidden):
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    assert set(files(tmp_path, 0, 4711)) == {mine, unknown}
    assert set(files(tmp_path, 0)) == {mine, others, unknown}
    os.utime(mine, (100, 100))
    assert files(tmp_path, 200, 4711) == [unknown]
    assert list(scalars(mine)) == []


def test_what_is_no_event_file_has_no_scalars(tmp_path: Path) -> None:
    junk = tmp_path / "tfevents"
    junk.write_bytes(bytes(range(256)) * 3)
    assert list(scalars(junk)) == []
