"""Mirrors the rooms: engine, components, pages; and a real browser, and benchmarks."""
