"""Mutants of files: bytes, JSON, tensors, tables, TOML, and what lies under a file's name.

Every mutant follows from a random generator alone, so its number is enough to see it again. Hashes that cover a mutated
file are computed anew in most of them, as someone would who knows the format.
"""

import hashlib
import json
import os
import random
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ESCAPES = "\x1b]0;owned\x07\x1b[31m\u202e\u200b"
WORDS = [
    "", "sac", "dqn", "evil:Evil", "evil:Pendulum-v1", "os:system", "../../victim/note", "/etc/passwd", "/dev/zero",
    "~/x", "x" * 3_000, "x" * 300_000, ESCAPES, "\x00", "\ud800", "NaN", "auto", "$x^{2", "float", "byte", "discrete",
    "0", "GymV21Environment-v0", "CartPole-v1", "Pendulum-v1", "a" * 300 + ":b", "PCG64", "MT19937",
]  # fmt: skip
NUMBERS: list[Any] = [
    0, -1, 1, 2, 3, 7, 255, 256, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), 2**127, 10**30, 10**400,
    -1.5, 0.0, 0.5, 1e-320, 1e30, 1e38, 1e39, 1e300, -1e308, float("nan"), float("inf"), float("-inf"),
    True, False, None,
]  # fmt: skip
"""Values to put anywhere; NaN and the infinities are written as Python's json writes them."""

DTYPES = ["F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL", "F8_E4M3", "C64", "U16", "nonsense", 3]


def value(rng: random.Random) -> Any:
    """Return a value that hardly any entry expects."""
    kind = rng.randrange(10)
    if kind < 5:
        return rng.choice(NUMBERS)
    if kind < 8:
        return rng.choice(WORDS)
    if kind == 8:
        return rng.choice([[], {}, [[]], [1] * 50, {"kind": rng.choice(WORDS)}, [None], {"": 0}])
    return nested(rng.choice([3, 40, 70, 150]), rng.random() < 0.5)


def nested(depth: int, lists: bool) -> Any:
    """Return lists or mappings inside each other."""
    inner: Any = 0
    for _ in range(depth):
        inner = [inner] if lists else {"kind": "Residual", "layers": [inner]}
    return inner


def spots(data: Any) -> Iterator[tuple[Any, Any]]:
    """Yield every place in plain data: the container and the key or index in it."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, one in list(pairs):
        yield data, key
        yield from spots(one)


def mutate_plain(data: Any, rng: random.Random) -> None:
    """Change one to three places of plain data."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        places = list(spots(data))
        if not places:
            return
        holder, key = rng.choice(places)
        kind = rng.randrange(10)
        if kind < 6:
            old = holder[key]
            near = isinstance(old, int | float) and not isinstance(old, bool) and rng.random() < 0.3
            holder[key] = old + rng.choice([-1, 1, 1000]) if near else value(rng)
        elif kind == 6:
            del holder[key]
        elif kind == 7 and isinstance(holder, dict):
            holder[rng.choice(WORDS)] = value(rng)
        elif kind == 8 and isinstance(holder, list):
            holder.extend(holder[:] * rng.choice([1, 10]))
        else:
            other, place = rng.choice(places)
            holder[key] = json.loads(json.dumps(other[place]))


def mutate_json(content: bytes, rng: random.Random) -> bytes:
    """Change places of a JSON file, or its text."""
    data = json.loads(content)
    mutate_plain(data, rng)
    if rng.random() < 0.03:
        return content.replace(b"{", b"[" * rng.choice([1, 100, 100_000]), 1)
    return json.dumps(data).encode("utf-8", "surrogatepass")


def mutate_tensors(content: bytes, rng: random.Random) -> bytes:
    """Change the header of a safetensors file, or its numbers."""
    size = struct.unpack("<Q", content[:8])[0]
    header, body = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    names = [name for name in header if name != "__metadata__"]
    kind = rng.randrange(9)
    if not names or kind == 0:
        mutate_plain(header, rng)
    elif kind == 1:
        header[rng.choice(names)]["dtype"] = rng.choice(DTYPES)
    elif kind == 2:
        header[rng.choice(names)]["shape"] = [
            rng.choice([0, 1, 2, 3, 5, 2**31, 2**62, -1]) for _ in range(rng.randrange(4))
        ]
    elif kind == 3:
        first, second = rng.choice(names), rng.choice(names)
        header[first], header[second] = header[second], header[first]
    elif kind == 4:
        header[rng.choice(WORDS[:-4])] = header.pop(rng.choice(names))
    elif kind == 5:  # fewer or more rows than there were, with a body that fits
        return resized(header, body, rng.choice(names), rng)
    else:
        begin, end = header[rng.choice(names)]["data_offsets"]
        patterns = [b"\xff", b"\x00", b"\x7f", b"\x80", bytes([0, 0, 192, 127]), bytes([0, 0, 128, 127])]
        for _ in range(rng.choice([1, 4])):
            if end - begin >= 8:
                at = rng.randrange(begin, end - 7) // 4 * 4
                body[at : at + 8] = (rng.choice(patterns) * 8)[:8]
            elif end > begin:
                body[rng.randrange(begin, end)] = rng.randrange(256)
    return packed(header, bytes(body))


def resized(header: dict[str, Any], body: bytearray, chosen: str, rng: random.Random) -> bytes:
    """Return a whole file in which one tensor has another first dimension."""
    parts, entries, end = [], {}, 0
    for name, one in header.items():
        if name == "__metadata__":
            continue
        begin, stop = one["data_offsets"]
        data = bytes(body[begin:stop])
        if name == chosen and one["shape"] and one["shape"][0]:
            row, rows = len(data) // one["shape"][0], rng.choice([0, 1, one["shape"][0] + 1, 2 * one["shape"][0]])
            data = (data * 2 + bytes(row))[: rows * row]
            one = one | {"shape": [rows, *one["shape"][1:]]}
        entries[name] = one | {"data_offsets": [end, end + len(data)]}
        end += len(data)
        parts.append(data)
    return packed(entries, b"".join(parts))


