"""The death of a process between two file operations, or in the middle of one, without a process."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from maxent.runs import tensors


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the library catches it."""


class Disk:
    """Counts the operations by which the library changes files, and dies at number `fatal`, counted from 0.

    Half of a write that it dies in is on the disk; any other operation it dies in has not happened.
    """

    OPERATIONS = ("mkdir", "replace", "rename", "rmdir", "unlink")

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fatal: int | None = None) -> None:
        self.fatal, self.count = fatal, 0
        for name in self.OPERATIONS:
            monkeypatch.setattr(os, name, self._counting(getattr(os, name)))
        monkeypatch.setattr(os, "open", self._counting_creation(os.open))
        monkeypatch.setattr(Path, "write_text", lambda path, text, **_: self._write(path, text.encode()))
        monkeypatch.setattr(tensors, "save_file", lambda named, path: self._write(path, safetensors.torch.save(named)))

    def _dies(self) -> bool:
        self.count += 1
        return self.count - 1 == self.fatal

    def _counting(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if self._dies():
                raise Killed
            return operation(*arguments, **options)

        return counted

    def _counting_creation(self, operation: Callable[..., Any]) -> Callable[..., Any]:
        """Count the calls that create a file, and not those that open one."""
        counted = self._counting(operation)

        def opened(path: Any, flags: int, *arguments: Any, **options: Any) -> Any:
            return (counted if flags & os.O_CREAT else operation)(path, flags, *arguments, **options)

        return opened

    def _write(self, path: Path, data: bytes) -> None:
        dies = self._dies()
        path.write_bytes(data[: len(data) // 2] if dies else data)
        if dies:
            raise Killed
