"""A beam search as a tree: a column for each token, and what became of every candidate.

The layout is made here. The winner's text is one straight line at the top; the other branches hang below it without
crossing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from components import drawing
from engine.decoding import BeamCandidate, BeamStep

MOST_STEPS = 10
MOST_PRUNED = 3  # drawn of each step; the likeliest ones


@dataclass(frozen=True)
class Tree:
    """What is drawn, and where: nodes in an order in which parents come first."""

    nodes: tuple[BeamCandidate, ...]
    columns: dict[int, int]  # node -> step, from 0
    rows: dict[int, int]
    last_alive: dict[int, int]  # node -> the last step in which a text that begins so was kept; -1 for none
    winner: tuple[int, ...]  # the nodes of the winner's text, as far as they are drawn

    @property
    def n_columns(self) -> int:
        return max(self.columns.values()) + 1

    @property
    def n_rows(self) -> int:
        return max(self.rows.values()) + 1


def plan(steps: Sequence[BeamStep], winner: Sequence[int]) -> Tree:
    """The tree of the first steps. winner: the nodes of the best text, first token first.

    Drawn of each step: all that were kept or finished, and the likeliest of what was pruned.
    """
    drawn, columns = [], {}
    on_path = set(winner)
    for step in steps[:MOST_STEPS]:
        pruned = 0
        for one in step.candidates:
            pruned += one.status == "pruned"
            if one.status != "pruned" or pruned <= MOST_PRUNED:
                drawn.append(one)
                columns[one.node] = step.step
    children: dict[int, list[BeamCandidate]] = {}
    for one in drawn:
        children.setdefault(one.parent, []).append(one)
    for some in children.values():
        some.sort(key=lambda one: (one.node not in on_path, one.status == "pruned", -one.total_log_prob))
    path = tuple(node for node in winner if node in columns)
    return Tree(tuple(drawn), columns, _rows(children), _last_alive(steps), path)


def _rows(children: dict[int, list[BeamCandidate]]) -> dict[int, int]:
    """A row for each node, column by column: its parent's row where that is free, else the next one below.

    The order in a column is that of the parents, so no two lines cross.
    """
    rows, column = {0: 0}, [0]
    while column:
        next_free, below = 0, []
        for parent in column:
            for one in children.get(parent, ()):
                rows[one.node] = max(next_free, rows[parent])
                next_free = rows[one.node] + 1
                below.append(one.node)
        column = below
    rows.pop(0)
    return rows


def _last_alive(steps: Sequence[BeamStep]) -> dict[int, int]:
    """For each node the last step whose kept texts begin with it; counted over the whole search."""
    parents, last = {}, {}
    for step in steps:
        for one in step.candidates:
            parents[one.node] = one.parent
            last.setdefault(one.node, -1)
            node = one.node if one.status == "kept" else 0
            while node:
                last[node] = step.step
                node = parents[node]
    return last


def draw(
    tree: Tree,
    steps: Sequence[BeamStep],
    *,
    token: Callable[[int], str],
    decode: Callable[[list[int]], str],
    root: str,
    shown: int,
    turn: int,
    key: str,
    alt: str,
    on_change: Callable[[], None] | None = None,
) -> Any:
    """Draws the tree up to step `shown`; every other step is there as well and is reached without Python.

    token, decode: how one token is written, and what several read as. root: the end of the prompt. A pause reports
    {"type": "step", "step", "turn"}; the turn that Python heard last goes back as `turn`, so that an answer to an
    earlier report changes nothing.
    """
    texts = _texts(tree, decode)
    data = {
        "shown": shown,
        "turn": turn,
        "root": root,
        "rows": tree.n_rows,
        "columns": tree.n_columns,
        "wider": len(steps) - tree.n_columns,
        "nodes": [
            {
                "node": one.node,
                "parent": one.parent,
                "column": tree.columns[one.node],
                "row": tree.rows[one.node],
                "token": token(one.token_id),
                "text": texts[one.node],
                "status": one.status,
                "alive": tree.last_alive[one.node],
                "wins": one.node in tree.winner,
                "logProb": one.log_prob,
                "total": one.total_log_prob,
                "score": one.score,
                "rank": one.rank,
            }
            for one in tree.nodes
        ],
        "steps": [_counts(step) for step in steps[: tree.n_columns]],
    }
    return drawing.draw("beam_tree", data, key=key, alt=alt, on_change=on_change)


def _counts(step: BeamStep) -> dict[str, int]:
    """What the sentence about a step is made of."""
    statuses = [one.status for one in step.candidates]
    kept, finished = statuses.count("kept"), statuses.count("finished")
    drawn = min(MOST_PRUNED, statuses.count("pruned"))
    return {"considered": step.n_considered, "kept": kept, "finished": finished, "pruned": drawn}


def _texts(tree: Tree, decode: Callable[[list[int]], str]) -> dict[int, str]:
    ids: dict[int, list[int]] = {0: []}
    for one in tree.nodes:
        ids[one.node] = [*ids[one.parent], one.token_id]
    return {node: decode(some) for node, some in ids.items()}
