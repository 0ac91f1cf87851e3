"""The eight network calls of a SAC update, each timed alone: microseconds and rate, with own layers and with torch's.

    python benchmarks/layers.py [--units 256] [--members 1] [--rounds 15]

Shapes are those of HalfCheetah (17 + 6 inputs, batch 256). Where a minimum of two critics was taken, half of the rows
of each have a slope: the rate counts these alone, though torch computes all. Own operators are called below autograd,
as compiled updates call them, torch's layers as eager updates do. Medians of rounds of 50 calls.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from maxent import native
from maxent.engine.host import keep_freed_memory, subnormals_as_zero
from maxent.nn.network import Network, mlp

OBSERVATION, ACTION, BATCH = 17, 6, 256

Call = Callable[[], object]


def calls(units: int, members: int) -> dict[str, tuple[Call, float]]:
    """Return the network calls of an update, in its order, each with its floating-point operations."""
    generators = [torch.Generator().manual_seed(member) for member in range(members)]
    actor, critic = (
        mlp((members,), (OBSERVATION, units, units, 2 * ACTION)),
        mlp((members, 2), (OBSERVATION + ACTION, units, units, 1)),
    )
    phi, theta = actor.init(generators), critic.init(generators)
    obs, pair = torch.randn(members, BATCH, OBSERVATION), torch.randn(members, BATCH, OBSERVATION + ACTION)
    actor_slopes, critic_slopes = torch.randn(members, BATCH, 2 * ACTION), torch.randn(2 * members, BATCH, 1)
    first = (torch.rand(members, 1, BATCH, 1) > 0.5).float()
    halves = critic_slopes * torch.cat([first, 1.0 - first], 1).view(2 * members, BATCH, 1)

    def forward(network: Network, flat: torch.Tensor, x: torch.Tensor) -> Call:
        def run() -> None:
            with torch.no_grad(), torch._C._AutoDispatchBelowAutograd():
                network(flat, x)

        return run

    def backward(network: Network, flat: torch.Tensor, x: torch.Tensor, slopes: torch.Tensor, of_x: bool) -> Call:
        if native.used:
            assert network.sizes is not None
            flat, about = flat.view(network.count, -1), (native.digits(network.sizes), native.layout())
            _, hidden = torch.ops.maxent.mlp(flat, x, *about, True)
            return lambda: torch.ops.maxent.mlp_backward(slopes, flat, x, hidden, *about, of_x, not of_x)
        flat, x = flat.clone().requires_grad_(not of_x), x.clone().requires_grad_(of_x)
        y = network(flat, x)
        return lambda: torch.autograd.grad(y, x if of_x else flat, slopes, retain_graph=True)

    rows = 2.0 * BATCH * members
    of_actor = rows * (OBSERVATION + units + 2 * ACTION) * units
    of_critics = 2.0 * rows * (OBSERVATION + ACTION + units + 1) * units
    inputs_of_actor, inputs_of_critics = rows * OBSERVATION * units, 2.0 * rows * (OBSERVATION + ACTION) * units
    return {
        "actor at s'": (forward(actor, phi, obs), of_actor),
        "targets at s', a'": (forward(critic, theta, pair), of_critics),
        "critics": (forward(critic, theta, pair), of_critics),
        "critics, gradient": (
            backward(critic, theta, pair, critic_slopes, False),
            2.0 * of_critics - inputs_of_critics,
        ),
        "actor at s": (forward(actor, phi, obs), of_actor),
        "critics at the actor's action": (forward(critic, theta, pair), of_critics),
        "the same, slope of the action": (backward(critic, theta, pair, halves, True), 0.5 * of_critics),
        "actor, gradient": (backward(actor, phi, obs, actor_slopes, False), 2.0 * of_actor - inputs_of_actor),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--members", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_args()
    keep_freed_memory()
    forms: dict[str, dict[str, tuple[Call, float]]] = {}
    for own in (True, False):
        native.used = own
        if native.ready() is own:
            forms["own" if own else "torch"] = calls(options.units, options.members)
    times: dict[tuple[str, str], list[float]] = {}
    with subnormals_as_zero():
        for _ in range(options.rounds):
            for form, some in forms.items():
                native.used = form == "own"
                for name, (run, _) in some.items():
                    begin = time.perf_counter()
                    for _ in range(50):
                        run()
                    times.setdefault((form, name), []).append((time.perf_counter() - begin) / 50)
    print(f"{'call':<32}" + "".join(f"{form + ', µs':>12}{'GFLOP/s':>9}" for form in forms))
    medians = {key: statistics.median(values) for key, values in times.items()}
    for name in next(iter(forms.values())):
        line = f"{name:<32}"
        for form, some in forms.items():
            line += f"{1e6 * medians[form, name]:12,.0f}{some[name][1] / medians[form, name] / 1e9:9,.0f}"
        print(line)
    totals = {form: sum(medians[form, name] for name in some) for form, some in forms.items()}
    print(f"{'all':<32}" + "".join(f"{1e6 * total:12,.0f}{'':9}" for total in totals.values()))


if __name__ == "__main__":
    main()
