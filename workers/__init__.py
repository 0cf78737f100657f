"""Processes beside a GPU: the supervisor that owns jobs and the child that owns the model."""
