"""How true learned bounds' alerts are, on streams of batches with injected faults."""
