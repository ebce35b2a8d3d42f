"""What is known: versions, snapshots, pins, activations, edges, and every change, in one database."""
