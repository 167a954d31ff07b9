"""784-512-10 on MNIST by scikit-learn, as a user would write it: three epochs, then the test accuracy."""

import warnings

import numpy as np
from sklearn.neural_network import MLPClassifier

warnings.simplefilter("ignore")
with np.load("mnist.npz") as file:
    x_train, x_test = (file[name].astype(np.float32) / 255 for name in ("x_train", "x_test"))
    y_train, y_test = (file[name] for name in ("y_train", "y_test"))
model = MLPClassifier((512,), batch_size=128, max_iter=3, random_state=0).fit(x_train, y_train)
print(f"test accuracy {100 * model.score(x_test, y_test):.2f}")
