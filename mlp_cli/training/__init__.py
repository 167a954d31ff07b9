"""Training: the loop, its state, callbacks, evaluation and progress."""
