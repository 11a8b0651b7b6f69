"""What PyTorch does on this machine with the workloads of the example `probe`: one line of JSON per measurement.

The probe runs this when `--torch PYTHON` names an interpreter that has torch; it also runs alone: `python torch_probe.py [--quick] [--sizes 512,1024]`.
On the first CUDA device if there is one, else on the CPU, where there are no CUDA graphs. Times are per call, of many calls between two waits.
"""

import argparse
import json
import time

import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--quick", action="store_true", help="short samples")
parser.add_argument("--sizes", default="512,1024,2048,4096,8192", help="of square products")
parser.add_argument("--rows", default="64,512", help="of a batch")
parser.add_argument("--numbers", type=int, default=32 << 20, help="in a tensor for memory-bound work")
args = parser.parse_args()

cuda = torch.cuda.is_available()
device = torch.device("cuda" if cuda else "cpu")


def say(name, **fields):
    print(json.dumps({"name": name, **fields}), flush=True)


def wait():
    if cuda:
        torch.cuda.synchronize()


def measure(name, call, flops=0, moved=0):
    """Best and median microseconds of one call; `flops` and bytes `moved` of it become rates of the median."""

    def sample(calls):
        wait()
        start = time.perf_counter()
        for _ in range(calls):
            call()
        wait()
        return (time.perf_counter() - start) / calls

    for _ in range(3):
        sample(1)
    calls = int(min(max((0.005 if args.quick else 0.1) / max(sample(1), 1e-7), 1), 10_000))
    times = sorted(sample(calls) for _ in range(2 if args.quick else 7))
    median = times[len(times) // 2]
    say(name, best_us=times[0] * 1e6, median_us=median * 1e6, gflops=1e-9 * flops / median, gigabytes=1e-9 * moved / median)


def precision(mode):
    """True fp32 (`ieee`) or TF32 (`tf32`) in products and convolutions, which have different defaults."""
    try:
        for backend in (torch.backends.cuda.matmul, torch.backends.cudnn.conv):
            backend.fp32_precision = mode
    except AttributeError:  # before torch 2.9
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = mode == "tf32"


def products():
    for n in map(int, args.sizes.split(",")):
        a, b = (torch.rand(n, n, device=device) * 2 - 1 for _ in range(2))
        flops = 2 * n**3
        precision("ieee")
        measure(f"matmul_fp32_{n}", lambda: a @ b, flops)
        if cuda:
            precision("tf32")
            measure(f"matmul_tf32_{n}", lambda: a @ b, flops)
            precision("ieee")
        a16, b16 = a.bfloat16(), b.bfloat16()
        if cuda or args.quick:
            measure(f"matmul_bf16_{n}", lambda: a16 @ b16, flops)


def memory():
    n = args.numbers
    x, y, z = (torch.rand(n, device=device) for _ in range(3))
    measure("copy", lambda: y.copy_(x), moved=8 * n)
    measure("x + 1", lambda: x + 1, moved=8 * n)
    measure("relu(x y + z)", lambda: torch.relu(x * y + z), moved=16 * n)


def perceptron():
    return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(), nn.Linear(128, 10))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(1568, 10),
    )  # fmt: skip


def steps(kind, make, shape):
    """Eager, then the whole step (gradients, update) as one CUDA graph."""
    torch.manual_seed(1)
    model = make().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    x = torch.rand(*shape, device=device) * 2 - 1
    labels = torch.arange(shape[0], device=device) % 10
    loss_of = nn.CrossEntropyLoss()

    def step():
        optimizer.zero_grad(set_to_none=True)
        loss_of(model(x), labels).backward()
        optimizer.step()

    measure(f"{kind}_b{shape[0]}_eager", step)
    if not cuda:
        return
    # Warmed up beside the main stream, as capturing asks for; the momentum is there by then.
    beside = torch.cuda.Stream()
    beside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(beside):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    # Gradients are made anew inside the capture, in memory of the graph's own.
    optimizer.zero_grad(set_to_none=True)
    with torch.cuda.graph(graph):
        loss = loss_of(model(x), labels)
        loss.backward()
        optimizer.step()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    graph.replay()
    wait()
    if all(torch.equal(old, new) for old, new in zip(before, model.parameters())):
        raise SystemExit("the captured step does not train")
    measure(f"{kind}_b{shape[0]}_graph", graph.replay)


if __name__ == "__main__":
    name = torch.cuda.get_device_name() if cuda else f"cpu, {torch.get_num_threads()} threads"
    say("facts", torch=torch.__version__, cuda=torch.version.cuda, device=name)
    products()
    memory()
    precision("ieee")
    for rows in map(int, args.rows.split(",")):
        steps("mlp", perceptron, (rows, 784))
        steps("cnn", convolutional, (rows, 1, 28, 28))
    if cuda:
        precision("tf32")
        steps("cnn_tf32", convolutional, (int(args.rows.split(",")[0]), 1, 28, 28))
