"""Checkpoints: everything a run needs to go on, as tensors in a safetensors file and the rest as JSON.

Never pickle: reading a checkpoint can run nobody's code. What comes back equals what was saved, with its tuples, its
whole-number keys (optimisers have them) and its tensors on the processor.
"""

import json
import shutil
import sys
from pathlib import Path

KEEP = 2  # the newest, and the one before in case the machine went down while the newest was being written


def save_checkpoint(folder: Path, state: object) -> Path:
    """Write the next checkpoint of a run and remove all but the newest two. Returns the checkpoint's folder.

    state: dicts, lists and tuples of tensors, numbers, texts, True, False and None; anything else is a ValueError.
    """
    folder.mkdir(exist_ok=True)
    shown = _numbered(folder)
    partial = folder / "partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    tensors: dict = {}
    rest = _take_apart(state, tensors, "state")
    (partial / "state.json").write_text(json.dumps(rest), encoding="utf-8")
    if tensors:
        from safetensors.torch import save_file

        save_file(tensors, partial / "tensors.safetensors")
    finished = folder / f"{int(shown[-1].name) + 1 if shown else 1:08d}"
    partial.rename(finished)  # from here on it is there, and whole
    for old in [*shown, finished][:-KEEP]:
        shutil.rmtree(old, ignore_errors=True)
    return finished


def load_checkpoint(folder: Path) -> object | None:
    """The newest checkpoint that can be read, or None when the run has none."""
    for path in reversed(_numbered(folder)):
        try:
            return _read(path)
        except (OSError, ValueError, KeyError):  # broken, or just removed by the run: the one before is good as well
            continue
    return None


def _read(path: Path) -> object:
    rest = json.loads((path / "state.json").read_text(encoding="utf-8"))
    tensors, file = {}, path / "tensors.safetensors"
    if file.exists():
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            tensors = load_file(file)
        except SafetensorError as error:
            raise ValueError(f"{file} must be a whole safetensors file: {error}") from None
    return _put_together(rest, tensors)


def _numbered(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("[0-9]*") if path.name.isdecimal())


def _take_apart(value: object, tensors: dict, place: str) -> object:
    """JSON for everything but tensors, which go into `tensors` and leave their number behind.

    What JSON does not have is written as a dict with a single key: "tensor", "tuple" or "dict" (as pairs).
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, list):
        return [_take_apart(item, tensors, f"{place}[{at}]") for at, item in enumerate(value)]
    if isinstance(value, tuple):
        return {"tuple": _take_apart(list(value), tensors, place)}
    if isinstance(value, dict):
        pairs = [[_key(key, place), _take_apart(item, tensors, f"{place}[{key!r}]")] for key, item in value.items()]
        return {"dict": pairs}
    if "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
        number = str(len(tensors))
        tensors[number] = value.detach().cpu().contiguous().clone()  # tied weights must not share memory in the file
        return {"tensor": number}
    raise ValueError(
        f"{place} must be a tensor, a number, a text, a list, a tuple or a dict, got a {type(value).__name__}"
    )


def _key(key: object, place: str) -> object:
    if not isinstance(key, (str, int)):
        raise ValueError(f"the keys of {place} must be texts or whole numbers, got {key!r}")
    return key


def _put_together(value: object, tensors: dict) -> object:
    if isinstance(value, list):
        return [_put_together(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    ((kind, inside),) = value.items()
    if kind == "tensor":
        return tensors[inside]
    if kind == "tuple":
        return tuple(_put_together(inside, tensors))
    return {key: _put_together(item, tensors) for key, item in inside}