def packed(header: dict[str, Any], body: bytes) -> bytes:
    """Return a safetensors file."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


def mutate_table(content: bytes, rng: random.Random) -> bytes:
    """Change cells, rows or the header of a table."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    for _ in range(rng.choice([1, 2, 5])):
        if not rows:  # another change of the same file has removed all of them
            break
        row = rng.choice(rows)
        kind = rng.randrange(5)
        if kind == 0:
            rows.insert(rng.randrange(len(rows)), list(row))
        elif kind == 1:
            del row[rng.randrange(len(row)) :]
        elif kind == 2:
            row.extend(["1"] * rng.choice([1, 2_000]))
        else:
            row[rng.randrange(len(row) or 1) : rng.randrange(len(row) or 1) + 1] = [str(value(rng))[:5_000]]
    return "\n".join([*map(",".join, rows), ""]).encode("utf-8", "surrogatepass")


def mutate_toml(content: bytes, rng: random.Random) -> bytes:
    """Change lines of a TOML file."""
    lines = content.decode().splitlines()
    odd = ["[[a]]", "a." * 2_000 + "b = 1", "x = " + "[" * rng.choice([10, 3_000]), "hidden = [" + "1," * 5_000 + "]",
           "x = 0x" + "f" * 5_000, "d = 1979-05-27", "steps = inf", "alpha = nan",
           "\x1b[31m = 1", '"\\u001b" = 2']  # fmt: skip
    for _ in range(rng.choice([1, 2, 4])):
        place = rng.randrange(len(lines))
        name = lines[place].partition("=")[0]
        lines[place] = rng.choice(
            [*odd, f"{name}= {json.dumps(rng.choice([*WORDS[:16], 0, -1, 1e300, 2**63, [], {}]))}"]
        )
    return "\n".join(lines).encode("utf-8", "surrogatepass")


def mutate_bytes(content: bytes, rng: random.Random) -> bytes:
    """Flip, cut, insert or repeat bytes."""
    data = bytearray(content)
    kind = rng.randrange(5)
    at = rng.randrange(len(data) + 1)
    if kind == 0:
        return bytes(data[:at])
    if kind == 1:
        data[at:at] = rng.randbytes(rng.choice([1, 8, 1_000]))
    elif kind == 2:
        data[at:at] = data[at : at + 200] * rng.choice([1, 50])
    elif kind == 3:
        data[at : at + 64] = bytes(len(data[at : at + 64]))
    else:
        for _ in range(rng.choice([1, 1, 2, 8])):
            if data:
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


BY_SUFFIX: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".json": mutate_json, ".safetensors": mutate_tensors, ".csv": mutate_table, ".toml": mutate_toml,
}  # fmt: skip


def mutate_name(path: Path, victim: Path, rng: random.Random) -> None:
    """Remove a file, or put something else under its name."""
    content = path.read_bytes()
    path.unlink()
    kind = rng.randrange(8)
    if kind == 0:
        path.mkdir()
    elif kind == 1:
        os.mkfifo(path)
    elif kind == 2:
        path.symlink_to(rng.choice(["/etc/passwd", "/dev/zero", str(victim / "note"), str(victim), "nowhere"]))
    elif kind == 3:
        path.write_bytes(b"")
    elif kind == 4:
        path.with_name(path.name + ".moved").write_bytes(content)
        path.symlink_to(path.name + ".moved")
    elif kind == 5 and path.parent.parent.name == "checkpoints":
        path.write_bytes(content)
        path.parent.rename(path.parent.with_name(f"{rng.randrange(10**12):012d}"))
    elif kind == 6:
        shutil.rmtree(path.parent)


def mutate(folder: Path, files: list[str], victim: Path, rng: random.Random) -> list[str]:
    """Mutate one or two of these files of a folder; return what was done."""
    done = []
    for name in rng.sample(files, min(len(files), rng.choice([1, 1, 1, 2]))):
        path = folder / name
        if not path.is_file() or path.is_symlink():
            continue
        choice = rng.random()
        if choice < 0.08:
            mutate_name(path, victim, rng)
            done.append(f"name {name}")
            continue
        content = path.read_bytes()
        aware = choice < 0.85
        try:
            new = BY_SUFFIX[path.suffix](content, rng) if aware else mutate_bytes(content, rng)
        except (
            ValueError,
            KeyError,
            TypeError,
            RecursionError,
            struct.error,
        ):  # a second mutation of a file that is none any more
            new = mutate_bytes(content, rng)
        path.write_bytes(new)
        done.append(f"{'content' if aware else 'bytes'} {name}")
        if rng.random() < 0.9:
            sign(folder, path, hashlib.sha256(content).hexdigest())
    return done


def sign(folder: Path, changed: Path, old: str) -> None:
    """Put the hash of a changed file where its old one was, and compute the hashes of manifests anew."""
    new = hashlib.sha256(changed.read_bytes()).hexdigest()
    for manifest in (
        *folder.glob("checkpoints/*/state.json"),
        *folder.glob("*/policy.json"),
        *folder.glob("policy.json"),
    ):
        if manifest.is_symlink() or not manifest.is_file():  # a pipe would be waited for
            continue
        try:
            text = manifest.read_text().replace(old, new)
            data = json.loads(text)
            if "segments" in data:
                rest = {key: one for key, one in data.items() if key != "hash"}
                data["hash"] = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
            manifest.write_text(json.dumps(data))
        except (OSError, ValueError, RecursionError, TypeError):
            continue
