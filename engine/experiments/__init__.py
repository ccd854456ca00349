"""Experiments that take longer than two seconds: each is a job (see engine.jobs), and each has a stored run."""
