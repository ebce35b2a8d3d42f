"""Questions asked of the graph, and the meaning of a view's SQL: what depends on what."""
