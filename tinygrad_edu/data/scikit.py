"""The sets that come with scikit-learn, from its own files: nothing is downloaded."""

from __future__ import annotations

from typing import Any

import numpy as np

from .dataset import Dataset


def iris(*, scaled: bool = True) -> Dataset:
    """150 flowers of three species of iris: lengths and widths of sepals and petals.

    Parameters
    ----------
    scaled : bool
        Each column with mean 0 and standard deviation 1; with False, the centimetres.

    Returns
    -------
    Dataset
        x (150, 4), y (150,) of 0, 1, 2; ``.features`` and ``.classes`` have the names.

    Raises
    ------
    ImportError
        Without scikit-learn; the message says how to install it.

    Notes
    -----
    R. A. Fisher, "The use of multiple measurements in taxonomic problems", Annals of Eugenics 7 (1936), as
    scikit-learn ships them.

    Examples
    --------
    >>> data = tg.data.iris()
    >>> data.classes
    ('setosa', 'versicolor', 'virginica')
    """
    found = _datasets("iris").load_iris()
    x = np.asarray(found.data, dtype=float)
    if scaled:
        x = (x - x.mean(axis=0)) / x.std(axis=0)
    features = [name.removesuffix(" (cm)") for name in found.feature_names]
    return Dataset(x, found.target.astype(np.int64), features, [str(name) for name in found.target_names])


def digits() -> Dataset:
    """1797 handwritten digits of 8 × 8 pixels from 0 (paper) to 1 (ink); ``x.reshape(-1, 8, 8)`` are the pictures.

    Returns
    -------
    Dataset
        x (1797, 64), y (1797,) from 0 to 9.

    Raises
    ------
    ImportError
        Without scikit-learn; the message says how to install it.

    Notes
    -----
    E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository (1998): the
    part that scikit-learn ships. Neighbouring examples are often of the same writer.

    Examples
    --------
    >>> x, y = tg.data.digits()
    >>> x.shape, x.max()
    ((1797, 64), np.float64(1.0))
    """
    found = _datasets("digits").load_digits()
    return Dataset(found.data.astype(float) / 16, found.target.astype(np.int64), (), [str(k) for k in range(10)])


def _datasets(who: str) -> Any:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise ImportError(f'{who} needs scikit-learn: pip install "tinygrad-edu[examples]"') from error
    return datasets
