"""Tests: one file a source file, the contracts on all cases, and the house rules."""
