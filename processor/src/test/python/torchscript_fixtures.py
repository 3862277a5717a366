"""Makes the TorchScript files of the tests, and what PyTorch itself computes on them.

    python torchscript_fixtures.py processor/src/test/resources/torchscript

Written with PyTorch 2.6. The same seeds give the same weights; the archives' bytes may differ with
the version of PyTorch, so make all of them at once.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

CLASSES = 3
SAMPLES = 12


class Residual(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return F.relu(x + self.norm(self.conv(x)))


class Net(nn.Module):
    """Convolutions, BatchNorm, two residual units of one class, LayerNorm, dropout."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 4, (3, 2), stride=(1, 2), padding=(2, 1), dilation=(2, 1)),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
        )
        self.first = Residual(4)
        self.second = Residual(4)
        self.hidden = nn.Linear(64, 6)
        self.norm = nn.LayerNorm(6)
        self.drop = nn.Dropout(0.5)
        self.output = nn.Linear(6, CLASSES)

    def forward(self, x):
        x = self.second(self.first(self.stem(x)))
        x = F.adaptive_avg_pool2d(x, 4).flatten(1)
        return self.output(self.drop(self.norm(torch.tanh(self.hidden(x)))))


class Tokens(nn.Module):
    """An embedding of grey values, a convolution over one axis, and a layer used twice."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5, 4)
        self.conv = nn.Conv1d(4, 4, 3, padding=1)
        self.mix = nn.Linear(4, 4)
        self.output = nn.Linear(4, CLASSES)

    def forward(self, x):
        items = (x.flatten(1) * 4).long().clamp(0, 4)
        steps = self.conv(self.embedding(items).transpose(1, 2)).transpose(1, 2)
        return self.output(torch.tanh(self.mix(torch.tanh(self.mix(steps)))).mean(1))


class Computed(nn.Module):
    """Its weight is computed from parameters: no layer has it."""

    def __init__(self):
        super().__init__()
        self.direction = nn.Parameter(torch.randn(CLASSES, 64))
        self.scale = nn.Parameter(torch.rand(CLASSES, 1) + 0.5)

    def forward(self, x):
        length = (self.direction**2).sum(1, keepdim=True).sqrt()
        weight = self.scale * self.direction / length
        return F.linear(x.flatten(1), weight)


class Unused(nn.Module):
    def __init__(self):
        super().__init__()
        self.output = nn.Linear(64, CLASSES)
        self.spare = nn.Linear(2, 2)

    def forward(self, x):
        return self.output(x.flatten(1))


class BatchStatistics(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm = nn.BatchNorm1d(64, track_running_stats=False)
        self.output = nn.Linear(64, CLASSES)

    def forward(self, x):
        return self.output(self.norm(x.flatten(1)))


class AlwaysDrops(nn.Module):
    def __init__(self):
        super().__init__()
        self.output = nn.Linear(64, CLASSES)

    def forward(self, x):
        return self.output(F.dropout(x.flatten(1), 0.5))


def with_statistics(model: nn.Module) -> nn.Module:
    """In eval mode, with running statistics that are not the initial ones."""
    model.train()
    with torch.no_grad():
        for _ in range(5):
            model(torch.rand(16, 1, 8, 8))
    return model.eval()


def reference(model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> dict[str, np.ndarray]:
    """Logits, and per parameter the sum of squared gradients, one sample at a time."""
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for i in range(len(x)):
        model.zero_grad()
        F.cross_entropy(model(x[i : i + 1]), y[i : i + 1]).backward()
        for name, p in model.named_parameters():
            sums[name] += p.grad**2
    with torch.no_grad():
        logits = model(x)
    return {"logits": logits.numpy()} | {name: total.numpy() for name, total in sums.items()}


def main(folder: Path) -> None:
    torch.manual_seed(1)
    x = torch.rand(SAMPLES, 1, 8, 8)
    y = torch.randint(CLASSES, (SAMPLES,))
    np.savez(folder / "data.npz", x=x.numpy(), y=y.numpy())

    net = with_statistics(Net())
    torch.jit.script(net).save(folder / "scripted.pt")
    torch.jit.trace(net, x[:2]).save(folder / "traced.pt")
    torch.jit.freeze(torch.jit.script(net)).save(folder / "frozen.pt")
    torch.save(net.state_dict(), folder / "weights.pt")
    net.train()
    torch.jit.script(net).save(folder / "saved-in-training.pt")
    torch.jit.trace(net, x[:2], check_trace=False).save(folder / "traced-in-training.pt")
    with torch.no_grad():
        net.eval().output.bias.fill_(float("nan"))
    torch.jit.script(net).save(folder / "nan.pt")

    for name, model in [("net", Net()), ("tokens", Tokens()), ("computed", Computed())]:
        model = with_statistics(model).double()
        torch.jit.script(model).save(folder / f"{name}-float64.pt")
        torch.jit.trace(model, x[:2].double()).save(folder / f"{name}-float64-traced.pt")
        np.savez(folder / f"{name}-float64.npz", **reference(model, x.double(), y))

    for name, model in [
        ("unused", Unused()),
        ("batch-statistics", BatchStatistics()),
        ("always-drops", AlwaysDrops()),
    ]:
        torch.jit.script(model.eval()).save(folder / f"{name}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
