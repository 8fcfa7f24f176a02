"""The judge: what pgtide answered against the model, and both against Alembic, with the list of where Alembic is wrong."""
import model

REFUSALS = {"REVISION_UNKNOWN", "TARGET", "MULTIPLE_HEADS"}
GRAPH_REFUSALS = {"GRAPH", "SCRIPT"}


def judge_graph(case, problems, pgtide, alembic):
    """Findings about a graph that is none."""
    error = pgtide.get("error")
    if error is None:
        return [f"pgtide takes a graph with {problems}"]
    findings = []
    culprits = {i for _, ids in problems for i in ids}
    if error["code"] not in GRAPH_REFUSALS:
        findings.append(f"pgtide refuses the graph with {error['code']}")
    named = error["message"] + error["detail"]
    # a file that can't be read is named by its path; what is wrong between files names the revision too
    if not any(i.replace("/", "_") in error["file"] for i in culprits):
        findings.append(f"pgtide does not name the file of {sorted(culprits)}: {error}")
    if error["code"] == "GRAPH" and not any(i in named for i in culprits):
        findings.append(f"pgtide does not name the revision of {sorted(culprits)}: {error}")
    return findings


def expected_difference(case, graph, query, right, alembic):
    """Why Alembic's answer is known to be wrong here; None when it is not."""
    if query["kind"] == "range":
        return range_difference(graph, query, right, alembic)
    kind, targets = query["kind"], query["targets"]
    died = alembic.get("error") not in (None, "refused")
    steps = right[0] if right else set()
    if right and steps & graph.redundant():
        return "redundant parents or dependencies"
    if kind == "stamp" and len(targets) > 1 or kind == "stamp" and "heads" in targets[0]:
        return "stamp of several destinations"
    if kind == "stamp" and "@" in targets[0] and right:
        return "stamp by a branch drops rows of others"
    if kind == "stamp" and not right and any(c in targets[0] for c in "+-"):
        return "stamp of a relative revision"
    if "error" in alembic and right and any(c in targets[0] for c in "+-") and counted_to_base(graph, query):
        return "counting that ends at base"
    if any("@" in t and unknown_branch(graph, t) for t in targets) and not right:
        return "an unknown branch is not looked at"
    if "." in targets[0] and "error" in alembic and any(c in targets[0] for c in "+-"):
        return "an id with a dot can't be counted from"
    if not right and "x" == targets[0][-1:] and targets[0][:1] == "+":
        return "what follows a number is ignored"
    return None


def range_difference(graph, query, right, alembic):
    start, end = query["targets"][0].split(":")
    if right and alembic.get("error") == "AssertionError":
        return "a range whose end is not above all of its start"
    if right and "overlaps" in alembic.get("message", ""):
        return "a range to heads that depend on one another"
    if right and "error" in alembic and any(c in start for c in "+-"):
        return "a range from a counted revision"
    if right and "error" in alembic and (end[:1] == "-" or "@-" in end):
        return "a range to a revision counted from the heads"
    if right and "error" in alembic and "." in end and any(c in end for c in "+-"):
        return "an id with a dot can't be counted from"
    if not right and end.endswith("x") or not graph.order:
        return "what follows a number is ignored" if graph.order else "a range of no revisions"
    if "@" in start:
        return "a branch in front of a range's start"
    if end == "current" and not query["rows"]:
        return "a range to nothing"
    if not right and "error" not in alembic and any(unknown_branch(graph, e) for e in (start, end) if "@" in e):
        return "an unknown branch is not looked at"
    return None


def counted_to_base(graph, query):
    if query["kind"] == "upgrade":
        return graph.upgrade_target(query["rows"], query["targets"][0]) == []
    return graph.downgrade_target(query["rows"], query["targets"][0])[1] is None and graph.parse(query["targets"][0])[3] == 0


def unknown_branch(graph, text):
    try:
        graph.name(text.split("@")[0])
    except model.Refusal:
        return True
    return False


def is_named(query, error):
    """Whether the error says what was wrong with what was asked: a target, a part of one, or a row."""
    said = error["message"] + error["detail"]
    texts = [end for text in query["targets"] for end in text.split(":")]
    parts = [part for text in texts for part in (text, *text.split("@"))] + query["rows"]
    return error["message"] != "" and (any(part and part in said for part in parts) or "" in parts or counts(parts, said))


