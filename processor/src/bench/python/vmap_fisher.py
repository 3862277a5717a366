#!/usr/bin/env python3
"""Samples per second of the exact empirical Fisher diagonal with torch.func, for comparison with
`lethe bench fisher`: the same networks, the same shapes of input, float32, eval mode, CPU.

The diagonal is the sum over samples of the squared gradient of log p(y | x) by each parameter:
vmap(grad(loss)) over a chunk of samples, squared, summed over the chunk, added up.

Beside it the plain forward and backward pass of a training step, in train mode and the same
minibatches, so that two builds of PyTorch can be compared fairly: compare the ratios, not only
the rates.

    python3 vmap_fisher.py [--models mlp,cnn,resnet18] [--threads 2] [--seconds 3] [--turns 3] [--json FILE]

Needs PyTorch 2.x and nothing else.
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from torch.func import functional_call, grad, vmap


def mlp():
    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 512), nn.ReLU(),
        nn.Linear(512, 256), nn.ReLU(),
        nn.Linear(256, 10),
    )


def cnn():
    return nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 192), nn.ReLU(),
        nn.Linear(192, 10),
    )


class Unit(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return torch.relu(self.main(x) + self.shortcut(x))


def resnet18():
    layers = [nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU()]
    inputs = 64
    for stage, outputs in enumerate((64, 128, 256, 512)):
        layers += [Unit(inputs, outputs, 1 if stage == 0 else 2), Unit(outputs, outputs, 1)]
        inputs = outputs
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))


# Network, input, chunks to try for vmap (the fastest counts), minibatch of the plain pass.
CASES = {
    "mlp": (mlp, (1, 28, 28), (16, 64, 256), 256),
    "cnn": (cnn, (1, 28, 28), (16, 64, 256), 256),
    "resnet18": (resnet18, (3, 32, 32), (4, 8, 16, 32), 32),
}


def fisher(model, x, y, chunk):
    parameters = {name: p.detach() for name, p in model.named_parameters()}
    buffers = dict(model.named_buffers())

    def loss(p, image, label):
        logits = functional_call(model, (p, buffers), (image[None],))
        return nn.functional.cross_entropy(logits, label[None])

    per_sample = vmap(grad(loss), in_dims=(None, 0, 0))
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    for start in range(0, len(x), chunk):
        gradients = per_sample(parameters, x[start:start + chunk], y[start:start + chunk])
        for name, gradient in gradients.items():
            sums[name] += gradient.square_().sum(0)
    return sums


def one_at_a_time(model, x, y):
    sums = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for image, label in zip(x, y):
        gradients = torch.autograd.grad(
            nn.functional.cross_entropy(model(image[None]), label[None]), list(model.parameters()))
        for total, gradient in zip(sums.values(), gradients):
            total += gradient.square()
    return sums


def forward_backward(model, x, y, minibatch):
    for start in range(0, len(x), minibatch):
        nn.functional.cross_entropy(model(x[start:start + minibatch]), y[start:start + minibatch]).backward()
        model.zero_grad()


def rate(work, minibatch, seconds):
    """Samples per second of work(samples) over about so many seconds, in whole minibatches."""
    samples = minibatch
    while True:
        began = time.perf_counter()
        work(samples)
        taken = time.perf_counter() - began
        if taken >= seconds / 2:
            return samples / taken
        samples = max(2 * samples, int(samples * seconds / taken / minibatch) * minibatch)


def measure(name, arguments):
    build, shape, chunks, minibatch = CASES[name]
    torch.manual_seed(1)
    model = build()
    images, labels = torch.rand(512, *shape), torch.arange(512) % 10

    def batch(samples):
        index = torch.arange(samples) % 512
        return images[index], labels[index]

    model.eval()
    x, y = batch(6)
    for name_, total in fisher(model, x, y, 4).items():
        torch.testing.assert_close(total, one_at_a_time(model, x, y)[name_], rtol=1e-3, atol=1e-6)
    trial = {c: rate(lambda n: fisher(model, *batch(n), c), c, arguments.seconds / 2) for c in chunks}
    chunk = max(trial, key=trial.get)
    rates, plain = [], []
    for _ in range(arguments.turns):
        model.eval()
        rates.append(rate(lambda n: fisher(model, *batch(n), chunk), chunk, arguments.seconds))
        model.train()
        plain.append(rate(lambda n: forward_backward(model, *batch(n), minibatch), minibatch, arguments.seconds))
    result = {
        "samplesPerSecond": statistics.median(rates),
        "forwardBackwardPerSecond": statistics.median(plain),
        "ratio": statistics.median(rates) / statistics.median(plain),
        "chunk": chunk,
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    print(f"  {name:8}  vmap(grad) {result['samplesPerSecond']:9.1f}/s   forward+backward "
          f"{result['forwardBackwardPerSecond']:9.1f}/s   ratio {result['ratio']:.2f}   chunk {chunk}", flush=True)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="mlp,cnn,resnet18")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"PyTorch {torch.__version__}, {arguments.threads} threads")
    print("  " + "\n  ".join(line.strip() for line in torch.__config__.show().splitlines()
                             if any(word in line for word in ("BLAS", "MKL", "oneDNN", "OpenMP", "CPU cap"))))
    results = {name: measure(name, arguments) for name in arguments.models.split(",")}
    results["pytorch"] = torch.__version__
    results["threads"] = arguments.threads
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump(results, file, indent=2)


if __name__ == "__main__":
    main()
