"""Features from a network that somebody trained elsewhere, as an ONNX file. Needs the extra `onnx`."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from typing_extensions import Doc

from mlp_cli.data.dataset import Array, Part
from mlp_cli.data.pictures import Pictures
from mlp_cli.errors import DataError, UsageError
from mlp_cli.files import read_bytes
from mlp_cli.registry import Count, Listed, Range

_MOST_BYTES = 2 << 30
_BATCH = 32
_FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")

Size = Annotated[int, Range(ge=1, le=4096)]
Numbers = Annotated[tuple[float, ...], Listed()]


class Onnx:
    """An output of a network in an ONNX file, flattened.

    The network takes float32 pictures (n, channels, height, width), of any number n, and is given nothing but the file's own bytes:
    one with weights in other files, or with operators that ONNX does not have, is refused. Grey pictures get three equal channels
    where it wants three.
    """

    def __init__(
        self,
        path: Annotated[str, Doc("The ONNX file.")],
        output: Annotated[str | None, Doc("The output to take, by name; null where there is one only.")] = None,
        resize: Annotated[Size | None, Doc("Width and height that pictures are brought to; null leaves them.")] = None,
        resample: Annotated[Literal[_FILTERS], Doc("How they are resized.")] = "bilinear",  # type: ignore[valid-type]
        white: Annotated[
            float, Range(gt=0, le=1e6), Doc("The value of white that the network was trained with; black is 0.")
        ] = 1.0,
        mean: Annotated[Numbers, Doc("Taken from each channel after that: one number, or one for each.")] = (0.0,),
        deviation: Annotated[Numbers, Doc("What each channel is divided by after that.")] = (1.0,),
        components: Annotated[Count | None, Doc("Principal components of the features to keep; null for all features.")] = None,
        standardize: Annotated[bool, Doc("Bring each feature to mean 0 and deviation 1.")] = True,
    ) -> None:
        self.path, self.output = path, output
        self.resize, self.resample = resize, resample
        self.white, self.mean, self.deviation = white, mean, deviation
        self.components, self.standardize = components, standardize
        self._session: Any = None
        self._lock = threading.Lock()

    def content_hash(self) -> str:
        """SHA-256 of the file. Errors: DataError where it cannot be read."""
        return hashlib.sha256(self._content()).hexdigest()

    def _content(self) -> bytes:
        return read_bytes(Path(self.path), _MOST_BYTES, DataError)

    def check(self, pictures: Pictures) -> None:
        """Errors: UsageError without the extra, and for options that do not go with the network; DataError for a file that cannot
        be used."""
        session = self._opened(self._content())
        channels = self._channels(session, pictures)
        for name, values in (("mean", self.mean), ("deviation", self.deviation)):
            if len(values) not in (1, channels) or (name == "deviation" and min(map(abs, values)) < 1e-12):
                raise UsageError(f"features: onnx: {name} must have 1 or {channels} numbers, other than 0 for deviation")
        self.width(pictures)

    def width(self, pictures: Pictures) -> int:
        """How many features a picture has, before `components`. Errors: as `check`."""
        size = pictures.channels * pictures.height * pictures.width
        return self.compute(np.zeros((1, size), np.uint8), pictures, {}).shape[1]

    def learn(self, part: Part, pictures: Pictures) -> dict[str, Array]:
        """Nothing is learnt; the file goes into the model, so that predicting does not need it."""
        return {"backbone": np.frombuffer(self._content(), np.uint8)}

    def compute(self, rows: Array, pictures: Pictures, learnt: dict[str, Array]) -> NDArray[np.float32]:
        """The features (B, width) of raw rows (B, D)."""
        with self._lock:
            session = self._session or self._opened(learnt["backbone"].tobytes() if learnt else self._content())
        channels = self._channels(session, pictures)
        found = []
        for start in range(0, len(rows), _BATCH):
            planes = self._prepared(pictures.bytes_of(rows[start : start + _BATCH]), channels)
            try:
                (values,) = session.run([self._output(session)], {session.get_inputs()[0].name: planes})
            except Exception as error:  # whatever the network itself stumbles over
                raise DataError(f"features: onnx: {self.path} cannot take the pictures: {error}", _HINT) from error
            values = np.asarray(values)
            if not len(values.shape) or len(values) != len(planes) or values.dtype.kind != "f" or not np.isfinite(values).all():
                told = f"{values.dtype} of the shape {values.shape} for {len(planes)} pictures, or values that are not finite"
                raise DataError(f"features: onnx: {self.path} gives {told}", "choose another output")
            found.append(values.reshape(len(values), -1).astype(np.float32))
        return np.concatenate(found)

    def _prepared(self, planes: NDArray[np.float32], channels: int) -> NDArray[np.float32]:
        """Planes of 0 … 255 as the network takes them: resized, with its number of channels, range and normalisation."""
        if self.resize is not None and planes.shape[2:] != (self.resize, self.resize):
            from PIL import Image

            size, how = (self.resize, self.resize), Image.Resampling[self.resample.upper()]
            flat = [Image.fromarray(each).resize(size, how) for each in planes.reshape(-1, *planes.shape[2:])]
            planes = np.stack([np.asarray(each) for each in flat]).reshape(*planes.shape[:2], *size)
        if planes.shape[1] != channels:
            planes = np.repeat(planes, channels, axis=1)
        mean, deviation = (np.array(values, np.float32).reshape(-1, 1, 1) for values in (self.mean, self.deviation))
        return np.ascontiguousarray((planes * np.float32(self.white / 255) - mean) / deviation, dtype=np.float32)

    def _opened(self, content: bytes) -> Any:
        """A session of onnxruntime. Errors: UsageError, DataError."""
        try:
            import onnx
            import onnxruntime
        except ImportError as error:
            raise UsageError(f"features: onnx needs the package {error.name}", "pip install 'mlp-cli[onnx]'") from error
        where = f"features: onnx: {self.path}"
        try:
            model = onnx.load_model_from_string(content)
        except Exception as error:  # protobuf's own errors
            raise DataError(f"{where} is no ONNX file: {error}") from error
        if not model.graph.node:
            raise DataError(f"{where} is no ONNX file: it has no operators")
        _refuse_foreign(model, where)
        options = onnxruntime.SessionOptions()
        # One thread, so that the values are the same wherever it runs; pieces of the set run side by side.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 4
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime has a class for each of its errors, and no common one
            raise DataError(f"{where} cannot be run: {error}") from error
        self._output(self._session)
        return self._session

    def _output(self, session: Any) -> str:
        names: list[str] = [each.name for each in session.get_outputs()]
        if self.output is None and len(names) == 1:
            return names[0]
        if self.output is None or self.output not in names:
            told = "has several outputs" if self.output is None else f"has no output {self.output}"
            raise DataError(f"features: onnx: {self.path} {told}; its outputs: {', '.join(names)}", "set features.output to one")
        return self.output

    def _channels(self, session: Any, pictures: Pictures) -> int:
        """How many channels the network is given. Errors: DataError for an input of another kind or shape."""
        where, inputs = f"features: onnx: {self.path}", session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            told = "; ".join(f"{each.name}: {each.type} {each.shape}" for each in inputs)
            raise DataError(f"{where} must take one tensor(float) of n × channels × height × width, and takes {told}")
        batch, *wanted = inputs[0].shape
        if isinstance(batch, int):
            raise DataError(f"{where} has a fixed batch of {batch}", "export it with a dynamic first axis")
        height, width = (self.resize or pictures.height), (self.resize or pictures.width)
        channels = 3 if pictures.channels == 1 and wanted[0] == 3 else pictures.channels
        if any(isinstance(want, int) and want != has for want, has in zip(wanted, (channels, height, width), strict=True)):
            shapes = [" × ".join(map(str, shape)) for shape in (wanted, (channels, height, width))]
            raise DataError(f"{where} wants pictures of {shapes[0]}, and is given {shapes[1]}", _HINT)
        return channels


_HINT = "set features.resize to the width and height that it wants"


def _refuse_foreign(model: Any, where: str) -> None:
    """Errors: DataError where a model has weights in other files, or operators that ONNX does not have."""
    import onnx

    for part in _parts(model):
        if isinstance(part, onnx.TensorProto) and part.data_location == onnx.TensorProto.EXTERNAL:
            raise DataError(f"{where} has its weights in other files", "save it as one file")
        if isinstance(part, onnx.NodeProto) and part.domain not in ("", "ai.onnx"):
            raise DataError(f"{where} has the custom operator {part.domain}.{part.op_type}", "only ONNX's own operators are run")


def _parts(message: Any) -> Iterator[Any]:
    """A protobuf message and all messages in it, however deep."""
    waiting = [message]
    while waiting:
        yield (one := waiting.pop())
        for field, value in one.ListFields():
            if field.message_type is not None:
                waiting += [value] if hasattr(value, "ListFields") else list(value)
