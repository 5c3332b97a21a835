"""A device made of Python: what would go wrong on a GPU goes wrong here, without one.

  device = accelerator()
  x = torch.ones(3, device=device)     # lives there; its numbers are out of the code's reach
  x + torch.ones(3)                    # Elsewhere: tensors of two devices met
  with waiting_refused():
      x.sum().item()                   # Waited: on a GPU the host would wait here for all that the device has to do

Every operation of the device comes to `_run`: on a tensor of the device by its class, of a factory (`torch.ones`) by
torch's fallback for the device. As on a GPU, only a scalar of the CPU may meet tensors of the device, in an operation
that goes number by number. The host waits where it reads a value, where a value decides a shape (torch marks these two
kinds), where a decomposition has to converge, and where numbers are copied from one device to the other, so in
`torch.tensor([...], device=device)` too.

Autograd, torch.func and its vmap work as on any device. Compilation and autocast were not tried.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tag, Tensor
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "python"
COPIES = ("copy_", "_to_copy")
JOINING = ("cat", "stack")  # not even a scalar of the CPU
INDEXING = ("index", "index_put", "index_put_")
DECOMPOSITIONS = ("_linalg_check_errors", "_linalg_eigh", "_linalg_svd", "linalg_eig")  # see their documentation
DECIDING = {Tag.data_dependent_output, Tag.dynamic_output_shape}
_refusing: list[tuple[str, ...]] = []  # not of a thread: autograd has one of its own for a device


class Elsewhere(Exception):
    """An operation met tensors of two devices."""


class Waited(Exception):
    """The host would have waited for the device."""


class OnDevice(Tensor):
    """A tensor of the device; `numbers` is one of the CPU."""

    numbers: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: Tensor) -> "OnDevice":
        made = Tensor._make_wrapper_subclass(
            cls,
            numbers.shape,
            numbers.stride(),
            dtype=numbers.dtype,
            device=torch.device(NAME, 0),
            storage_size=2**40,  # never allocated; so that an operation may enlarge the tensor
        )
        made.numbers = numbers
        return made

    def __repr__(self, **_: Any) -> str:
        return f"OnDevice({tuple(self.shape)}, {self.dtype})"  # to show numbers, the host would wait

    def tolist(self) -> Any:
        return self.cpu().tolist()  # torch's own refuses a tensor that is no array of numbers

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.numbers.__reduce_ex__(protocol)  # what a checkpoint keeps

    @classmethod
    def __torch_dispatch__(cls, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(operation, args, kwargs or {})


class _Backend(_DummyBackendModule):
    def is_available(self) -> bool:
        return True

    def is_initialized(self) -> bool:
        return True

    def device_count(self) -> int:
        return 1

    def current_device(self) -> int:
        return 0

    def _is_in_bad_fork(self) -> bool:
        return False

    def manual_seed_all(self, seed: int) -> None:
        pass


@cache  # torch knows it from then on
def accelerator() -> torch.device:
    """Makes torch know the device."""
    _setup_privateuseone_for_python_backend(NAME, backend_module=_Backend())
    fallback, copy = torch.library.Library("_", "IMPL"), torch.library.Library("aten", "IMPL")
    fallback.fallback(lambda operation, *args, **kwargs: _run(operation, args, kwargs), "PrivateUse1")
    copy.impl("copy_", lambda *args: _run(torch.ops.aten.copy_.default, args, {}), "PrivateUse1")  # torch.tensor's
    accelerator.libraries = fallback, copy  # type: ignore[attr-defined]  # they last as long as they are kept
    return torch.device(NAME, 0)


@contextmanager
def waiting_refused(*allowed: str) -> Iterator[None]:
    """Within it the host may not wait for the device, save in the operations named."""
    _refusing.append(allowed)
    try:
        yield
    finally:
        _refusing.pop()


def _run(operation: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """Runs an operation on the numbers; what it gives is on the device, unless another is asked for."""
    name, target = operation.overloadpacket.__name__, torch.device(kwargs.get("device") or NAME)
    tensors = [leaf for leaf in _leaves((*args, *kwargs.values())) if isinstance(leaf, Tensor)]
    owners = {id(tensor.numbers): tensor for tensor in tensors if isinstance(tensor, OnDevice)}
    strangers = [tensor for tensor in tensors if not isinstance(tensor, OnDevice)]
    for stranger in strangers if name not in COPIES else []:
        if stranger.dim() > 0 or name in JOINING:
            raise Elsewhere(f"{name}: a tensor of the CPU, of shape {tuple(stranger.shape)}, met one of the device")
    crosses = bool(strangers) or target.type != NAME
    if _refusing and name not in _refusing[-1] and _waits(operation, name, crosses, args, kwargs):
        raise Waited(name)

    on_cpu = kwargs | {"device": torch.device("cpu")} if "device" in kwargs else kwargs
    result = operation(*_map(_numbers, args), **{key: _map(_numbers, value) for key, value in on_cpu.items()})
    if operation._schema.is_mutable:
        for owner in owners.values():
            if owner.shape != owner.numbers.shape:
                _reshape(owner)
    if target.type != NAME:
        return result
    return _map(lambda one: owners.get(id(one)) if id(one) in owners else _wrapped(one), result)


def _leaves(values: Iterable[Any]) -> Iterator[Any]:
    for value in values:
        if isinstance(value, tuple | list):
            yield from _leaves(value)
        else:
            yield value


def _map(function: Callable[[Any], Any], value: Any) -> Any:
    """Of what an operation takes or gives; torch's pytrees would take half of the time."""
    return [_map(function, each) for each in value] if isinstance(value, tuple | list) else function(value)


def _numbers(value: Any) -> Any:
    return value.numbers if isinstance(value, OnDevice) else value


def _wrapped(value: Any) -> Any:
    return OnDevice(value) if isinstance(value, Tensor) else value


def _reshape(tensor: OnDevice) -> None:
    """Tells a tensor of the device that an operation has changed the shape of its numbers."""
    with torch._C._ExcludeDispatchKeyGuard(torch._C.DispatchKeySet(torch._C.DispatchKey.Python)):
        tensor.as_strided_(tensor.numbers.shape, tensor.numbers.stride())


def _waits(operation: Any, name: str, crosses: bool, args: Any, kwargs: dict[str, Any]) -> bool:
    if name in COPIES:
        return crosses and not (kwargs.get("non_blocking") or args[2:] == (True,))
    if name in INDEXING:  # a mask is first made into indices, and their number read
        return any(index is not None and index.dtype == torch.bool for index in args[1])
    return name in DECOMPOSITIONS or not DECIDING.isdisjoint(operation.tags)
