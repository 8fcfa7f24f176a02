"""Alembic asked in its own process: RevisionMap, the steps and the head maintenance of the real thing, without a database.

As a program: cases on stdin, a JSON object a line, answers on stdout; for asking again under another PYTHONHASHSEED.
"""
import json
import sys
import types
import warnings

from alembic.runtime.migration import HeadMaintainer
from alembic.script import ScriptDirectory
from alembic.script.base import Script
from alembic.script.revision import RevisionMap
from alembic.util import CommandError

warnings.simplefilter("ignore")


class Rows(HeadMaintainer):
    """The version table as a set."""

    def __init__(self, rows):
        self.heads = set(rows)

    def _insert_version(self, version):
        assert version not in self.heads
        self.heads.add(version)

    def _delete_version(self, version):
        self.heads.remove(version)

    def _update_version(self, from_, to_):
        assert to_ not in self.heads
        self.heads.remove(from_)
        self.heads.add(to_)


def script_of(revision):
    module = types.SimpleNamespace(
        __doc__="", upgrade=lambda: None, downgrade=lambda: None, down_revision=tuple(revision["revises"]) or None,
        branch_labels=tuple(revision["labels"]) or None, depends_on=tuple(revision["depends_on"]) or None)
    return Script(module, revision["id"], revision["id"] + ".py")


def directory_of(revisions):
    directory = ScriptDirectory.__new__(ScriptDirectory)
    ordered = sorted(revisions, key=lambda revision: revision["id"])
    directory.revision_map = RevisionMap(lambda: (script_of(revision) for revision in ordered))
    with directory._catch_revision_errors():
        directory.revision_map._revision_map
    return directory


def answer(directory, query):
    rows = () if query["purge"] else tuple(query["rows"])
    table = Rows(rows)
    if query["kind"] == "range":
        ends = [tuple(query["rows"]) if end == "current" else end for end in query["targets"][0].split(":")]
        shown = [script.revision for script in directory.walk_revisions(base=ends[0] or "base", head=ends[1] or "heads")]
        return {"steps": shown, "rows": query["rows"], "between": []}
    if query["kind"] == "upgrade":
        steps = directory._upgrade_revs(query["targets"][0], rows)
    elif query["kind"] == "downgrade":
        steps = directory._downgrade_revs(query["targets"][0], rows)
    else:
        steps = directory._stamp_revs(tuple(query["targets"]), rows)
    between = []
    for step in steps:
        table.update_to_step(step)
        between.append(sorted(table.heads))
    names = [] if query["kind"] == "stamp" else [step.revision.revision for step in steps]
    return {"steps": names, "rows": sorted(table.heads), "between": between}


def failure(error):
    """A CommandError is an answer; whatever else is raised is a defect of Alembic's."""
    kind = "refused" if isinstance(error, CommandError) else type(error).__name__
    return {"error": kind, "message": str(error)}


def ask(case):
    """The answers of a case: [{"steps", "rows", "between"} or {"error", "message"}], or one error for the whole."""
    try:
        directory = directory_of(case["revisions"])
    except Exception as error:
        return failure(error)
    answers = []
    for query in [] if case["damage"] else case["queries"]:  # it may walk a cycle for ever
        try:
            answers.append(answer(directory, query))
        except Exception as error:
            answers.append(failure(error))
    return {"answers": answers}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(ask(json.loads(line))))
