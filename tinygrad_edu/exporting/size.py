"""A size as a polynomial in the letters of the axes, such as N·T + 2; and which polynomial some measured sizes are."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, combinations_with_replacement

Sizes = Mapping[str, int]  # what each letter is
MOST_FACTORS = 16  # among which a product is looked for
DEGREE = 3  # of a product of letters: a batch of square tables has N·T·T numbers


@dataclass(frozen=True)
class Size:
    """Σ c · Π letters: each term is the letters of a product, in order, and its coefficient.

    Examples
    --------
    >>> from tinygrad_edu.exporting.size import Size
    >>> n = Size.letter("N")
    >>> size = n * n + Size.of(2) * n + Size.of(1)
    >>> str(size), size.at({"N": 3})
    ('N*N + 2*N + 1', 16)
    """

    terms: tuple[tuple[tuple[str, ...], int], ...]

    @classmethod
    def of(cls, number: int) -> Size:
        """A number."""
        return cls((((), int(number)),) if number else ())

    @classmethod
    def letter(cls, letter: str) -> Size:
        """The size of the axes with this letter."""
        return cls((((letter,), 1),))

    @classmethod
    def _sum(cls, terms: Iterator[tuple[tuple[str, ...], int]]) -> Size:
        found: dict[tuple[str, ...], int] = {}
        for letters, c in terms:
            found[letters] = found.get(letters, 0) + c
        return cls(tuple(sorted((t for t in found.items() if t[1]), key=lambda t: (-len(t[0]), t[0]))))

    def __add__(self, other: Size) -> Size:
        return Size._sum(iter((*self.terms, *other.terms)))

    def __mul__(self, other: Size) -> Size:
        return Size._sum((tuple(sorted((*a, *b))), c * d) for a, c in self.terms for b, d in other.terms)

    @property
    def letters(self) -> frozenset[str]:
        """The letters that it depends on."""
        return frozenset(letter for letters, _ in self.terms for letter in letters)

    @property
    def number(self) -> int | None:
        """Its value, when it depends on no letter."""
        return None if self.letters else self.at({})

    def at(self, sizes: Sizes) -> int:
        """Its value for these letters."""
        return sum(c * math.prod(sizes[letter] for letter in letters) for letters, c in self.terms)

    def __str__(self) -> str:
        parts = ["*".join([*([str(c)] if c != 1 or not letters else []), *letters]) for letters, c in self.terms]
        return " + ".join(parts).replace("+ -", "- ") or "0"


@dataclass(frozen=True)
class Power:
    """A number that is a power of a size: 1 / N, √N."""

    size: Size
    exponent: Fraction

    def at(self, sizes: Sizes) -> float:
        """Its value for these letters."""
        return math.pow(self.size.at(sizes), self.exponent)


def product(sizes: Sequence[Size]) -> Size:
    """How many numbers an array of these sizes has."""
    result = Size.of(1)
    for size in sizes:
        result = result * size
    return result


def trials(recorded: Sizes, count: int = 4) -> list[Sizes]:
    """The recorded sizes, and other ones in which each letter is a prime that is larger and is no other letter.

    >>> trials({"N": 4, "F": 2}, count=2)
    [{'N': 4, 'F': 2}, {'N': 5, 'F': 3}, {'N': 7, 'F': 11}]
    """
    if not recorded:
        return [recorded]
    result: list[Sizes] = [dict(recorded)]
    taken: set[int] = set()
    for _ in range(count):
        sizes = {}
        for letter, size in recorded.items():
            sizes[letter] = next(n for n in _primes_after(size) if n not in taken)
            taken.add(sizes[letter])
        result.append(sizes)
    return result


def _primes_after(n: int) -> Iterator[int]:
    while True:
        n += 1
        if n > 1 and all(n % d for d in range(2, math.isqrt(n) + 1)):
            yield n


def explain(values: Sequence[int], sizes: Sequence[Sizes]) -> Size | None:
    """The polynomial that has these values at these sizes: a number, or at most two products of letters and a number.

    Two or three values determine it; the others have to agree. None if there is no such polynomial.

    >>> sizes = trials({"N": 4, "F": 2})
    >>> str(explain([3 * s["N"] * s["F"] - 1 for s in sizes], sizes))
    '3*F*N - 1'
    >>> explain([s["N"] // 2 for s in sizes], sizes) is None
    True
    """
    if all(v == values[0] for v in values):
        return Size.of(values[0])
    letters = sorted(sizes[0])
    products = [chosen for degree in range(1, DEGREE + 1) for chosen in combinations_with_replacement(letters, degree)]
    for count in (1, 2):
        for chosen in combinations(products, count):
            columns = [[math.prod(s[letter] for letter in letters_) for s in sizes] for letters_ in chosen]
            found = _fit(values, columns)
            if found is not None:
                *factors, offset = found
                return Size._sum(iter((*zip(chosen, factors, strict=True), ((), offset))))
    return None


def _fit(values: Sequence[int], columns: Sequence[Sequence[int]]) -> list[int] | None:
    """Whole numbers c and d with values = Σ c · column + d, by the first few values; None if the rest disagrees."""
    steps = [[column[k + 1] - column[0] for column in columns] for k in range(len(columns))]
    rises = [values[k + 1] - values[0] for k in range(len(columns))]
    if len(columns) == 1:
        solution = [Fraction(rises[0], steps[0][0])]
    else:
        (a, b), (c, d) = steps
        determinant = a * d - b * c
        if not determinant:
            return None
        solution = [Fraction(rises[0] * d - b * rises[1], determinant), Fraction(a * rises[1] - rises[0] * c, determinant)]
    offset = values[0] - sum(f * column[0] for f, column in zip(solution, columns, strict=True))
    if any(f.denominator != 1 for f in (*solution, Fraction(offset))):
        return None
    fits = all(
        v == sum(f * column[k] for f, column in zip(solution, columns, strict=True)) + offset for k, v in enumerate(values)
    )
    return [*(int(f) for f in solution), int(offset)] if fits else None


class Measured:
    """What some measured numbers are as functions of the sizes; each is found once."""

    def __init__(self, sizes: Sequence[Sizes]) -> None:
        self.sizes = sizes
        self._sizes: dict[tuple[int, ...], Size | None] = {}
        self._factors: list[Size] = []

    def size(self, values: Sequence[int]) -> Size | None:
        """The polynomial that has these values; or how many numbers there are along axes that were seen before."""
        key = tuple(values)
        if key not in self._sizes:
            size = self._sizes[key] = explain(key, self.sizes) or self._count(key)
            if size is not None and size.letters and len(self._factors) < MOST_FACTORS:
                self._factors.append(size)
        return self._sizes[key]

    def _count(self, values: Sequence[int]) -> Size | None:
        for count in range(2, DEGREE + 1):
            for chosen in combinations_with_replacement(self._factors, count):
                size = product(chosen)
                numbers = [size.at(s) for s in self.sizes]
                c = values[0] // numbers[0] if numbers[0] else 0
                if c and all(v == c * n for v, n in zip(values, numbers, strict=True)):
                    return Size.of(c) * size
        return None

    def number(self, values: Sequence[float]) -> float | Size | Power | None:
        """A number that a rule or a method took from the sizes: a size n, 1 / n, √n or 1 / √n; or always the same."""
        if all(v == values[0] for v in values) or all(v != v for v in values):
            return values[0]
        for exponent in (Fraction(1), Fraction(1, 2), Fraction(-1), Fraction(-1, 2)):
            if exponent != 1 and not all(v > 0 for v in values):
                continue
            powers = [v ** float(1 / exponent) for v in values]
            if not all(math.isfinite(p) and abs(p - round(p)) <= 1e-12 * abs(p) for p in powers):
                continue
            size = self.size([round(p) for p in powers])
            if size is not None:
                return size if exponent == 1 else Power(size, exponent)
        return None