def counts(parts, said):
    return any(sign + part.rsplit(sign, 1)[1] in said for part in parts for sign in "+-" if sign in part)


def judge_query(case, graph, query, pgtide, alembic, tally):
    """Findings about one query; `tally` counts what Alembic gets wrong."""
    findings = []
    try:
        right = graph.answer(query)
        refusal = None
    except model.Refusal as error:
        right, refusal = None, error
    if right is None:
        if "error" not in pgtide:
            findings.append(f"pgtide gives {pgtide}, to be refused: {refusal} ({refusal.code})")
        elif pgtide["error"]["code"] not in REFUSALS or not is_named(query, pgtide["error"]):
            findings.append(f"pgtide refuses {query['targets']} with {pgtide['error']}")
        elif pgtide["error"]["code"] != refusal.code:
            findings.append(f"pgtide refuses with {pgtide['error']}, the model with {refusal.code}: {refusal}")
    elif "error" in pgtide:
        findings.append(f"pgtide refuses {pgtide['error']}, right is {sorted(right[0])} > {right[1]}")
    else:
        findings += judge_steps(graph, query, right, pgtide)
    same = ("error" in alembic) if right is None else ("error" not in alembic and set(alembic["steps"]) == right[0] and alembic["rows"] == right[1])
    if not same:
        why = expected_difference(case, graph, query, right, alembic)
        if why is None:
            findings.append(f"Alembic answers {alembic}; right is {refusal if right is None else (sorted(right[0]), right[1])}")
        else:
            tally[why] = tally.get(why, 0) + 1
    elif alembic.get("error") not in (None, "refused"):
        tally[f"dies with {alembic['error']}"] = tally.get(f"dies with {alembic['error']}", 0) + 1
    return findings


def judge_steps(graph, query, right, pgtide):
    findings = []
    names = [name for _, name in pgtide["steps"]]
    if set(names) != right[0] or len(set(names)) != len(names):
        findings.append(f"pgtide's steps {names}, right are {sorted(right[0])}")
    elif not graph.ordered(query["kind"], names):
        findings.append(f"pgtide's steps are not in order: {names}")
    if any(direction != query["kind"] for direction, _ in pgtide["steps"]):
        findings.append(f"pgtide's steps go elsewhere: {pgtide['steps']}")
    if pgtide["rows"] != right[1]:
        findings.append(f"pgtide's rows {pgtide['rows']}, right are {right[1]}")
    if query["kind"] in ("stamp", "range") or findings:
        return findings
    applied = graph.closure(query["rows"])
    for name, rows in zip(names, pgtide["between"]):
        applied = applied | {name} if query["kind"] == "upgrade" else applied - {name}
        if rows != graph.maximal(applied):
            findings.append(f"pgtide's rows after {name} are {rows}, right are {graph.maximal(applied)}")
    return findings


def order_differs(pgtide, alembic):
    """Both have steps, the same ones, in different orders."""
    if "steps" not in pgtide or "steps" not in alembic:
        return False
    names = [name for _, name in pgtide["steps"]]
    return names != alembic["steps"] and set(names) == set(alembic["steps"])


def judge(case, pgtide, alembic, tally):
    """[(number of the query or None, finding)], and the numbers of queries whose order differs."""
    try:
        graph = model.Model(case["revisions"])
    except model.BadGraph as bad:
        if "error" not in alembic:
            tally["takes a graph that is none"] = tally.get("takes a graph that is none", 0) + 1
        return [(None, finding) for finding in judge_graph(case, bad.problems, pgtide, alembic)], []
    if "error" in pgtide or "error" in alembic:
        return [(None, f"a good graph is refused: pgtide {pgtide.get('error')}, Alembic {alembic}")], []
    findings, orders = [], []
    for number, query in enumerate(case["queries"]):
        ours, theirs = pgtide["answers"][number], alembic["answers"][number]
        findings += [(number, finding) for finding in judge_query(case, graph, query, ours, theirs, tally)]
        if query["kind"] != "stamp" and order_differs(ours, theirs):
            orders.append(number)
    return findings, orders
