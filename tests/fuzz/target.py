"""A kind of input that is fuzzed."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.fuzz.mutations import Mutate


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Attributes:
        seeds: sound inputs.
        mutate: damages one of them.
        check: raises if what must hold does not.
        fast: number of inputs that the fast tests check.
        slow: number of inputs that the slow tests check.
    """

    seeds: Sequence[bytes]
    mutate: Mutate
    check: Callable[[bytes], object]
    fast: int = 100
    slow: int = 1000

    def run(self, number: int) -> bytes:
        """Check the input with this number; return it."""
        rng = random.Random(number)
        data = self.mutate(rng.choice(self.seeds), rng)
        self.check(data)
        return data
