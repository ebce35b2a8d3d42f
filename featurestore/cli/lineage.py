"""`featurestore lineage`: what a node comes from, or what depends on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from featurestore.cli.command import verb

if TYPE_CHECKING:
    from featurestore.cli.command import Session

__all__ = ["lineage"]


@verb(
    "lineage",
    "featurestore lineage delay@1 --up",
    "featurestore lineage weather.wind_speed --down --depth 2",
    "featurestore lineage delay@1 --depth 2 --who",
    "featurestore lineage delay@1 --format mermaid",
)
@click.argument("node")
@click.option("--up", "direction", flag_value="up", help="What the node comes from; this is the default.")
@click.option("--down", "direction", flag_value="down", help="What depends on the node.")
@click.option("--depth", type=click.IntRange(min=0), metavar="N", help="Steps to follow; by default all.")
@click.option(
    "--format", "form", type=click.Choice(["tree", "mermaid", "dot"]), default="tree", help="What is printed."
)
@click.option("--who", is_flag=True, help="In the tree, say who made each node, when and from which commit.")
def lineage(session: Session, node: str, *, direction: str | None, depth: int | None, form: str, who: bool) -> None:
    """Show what NODE comes from (--up) or what depends on it (--down): a tree, Mermaid or Graphviz.

    NODE is a feature, a version, a view, a source, a source's column, a model version, an endpoint, or rows: a
    snapshot, a frame or a spine by eight or more digits. What has ended (a retired version, a column that vanished, an
    endpoint without a model) is marked. With --json every node says who made it, when and from which git commit.
    """
    with session.store(read_only=True) as store:
        answer = store.lineage(node, direction or "up", depth=depth)
    forms = {"tree": lambda: answer.to_tree(who=who), "mermaid": answer.to_mermaid, "dot": answer.to_dot}
    session.output.answer(answer, people=forms[form]())
