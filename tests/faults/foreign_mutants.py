"""Mutants of the files of other libraries, evaluations.npz and TensorBoard event files, and the way to read them."""

import io
import random
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

from file_mutants import BY_SUFFIX, NUMBERS, WORDS, mutate_bytes
from foreign_files import record


def mutate_npz(content: bytes, rng: random.Random) -> bytes:
    """Change an array of an npz file, in its header or its numbers, or its name or compression."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        entries = [(info.filename, archive.read(info)) for info in archive.infolist()]
    place = rng.randrange(len(entries))
    name, data = entries[place]
    kind = rng.randrange(6)
    if kind == 0:
        name = rng.choice([*WORDS[:-4], "results.npy"]).partition("\x00")[0] or "x"
    elif kind == 1:
        data = mutate_bytes(data, rng)
    elif kind < 5:  # a header of another type or shape
        size = struct.unpack("<H", data[8:10])[0]
        shape = tuple(rng.choice([0, 1, 2, 3, 10**6, 2**40, 2**62, -1]) for _ in range(rng.randrange(4)))
        dtype = rng.choice(
            ["<f8", ">f4", "<f2", "<i8", "|u1", "|O", "<U4", "<c16", "<M8[s]", "|V8", "nonsense", "(2,)<f8"]
        )
        fortran = rng.choice([True, False, 3])
        header = repr({"descr": dtype, "fortran_order": fortran, "shape": shape}).encode() + b"\n"
        if rng.random() < 0.1:
            header = b"(" * rng.choice([50, 9_000]) + b"\n"
        data = data[:8] + struct.pack("<H", len(header)) + header + data[10 + size :]
    else:
        data *= rng.choice([0, 2, 20_000])
    entries[place] = (name, data)
    file = io.BytesIO()
    method = rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
    with warnings.catch_warnings(), zipfile.ZipFile(file, "w", method) as archive:
        warnings.simplefilter("ignore")  # of a name twice
        for name, data in entries:
            archive.writestr(name, data)
    return file.getvalue()


def mutate_events(content: bytes, rng: random.Random) -> bytes:
    """Change the content of records of an event file, with checksums anew, or the lengths."""
    records, at = [], 0
    while at + 16 <= len(content):
        length = struct.unpack("<Q", content[at : at + 8])[0]
        records.append(content[at + 12 : at + 12 + length])
        at += length + 16
    for _ in range(rng.choice([1, 1, 3])):
        place = rng.randrange(len(records))
        kind = rng.randrange(5)
        if kind < 3:
            records[place] = mutate_bytes(records[place], rng)
        elif kind == 3:
            records.insert(place, records[place] * rng.choice([0, 2, 500]))
        else:
            from tensorboardX.proto.event_pb2 import Event
            from tensorboardX.proto.summary_pb2 import Summary

            number, tag = (
                rng.choice(NUMBERS),
                rng.choice(["eval/mean_reward", *(word for word in WORDS if word != "\ud800")]),
            )
            event = Event(step=rng.choice([0, 1, 2**62, -1]), wall_time=rng.choice([0.0, -1e300, float("nan"), 1e308]))
            value = float(number or 0) if abs(number or 0) < 1e39 else float("inf")
            event.summary.value.append(Summary.Value(tag=tag, simple_value=value))
            records[place] = event.SerializeToString()
    whole = [record(one) for one in records]
    if rng.random() < 0.1:
        whole[-1] = struct.pack("<Q", rng.choice([2**40, 2**63, 2**64 - 1])) + whole[-1][8:]
    return b"".join(whole)


BY_SUFFIX.update({".npz": mutate_npz, ".host": mutate_events})


def compare(name: str = "", *, figure: bool = False) -> Callable[[Path], None]:
    """Return a function that compares the curves of a file in a folder, or of the folder."""
    from maxent.errors import printable
    from maxent.report.comparison import draw_comparison
    from maxent.results import comparison, tables, verdict
    from maxent.results.readers.sources import Source, number_seeds

    def way(folder: Path) -> None:
        found = comparison.compare(number_seeds(Source(folder / name).read()[0]), ["algo", "run"])
        print(printable("\n".join([*tables.lines(found), *verdict.sentences(found), *found.notes])))
        tables.write(found, folder / "compared.csv")
        if figure:
            draw_comparison(found, folder / "compared.svg", ["steps", "profile"])

    return way
