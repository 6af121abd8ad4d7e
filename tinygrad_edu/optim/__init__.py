"""Update rules, each written once and read in two ways; learning-rate schedules; gradient clipping."""

from .adam import Adam, AdamW
from .clipping import clip_grad_norm, clip_grad_value
from .optimizer import Optimizer
from .rmsprop import RMSProp
from .schedules import CosineLR, ExponentialLR, OneCycleLR, StepLR, WarmupLR
from .sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "CosineLR",
    "ExponentialLR",
    "OneCycleLR",
    "Optimizer",
    "RMSProp",
    "StepLR",
    "WarmupLR",
    "clip_grad_norm",
    "clip_grad_value",
]
