"""Drives the real program for the tests: starts it on a free port in a folder of its own, speaks HTTP to it."""
