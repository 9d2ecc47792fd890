"""Writes the expected pods and refusals of this folder by the chart's admission policies, evaluated by Google's CEL: the one of the
three ways that is not written in Rust. A new case is a new NAME.yaml; look at what comes out before it is committed.

Run with the environment of tests/kubernetes: target/venv-kubernetes/bin/python tests/data/inject/generate.py
"""

import sys
from pathlib import Path

import yaml

DATA = Path(__file__).parent
sys.path.insert(0, str(DATA.parents[1] / "kubernetes"))

import cel  # noqa: E402
from chart import objects, only  # noqa: E402

found = objects(yaml.safe_load((DATA / "values.yaml").read_text()), name="s3", namespace="s3-system")
mutating, validating = only(found, "MutatingAdmissionPolicy"), only(found, "ValidatingAdmissionPolicy")

for file in sorted(DATA.glob("*.yaml")):
    pod = yaml.safe_load(file.read_text())
    if "." in file.stem or pod.get("kind") != "Pod" or "s3-access-proxy.io/inject" not in pod["metadata"]["labels"]:
        continue
    out = cel.mutate(mutating, pod)
    refused = cel.validate(validating, out)
    for old in (file.with_suffix(".out.yaml"), file.with_suffix(".refused.txt")):
        old.unlink(missing_ok=True)
    if refused:
        file.with_suffix(".refused.txt").write_text("".join(f"{line}\n" for line in refused))
    elif out != pod:
        file.with_suffix(".out.yaml").write_text(yaml.safe_dump(out, width=1000))
