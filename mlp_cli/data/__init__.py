"""Data sets: where they come from, how they are read, split, scaled and cut into batches."""
