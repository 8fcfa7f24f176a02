#!/usr/bin/python3
"""The cases of tests/unit/engine/lint that a trace has to do with, as one line of revisions, each behind what it is about, made anew.

  lint_cases.py write CASES VERSIONS      makes the revisions, and prints the ids to look at
  lint_cases.py check CASES JSON          compares `pgtide lint --trace --json` of them with what they say
"""
import json, os, re, sys

# What a trace decides although no table is worked through.
TRACED = {"statement-under-lock", "work-under-lock", "other-table-locked", "foreign-key-without-index"}


def cases(root):
    for rule in sorted(os.listdir(root)):
        folder = os.path.join(root, rule)
        if not os.path.isdir(folder) or rule == "refused":
            continue
        kind = expected(open(os.path.join(folder, "bad.sql")).read())[1]
        if kind not in ("scan", "build", "rewrite") and rule not in TRACED:
            continue
        for name in sorted(os.listdir(folder)):
            yield rule, name[: -len(".sql")], open(os.path.join(folder, name)).read()


def put(folder, revision, parent, text):
    text = re.sub(r"^-- revision:.*\n(-- revises:.*\n)?", "", text)
    head = "-- revision: %s\n-- revises: %s\n" % (revision, parent)
    with open(os.path.join(folder, revision + ".sql"), "w") as file:
        file.write(head + text)


def write(root, versions):
    before = open(os.path.join(root, "before.sql")).read()
    anew = "DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS s, z; CREATE SCHEMA public;\n"
    before = before.replace("-- message", "\n-- message", 1).replace("-- +upgrade\n", "-- +upgrade\n" + anew, 1)
    parent, wanted = "", []
    for number, (rule, name, text) in enumerate(cases(root)):
        ids = ["%03d%s_%s_%s" % (number, part, rule.replace("-", "_"), name) for part in ("a", "b")]
        put(versions, ids[0], parent, before)
        put(versions, ids[1], ids[0], text)
        parent = ids[1]
        wanted.append(parent)
    print(" ".join(wanted))


def expected(text):
    line, mark = next((n, l) for n, l in enumerate(text.split("\n"), 1) if "-- expect" in l)
    return line, mark.split()[-1]


def check(root, path):
    findings = json.load(open(path))["result"]["findings"]
    wrong = 0
    for number, (rule, name, text) in enumerate(cases(root)):
        start = "%03db_" % number
        own = [f for f in findings if (f["revision"] or "").startswith(start)]
        found = [f for f in own if f["rule"] == rule and f["ignored"] is None]
        told = ["%s:%s %s" % (f.get("line", 0), f["rule"], f["class"]) for f in own]
        right = not found
        if name.startswith("bad"):
            right = [(f["line"], f["class"], f["traced"]) for f in found] == [
                (*expected(text), rule != "domain-constraint")
            ]
        elif any(f["severity"] == "error" and f["ignored"] is None for f in own):
            right = False
        if not right:
            wrong += 1
            print("%s/%s: %s" % (rule, name, ", ".join(told) or "nothing"))
    print("%d wrong" % wrong)
    return wrong > 0


if __name__ == "__main__":
    sys.exit({"write": write, "check": check}[sys.argv[1]](*sys.argv[2:]))
