"""The running app in a real browser: everything that needs JavaScript."""
