"""What a teacher says at each step: one sentence, in English and in Spanish, chosen by the op and by the use."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..derivation import Step as Line
from ..graphs import pretty
from ..ops import Op
from ..ops.elementwise import Elementwise
from .data import Words


@dataclass(frozen=True)
class Use:
    """One use of a value, as sentences need it: all texts are as a person reads them.

    Attributes
    ----------
    op : Op
        What uses it.
    position : int
        As which argument.
    receiver, result : str
        The names of the value and of what is computed from it.
    incoming : str
        The gradient of the result.
    others : sequence of str
        The names of the other arguments, in order; the same name again where the value is used twice.
    derivative : str
        What the gradient is multiplied by, place by place; empty where that is not so.
    formula : str
        What is handed back.
    reused : sequence of str
        The names of the forward values in it.
    over : sequence of str or int
        The axes over which the value was repeated: their letters, or where there is none their numbers.
    count : str
        How many entries were averaged.
    scalar : bool
        Whether value and result are single numbers.
    ranks : tuple of int
        How many axes the value and the other arguments have.
    windows : bool
        Whether the other argument has a window of an image in each row.
    classes : bool
        Whether the next argument says a class by its number.
    """

    op: Op
    position: int
    receiver: str
    result: str
    incoming: str
    others: Sequence[str] = ()
    derivative: str = ""
    formula: str = ""
    reused: Sequence[str] = ()
    over: Sequence[str | int] = ()
    count: str = ""
    scalar: bool = False
    ranks: tuple[int, ...] = ()
    windows: bool = False
    classes: bool = False


# ---- forward -------------------------------------------------------------------------------------------------------------


def given(kind: str, name: str, shape: str) -> Words:
    """A value that was given."""
    of = f", {{}} {shape}," if shape != "()" else ""
    en, es = of.format("of shape"), of.format("de dimensiones")
    if kind == "parameter":
        return {
            "en": f"{name}{en} is a parameter: it is learned, and its gradient is what the backward pass is for.",
            "es": f"{name}{es} es un parámetro: se aprende, y su gradiente es lo que busca la pasada hacia atrás.",
        }
    if kind == "input":
        return {
            "en": f"{name}{en} is given: no gradient is wanted here.",
            "es": f"{name}{es} es un dato: aquí no se busca ningún gradiente.",
        }
    return {"en": f"{name}{en} is a constant.", "es": f"{name}{es} es una constante."}


def classes(name: str) -> Words:
    """The classes of the examples, which a loss compares with."""
    return {
        "en": f"{name} holds the true class of each example: given, no gradient.",
        "es": f"{name} tiene la clase correcta de cada ejemplo: es un dato, sin gradiente.",
    }


def computed(
    op: Op,
    name: str,
    formula: str,
    inputs: Sequence[str],
    repeated: Sequence[tuple[str, Sequence[str | int]]],
    last: bool,
    scalar: bool = False,
    equation: str = "",
    scene: tuple[str, str] | None = None,
) -> Words:
    """A value that was computed: how, and what was repeated to fit; ``formula`` is the last operation of ``equation``.

    ``scene`` says what the operation is there for, where that is known.
    """
    en, es = _forward(op, inputs) if scene is None else scene
    if scalar:
        en, es = _of_one_number(en), _of_one_number(es)
    for who, over in repeated:
        en += f"; {who} is repeated over {_axes(over, 'en')}"
        es += f"; {who} se repite a lo largo de {_axes(over, 'es')}".replace("de el ", "del ")
    found = {"en": f"{name} = {formula}: {en}.", "es": f"{name} = {formula}: {es}."}
    if equation:
        found = {
            "en": f"{name} = {equation}, whose last operation is {formula}: {en}.",
            "es": f"{name} = {equation}, cuya última operación es {formula}: {es}.",
        }
    if last:
        found["en"] += " This one number is the loss."
        found["es"] += " Este único número es la pérdida."
    return found


class Windows(int):
    """An axis along which the windows of an image stand, so many of them."""


def product(left: str, right: str, ranks: tuple[int, int]) -> tuple[str, str]:
    """An entry of a product of matrices or vectors.

    >>> product("h", "U", (2, 1))[0]
    'entry i is row i of h times U, number by number, summed'
    """
    en = [f"row i of {left}" if ranks[0] == 2 else left, f"column j of {right}" if ranks[1] == 2 else right]
    es = [f"la fila i de {left}" if ranks[0] == 2 else left, f"la columna j de {right}" if ranks[1] == 2 else right]
    letters = ", ".join(letter for letter, rank in zip("ij", ranks, strict=True) if rank == 2)
    return (
        f"{f'entry {letters} is ' if letters else ''}{en[0]} times {en[1]}, number by number, summed",
        f"{f'el elemento {letters} es ' if letters else ''}{es[0]} por {es[1]}, número por número, y se suman",
    )


def windows(image: str, sizes: Sequence[int]) -> tuple[str, str]:
    """Windows of an image, as a convolution and pooling use them."""
    size = " × ".join(map(str, sizes))
    return (
        f"every {size} window of {image}, at each place where one fits; neighbours overlap",
        f"todas las ventanas de {size} de {image}, en cada lugar donde cabe una; las vecinas se superponen",
    )


CHOSEN = ("the largest or smallest of each window is chosen", "se elige el mayor o el menor de cada ventana")
STRIDES = (
    "of the windows, those that the strides come to are kept",
    "de las ventanas quedan aquellas a las que se llega con los pasos",
)


def rows(shape: Sequence[int], image: str, sizes: Sequence[int]) -> tuple[str, str]:
    """Windows that were laid out as the rows of a matrix."""
    size = " × ".join(map(str, sizes))
    return (
        f"only laid out anew, each {size} window of {image} as a row: {shape[0]} rows of {shape[1]} numbers",
        f"solo cambia de forma, cada ventana de {size} de {image} como una fila: {shape[0]} filas de {shape[1]} números",
    )


def convolved(left: str, right: str, image: str, kernels: str) -> tuple[str, str]:
    """The product that makes a convolution of windows and kernels."""
    return (
        f"each row of {left} is a window of {image} and each column of {right} a kernel of {kernels}; they are multiplied number by number and summed, which is the convolution",
        f"cada fila de {left} es una ventana de {image} y cada columna de {right} un núcleo de {kernels}; se multiplican número por número y se suman, y eso es la convolución",
    )


def _of_one_number(words: str) -> str:
    for more in (
        ", place by place",
        " place by place",
        ", elemento a elemento",
        " elemento a elemento",
        "every number of ",
        "cada elemento de ",
    ):
        words = words.replace(more, "")
    return words.replace("every number", "the number").replace("cada elemento", "el elemento")


def equation(name: str, formula: str, last: bool) -> Words:
    """A value whose whole equation is one step."""
    found = {"en": f"{name} = {formula}.", "es": f"{name} = {formula}."}
    if last:
        found["en"] += " This one number is the loss."
        found["es"] += " Este único número es la pérdida."
    return found


def _forward(op: Op, inputs: Sequence[str]) -> tuple[str, str]:
    first = inputs[0] if inputs else ""
    own = _FORWARD.get(op.name)
    if op.name == "power" and inputs[1:] == ["2"]:
        return "squared, place by place", "al cuadrado, elemento a elemento"
    if own is not None:
        return own
    if op.kind in ("elementwise", "selection", "discrete") and isinstance(op, Elementwise):
        if len(inputs) == 1:
            return f"{op.symbol} is applied to every number of {first}", f"{op.symbol} se aplica a cada elemento de {first}"
        return f"{op.symbol}, place by place", f"{op.symbol}, elemento a elemento"
    return f"computed by {op.name}", f"se calcula con {op.name}"


_FORWARD: Mapping[str, tuple[str, str]] = {
    "matmul": (
        "each entry is a row of the left factor times a column of the right one, summed",
        "cada elemento es una fila del factor izquierdo por una columna del derecho, y se suman los productos",
    ),
    "outer": ("every number of one times every number of the other", "cada elemento de uno por cada elemento del otro"),
    "einsum": ("a sum of products, as its equation says", "una suma de productos, según su ecuación"),
    "sum": ("the entries are added up", "se suman los números"),
    "mean": ("the entries are averaged", "se promedian los números"),
    "cumsum": ("each entry is the sum of all up to it", "cada elemento es la suma de todos hasta él"),
    "trace": ("the entries of the diagonal are added up", "se suman los números de la diagonal"),
    "add": ("added place by place", "se suman elemento a elemento"),
    "subtract": ("subtracted place by place", "se restan elemento a elemento"),
    "multiply": ("multiplied place by place", "se multiplican elemento a elemento"),
    "divide": ("divided place by place", "se dividen elemento a elemento"),
    "power": ("raised to a power, place by place", "se eleva a una potencia, elemento a elemento"),
    "square": ("every number is squared", "cada elemento se eleva al cuadrado"),
    "negative": ("every number with the other sign", "cada elemento con el signo contrario"),
    "identity": ("the same numbers", "los mismos números"),
    "astype": ("the same numbers in another precision", "los mismos números con otra precisión"),
    "reshape": ("the same numbers, laid out in another shape", "los mismos números, dispuestos con otras dimensiones"),
    "transpose": ("the same numbers, with the axes in another order", "los mismos números, con los ejes en otro orden"),
    "flip": ("the same numbers in reverse", "los mismos números en orden inverso"),
    "broadcast_to": ("the same numbers, repeated", "los mismos números, repetidos"),
    "getitem": ("some of the numbers are picked out", "se escogen algunos de los números"),
    "scatter": (
        "the numbers are put in their places, and elsewhere is 0",
        "los números se ponen en sus lugares, y en el resto hay 0",
    ),
    "pad": ("a border is put around the numbers", "se pone un borde alrededor de los números"),
    "windows": (
        "every window, side by side: neighbours overlap",
        "todas las ventanas, una junto a otra: las vecinas se superponen",
    ),
    "overlap_add": ("the windows are laid over each other and added", "las ventanas se superponen y se suman"),
    "concatenate": ("the parts are put one after the other", "las partes se ponen una tras otra"),
    "stack": (
        "the parts are put side by side, on an axis of their own",
        "las partes se ponen una junto a otra, en un eje propio",
    ),
    "where": ("the condition chooses, place by place", "la condición elige, elemento a elemento"),
    "maximum": ("the larger of the two, place by place", "el mayor de los dos, elemento a elemento"),
    "minimum": ("the smaller of the two, place by place", "el menor de los dos, elemento a elemento"),
    "clip": ("what lies outside of the limits is set to them", "lo que queda fuera de los límites se lleva a ellos"),
    "max": ("the largest is chosen", "se elige el mayor"),
    "min": ("the smallest is chosen", "se elige el menor"),
    "sort": ("the same numbers in the order of their size", "los mismos números, ordenados por tamaño"),
    "softmax": (
        "positive numbers that sum to 1, larger where the score is larger",
        "números positivos que suman 1, mayores donde el puntaje es mayor",
    ),
    "log_softmax": ("the logarithms of softmax", "los logaritmos de softmax"),
    "logsumexp": (
        "the logarithm of the sum of the exponentials: a smooth maximum",
        "el logaritmo de la suma de las exponenciales: un máximo suave",
    ),
    "norm": ("the length: the root of the sum of the squares", "el largo: la raíz de la suma de los cuadrados"),
    "bce": (
        "the mean of minus the logarithm of the probability that was given to what is true",
        "el promedio de menos el logaritmo de la probabilidad dada a la clase correcta",
    ),
    "bce_with_logits": (
        "the sigmoid of the scores, then the binary cross entropy, averaged",
        "la sigmoide de los puntajes y luego la entropía cruzada binaria, promediada",
    ),
    "cross_entropy": (
        "softmax of the scores, then minus the logarithm of the probability of the true class, averaged",
        "softmax de los puntajes y luego menos el logaritmo de la probabilidad de la clase correcta, promediado",
    ),
}


# ---- backward ------------------------------------------------------------------------------------------------------------


def seed(root: str) -> Words:
    """The start of the backward pass."""
    return {
        "en": f"The backward pass starts at {root}: the derivative of {root} by itself is 1. From here on, what is known at a value, times the derivative of that value by its input, is handed back to the input: the chain rule.",
        "es": f"La pasada hacia atrás empieza en {root}: la derivada de {root} respecto de sí misma es 1. Desde aquí, lo que se conoce en un valor, multiplicado por la derivada de ese valor respecto de su entrada, se entrega hacia atrás a la entrada: la regla de la cadena.",
    }


def contribution(use: Use) -> Words:
    """What one use hands back, and why each factor is there."""
    own = _RULES.get(use.op.name)
    if own is None:
        own = _by_kind(use)
    en, es = own(use) if callable(own) else own
    if use.over and own is not _add:
        en += f" {use.receiver} was repeated over {_axes(use.over, 'en')}, so what all the copies receive is added up."
        es += (
            f" {use.receiver} se repitió a lo largo de {_axes(use.over, 'es')}, así que se suma lo que reciben todas las copias."
        )
    if use.scalar:
        en, es = en.replace(", place by place", ""), es.replace(", elemento a elemento", "")
    return {"en": en, "es": es.replace(" de el eje ", " del eje ")}


def through(receiver: str, result: str, incoming: str, formula: str, reused: Sequence[str]) -> Words:
    """What a whole equation hands back, where an equation is one step."""
    en = f"{result} was computed from {receiver}: of {incoming}, which is known by now, {receiver} gets {formula}"
    es = f"{result} se calculó con {receiver}: de {incoming}, que ya se conoce, a {receiver} le llega {formula}"
    if reused:
        en += f", which reuses {_and(reused, 'en')} of the forward pass"
        es += f", donde se reutiliza {_and(reused, 'es')} de la pasada hacia adelante"
    return {"en": f"{en}.", "es": f"{es}."}


def meet(name: str, uses: int, arrived: int) -> Words:
    """Where uses meet."""
    if arrived == uses == 2:
        return {
            "en": f"{name} is used twice, and a change of it reaches the loss both ways: the two contributions are added.",
            "es": f"{name} se usa dos veces, y un cambio en él llega a la pérdida por los dos caminos: las dos contribuciones se suman.",
        }
    return {
        "en": f"{name} is used {uses} times, and its contributions are added: now {arrived} of {uses} have arrived.",
        "es": f"{name} se usa {uses} veces, y sus contribuciones se suman: ya llegaron {arrived} de {uses}.",
    }


def finished(name: str, gradient: str, kind: str, uses: int, scalar: bool, first: bool = False) -> Words:
    """A gradient is complete; at the ``first`` one of a parameter it is said what η is."""
    if uses == 1 and kind == "parameter":
        en = f"{name} has no other use, so {gradient} is complete"
        es = f"{name} no tiene otro uso, así que {gradient} está completo"
    elif uses == 1:
        en, es = (
            f"{name} has one use only, so this is all of {gradient}",
            f"{name} se usa una sola vez, así que este es {gradient} completo",
        )
    elif uses == 2:
        en = f"Both uses of {name} have handed back their part, so {gradient} is complete"
        es = f"Los dos usos de {name} ya entregaron su parte, así que {gradient} está completo"
    else:
        en = f"All {uses} uses of {name} have handed back their part, so {gradient} is complete"
        es = f"Los {uses} usos de {name} ya entregaron su parte, así que {gradient} está completo"
    if kind == "parameter":
        en += f": gradient descent will subtract η{' (the learning rate)' if first else ''} times it from {name}"
        es += f": el descenso de gradiente le restará a {name} η{' (la tasa de aprendizaje)' if first else ''} por este gradiente"
    elif kind in ("input", "constant"):
        en += f": it stays here, and says how the loss changes with {'' if scalar else 'each number of '}{name}"
        es += f": se queda aquí, y dice cómo cambia la pérdida con {'' if scalar else 'cada elemento de '}{name}"
    else:
        en += ": now it can be handed on"
        es += ": ahora puede entregarse hacia atrás"
    return {"en": f"{en}.", "es": f"{es}."}


def at_once(told: Words, name: str) -> Words:
    """A contribution that is the whole gradient of a value without a name."""
    return {
        "en": f"{told['en']} {name} has no other use, so its gradient is complete with this.",
        "es": f"{told['es']} {name} no tiene otro uso, así que su gradiente queda completo con esto.",
    }


def simplified(told: Words, because: str, put_in: str, same: Sequence[tuple[str, str]], why: Line | None = None) -> Words:
    """Why the formula of a complete gradient is not the one of its contribution: what was put in, and what cancels."""
    equal = ", ".join(f"{a} = {b}" for a, b in same)
    if because:
        en, es = (
            f"With {put_in} put in, factors cancel: {because}.",
            f"Al poner {put_in}, se cancelan factores: {because}.",
        )
    elif why is not None and ", because " in why.words:
        en, es = (f"{words}." for words in line_words(why).values())
    elif equal:
        en, es = f"Here {equal} is put in.", f"Aquí se usa que {equal}."
    else:
        en, es = (
            "With the known gradients put in, its formula is shorter.",
            "Con los gradientes conocidos puestos, su fórmula es más corta.",
        )
    return {"en": f"{told['en']} {en}", "es": f"{told['es']} {es}"}


def end(edges: int, paths: str, root: str) -> Words:
    """The end, with the count that is the whole idea."""
    return {
        "en": f"Done: every gradient is known. The sweep went over {edges} arrows, each once; a sum over all paths from {root} would need {paths} products.",
        "es": f"Listo: se conocen todos los gradientes. El barrido pasó por {edges} flechas, una vez por cada una; una suma sobre todos los caminos desde {root} necesitaría {paths} productos.",
    }


def gap(left_out: int) -> Words:
    """Steps that are not shown."""
    return {
        "en": f"Here {left_out} steps of the same kind are left out, because there are too many for a page; the numbers are those after them.",
        "es": f"Aquí se omiten {left_out} pasos del mismo tipo, porque son demasiados para una página; los números son los que quedan después de ellos.",
    }


def _by_kind(use: Use) -> tuple[str, str]:
    op = use.op
    if op.kind == "selection":
        return (
            f"{use.result} chose among numbers: the gradient goes to the one that was chosen, evenly where several tie, and the others get 0.",
            f"{use.result} eligió entre números: el gradiente va al que fue elegido, en partes iguales si hay empate, y los demás reciben 0.",
        )
    if op.kind == "rearrangement":
        return (
            f"{op.symbol} only moves numbers: each entry of {use.incoming} goes back to the place that its number came from.",
            f"{op.symbol} solo mueve números: cada elemento de {use.incoming} vuelve al lugar del que vino.",
        )
    if isinstance(op, Elementwise):
        return _place_by_place(use)
    return (
        f"The rule of {op.name} says what comes back to {use.receiver}: {use.formula}{_reuses(use, 'en')}.",
        f"La regla de {op.name} dice qué le llega de vuelta a {use.receiver}: {use.formula}{_reuses(use, 'es')}.",
    )


def _place_by_place(use: Use) -> tuple[str, str]:
    if use.scalar and use.derivative:
        return (
            f"The derivative of {use.op.symbol} is here {use.derivative}{_reuses(use, 'en')}, and {use.incoming} is multiplied by it.",
            f"La derivada de {use.op.symbol} es aquí {use.derivative}{_reuses(use, 'es')}, y {use.incoming} se multiplica por ella.",
        )
    if not use.derivative:
        return (
            f"{use.op.symbol} works place by place, so each entry of {use.incoming} goes to the same place, times the derivative there{_reuses(use, 'en')}.",
            f"{use.op.symbol} actúa elemento a elemento, así que cada elemento de {use.incoming} va al mismo lugar, por la derivada que hay ahí{_reuses(use, 'es')}.",
        )
    return (
        f"{use.op.symbol} works place by place, so each entry of {use.incoming} is multiplied by the derivative at the same place, {use.derivative}{_reuses(use, 'en')}.",
        f"{use.op.symbol} actúa elemento a elemento, así que cada elemento de {use.incoming} se multiplica por la derivada en el mismo lugar, {use.derivative}{_reuses(use, 'es')}.",
    )


def _reuses(use: Use, language: str) -> str:
    if not use.reused:
        return ""
    return f", which reuses {_and(use.reused, 'en')}" if language == "en" else f", que reutiliza {_and(use.reused, 'es')}"


def _other(use: Use) -> str:
    return use.others[0] if use.others else use.receiver


def _multiply(use: Use) -> tuple[str, str]:
    other = _other(use)
    if other == use.receiver:
        en, es = ("second", "segundo") if use.position else ("first", "primer")
        return (
            f"In a product the derivative by the {en} factor is the other one; here that is {other} again, so {use.incoming} is multiplied by {other}.",
            f"En un producto, la derivada respecto del {es} factor es el otro; aquí es otra vez {other}, así que {use.incoming} se multiplica por {other}.",
        )
    return (
        f"In a product the derivative by one factor is the other one, so {use.incoming} is multiplied by {other}, place by place.",
        f"En un producto, la derivada respecto de un factor es el otro, así que {use.incoming} se multiplica por {other}, elemento a elemento.",
    )


def _divide(use: Use) -> tuple[str, str]:
    other = _other(use)
    if use.position == 0:
        return (
            f"{use.receiver} is divided by {other}, and so is its gradient.",
            f"{use.receiver} se divide por {other}, y su gradiente también.",
        )
    return (
        f"{use.receiver} stands below the line: where it grows, {use.result} shrinks, so {use.incoming} is multiplied by −{use.result} / {use.receiver}.",
        f"{use.receiver} está en el denominador: si crece, {use.result} se achica, así que {use.incoming} se multiplica por −{use.result} / {use.receiver}.",
    )


def _matmul(use: Use) -> tuple[str, str]:
    other, right = _other(use), use.position == 1
    if len(use.ranks) < 2 or max(use.ranks) > 2:
        return (
            f"{use.receiver} is a factor of matrix products. Each of its numbers multiplies some of {other}, and what comes back along these products is added: {use.formula}.",
            f"{use.receiver} es factor de productos de matrices. Cada uno de sus números multiplica a algunos de {other}, y se suma lo que vuelve por esos productos: {use.formula}.",
        )
    own_rank, other_rank = use.ranks
    own = f"{use.receiver}{'ᵢⱼ'[:own_rank]}"
    if other_rank == 1:  # each of its numbers is in one product only
        partner = f"{other}{'ᵢ' if right or own_rank == 1 else 'ⱼ'}"
        place = "" if own_rank == 1 else "ⱼ" if right else "ᵢ"
        incoming = _at_place(use, place)
        all_of_it = (
            ("", "")
            if own_rank == 1
            else (
                f": every number of one times every number of the other, {use.formula}",
                f": cada elemento de uno por cada elemento del otro, {use.formula}",
            )
        )
        return (
            f"{own} is multiplied by {partner} and is in {use.result}{place} only, so it gets {incoming} · {partner}{all_of_it[0]}.",
            f"{own} se multiplica por {partner} y solo está en {use.result}{place}, así que recibe {incoming} · {partner}{all_of_it[1]}.",
        )
    along = "ᵣ"
    if right:
        partner, place = f"{other}ᵣᵢ", along + "ⱼ" * (own_rank - 1)
        which = ("in every row r", "en cada fila r", "rows", "las filas")
    else:
        partner, place = f"{other}{'ⱼ' if own_rank == 2 else 'ᵢ'}ᵣ", "ᵢ" * (own_rank - 1) + along
        which = ("for every column r", "para cada columna r", "columns", "las columnas")
    if use.windows:
        which = ("for every window r", "en cada ventana r", "windows", "las ventanas")
    incoming = _at_place(use, place)
    return (
        f"{own} multiplies {partner} in {use.result}{place}, {which[0]}: so ∂{use.result}{place}/∂{own} = {partner}, and the parts {incoming} · {partner} of all the {which[2]} are added: {use.formula}.",
        f"{own} multiplica a {partner} en {use.result}{place}, {which[1]}: por eso ∂{use.result}{place}/∂{own} = {partner}, y se suman las partes {incoming} · {partner} de todas {which[3]}: {use.formula}.",
    )


def _at_place(use: Use, place: str) -> str:
    """An entry of the incoming gradient."""
    return f"{use.incoming.removesuffix(' = 1')}{place}"


def _contraction(use: Use) -> tuple[str, str]:
    return (
        f"{use.result} is a sum of products, and the derivative by one factor is the product of the others: {use.formula}.",
        f"{use.result} es una suma de productos, y la derivada respecto de un factor es el producto de los demás: {use.formula}.",
    )


def _sum(use: Use) -> tuple[str, str]:
    return (
        f"{use.result} is a sum: each term has the derivative 1, so every entry of {use.receiver} receives the whole {use.incoming} of its sum.",
        f"{use.result} es una suma: cada término tiene derivada 1, así que cada elemento de {use.receiver} recibe completo el {use.incoming} de su suma.",
    )


def _mean(use: Use) -> tuple[str, str]:
    part = f"1/({use.count})" if " " in use.count else f"1/{use.count}"
    return (
        f"{use.result} is a mean of {use.count} numbers: each has the weight {part}, so every entry of {use.receiver} receives that part of {use.incoming}.",
        f"{use.result} es un promedio de {use.count} números: cada uno pesa {part}, así que cada elemento de {use.receiver} recibe esa parte de {use.incoming}.",
    )


def _add(use: Use) -> tuple[str, str]:
    if use.over:
        en, es = _axes(use.over, "en"), _axes(use.over, "es")
        windows = isinstance(use.over[0], Windows)
        along = (f"in {en}", f"en {es}") if windows else (f"everywhere along {en}", f"a lo largo de todo {es}")
        return (
            f"In a sum the derivative by each term is 1, and {use.receiver} was added {along[0]}: so its gradient adds up {use.incoming} over {en}.",
            f"En una suma, la derivada respecto de cada término es 1, y {use.receiver} se sumó {along[1]}: así, su gradiente suma {use.incoming} sobre {es}.",
        )
    return (
        f"In a sum the derivative by each term is 1, so {use.incoming} goes to {use.receiver} as it is.",
        f"En una suma, la derivada respecto de cada término es 1, así que {use.incoming} pasa a {use.receiver} tal como está.",
    )


def _minus(use: Use) -> tuple[str, str]:
    if use.op.name == "negative":
        return (
            f"The sign was changed, so the derivative is −1: {use.incoming} changes its sign, too.",
            f"Se cambió el signo, así que la derivada es −1: {use.incoming} también cambia de signo.",
        )
    if use.position == 0:
        en, es = _add(use)
        return (
            en.replace("In a sum the derivative by each term", "In a difference the derivative by the first term", 1),
            es.replace(
                "En una suma, la derivada respecto de cada término", "En una resta, la derivada respecto del primer término", 1
            ),
        )
    return (
        f"{use.receiver} is subtracted, so the derivative is −1: {use.incoming} goes to it with the other sign.",
        f"{use.receiver} se resta, así que la derivada es −1: {use.incoming} le llega con el signo contrario.",
    )


def _power(use: Use) -> tuple[str, str]:
    if use.position == 1:
        return _place_by_place(use)
    n = _other(use)
    return (
        f"A power n has the derivative n times the power n − 1, here with n = {n}, so {use.incoming} is multiplied by {use.derivative or use.formula}, place by place.",
        f"Una potencia n tiene como derivada n por la potencia n − 1, aquí con n = {n}, así que {use.incoming} se multiplica por {use.derivative or use.formula}, elemento a elemento.",
    )


def _relu(use: Use) -> tuple[str, str]:
    return (
        f"relu has let through what was positive: {use.incoming} goes back to those places, and the others get 0.",
        f"relu dejó pasar lo positivo: {use.incoming} vuelve a esos lugares, y los demás reciben 0.",
    )


def _where(use: Use) -> tuple[str, str]:
    en, es = ("holds", "se cumple") if use.position == 1 else ("does not hold", "no se cumple")
    return (
        f"{use.receiver} was chosen where the condition {en}: there {use.incoming} goes back to it, and elsewhere it gets 0.",
        f"{use.receiver} se eligió donde la condición {es}: ahí {use.incoming} vuelve a él, y en los demás lugares recibe 0.",
    )


def _cross_entropy(use: Use) -> tuple[str, str]:
    en, es = (
        ("minus 1 at the true class", "menos 1 en la clase correcta")
        if use.classes
        else ("minus the targets", "menos los objetivos")
    )
    shown = "" if "[" in use.formula else f": {use.formula}"
    return (
        f"Cross entropy of softmax simplifies to the probabilities, {en}, divided by the number of examples{shown}.",
        f"La entropía cruzada de softmax se simplifica a las probabilidades, {es}, dividido por el número de ejemplos{shown}.",
    )


def _simple(en: str, es: str) -> Any:
    return lambda use: (en.format(**vars(use)), es.format(**vars(use)))


def _square(use: Use) -> tuple[str, str]:
    return (
        f"A square has the derivative two times what was squared, so {use.incoming} is multiplied by 2 ∗ {use.receiver}, place by place.",
        f"Un cuadrado tiene como derivada dos veces lo que se elevó, así que {use.incoming} se multiplica por 2 ∗ {use.receiver}, elemento a elemento.",
    )


_RULES: Mapping[str, Any] = {
    "square": _square,
    "add": _add,
    "subtract": _minus,
    "negative": _minus,
    "multiply": _multiply,
    "divide": _divide,
    "power": _power,
    "relu": _relu,
    "matmul": _matmul,
    "outer": _contraction,
    "einsum": _contraction,
    "sum": _sum,
    "mean": _mean,
    "where": _where,
    "identity": _simple(
        "The numbers were handed on as they are, and so is {incoming}.",
        "Los números pasaron tal como están, y {incoming} también.",
    ),
    "astype": _simple(
        "Only the precision was changed: {incoming} goes back in the precision of {receiver}.",
        "Solo cambió la precisión: {incoming} vuelve con la precisión de {receiver}.",
    ),
    "trace": _simple(
        "Only the diagonal was added up: there each entry of {receiver} receives {incoming}, and elsewhere 0.",
        "Solo se sumó la diagonal: ahí cada elemento de {receiver} recibe {incoming}, y en los demás lugares 0.",
    ),
    "cumsum": _simple(
        "Each entry of {receiver} is in its own sum and in all that come after: it receives {incoming} from all of them, added up from the end.",
        "Cada elemento de {receiver} está en su propia suma y en todas las que siguen: recibe {incoming} de todas ellas, sumado desde el final.",
    ),
    "reshape": _simple(
        "The numbers were only laid out in another shape: {incoming} is laid out again in the shape of {receiver}.",
        "Los números solo se dispusieron con otras dimensiones: {incoming} vuelve a las dimensiones de {receiver}.",
    ),
    "transpose": _simple(
        "Only the order of the axes was changed: {incoming} is turned back.",
        "Solo cambió el orden de los ejes: {incoming} vuelve al orden de antes.",
    ),
    "flip": _simple(
        "The order was reversed: {incoming} is reversed again.", "El orden se invirtió: {incoming} se invierte de nuevo."
    ),
    "broadcast_to": _simple(
        "{receiver} was repeated: what all its copies receive is added up.",
        "{receiver} se repitió: se suma lo que reciben todas sus copias.",
    ),
    "getitem": _simple(
        "Each entry of {incoming} goes back to the place of {receiver} that was picked; what was picked several times adds up, and what was not gets 0.",
        "Cada elemento de {incoming} vuelve al lugar de {receiver} que se escogió; lo que se escogió varias veces se suma, y lo que no se escogió recibe 0.",
    ),
    "scatter": _simple(
        "Each number of {receiver} was put in a place: from that place it gets its part of {incoming}.",
        "Cada elemento de {receiver} se puso en un lugar: de ese lugar recibe su parte de {incoming}.",
    ),
    "pad": _simple(
        "The border is not of {receiver}: what {incoming} has there is dropped, and the rest goes back.",
        "El borde no es de {receiver}: lo que {incoming} tiene ahí se descarta, y el resto vuelve.",
    ),
    "windows": _simple(
        "A number of {receiver} stands in several windows: what it receives from all of them is added up.",
        "Un número de {receiver} está en varias ventanas: se suma lo que recibe de todas ellas.",
    ),
    "overlap_add": _simple(
        "Each number of {receiver} was added into one place: from there it gets its part of {incoming}.",
        "Cada elemento de {receiver} se sumó en un lugar: de ahí recibe su parte de {incoming}.",
    ),
    "concatenate": _simple(
        "{receiver} is a piece of {result}: it gets back just that piece of {incoming}.",
        "{receiver} es un trozo de {result}: recibe de vuelta justo ese trozo de {incoming}.",
    ),
    "stack": _simple(
        "{receiver} is one layer of {result}: it gets back just that layer of {incoming}.",
        "{receiver} es una capa de {result}: recibe de vuelta justo esa capa de {incoming}.",
    ),
    "softmax": _simple(
        "Raising one score raises its own probability and lowers the others that share its sum: so each score gets its probability times the difference between its own {incoming} and their mean, weighted by the probabilities.",
        "Subir un puntaje sube su propia probabilidad y baja las demás que comparten su suma: así, cada puntaje recibe su probabilidad por la diferencia entre su propio {incoming} y el promedio de ellos, ponderado por las probabilidades.",
    ),
    "log_softmax": _simple(
        "Each logarithm of a probability depends on all the scores: raising one raises its own and lowers the others of its row, in proportion to their probabilities, which gives {formula}.",
        "Cada logaritmo de una probabilidad depende de todos los puntajes: subir uno sube el suyo y baja los demás de su fila, en proporción a sus probabilidades, lo que da {formula}.",
    ),
    "logsumexp": _simple(
        "The derivative of this smooth maximum is softmax: {incoming} is shared out among the entries of {receiver} in that proportion, {formula}.",
        "La derivada de este máximo suave es softmax: {incoming} se reparte entre los números de {receiver} en esa proporción, {formula}.",
    ),
    "norm": _simple(
        "A length grows fastest in its own direction: the derivative is {receiver} divided by its length, {formula}.",
        "Un largo crece más rápido en su propia dirección: la derivada es {receiver} dividido por su largo, {formula}.",
    ),
    "bce": _simple(
        "The loss is a mean over the examples, and the derivative of a logarithm is one over what stands in it: so each entry of {receiver} gets {formula}.",
        "La pérdida es un promedio sobre los ejemplos, y la derivada de un logaritmo es uno dividido por su argumento: así, cada elemento de {receiver} recibe {formula}.",
    ),
    "bce_with_logits": _simple(
        "Cross entropy of a sigmoid simplifies to prediction minus target, divided by the number of examples: {formula}.",
        "La entropía cruzada de una sigmoide se simplifica a predicción menos objetivo, dividido por el número de ejemplos: {formula}.",
    ),
    "cross_entropy": _cross_entropy,
}


def derivative_of(rule: str) -> str:
    """What a rule multiplies by, place by place, without the sign and without needless parentheses; else nothing.

    >>> derivative_of("∗ (1 − h ∗ h)"), derivative_of("∗ h ∗ (1 − h)"), derivative_of("· Wᵀ"), derivative_of("/ u, Σ over N")
    ('1 − h ∗ h', 'h ∗ (1 − h)', '', '1 / u')
    """
    core = rule.split(", Σ over")[0]
    if core.startswith("/ "):
        return f"1 {core}"
    if not core.startswith("∗ "):
        return ""
    core = core[2:]
    depth = 0
    for n, c in enumerate(core):
        depth += {"(": 1, ")": -1}.get(c, 0)
        if not depth:
            return core[1:-1] if core.startswith("(") and n == len(core) - 1 else core
    return core


def _axes(axes: Sequence[str | int], language: str) -> str:
    word = "axis" if language == "en" else "el eje"
    windows = "all {} windows" if language == "en" else "las {} ventanas"
    return _and(
        [a if isinstance(a, str) else windows.format(a) if isinstance(a, Windows) else f"{word} {a}" for a in axes], language
    )


def _and(names: Sequence[str], language: str) -> str:
    """A list in words.

    >>> _and(["a", "b", "c"], "en"), _and(["h", "i"], "es")
    ('a, b and c', 'h e i')
    """
    *first, last = names
    if not first:
        return last
    word = "and" if language == "en" else "e" if re.match(r"(i|hi)(?![ae])", last, re.IGNORECASE) else "y"
    return f"{', '.join(first)} {word} {last}"


# ---- the derivation ------------------------------------------------------------------------------------------------------

_LINES = {
    "chain": "Regla de la cadena",
    "forward": "Pasada hacia adelante",
    "local": "Derivada local",
    "contraction": "Para un elemento",
    "matrix": "Para todo el arreglo",
    "shape": "Dimensiones",
    "simplified": "Simplificado",
    "registered": "Su regla, tal como está registrada",
    "indices": "Aquí termina la notación matricial: queda en índices",
}


def line_words(line: Line) -> Words:
    """The words of a line of a derivation.

    >>> line_words(Line("survives", "Only k = i and l = j survive", None))["es"]
    'Solo sobreviven k = i y l = j'
    """
    words = line.words
    for short, clear in (("Contraction", "For one entry"), ("Matrix form", "For the whole array")):
        words = f"{clear}{words.removeprefix(short)}" if words.startswith(short) else words
    spanish = _LINES.get(line.kind, words)
    if line.kind == "survives" and (found := re.fullmatch(r"Only (.*) survives?", words)):
        pairs = found[1].split(" and ")
        spanish = f"Solo {'sobreviven' if len(pairs) > 1 else 'sobrevive'} {' y '.join(pairs)}"
    if line.kind == "sum" and (found := re.fullmatch(r"(.*) is used in (\d+) equations: .*", words, re.DOTALL)):
        spanish = f"{found[1]} se usa en {found[2]} ecuaciones: su gradiente es la suma de lo que aportan"
    if line.kind == "local" and ", the known one of " in words:
        of = words.rpartition(", the known one of ")[2]
        spanish += f", la que se conoce de {'la entropía cruzada' if of == 'cross entropy' else of}"
    if line.kind == "forward" and words.startswith("The forward equation has no form"):
        spanish = "La ecuación de la pasada hacia adelante no tiene aquí forma en índices"
    if ", counting from 0" in words:
        spanish += ", contando desde 0"
    if "where an entry outside of its tensor is 0" in words:
        spanish += ", donde un número fuera de su tensor es 0"
    if line.kind == "simplified" and ", because " in words:
        names = re.findall(r"(\S+) sums to 1 over its last axis", words)
        spanish += f", porque {_and(names, 'es')} {'suman' if len(names) > 1 else 'suma'} 1 sobre su último eje, lo que se verificó en los datos"
    if line.kind == "put in":
        spanish = f"Al poner {words.removeprefix('With ').removesuffix(' put in')}"
    if line.use:
        return {"en": f"Through {pretty(line.use)}: {words}", "es": f"A través de {pretty(line.use)}: {spanish}"}
    return {"en": words, "es": spanish}
