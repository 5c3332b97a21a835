"""What takes steps: ours as a run makes it, and what is written by hand."""

import pytest
import torch

from mtl.bench import handwritten
from mtl.bench.handwritten import count_operations, make_best_loop
from mtl.bench.ours import Case, make_batch, make_network, make_trainer
from mtl.bench.rates import Convolution, make_convolution, make_gemm
from tests.bench.tiny_bench import CASE, CPU, TRUNK


def test_ours_is_laid_out_and_gives_its_parameters_up() -> None:
    made = make_network(CASE, CPU)
    kernel = made[1].trunk["stage2.0.weight"]
    before = kernel.clone()
    assert kernel.is_contiguous(memory_format=torch.channels_last)
    make_trainer(made, (CASE.batch_size, 3, CASE.image_size, CASE.image_size))(make_batch(CASE, CPU))
    assert not torch.equal(kernel, before), "the new parameters lie where the old ones lay"


def test_half_of_the_tasks_are_dropped() -> None:
    train = make_trainer(make_network(CASE, CPU), (CASE.batch_size, 3, CASE.image_size, CASE.image_size), half=True)
    weights = train(make_batch(CASE, CPU)).weights
    assert [float(weight) for weight in weights.values()] == [1.0, 0.0, 1.0]


def test_the_loops_train_the_same_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the same weights, the loop and its best form end with the same ones."""
    monkeypatch.setitem(handwritten.TRUNKS, "tiny", TRUNK)
    trained = []

    def remember(network: torch.nn.Module) -> torch.nn.Module:
        generator = torch.Generator().manual_seed(0)
        for parameter in network.parameters():
            parameter.data = torch.randn(parameter.shape, generator=generator) / 4
        trained.append(list(network.parameters()))
        return network

    make_stacked, make_theirs = handwritten.make_stacked, handwritten.make_network
    monkeypatch.setattr(handwritten, "make_stacked", lambda *given: remember(make_stacked(*given)))
    make_best_loop(CASE, CPU)()
    network = make_theirs(CASE, CPU)
    remember(network.trunk)
    kernel, bias = (parameter.clone() for parameter in trained[0][-2:])
    stacked = make_stacked("tiny", CASE.num_tasks, CPU)
    remember(stacked)
    for head, kernel_D, bias_1 in zip(network.heads, stacked[1].weight, stacked[1].bias, strict=True):
        head.weight.data, head.bias.data = kernel_D[None].clone(), bias_1[None].clone()
    monkeypatch.setattr(handwritten, "make_network", lambda *given: network)
    handwritten.make_loop(CASE, CPU)()
    for best, first in zip(trained[0][:-2], network.trunk.parameters(), strict=True):
        torch.testing.assert_close(best, first, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(kernel, torch.cat([head.weight for head in network.heads]), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(bias, torch.cat([head.bias for head in network.heads]), rtol=1e-3, atol=1e-5)


def test_operations_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """By hand: 8 x 8 images, 3 -> 4 channels, then 4 -> 6 at stride 2, three heads; the first layer has no gradient at
    the images."""
    monkeypatch.setitem(handwritten.TRUNKS, "tiny", TRUNK)
    first, second, heads = 2 * 64 * 9 * 3 * 4, 2 * 16 * 9 * 4 * 6, 2 * 6 * 3
    expected = CASE.batch_size * (2 * first + 3 * second + 3 * heads)
    assert count_operations(CASE, CPU) == expected
    assert count_operations(CASE._replace(batch_size=2 * CASE.batch_size), CPU) == 2 * expected


def test_rates_count_what_they_do() -> None:
    with torch.utils.flop_counter.FlopCounterMode(display=False) as counter:
        multiply, num_operations = make_gemm(8, CPU)
        multiply()
        convolve, num_more = make_convolution(Convolution(2, 3, 5), torch.channels_last, CPU)
        convolve()
    assert counter.get_total_flops() == num_operations + num_more


def test_cases_are_what_they_say() -> None:
    assert make_batch(Case(num_tasks=2, batch_size=4, image_size=8), CPU).inputs.shape == (4, 3, 8, 8)
