"""A wrong name or value is one sentence that names the option; every option of every method is tried."""

import math
from typing import Any

import pytest
import torch

from mtl.errors import UserError
from mtl.methods import METHODS, default_options, make_method
from mtl.methods.base import AnyMethod, Observation, first_state
from mtl.methods.shared.options import check_number
from tests.methods.properties import CPU, observe, run, sequence, to_dtype

OPTIONS = [(name, option) for name, options in default_options().items() for option in options]
# Of what kind an option is, its default tells; these are values that no option of that kind takes.
NOT_NUMBERS = (math.nan, math.inf, -math.inf, "x", None, (), True)
NEVER = {
    float: (*NOT_NUMBERS, -1.0, 1e300, 10**400),
    int: (*NOT_NUMBERS, -1, 0.5, 1e30, 10**400, 10**5000),
    str: ("x", "", None, (), -1, math.nan),
    tuple: ("x", None, 1.0, (1.0,), (1.0, math.nan, 1.0), (-1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (1.0, 10**400, 1.0)),
}
every_option = pytest.mark.parametrize(("name", "option"), OPTIONS, ids=map("-".join, OPTIONS))


def take_steps(method: AnyMethod, num_tasks: int = 3) -> None:
    observations = to_dtype(sequence(0, num_tasks, num_steps=2), torch.float32)
    _, state = run(lambda: method, first_state(method, num_tasks, CPU, num_tasks + 2), observations)
    if "gradients" in method.looks_at:
        method.gradients(state, observations[-1])


@every_option
def test_values_that_no_such_option_takes(name: str, option: str) -> None:
    default = default_options()[name][option]
    for value in NEVER[type(default)]:
        with pytest.raises(UserError, match=rf"^{name}\.{option}\S* (is|has) ") as raised:
            take_steps(make_method(name, {option: value}))
        assert len(str(raised.value)) < 1000 and "\n" not in str(raised.value)


@every_option
def test_any_value_is_taken_or_refused(name: str, option: str) -> None:
    """Extreme numbers, whole and not, and other kinds: two steps, or one sentence."""
    values = (0, 1, 0.0, 1.0, 2, 1e-30, 1e-320, 1e30, 3e38, 10**20, -1e-30, 0.999999999, "joint", [1.0], {}, 1j, b"x")
    for value in values:
        try:
            take_steps(make_method(name, {option: value}))
        except UserError as error:
            assert str(error).startswith(f"{name}.{option}")


@pytest.mark.parametrize("num_tasks", [1, 2, 3, 40])
@pytest.mark.parametrize("name", METHODS)
def test_defaults_go_with_any_number_of_tasks(name: str, num_tasks: int) -> None:
    take_steps(make_method(name, {}), num_tasks)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("cagrad", {"c": -1}, r"^cagrad\.c is -1; choose a finite number in \[0, 1\)$"),
        ("cagrad", {"c": 1.0}, r"\[0, 1\)"),
        ("cagrad", {"cc": 1}, r"^cagrad\.cc is no option of cagrad, closest to c; choose one of c, scale$"),
        (
            "famo",
            {"learning_rat": 1},
            "choose one of learning_rate, weight_decay, compared_with$",
        ),
        ("imtl_g", {"alpha": 1}, r"^imtl_g\.alpha is no option: imtl_g has none$"),
        (
            "cr_mogm",
            {"inner": "mgad"},
            r"^cr_mogm\.inner is 'mgad', closest to imgrad, mgda, .*; choose one of aligned_mtl",
        ),
        ("cr_mogm", {"alpha": 1.5}, r"^cr_mogm\.alpha is 1\.5; choose a finite number in \[0, 1\]$"),
        ("db_mtl", {"beta": 1.0}, r"^db_mtl\.beta is 1\.0; .*\[0, 1\)$"),
        ("random_weighting", {"distribution": "norm"}, "closest to normal; choose one of normal, dirichlet, bernoulli"),
        ("constant", {"weights": (1.0, 2.0)}, r"^constant\.weights has 2 numbers; give one for each of the 3"),
        ("constant", {"weights": (1.0, -2.0, 1.0)}, r"^constant\.weights\[1\] is -2\.0"),
        ("constant", {"weights": (0.0, 0.0, 0.0)}, "at least one above 0"),
        ("krum", {"num_byzantine": 3}, r"^krum\.num_byzantine is 3; choose a whole number in \[0, 2\]$"),
        ("krum", {"num_selected": 4}, r"\[1, 3\]"),
        ("go4align", {"num_groups": 4}, r"^go4align\.num_groups is 4; choose a whole number in \[1, 3\]$"),
        ("trimmed_mean", {"num_trimmed": 2}, r"^trimmed_mean\.num_trimmed is 2; .*\[0, 1\]$"),
        ("primary", {"task": -1}, r"^primary\.task is -1"),
        ("primary", {"tau": 1.5}, r"^primary\.tau is 1\.5; .*\[0, 1\]$"),
        ("primary", {"task": 3}, r"^primary\.task is 3; choose a whole number in \[0, 2\]$"),
    ],
)
def test_sentences(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        take_steps(make_method(name, options))


def test_limits_that_belong_to_a_range() -> None:
    for name, options in [
        ("cr_mogm", {"alpha": 1}),
        ("db_mtl", {"beta": 1.0, "beta_decay": 0.5}),
        ("constant", {"weights": (0.0, 1, 2.0)}),
        ("krum", {"num_byzantine": 2, "num_selected": 3}),
        ("primary", {"task": 2, "tau": 0.0}),
        ("moco", {"beta": 1}),
    ]:
        take_steps(make_method(name, options))


def test_intervals() -> None:
    for value, interval, lies_in in [
        (0, "[0, 1)", True),
        (1, "[0, 1)", False),
        (0.0, "(0, 1]", False),
        (1.0, "(0, 1]", True),
        (3e38, "(0, inf)", True),
        (1e39, "(0, inf)", False),  # infinite in float32
        (1e-50, "(0, inf)", False),  # 0 in float32
    ]:
        if lies_in:
            check_number("a.b", value, interval)
        else:
            with pytest.raises(UserError, match=r"^a\.b is "):
                check_number("a.b", value, interval)


@pytest.mark.parametrize(("name", "near"), [("nash_mlt", "nash_mtl"), ("jiont", "joint"), ("dst", "none of the names")])
def test_an_unknown_method_is_refused(name: str, near: str) -> None:
    """The dropping schemes are no balancing methods: who runs them chooses joint."""
    with pytest.raises(
        UserError, match=rf"^the balancing method is '{name}', .*{near}.*; choose one of joint, .*upgrad"
    ):
        make_method(name, {})


def test_joint_is_the_sum_of_the_losses() -> None:
    weights_K, _ = make_method("joint", {}).update((), observe([0.1, 2.0]))
    assert weights_K.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("name", METHODS)
def test_a_method_that_is_not_shown_what_it_looks_at(name: str) -> None:
    """In a loop of one's own, smoothed by CR-MOGM too: a sentence, and no NaN."""
    methods = [make_method(name, {})]
    methods += [] if "gradients" in methods[0].looks_at else [make_method("cr_mogm", {"inner": name})]
    for method in methods:
        for what, field in [("gramian", "gramian_KK"), ("halves", "halves_KK"), ("gradients", "gradients_KN")]:
            observation = to_dtype(observe([1.0, 1.0]), torch.float32)._replace(**{field: None})
            if what in method.looks_at:
                with pytest.raises(UserError, match=rf"this observation has none: give {field}$"):
                    update(method, observation)
            else:
                update(method, observation)


def test_cr_mogm_smooths_no_method_of_gradients() -> None:
    with pytest.raises(UserError, match=r"^cr_mogm\.inner looks at the gradients themselves; choose"):
        make_method("cr_mogm", {"inner": "moco"})


def update(method: AnyMethod, observation: Observation) -> torch.Tensor:
    num_tasks = len(observation.losses_K)
    weights_K, _ = method.update(first_state(method, num_tasks, CPU, num_tasks + 2), observation)
    return weights_K


@pytest.mark.parametrize("name", METHODS)
def test_losses_may_be_negative_unless_a_method_says_no(name: str) -> None:
    method = make_method(name, {})
    if not method.needs_positive_losses:
        assert torch.isfinite(update(method, to_dtype(observe([-2.0, 0.0, 0.5]), torch.float32))).all()


def test_which_methods_need_positive_losses() -> None:
    """Those with a quotient or a logarithm of a loss, or a scale that rests at a positive one."""
    needing = {name for name in METHODS if make_method(name, {}).needs_positive_losses}
    assert needing == {
        "coefficient_of_variation",
        "db_mtl",
        "dynamic_task_prioritization",
        "dynamic_weight_average",
        "famo",
        "geometric",
        "go4align",
        "gradnorm",
        "impartial",
        "impartial_losses",
        "improvable_gap",
        "log_losses",
        "loss_balanced",
        "scale_invariant",
        "soft_uncertainty",
        "uncertainty",
    }
    for inner, needs in [("famo", True), ("mgda", False)]:
        assert make_method("cr_mogm", {"inner": inner}).needs_positive_losses == needs
