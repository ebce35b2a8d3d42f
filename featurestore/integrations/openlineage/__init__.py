"""OpenLineage: what the store does is told to others, and what others do joins the graph.

`[openlineage]` with a `url` or a `file` in featurestore.toml (or `FEATURESTORE_OPENLINEAGE_URL`, `..._FILE`) makes a
store tell of materialize, train, publish, register, deploy and undeploy. Events wait in the store's folder,
`openlineage/`, until they are sent, so that neither a slow nor a missing server delays or fails what is told of.
`send_pending` sends what waits, `history` makes the events of what was done before, `load` reads the events of others.
"""

from __future__ import annotations

from featurestore.integrations.openlineage.events import history
from featurestore.integrations.openlineage.listener import Sent, listen, send_history, send_pending
from featurestore.integrations.openlineage.reading import Imported, load

__all__ = ["Imported", "Sent", "history", "listen", "load", "send_history", "send_pending"]
