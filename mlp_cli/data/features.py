"""What the inputs may be turned into before they enter the network, fitted on the training part alone."""

from __future__ import annotations

from mlp_cli.data.extraction import Extracted
from mlp_cli.data.feature_file import File
from mlp_cli.data.hog import Hog
from mlp_cli.data.onnx_backbone import Onnx
from mlp_cli.data.patches import Patches
from mlp_cli.data.pca import Pca, Projection
from mlp_cli.data.transforms import Affine
from mlp_cli.registry import Registry

features: Registry = Registry("features")
for _each in (Pca, Patches, Hog, File, Onnx):
    features.register(_each)

Transform = Affine | Projection | Extracted
"""What becomes of an input before the network: scaling, scaling and a projection, or features that are costly to make."""
