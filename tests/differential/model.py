"""What is right: revisions, rows and targets as sets, written from the state model and from nothing of pgtide's.

applied = ancestors-or-self of the rows over `revises` and `depends-on`; rows = the maximal elements of applied.
"""
import re

RESERVED = {"head", "heads", "base", "current"}
NAME = re.compile(r"[A-Za-z0-9_.]{1,255}\Z")
IDENTIFIER = re.compile(r"(?:([^@]*)@)?([^@+-]*)([+-]\d+)?\Z")


class Refusal(Exception):
    """No steps: `code` is pgtide's error code."""

    def __init__(self, code, text):
        super().__init__(text)
        self.code = code


class BadGraph(Exception):
    """Not a graph: every (what, ids) that is wrong."""

    def __init__(self, problems):
        super().__init__("; ".join(f"{what} {', '.join(ids)}" for what, ids in problems))
        self.problems = problems


class Model:
    """`revisions`: [{"id", "revises", "depends_on", "labels"}]. BadGraph when they are none."""

    def __init__(self, revisions):
        self.check_names(revisions)
        self.order = sorted(r["id"] for r in revisions)
        by_id = {r["id"]: r for r in revisions}
        self.labels = {label: r["id"] for r in revisions for label in r["labels"]}
        self.parents = {i: list(by_id[i]["revises"]) for i in self.order}
        self.depends = {i: [self.labels.get(d, d) for d in by_id[i]["depends_on"]] for i in self.order}
        self.check_edges()
        self.below = {i: set(self.parents[i]) | set(self.depends[i]) for i in self.order}
        self.check_cycles()
        self.children = {i: [c for c in self.order if i in self.parents[c]] for i in self.order}
        self.above = {i: {c for c in self.order if i in self.below[c]} for i in self.order}

    # --- is it a graph? ---

    @staticmethod
    def check_names(revisions):
        problems = []
        ids = [r["id"] for r in revisions]
        labels = [(label, r["id"]) for r in revisions for label in r["labels"]]
        for r in revisions:
            for what, names in (("id", [r["id"]]), ("parent", r["revises"]), ("label", r["labels"])):
                if any(not NAME.match(name) for name in names):
                    problems.append((f"bad character in {what}", [r["id"]]))
            for key in ("revises", "depends_on", "labels"):
                if len(set(r[key])) < len(r[key]):
                    problems.append((f"twice in {key}", [r["id"]]))
            if r["id"] in RESERVED:
                problems.append(("reserved id", [r["id"]]))
        for i in sorted({i for i in ids if ids.count(i) > 1}):
            problems.append(("duplicate id", [i]))
        names = [label for label, _ in labels]
        for label, owner in labels:
            if names.count(label) > 1 or label in ids or label in RESERVED:
                problems.append((f"label {label} is taken", [owner]))
        if problems:
            raise BadGraph(problems)

    def check_edges(self):
        problems = []
        for i in self.order:
            for what, names in (("parent", self.parents[i]), ("dependency", self.depends[i])):
                for name in names:
                    if name not in self.parents:
                        problems.append((f"missing {what} {name}", [i]))
                    elif name == i:
                        problems.append((f"itself as {what}", [i]))
        if problems:
            raise BadGraph(problems)

    def check_cycles(self):
        left = set(self.order)
        while True:
            free = {i for i in left if not self.below[i] & left}
            if not free:
                break
            left -= free
        around = sorted(i for i in left if i in self.reach(self.below[i], self.below))
        if around:
            raise BadGraph([("cycle", around)])

    # --- sets ---

    @staticmethod
    def reach(start, edges):
        """`start` and all that `edges` lead to from it."""
        seen, todo = set(), list(start)
        while todo:
            node = todo.pop()
            if node not in seen:
                seen.add(node)
                todo.extend(edges[node])
        return seen

    def closure(self, ids):
        return self.reach(ids, self.below)

    def maximal(self, applied):
        return sorted(i for i in applied if not self.above[i] & applied)

    def lineage(self, node):
        return self.reach([node], self.parents) | self.reach([node], self.children)

    def redundant(self):
        """Revisions that name something that another name of theirs builds on already."""
        return {i for i in self.order if any(p != q and p in self.closure([q]) for p in self.below[i] for q in self.below[i])}

    # --- names ---

    def name(self, text, within=None):
        known = text if text in self.parents else self.labels.get(text)
        if known is not None:
            if within is not None and known not in within:
                raise Refusal("REVISION_UNKNOWN", f"{text} is not on the branch")
            return known
        names = list(self.order) + list(self.labels)
        found = [n for n in names if len(n) > 3 and n.startswith(text)]
        found = [self.labels.get(n, n) for n in found]
        if within is not None:
            found = [n for n in found if n in within]
        if len(found) != 1 or text == "":
            raise Refusal("REVISION_UNKNOWN", f"{len(found)} begin with {text}")
        return found[0]

    def heads(self, within=None):
        return [i for i in self.order if not self.children[i] and (within is None or i in within)]

    def symbol(self, text, within=None):
        """[] is base, or the head of nothing."""
        if text == "base":
            return []
        if text == "head":
            heads = self.heads(within)
            if len(heads) > 1:
                raise Refusal("MULTIPLE_HEADS", "several heads")
            return heads
        if text == "heads":
            return self.heads(within) if within is not None else [i for i in self.order if not self.above[i]]
        return [self.name(text, within)]

    def one(self, text, within=None):
        found = self.symbol(text, within)
        if len(found) > 1:
            raise Refusal("MULTIPLE_HEADS", "several heads")
        return found[0] if found else None

    def parse(self, text):
        """(branch's revision or None, its lineage or None, symbol or '', steps or None)"""
        match = IDENTIFIER.match(text)
        if not match or match.group(1) == "" or (match.group(2) == "" and match.group(3) is None):
            raise Refusal("REVISION_UNKNOWN", "not an identifier")
        branch = None if match.group(1) is None else self.name(match.group(1))
        lineage = None if branch is None else self.lineage(branch)
        return branch, lineage, match.group(2), None if match.group(3) is None else int(match.group(3))

    def walk(self, place, steps, within=None, stops=False):
        """From a revision, or None for base. Below base come the heads, once. With `stops` the end is far enough."""
        ended = False
        for _ in range(abs(steps)):
            if steps > 0:
                onward = self.children[place] if place else [i for i in self.order if not self.parents[i]]
                onward = [i for i in onward if within is None or i in within]
            else:
                onward = [] if ended else self.parents[place] if place else self.heads()
            if len(onward) > 1:
                raise Refusal("TARGET", "ambiguous walk")
            if not onward and (steps > 0 or ended or place is None):
                if stops:
                    break
                raise Refusal("TARGET", "walked too far")
            ended = not onward
            place = onward[0] if onward else None
        return place

    # --- the three commands ---

    def read_rows(self, rows):
        for row in rows:
            if row not in self.parents:
                raise Refusal("REVISION_UNKNOWN", f"row {row}")
        return sorted(rows)

    def no_overlap(self, ids):
        for i in ids:
            if set(ids) & self.closure([i]) - {i}:
                raise Refusal("TARGET", "targets overlap")

    def upgrade_target(self, rows, text, stops=False):
        branch, lineage, symbol, steps = self.parse(text)
        if steps is None:
            return self.symbol(symbol, lineage)
        if symbol:
            start = self.one(symbol, lineage if steps <= 0 else None)
        else:
            if steps <= 0:
                raise Refusal("TARGET", "not up")
            starts = [r for r in rows if branch is None or r in lineage]
            if not starts and branch is not None:
                on_branch = self.closure(rows) & lineage
                starts = [i for i in on_branch if not self.above[i] & on_branch]
            if len(starts) > 1:
                raise Refusal("TARGET", "several places to start from")
            start = starts[0] if starts else None
        place = self.walk(start, steps, lineage if steps > 0 else None, stops)
        return [] if place is None else [place]

    def upgrade(self, rows, text):
        rows = self.read_rows(rows)
        targets = self.upgrade_target(rows, text)
        self.no_overlap(targets)
        applied = self.closure(rows)
        steps = self.closure(targets) - applied
        return steps, self.maximal(applied | steps)

    def downgrade_target(self, rows, text):
        branch, lineage, symbol, steps = self.parse(text)
        if steps is None:
            return branch, self.one(symbol)
        if symbol:
            start = self.one(symbol, lineage if steps < 0 else None)
            return branch, self.walk(start, steps, lineage if steps >= 0 else None)
        if steps >= 0 or not rows:
            raise Refusal("TARGET", "not down")
        if branch is None:
            return rows[0], self.walk(rows[0], steps)
        starts = [r for r in rows if r in lineage]
        if not starts:
            applied = self.closure(rows)
            starts = [i for i in applied & lineage if not set(self.children[i]) & applied]
        if len(starts) != 1:
            raise Refusal("TARGET", "not one place to start from")
        return branch, self.walk(starts[0], steps)

    def downgrade(self, rows, text):
        rows = self.read_rows(rows)
        branch, target = self.downgrade_target(rows, text)
        roots = self.children[target] if target else [i for i in self.order if not self.parents[i]]
        if branch is not None and len(roots) > 1:
            roots = [r for r in roots if r in self.reach([branch], self.parents)]
            if not roots:
                raise Refusal("TARGET", "the branch does not stand on the target")
        applied = self.closure(rows)
        steps = self.reach(roots, self.above) & applied
        if not steps and target is not None and target not in rows:
            raise Refusal("TARGET", "nothing to take back")
        return steps, self.maximal(applied - steps)

    def stamp(self, rows, targets, purge):
        rows = set() if purge else set(self.read_rows(rows))
        stamped = set()
        for text in targets:
            branch, lineage, symbol, steps = self.parse(text)
            if steps is not None:
                raise Refusal("TARGET", "relative")
            found = self.symbol(symbol, lineage)
            if not found:
                near = None if branch is None else self.reach([branch], self.below) | self.reach([branch], self.above)
                rows = {r for r in rows if near is not None and r not in near}
            for i in found:
                near = self.closure([i]) | self.reach([i], self.above)
                if near & stamped - {i}:
                    raise Refusal("TARGET", "targets overlap")
                rows = {r for r in rows if r not in near}
                stamped.add(i)
        return set(), sorted(rows | stamped)

    # --- ranges ---

    def from_heads(self, steps, lineage):
        places = [self.walk(head, steps, stops=True) for head in self.symbol("heads", lineage)]
        return list(dict.fromkeys(places))

    def range_start(self, rows, text):
        """(branch's lineage or None, revisions; none is base)"""
        if text == "current":
            return None, rows
        _, lineage, symbol, steps = self.parse(text)
        if steps is None:
            return lineage, self.symbol(symbol, lineage)
        if not symbol and steps < 0:
            places = self.from_heads(steps, lineage)
            return lineage, [] if None in places else places
        start = self.one(symbol, lineage) if symbol else None
        place = self.walk(start, steps, lineage if steps > 0 else None, stops=True)
        return lineage, [] if place is None else [place]

    def range_end(self, rows, lower, text):
        if text == "current":
            return rows
        _, lineage, symbol, steps = self.parse(text)
        if steps is not None and not symbol and steps < 0:
            return [place for place in self.from_heads(steps, lineage) if place is not None]
        return self.upgrade_target(lower, text, stops=True)

    def range(self, rows, text):
        rows = self.read_rows(rows)
        start, end = text.split(":")
        lineage, lower = self.range_start(rows, start or "base")
        upper = self.range_end(rows, lower, end or "heads")
        shown = self.closure([i for i in upper if lineage is None or i in lineage])
        if set(lower) - shown:
            raise Refusal("TARGET", "not on one line")
        if lower:
            shown = (shown - self.closure(lower) | set(lower)) & self.reach(lower, self.children)
        return shown, rows

    def answer(self, query):
        """(set of revisions, rows after), or Refusal."""
        if query["kind"] == "upgrade":
            return self.upgrade(query["rows"], query["targets"][0])
        if query["kind"] == "downgrade":
            return self.downgrade(query["rows"], query["targets"][0])
        if query["kind"] == "range":
            return self.range(query["rows"], query["targets"][0])
        return self.stamp(query["rows"], query["targets"], query["purge"])

    def ordered(self, kind, steps):
        """Whether each of the steps comes when it may, going up or down."""
        seen = set()
        for i in steps:
            before = self.below[i] if kind == "upgrade" else self.above[i]  # ranges are newest first too
            if before & set(steps) - seen:
                return False
            seen.add(i)
        return True
