"""Random graphs, rows and targets. A case is {"revisions": [...], "queries": [...], "damage": name or None}."""
import random

import model

LABELS = ["shop", "store", "mail", "mailer", "r0label", "002_label", "x"]
SHAPES = ["line", "bush", "merges", "web", "bases"]
DAMAGES = ["missing parent", "missing dependency", "cycle", "cycle in between", "dependency cycle", "self", "self dependency",
           "duplicate id", "duplicate label", "label is an id", "bad character", "reserved", "twice"]
JUNK = ["", "@", "@head", "shop@", "+", "-", "nothing", "nothing@head", "nothing@+1", "a@b@c", "002", "r0+", "+1x", "head@", "current"]


def some(rng, items, most):
    return rng.sample(items, min(len(items), rng.randint(1, most))) if items else []


def ids_of(rng, count):
    style = rng.choice(["short", "numbered", "shared", "hex", "dotted", "mixed"])
    ids = []
    while len(ids) < count:
        n = len(ids)
        kind = rng.choice(["short", "numbered", "shared", "hex"]) if style == "mixed" else style
        made = {
            "short": lambda: rng.choice("abcdefghij") + str(n % 10),
            "numbered": lambda: f"{n:03d}_{rng.choice(['user', 'users', 'user_bio', 'team'])}",
            "shared": lambda: "rev_" + "a" * rng.randint(0, 3) + rng.choice("ab") + str(rng.randint(0, 30)),
            "hex": lambda: f"{rng.choice(['ab', 'abc1', 'f'])}{rng.getrandbits(24):06x}",
            "dotted": lambda: f"v{rng.randint(1, 3)}.{n}",
        }[kind]()
        if made not in ids:
            ids.append(made)
    return ids


def graph(rng):
    """A graph; nothing is wrong with it."""
    count = rng.choice([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15])
    ids = ids_of(rng, count)
    rng.shuffle(ids)
    shape = rng.choice(SHAPES)
    dependencies = rng.choice([0, 0, 0.2, 0.5, 0.9])
    labelled = rng.choice([0, 0.2, 0.6])
    free = LABELS[:]
    rng.shuffle(free)
    revisions = []
    for n, name in enumerate(ids):
        earlier = ids[:n]
        base = not earlier or rng.random() < {"bases": 0.3, "web": 0.1}.get(shape, 0.02)
        if base:
            parents = []
        elif shape == "line":
            parents = [ids[n - 1]]
        elif shape in ("merges", "web") and rng.random() < 0.4:
            parents = some(rng, earlier[-5:], 3)
        else:
            parents = [rng.choice(earlier[-4:])]
        depends = []
        for other in some(rng, earlier, 2):
            if rng.random() < dependencies and other not in parents:
                owner = next(r for r in revisions if r["id"] == other)
                depends.append(owner["labels"][0] if owner["labels"] and rng.random() < 0.5 else other)
        labels = [free.pop()] if free and rng.random() < labelled else []
        revisions.append({"id": name, "revises": parents, "depends_on": depends, "labels": labels})
    if rng.random() < 0.6:
        straighten(rng, revisions)
    rng.shuffle(revisions)
    return revisions


def straighten(rng, revisions):
    """Takes out names that another name of the same revision builds on: most real graphs have none."""
    graph_model = model.Model(revisions)
    for revision in revisions:
        for key in ("depends_on", "revises"):
            for name in revision[key][:]:
                node = graph_model.labels.get(name, name)
                others = graph_model.below[revision["id"]] - {node}
                if node in graph_model.closure(others):
                    revision[key].remove(name)
                    graph_model = model.Model(revisions)


