"""Sweeps: many runs from one config: the space of members, what is proposed next, and the processes that train them."""
