"""Toy cases that the contract tests run through, one list a room."""
