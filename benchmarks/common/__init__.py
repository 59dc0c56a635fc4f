"""What the benchmarks share: timing beside a peer, and the file of results."""
