"""What can be wrong with a gradient that was found by hand: a code for each mistake, and its sentence in English and Spanish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

LANGUAGES = ("en", "es")

# By how much a diagnosis says. Where several explain the same numbers, the first of them is named.
_SENTENCES: Mapping[str, tuple[str, str]] = {
    "shape": (
        "the numbers are right, but the shape is {found}: it must be {needed}",
        "los números están bien, pero las dimensiones son {found}: deben ser {needed}",
    ),
    "sign": ("the sign is wrong", "el signo está al revés"),
    "transpose": ("it is the transpose", "es la traspuesta"),
    "one_use": (
        "only one of {uses} uses of {of} was counted: the one in {result}",
        "se contó solo uno de los {uses} usos de {of}: el de {result}",
    ),
    "lost_use": (
        "one of {uses} uses of {of} was not counted: the one in {result}",
        "no se contó uno de los {uses} usos de {of}: el de {result}",
    ),
    "use_sign": (
        "one of {uses} uses of {of} was counted with the wrong sign: the one in {result}",
        "uno de los {uses} usos de {of} se contó con el signo al revés: el de {result}",
    ),
    "missing_factor": ("the factor 1/{n} is missing", "falta el factor 1/{n}"),
    "missing_exponent": (
        "the factor {n} is missing, which the derivative of a power has",
        "falta el factor {n} de la derivada de la potencia",
    ),
    "not_summed": (
        "it was not summed over the axis that {of} does not have",
        "no se sumó sobre el eje que {of} no tiene",
    ),
    "wrong_axis": ("it was summed over the wrong axis", "se sumó sobre el eje equivocado"),
    "mean": ("it is the mean, where the sum belongs", "es el promedio, y debe ser la suma"),
    "no_derivative": (
        "the local derivative of {op} is missing",
        "falta la derivada local de {op}",
    ),
    "exponent": (
        "in the derivative of the power the exponent is {found}, where {right} belongs",
        "en la derivada de la potencia el exponente es {found}, y debe ser {right}",
    ),
    "no_factor": ("the factor {found} is missing", "falta el factor {found}"),
    "diagonal": (
        "of the Jacobian of {op} only the diagonal was counted",
        "del jacobiano de {op} se contó solo la diagonal",
    ),
    "derivative_at": (
        "the derivative of {op} is computed from {found}, where {right} belongs",
        "la derivada de {op} está calculada con {found}, y debe ser con {right}",
    ),
    "incomplete": (
        "the derivative of {op} is incomplete: {missing} is missing",
        "la derivada de {op} está incompleta: falta {missing}",
    ),
    "inner_sign": (
        "in the derivative of {op} a sign is wrong: {right} belongs there",
        "en la derivada de {op} hay un signo al revés: debe ser {right}",
    ),
    "derivative_of": (
        "it has the derivative of {found}, where that of {op} belongs",
        "tiene la derivada de {found}, y debe ser la de {op}",
    ),
    "function": (
        "it is multiplied by {op} itself, where its derivative belongs",
        "está multiplicado por {op}, y debe ser por su derivada",
    ),
    "derivative_twice": (
        "the local derivative of {op} is applied twice",
        "la derivada local de {op} está aplicada dos veces",
    ),
    "own_factor": (
        "it is multiplied by {found} itself, where the other factor belongs: {right}",
        "está multiplicado por {found} mismo, y debe ser por el otro factor: {right}",
    ),
    "other_factor": (
        "it is multiplied by {found}, where {right} belongs",
        "está multiplicado por {found}, y debe ser por {right}",
    ),
    "overwritten": (
        "where one place of {of} was chosen several times, only the last was counted: they add up (np.add.at)",
        "donde un mismo lugar de {of} se eligió varias veces, se contó solo la última: se suman (np.add.at)",
    ),
    "no_upstream": (
        "only what is local was computed: the factor {of} is missing",
        "se calculó solo lo local: falta el factor {of}",
    ),
    "other_upstream": (
        "{found} is used where {right} belongs",
        "se usa {found}, y debe ser {right}",
    ),
    "product": (
        "the matrix product is {found}, where {right} belongs",
        "el producto de matrices es {found}, y debe ser {right}",
    ),
    "broadcast": (
        "an array of shape ({n}, 1) met one of shape ({n},): each was combined with each, as a table ({n}, {n})",
        "un arreglo de dimensiones ({n}, 1) se cruzó con uno de dimensiones ({n},): cada elemento con cada elemento, "
        "en una tabla ({n}, {n})",
    ),
    "extra_factor": ("there is one factor 1/{n} too many", "sobra un factor 1/{n}"),
    "summed": ("it was summed over axis {axis}, which must stay", "se sumó sobre el eje {axis}, que debe quedar"),
    "averaged": ("it was averaged over axis {axis}, which must stay", "se promedió sobre el eje {axis}, que debe quedar"),
    "too_large": ("it is {times} times too large", "es {times} veces lo que debe ser"),
    "too_small": ("it is {times} times too small", "es {times} veces menor de lo que debe ser"),
    "other_gradient": ("this is {found}", "esto es {found}"),
    "value": ("this is the value of {found}, not a gradient", "esto es el valor de {found}, no un gradiente"),
    "zero": ("it is zero everywhere", "es cero en todas partes"),
    "offset": ("every entry is off by the same amount, {amount}", "todas las entradas difieren en la misma cantidad: {amount}"),
    "order": ("the numbers are right, but not in their places", "los números están bien, pero no en su lugar"),
    "near": (
        "it is right to about {digits} digits: it looks rounded, or found by finite differences",
        "está bien hasta unos {digits} dígitos: parece redondeado, o calculado por diferencias finitas",
    ),
    "not_finite": ("{count} of {size} entries are not finite", "{count} de {size} entradas no son finitas"),
    "follows": ("it is computed from your {found}, which is wrong", "está calculado con tu {found}, que está mal"),
    "follow": ("it is computed from your {found}, which are wrong", "está calculado con tus {found}, que están mal"),
    "error": ("the formula stops with {error}", "la fórmula se detiene con {error}"),
    "wrong_shape": ("its shape is {found}: it must be {needed}", "sus dimensiones son {found}: deben ser {needed}"),
    "unexplained": (
        "no single mistake explains it; {count} of {size} entries differ, the first at {place}",
        "ningún error por sí solo lo explica; {count} de {size} entradas difieren, la primera en {place}",
    ),
    "unexplained_number": ("no single mistake explains it", "ningún error por sí solo lo explica"),
}

CODES = tuple(_SENTENCES)
RANK = {code: i for i, code in enumerate(CODES)}
# They describe the numbers rather than what was done: none of them is named beside one that does.
DESCRIPTIVE = frozenset(CODES[CODES.index("extra_factor") :])
PLAIN = frozenset(("shape", "sign", "transpose"))  # they need no second explanation
_WHERE = ("in {at}: ", "en {at}: ")


@dataclass(frozen=True)
class Diagnosis:
    """One mistake: its code, and what its sentence names.

    Attributes
    ----------
    code : str
        One of ``CODES``, such as "transpose".
    details : dict of str
        What the sentence names. ``at`` is the gradient in which the mistake was made, where that is another one.

    Examples
    --------
    >>> Diagnosis("missing_factor", {"n": "4"})
    <missing_factor: the factor 1/4 is missing>
    >>> Diagnosis("missing_factor", {"n": "4", "at": "∂𝓛/∂u"}).sentence("es")
    'en ∂𝓛/∂u: falta el factor 1/4'
    """

    code: str
    details: Mapping[str, str] = field(default_factory=dict)

    def sentence(self, lang: str = "en") -> str:
        """What is wrong, in this language."""
        which = LANGUAGES.index(lang)
        where = _WHERE[which].format_map(self.details) if "at" in self.details else ""
        return where + _SENTENCES[self.code][which].format_map(self.details)

    def __repr__(self) -> str:
        return f"<{self.code}: {self.sentence()}>"
