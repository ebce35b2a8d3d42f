"""The verbs, one a file, in the order in which data flows: define, plan, apply, materialize, train, publish, serve."""
