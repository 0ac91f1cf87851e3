"""Files as other libraries write them: Stable-Baselines3, CleanRL, W&B and Trackio."""

import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.proto.tensor_pb2 import TensorProto
from tensorboardX.record_writer import masked_crc32c


def write_evaluations(path: Path, steps: Sequence[int], returns: Sequence[Sequence[float]]) -> Path:
    """Write evaluations.npz as the EvalCallback of Stable-Baselines3 does, which saves lists by `np.savez`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lengths = [[200] * len(row) for row in returns]
    np.savez(path, timesteps=steps, results=returns, ep_lengths=lengths)
    return path


def write_events(
    folder: Path,
    scalars: Mapping[str, Sequence[tuple[int, float, float]]],
    settings: Mapping[str, object] | None = None,
    name: str = "events.out.tfevents.1700000000.host.1.0",
) -> Path:
    """Write an event file of scalars (step, value, wall time) by tag, and settings as the table that CleanRL stores."""
    folder.mkdir(parents=True, exist_ok=True)
    events = [Event(file_version="brain.Event:2", wall_time=1000.0)]
    if settings is not None:
        rows = "\n".join(f"|{key}|{value}|" for key, value in settings.items())
        text = TensorProto(dtype="DT_STRING", string_val=[f"|param|value|\n|-|-|\n{rows}".encode()])
        value = Summary.Value(tag="hyperparameters/text_summary", tensor=text)
        events.append(Event(wall_time=1000.0, summary=Summary(value=[value])))
    for tag, points in scalars.items():
        for step, number, time in points:
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=number)])
            events.append(Event(step=step, wall_time=1000.0 + time, summary=summary))
    path = folder / name
    path.write_bytes(b"".join(record(event.SerializeToString()) for event in events))
    return path


def record(data: bytes) -> bytes:
    """Return a TFRecord: length and content, each with its checksum."""
    length = struct.pack("<Q", len(data))
    checks = [struct.pack("<I", masked_crc32c(part)) for part in (length, data)]
    return length + checks[0] + data + checks[1]


_RUNS = [f"Hopper-v4__{name}__1700000000 - charts/episodic_return" for name in ("sac_continuous_action__1", "td3__2")]
WANDB_CHART = "\n".join([
    ",".join(f'"{name}"' for name in ["global_step", *(run + end for run in _RUNS for end in ("", "__MIN", "__MAX"))]),
    '"1000","12.5","12.5","12.5","","",""',
    '"2000","20.5","18","23","7.25","7.25","7.25"',
    '"3000","","","","9.5","9.5","9.5"\n',
])  # fmt: skip
"""A chart exported from W&B: a column of steps, and for each run its mean, minimum and maximum."""

TRACKIO_CHART = """\
timestamp,step,loss,eval/mean_reward,run,run_id,series_key
2026-01-02T10:00:00.000000+00:00,1000,0.5,-300.5,sac-seed1,a1,a1
2026-01-02T10:01:00.000000+00:00,2000,0.4,-200.5,sac-seed1,a1,a1
2026-01-02T10:00:00.000000+00:00,1000,0.5,-400.5,sac-seed2,b2,b2
2026-01-02T10:02:00.000000+00:00,2000,,-250.5,sac-seed2,b2,b2
"""
"""A chart downloaded from Trackio's dashboard: the rows of all runs, with their names."""

PROGRESS = """\
eval/mean_reward,rollout/ep_rew_mean,time/time_elapsed,time/total_timesteps,train/loss
,-1200.0,1.5,500,0.1
-900.5,-1100.0,3.0,1000,0.2
,-1000.0,4.5,1500,0.3
-700.5,-900.0,6.0,2000,0.4
"""
"""progress.csv of Stable-Baselines3's logger: cells are empty where a row lacks a value."""
