"""A record as an ONNX model: forward and, when asked, the gradients, as ordinary operators."""

from .errors import NoOnnxError
from .export import export_onnx
from .model import Exported

__all__ = ["Exported", "NoOnnxError", "export_onnx"]
