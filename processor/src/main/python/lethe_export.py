#!/usr/bin/env python3
"""Exports a PyTorch model as a TorchScript file that Lethe can unlearn from.

    python lethe_export.py mypackage.nets:Net --weights net.pth --input 1,28,28 --out net.pt

or, in a program, ``lethe_export.export(model, "net.pt", (1, 28, 28))``. Needs PyTorch only, 1.13 or
newer. What comes back from Lethe opens with ``torch.jit.load("DIR/model.pt")``.

The file is an ordinary one of ``torch.jit.save``; any such file will do that fulfils what this
script checks:

- the model is in eval mode, and not frozen (``torch.jit.freeze`` turns parameters into constants);
- its output is one tensor (batch, classes): unnormalised log-probabilities;
- a sample's output depends on that sample alone: no BatchNorm without running statistics, no
  dropout that stays on.

Scripting is the default. A traced model (``--trace``) can be unlearned from, but not trained again:
tracing fixes BatchNorm and dropout to eval mode.
"""

import argparse
import importlib
import sys
from pathlib import Path
from typing import Sequence

import torch

TOLERANCE = 1e-3
"""How far outputs may move with the minibatch, as a share of the largest; rounding stays below."""


class NotExportable(Exception):
    """Why a model is no use to Lethe, in one line."""


def export(
    model: torch.nn.Module, path: str | Path, input_shape: Sequence[int], trace: bool = False
) -> None:
    """Writes ``model`` to ``path``.

    Args:
        model: takes (batch, *input_shape), returns (batch, classes). Put into eval mode.
        path: file to write; written only when every check has passed.
        input_shape: of one sample: channels, height, width.
        trace: trace instead of scripting it.

    Raises:
        NotExportable: the model's outputs are none that Lethe could use.
    """
    model = model.cpu().eval()
    if next(model.parameters(), None) is None:
        raise NotExportable("the model has no parameters")
    x = torch.rand(4, *input_shape, dtype=next(model.parameters()).dtype)
    exported = torch.jit.trace(model, x) if trace else torch.jit.script(model)
    check(exported, x)
    exported.save(str(path))
    with torch.no_grad():
        if not torch.equal(torch.jit.load(str(path))(x), exported(x)):
            raise NotExportable(f"{path} computes something else than the model")


def check(model: torch.jit.ScriptModule, x: torch.Tensor) -> None:
    """Raises NotExportable unless each of the samples' outputs is its own, run after run."""
    with torch.no_grad():
        together, again = model(x), model(x)
        if not isinstance(together, torch.Tensor) or together.dim() != 2:
            raise NotExportable("the model's output is not one tensor (batch, classes)")
        alone = torch.cat([model(sample[None]) for sample in x])
    if not torch.isfinite(together).all():
        raise NotExportable("the model's outputs are not finite")
    limit = TOLERANCE * together.abs().max()
    if (together - again).abs().max() > limit or (together - alone).abs().max() > limit:
        raise NotExportable(
            "the model's outputs change from run to run or with the rest of the minibatch: dropout"
            " that stays on, or BatchNorm without running statistics"
        )


def load(name: str, weights: str | None) -> torch.nn.Module:
    """Calls ``package.module:callable`` and loads a state dict into what it returns."""
    module, _, factory = name.partition(":")
    model = getattr(importlib.import_module(module), factory)()
    if weights:
        model.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
    return model


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", metavar="MODULE:CALLABLE", help="returns the model")
    parser.add_argument("--weights", metavar="FILE", help="its state dict")
    parser.add_argument("--input", metavar="C,H,W", required=True, help="shape of one sample")
    parser.add_argument("--out", metavar="FILE", required=True, help="TorchScript file to write")
    parser.add_argument("--trace", action="store_true", help="trace instead of scripting")
    arguments = parser.parse_args()
    sys.path.insert(0, ".")
    try:
        shape = [int(size) for size in arguments.input.split(",")]
        export(load(arguments.model, arguments.weights), arguments.out, shape, arguments.trace)
    except NotExportable as error:
        print(f"lethe_export: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
