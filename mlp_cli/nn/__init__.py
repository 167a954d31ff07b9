"""The network: arrays in, arrays out. NumPy only."""