def damaged(rng, revisions, damage):
    """Makes it a graph no more; None where that can't be done to this one."""
    if len(revisions) < 3:
        return None
    graph_model = model.Model(revisions)
    victim = rng.choice(revisions)
    others = [r["id"] for r in revisions if r is not victim]
    under = sorted(graph_model.closure([victim["id"]]) - {victim["id"]})
    if damage == "missing parent":
        victim["revises"] = victim["revises"] + ["missing"]
    elif damage == "missing dependency":
        victim["depends_on"] = victim["depends_on"] + ["missing"]
    elif damage in ("cycle", "dependency cycle", "cycle in between"):
        if not under:
            return None
        lower = next(r for r in revisions if r["id"] == rng.choice(under) or r["id"] == under[0])
        key = "depends_on" if damage == "dependency cycle" else "revises"
        lower[key] = lower[key] + [victim["id"]]
        if damage == "cycle in between":  # reachable from a base and from a head: Alembic does not see it
            revisions.append({"id": "toplevel", "revises": [victim["id"]], "depends_on": [], "labels": []})
    elif damage == "self":
        victim["revises"] = victim["revises"] + [victim["id"]]
    elif damage == "self dependency":
        victim["depends_on"] = victim["depends_on"] + [victim["id"]]
    elif damage == "duplicate id":
        revisions.append({"id": victim["id"], "revises": [], "depends_on": [], "labels": []})
    elif damage == "duplicate label":
        victim["labels"] = ["twin"]
        next(r for r in revisions if r is not victim)["labels"] = ["twin"]
    elif damage == "label is an id":
        victim["labels"] = [rng.choice(others)]
    elif damage == "bad character":
        victim["id"] = victim["id"] + rng.choice("-@+ /")
    elif damage == "reserved":
        victim["labels"] = [rng.choice(sorted(model.RESERVED))]
    elif damage == "twice":
        victim["revises"] = [others[0], others[0]]
    return revisions


def rows_of(rng, graph_model):
    """The rows of a random set that is applied."""
    if not graph_model.order or rng.random() < 0.2:
        return []
    if rng.random() < 0.2:
        return graph_model.maximal(set(graph_model.order))
    return graph_model.maximal(graph_model.closure(some(rng, graph_model.order, rng.choice([1, 1, 2, 4]))))


def target(rng, graph_model, rows):
    """One identifier: any form of the grammar."""
    labels = list(graph_model.labels)
    names = graph_model.order + labels
    if not names or rng.random() < 0.02:
        return rng.choice(JUNK + ["head", "heads", "base", "+1"])
    name = rng.choice(graph_model.order)
    branch = rng.choice(labels) if labels and rng.random() < 0.6 else rng.choice(names)
    if rng.random() < 0.1:
        branch = branch[:rng.randint(1, len(branch))]
    word = rng.choice([name, name, name, rng.choice(names), "head", "heads", "base", name[:rng.randint(1, len(name))]])
    if rows and rng.random() < 0.15:
        word = rng.choice(rows)
    steps = f"{rng.choice('+-')}{rng.choice([0, 1, 1, 1, 2, 2, 3, 5])}"
    forms = [word, word, word, f"{branch}@{word}", f"{branch}@head", f"{branch}@heads", f"{branch}@base", "head", "heads", "base",
             steps, steps, f"{branch}@{steps}", f"{branch}@{steps}", f"{word}{steps}", f"{branch}@{word}{steps}"]
    return rng.choice(forms)


def query(rng, graph_model):
    kind = rng.choice(["upgrade"] * 6 + ["downgrade"] * 6 + ["stamp"] * 2 + ["range"])
    rows = rows_of(rng, graph_model)
    if kind != "range" and rng.random() < 0.01:
        rows = sorted(rows + ["unknown_row"])
    targets = [target(rng, graph_model, rows)]
    if kind == "stamp" and rng.random() < 0.25:
        targets.append(target(rng, graph_model, rows))
    if kind == "range":
        start, end = ("current" if rng.random() < 0.15 else rng.choice(["", target(rng, graph_model, rows)]) for _ in range(2))
        targets = [f"{start}:{end}"]
    return {"kind": kind, "rows": rows, "targets": targets, "purge": kind == "stamp" and rng.random() < 0.15}


def case(seed, number, queries):
    rng = random.Random(f"{seed}/{number}")
    revisions = graph(rng)
    damage = rng.choice(DAMAGES) if rng.random() < 0.12 else None
    graph_model = model.Model(revisions)
    asked = [query(rng, graph_model) for _ in range(1 if damage else queries)]
    if damage:
        revisions = damaged(rng, revisions, damage)
        if revisions is None:
            return case(seed, f"{number}+", queries)
    return {"revisions": revisions, "queries": asked, "damage": damage}


def files_of(revisions):
    """[(name, text)] as they lie in `versions`."""
    files = []
    for revision in sorted(revisions, key=lambda r: r["id"]):
        name = revision["id"].replace("/", "_")
        if any(name + ".sql" == taken for taken, _ in files):
            name += "_again"
        text = f"-- revision: {revision['id']}\n-- revises: {', '.join(revision['revises'])}\n"
        if revision["depends_on"]:
            text += f"-- depends-on: {', '.join(revision['depends_on'])}\n"
        if revision["labels"]:
            text += f"-- labels: {', '.join(revision['labels'])}\n"
        files.append((name + ".sql", text + "\n-- +upgrade\nSELECT 1;\n\n-- +downgrade\nSELECT 2;\n"))
    return files
