"""784-512-10 on MNIST by PyTorch, as a user would write it: three epochs, then the test accuracy."""

import numpy as np
import torch

torch.set_num_threads(1)
torch.manual_seed(0)
with np.load("mnist.npz") as file:
    x_train, x_test = (torch.from_numpy(file[name].astype(np.float32) / 255) for name in ("x_train", "x_test"))
    y_train, y_test = (torch.from_numpy(file[name]) for name in ("y_train", "y_test"))
model = torch.nn.Sequential(torch.nn.Linear(784, 512), torch.nn.ReLU(), torch.nn.Linear(512, 10))
criterion = torch.nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), fused=True)
for _ in range(3):
    order = torch.randperm(len(x_train))
    for rows in order.split(128):
        optimizer.zero_grad(set_to_none=True)
        criterion(model(x_train[rows]), y_train[rows]).backward()
        optimizer.step()
with torch.no_grad():
    print(f"test accuracy {100 * (model(x_test).argmax(1) == y_test).float().mean():.2f}")
